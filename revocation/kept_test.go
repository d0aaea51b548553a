package revocation_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
	"signet/revocation/ocsp"
)

// post asks by POST.
func (w *world) post(der []byte) *httptest.ResponseRecorder {
	w.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest("POST", "/ocsp", bytes.NewReader(der)))
	return rec
}

// says is what an answer, which must be good, says of its only certificate.
func (w *world) says(got *httptest.ResponseRecorder) *xocsp.Response {
	w.Helper()
	r, err := xocsp.ParseResponse(got.Body.Bytes(), w.Intermediate)
	if err != nil {
		w.Fatalf("%d %x: %v", got.Code, got.Body.Bytes(), err)
	}
	return r
}

// A kept answer is given without a look at the store's certificates, and only as
// long as nothing was revoked.
func TestKeptAnswers(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	alice, bob := w.issue("alice"), w.issue("bob")
	question := w.question(nil, alice.Serial.Big())
	first := w.ask(question)
	w.store.broken.Store(true)
	for name, again := range map[string]*httptest.ResponseRecorder{"GET": w.ask(question), "POST": w.post(question)} {
		if !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) || again.Header().Get("ETag") != first.Header().Get("ETag") {
			t.Errorf("%s: %d %v %x", name, again.Code, again.Header(), again.Body)
		}
	}
	w.store.broken.Store(false)
	w.revoke(bob, ca.Superseded)
	if again := w.ask(question); !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) {
		t.Error("another's revocation costs a signature")
	}
	ctx := context.Background()
	for range 3 {
		_, err := w.service.Revoker.Hold(ctx, alice.Serial, "boss")
		must(t, err)
		if got := w.says(w.ask(question)); got.Status != xocsp.Revoked || got.RevocationReason != int(ca.CertificateHold) {
			t.Errorf("on hold: %+v", got)
		}
		_, err = w.service.Revoker.Release(ctx, alice.Serial, "boss")
		must(t, err)
		if got := w.says(w.post(question)); got.Status != xocsp.Good {
			t.Errorf("released: %+v", got)
		}
	}
	w.revoke(alice, ca.KeyCompromise)
	for name, got := range map[string]*httptest.ResponseRecorder{"GET": w.ask(question), "POST": w.post(question)} {
		if r := w.says(got); r.Status != xocsp.Revoked || r.RevocationReason != int(ca.KeyCompromise) {
			t.Errorf("revoked, by %s: %+v", name, r)
		}
	}
}

// Whoever asks too early must not hide the certificate that comes.
func TestUnknownIsNotKept(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	next := w.Issue(t, "alice", mustKey(t), w.now())
	question := w.question(nil, next.Serial.Big())
	for range 2 {
		got := w.ask(question)
		if r := w.says(got); r.Status != xocsp.Unknown || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("before it is issued: %d %v", r.Status, got.Header())
		}
	}
	must(t, w.store.RecordCertificate(context.Background(), *next, audit.Event{Action: "certificate.issue"}))
	if r := w.says(w.ask(question)); r.Status != xocsp.Good {
		t.Errorf("after it is issued: %d", r.Status)
	}
}

func mustKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ca.GenerateKey("P-256")
	must(t, err)
	return key
}

// The clock of the server goes wrong in both directions.
func TestClockJumps(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *revocation.Config) { c.Now = func() time.Time { return now } })
	w.conf.OCSPSigner = signerOf(t, w.Hierarchy, now)
	w.restart()
	question := w.question(nil, w.issue("alice").Serial.Big())
	end := w.conf.OCSPSigner.Certificate.NotAfter
	for _, jump := range []time.Duration{0, time.Second, 29 * time.Minute, -10 * time.Minute, -20 * time.Minute, 20 * time.Minute,
		22 * time.Hour, 40 * time.Minute, -22 * time.Hour, 22*time.Hour + 50*time.Minute} {
		now = now.Add(jump)
		for range 2 {
			got := w.ask(question)
			r := w.says(got)
			if r.ThisUpdate.After(now) || r.ProducedAt.After(now) || !r.NextUpdate.After(now) || r.NextUpdate.After(end) {
				t.Errorf("at %v: produced %v, from %v to %v; the signer ends at %v", now, r.ProducedAt, r.ThisUpdate, r.NextUpdate, end)
			}
			if age := maxAge(t, got.Header()); now.Add(age).After(r.NextUpdate) || now.Add(age+2*time.Second).Before(r.NextUpdate) {
				t.Errorf("at %v: to be kept for %v, good to %v", now, age, r.NextUpdate)
			}
			if date, err := http.ParseTime(got.Header().Get("Last-Modified")); err != nil || !date.Equal(r.ProducedAt) {
				t.Errorf("Last-Modified %v, produced %v", date, r.ProducedAt)
			}
			if date, err := http.ParseTime(got.Header().Get("Expires")); err != nil || !date.Equal(r.NextUpdate) {
				t.Errorf("Expires %v, good to %v", date, r.NextUpdate)
			}
		}
	}
}

// max-age is counted from when it is served, not from when it was signed.
func TestMaxAgeCountsDown(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	w := newWorld(t, func(c *revocation.Config) { c.Now = func() time.Time { return now } })
	w.conf.OCSPSigner = signerOf(t, w.Hierarchy, now)
	w.restart()
	question := w.question(nil, w.issue("alice").Serial.Big())
	first := maxAge(t, w.ask(question).Header())
	now = now.Add(10 * time.Minute)
	if age := maxAge(t, w.ask(question).Header()); age != first-10*time.Minute {
		t.Errorf("%v, ten minutes later %v", first, age)
	}
}

func TestConditionalRequests(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *revocation.Config) { c.Now = func() time.Time { return now } })
	w.conf.OCSPSigner = signerOf(t, w.Hierarchy, now)
	w.restart()
	alice := w.issue("alice")
	path := "/ocsp/" + base64.StdEncoding.EncodeToString(w.question(nil, alice.Serial.Big()))
	now = now.Add(time.Minute)
	got := w.get(path)
	tag, date := got.Header().Get("ETag"), got.Header().Get("Last-Modified")
	for _, c := range []struct {
		name   string
		header []string
		want   int
	}{
		{"its tag", []string{"If-None-Match", tag}, 304},
		{"its tag, weak, among others", []string{"If-None-Match", `"x", W/` + tag + `, "y"`}, 304},
		{"any tag", []string{"If-None-Match", " * "}, 304},
		{"another tag", []string{"If-None-Match", `"x"`}, 200},
		{"another tag, its date", []string{"If-None-Match", `"x"`, "If-Modified-Since", date}, 200},
		{"its date", []string{"If-Modified-Since", date}, 304},
		{"an earlier date", []string{"If-Modified-Since", now.Add(-time.Hour).UTC().Format(http.TimeFormat)}, 200},
		{"a later date", []string{"If-Modified-Since", now.Add(time.Second).UTC().Format(http.TimeFormat)}, 200},
		{"no date", []string{"If-Modified-Since", "yesterday"}, 200},
	} {
		again := w.get(path, c.header...)
		if again.Code != c.want || (c.want == 304) != (again.Body.Len() == 0) {
			t.Errorf("%s: %d, %d octets", c.name, again.Code, again.Body.Len())
		}
		if c.want == 304 && (again.Header().Get("ETag") != tag || again.Header().Get("Cache-Control") == "" || again.Header().Get("Content-Length") != "") {
			t.Errorf("%s: %v", c.name, again.Header())
		}
	}
	// A revocation in the very second in which the answer before was signed.
	w.revoke(alice, ca.KeyCompromise)
	if again := w.get(path, "If-Modified-Since", date); again.Code != 200 || again.Header().Get("Last-Modified") != date {
		t.Errorf("revoked in the same second: %d %v", again.Code, again.Header())
	}
	now = now.Add(time.Minute)
	if again := w.get(path, "If-Modified-Since", date); again.Code != 200 {
		t.Errorf("revoked in the same second, a minute later: %d", again.Code)
	}
}

// Serial numbers that this CA can't have given, in a well-formed request, are unknown.
func TestOddSerials(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	long := make([]byte, 21)
	long[0] = 1
	for name, serial := range map[string]*big.Int{
		"0": big.NewInt(0), "one octet": big.NewInt(5), "negative": big.NewInt(-5), "21 octets": new(big.Int).SetBytes(long),
		"19 octets":   new(big.Int).SetBytes(append([]byte{0xff}, make([]byte, 18)...)),
		"top bit set": new(big.Int).SetBytes(append([]byte{0xff}, make([]byte, 19)...)),
	} {
		got := w.ask(w.question(nil, serial))
		if got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, got.Header())
		}
		if r := w.says(got); r.Status != xocsp.Unknown || r.SerialNumber.Cmp(serial) != 0 {
			t.Errorf("%s: %d of %x", name, r.Status, r.SerialNumber)
		}
	}
	// DER has no leading zeros (X.690, Section 8.3.2): one serial number would have many names.
	alice := w.issue("alice")
	der := w.question(nil, alice.Serial.Big())
	at := bytes.Index(der, append([]byte{2, 20}, alice.Serial[:]...))
	padded := append(append(bytes.Clone(der[:at]), 2, 21, 0), alice.Serial[:]...)
	for _, i := range []int{1, 3, 5, 7, 9} {
		padded[i]++
	}
	if got := w.post(padded); !bytes.Equal(got.Body.Bytes(), ocsp.ErrorResponse(ocsp.MalformedRequest)) {
		t.Errorf("a serial number that is not DER: %x", got.Body)
	}
}

// TestEveryLegalRequest sends what clients send, over the wire and octet by octet.
func TestEveryLegalRequest(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	var der []byte
	var text string
	for !strings.Contains(text, "/") || !strings.Contains(text, "+") {
		der = w.question(nil, w.issue("alice").Serial.Big())
		text = base64.StdEncoding.EncodeToString(der)
	}
	u, err := url.Parse(w.serve())
	must(t, err)
	target := map[string]string{
		"as it is": text, "slash before it": "/" + text, "two slashes": "//" + text,
		"escaped":           url.PathEscape(text),
		"all of it escaped": escapeAll(text),
		"escaped twice":     url.PathEscape(url.PathEscape(text)),
		"in lower case":     strings.NewReplacer("/", "%2f", "+", "%2b", "=", "%3d").Replace(text),
		"without padding":   strings.TrimRight(text, "="),
		"for URLs":          base64.URLEncoding.EncodeToString(der),
		"for URLs, raw":     base64.RawURLEncoding.EncodeToString(der),
		"CR LF":             text[:64] + "%0D%0A" + text[64:],
		"LF at the end":     text + "%0a",
	}
	want := w.post(der).Body.Bytes()
	for name, path := range target {
		for _, prefix := range []string{"/ocsp/", "//ocsp/", "http://" + u.Host + "/ocsp/"} {
			got := exchange(t, u.Host, "GET "+prefix+path+" HTTP/1.1\r\nHost: "+u.Host+"\r\nConnection: close\r\n\r\n")
			if !bytes.Equal(got.body, want) || got.resp.Header.Get("ETag") == "" {
				t.Errorf("%s after %s: %s, %d octets", name, prefix, got.resp.Status, len(got.body))
			}
			head := exchange(t, u.Host, "HEAD "+prefix+path+" HTTP/1.1\r\nHost: "+u.Host+"\r\nConnection: close\r\n\r\n")
			if len(head.body) != 0 || head.resp.ContentLength != int64(len(want)) || head.resp.Header.Get("ETag") != got.resp.Header.Get("ETag") {
				t.Errorf("HEAD, %s after %s: %+v", name, prefix, head.resp)
			}
		}
	}
	const length = "Content-Length: %d\r\n\r\n"
	for name, head := range map[string]string{
		"POST": "Content-Type: application/ocsp-request\r\n" + length, "without Content-Type": length,
		"another Content-Type": "Content-Type: text/plain\r\n" + length,
		"HTTP/1.0":             length,
	} {
		version := "HTTP/1.1"
		if name == "HTTP/1.0" {
			version = name
		}
		got := exchange(t, u.Host, "POST /ocsp "+version+"\r\nHost: x\r\nConnection: close\r\n"+fmt.Sprintf(head, len(der))+string(der))
		if !bytes.Equal(got.body, want) {
			t.Errorf("%s: %s, %d octets", name, got.resp.Status, len(got.body))
		}
	}
	chunked := fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 10, der[:10], len(der)-10, der[10:])
	if got := exchange(t, u.Host, "POST /ocsp HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"+chunked); !bytes.Equal(got.body, want) {
		t.Errorf("chunked: %s, %d octets", got.resp.Status, len(got.body))
	}
	w.boundedBodies(u.Host, der)
}

// boundedBodies: a request may have 16 KiB.
func (w *world) boundedBodies(host string, der []byte) {
	w.Helper()
	malformed := ocsp.ErrorResponse(ocsp.MalformedRequest)
	for _, n := range []int{ocsp.MaxRequest, ocsp.MaxRequest + 1, 1 << 20} {
		body := append(bytes.Clone(der), make([]byte, n-len(der))...)
		resp, err := http.Post("http://"+host+"/ocsp", ocsp.RequestType, bytes.NewReader(body))
		must(w, err)
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, malformed) || resp.Header.Get("Cache-Control") != "no-store" {
			w.Errorf("%d octets: %s %x, %v", n, resp.Status, got, err)
		}
	}
	// A body that is shorter than it says is nobody's request.
	c, err := net.Dial("tcp", host)
	must(w, err)
	defer c.Close()
	fmt.Fprintf(c, "POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(der), der[:20])
	must(w, c.(*net.TCPConn).CloseWrite())
	got, _ := io.ReadAll(c)
	if bytes.Contains(got, der[len(der)-20:]) {
		w.Errorf("half a request is answered: %q", got)
	}
}

func escapeAll(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

type exchanged struct {
	resp *http.Response
	body []byte
}

// exchange sends a request as it is and reads the answer.
func exchange(t *testing.T, host, request string) exchanged {
	t.Helper()
	c, err := net.Dial("tcp", host)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(c, request)
	must(t, err)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	must(t, err)
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return exchanged{resp, body}
}

// A signer whose certificate is revoked while the server runs is replaced.
func TestOCSPSignerIsRevoked(t *testing.T) {
	w := newWorld(t, nil)
	w.conf.IssueResponder = func(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error) {
		issued, err := w.Issuer.IssueResponder(ctx, w.Serial(t), pub, 24*time.Hour, time.Now())
		must(t, err)
		must(t, w.store.RecordCertificate(ctx, *issued, audit.Event{Action: "ocsp-signer.issue"}))
		return issued.X509()
	}
	w.restart()
	w.run()
	question := w.question(nil, w.issue("alice").Serial.Big())
	signer := w.says(w.ask(question)).Certificate
	serial, _ := ca.SerialOf(signer.SerialNumber)
	_, err := w.service.Revoker.Revoke(context.Background(), serial, ca.KeyCompromise, "boss")
	must(t, err)
	for try := 0; ; try++ {
		got := w.ask(question)
		if bytes.Equal(got.Body.Bytes(), ocsp.ErrorResponse(ocsp.TryLater)) && try < 1000 {
			time.Sleep(time.Millisecond) // until there is another one
			continue
		}
		if next := w.says(got).Certificate; next.Equal(signer) {
			t.Error("the revoked signer still signs")
		}
		return
	}
}

// Many ask without a pause, by every way, while certificates are held and released:
// whoever asks after that was answered is told so.
func TestNoAnswerIsBehind(t *testing.T) {
	w := newWorld(t, func(c *revocation.Config) { c.OCSPMemory = 20 << 10 }) // with little room, too
	w.run()
	ctx, cancel := context.WithCancel(context.Background())
	var asking, changing sync.WaitGroup
	for range 4 {
		alice := w.issue("alice")
		question := w.question(nil, alice.Serial.Big())
		for range 2 {
			asking.Go(func() {
				for ctx.Err() == nil {
					w.ask(question)
				}
			})
		}
		changing.Go(func() { w.changes(alice, question) })
	}
	changing.Wait()
	cancel()
	asking.Wait()
}

// changes holds and releases a certificate, and asks each time.
func (w *world) changes(c *ca.Certificate, question []byte) {
	ctx := context.Background()
	for n := range 60 {
		want, change := xocsp.Revoked, w.service.Revoker.Hold
		if n%2 == 1 {
			want, change = xocsp.Good, w.service.Revoker.Release
		}
		if _, err := change(ctx, c.Serial, "boss"); err != nil {
			w.Error(err)
		}
		nonce := w.question([]byte{1}, c.Serial.Big())
		for _, got := range []*httptest.ResponseRecorder{w.ask(question), w.post(question), w.ask(nonce)} {
			if r, err := xocsp.ParseResponse(got.Body.Bytes(), w.Intermediate); err != nil || r.Status != want {
				w.Errorf("change %d: %+v, %v", n, r, err)
			}
		}
	}
}
