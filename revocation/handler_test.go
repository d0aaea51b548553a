package revocation_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation"
	"signet/revocation/crl"
	"signet/revocation/ocsp"
)

func TestFiles(t *testing.T) {
	w := newWorld(t, nil)
	if got := w.get("/crl/" + w.Issuer.ID() + ".crl"); got.Code != 503 || got.Header().Get("Retry-After") == "" {
		t.Errorf("before the first CRL: %d", got.Code)
	}
	w.refresh()
	inter, root := w.Issuer.ID(), w.RootIssuer.ID()
	for path, c := range map[string]struct {
		contentType string
		body        []byte
	}{
		"/crl/" + inter + ".crl":  {"application/pkix-crl", w.der(w.service.Publisher.Current(inter))},
		"//crl/" + inter + ".crl": {"application/pkix-crl", w.der(w.service.Publisher.Current(inter))},
		"/crl/" + root + ".crl":   {"application/pkix-crl", w.readRootCRL()},
		"/ca/" + inter + ".cer":   {"application/pkix-cert", w.Intermediate.Raw},
		"/ca/" + root + ".cer":    {"application/pkix-cert", w.Root.Raw},
		"/roots.pem":              {"application/x-pem-file", asPEM(w.Root.Raw)},
		"/ca/bundle.pem":          {"application/x-pem-file", append(asPEM(w.Root.Raw), asPEM(w.Intermediate.Raw)...)},
		"/crl/bundle.pem":         {"application/x-pem-file", crl.EncodePEM(w.der(w.service.Publisher.Current(inter)), w.readRootCRL())},
	} {
		got := w.get(path)
		if got.Code != 200 || got.Header().Get("Content-Type") != c.contentType || !bytes.Equal(got.Body.Bytes(), c.body) {
			t.Errorf("%s: %d %s, %d octets", path, got.Code, got.Header(), got.Body.Len())
		}
		again := w.get(path, "If-None-Match", got.Header().Get("ETag"))
		if again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s by its entity tag: %d", path, again.Code)
		}
		if got := w.get(path, "If-Modified-Since", got.Header().Get("Last-Modified")); got.Code != 304 {
			t.Errorf("%s by its date: %d", path, got.Code)
		}
	}
	for _, path := range []string{"/", "/crl/", "/crl/00.crl", "/crl/../ca/" + inter + ".cer", "/ca/" + inter + ".crl", "/ca/x.cer", "/ocspx"} {
		if got := w.get(path); got.Code != 404 {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
	post := httptest.NewRecorder()
	w.handler.ServeHTTP(post, httptest.NewRequest("POST", "/roots.pem", nil))
	if post.Code != 405 || post.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", post.Code)
	}
}

func TestRevocationChangesTheFile(t *testing.T) {
	w := newWorld(t, nil)
	w.refresh()
	for _, path := range []string{"/crl/" + w.Issuer.ID() + ".crl", "/crl/bundle.pem"} {
		before := w.get(path)
		w.revoke(w.issue("alice"), ca.KeyCompromise)
		w.refresh() // within the same second, for sure
		if got := w.get(path, "If-None-Match", before.Header().Get("ETag")); got.Code != 200 {
			t.Errorf("%s by the old tag: %d", path, got.Code)
		}
		if got := w.get(path, "If-Modified-Since", before.Header().Get("Last-Modified")); got.Code != 200 {
			t.Errorf("%s by the old date: %d", path, got.Code)
		}
	}
}

// Lists of one second have dates of their own, and so some are dated ahead: who
// asks is told none that is still to come.
func TestNoDateIsInTheFuture(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *revocation.Config) { c.Now = func() time.Time { return now } })
	w.refresh()
	w.revoke(w.issue("alice"), ca.KeyCompromise)
	w.refresh()
	for _, path := range []string{"/crl/" + w.Issuer.ID() + ".crl", "/crl/bundle.pem"} {
		ahead := w.get(path)
		if date := ahead.Header().Get("Last-Modified"); date != "" || ahead.Header().Get("ETag") == "" {
			t.Errorf("%s: modified %q, tag %q", path, date, ahead.Header().Get("ETag"))
		}
		now = now.Add(time.Minute)
		later := w.get(path).Header().Get("Last-Modified")
		if date, err := http.ParseTime(later); err != nil || date.After(now) {
			t.Errorf("%s: a minute later, modified %q", path, later)
		}
		now = now.Add(-time.Minute)
	}
}

func maxAge(t *testing.T, h http.Header) time.Duration {
	t.Helper()
	m := regexp.MustCompile(`max-age=(\d+)`).FindStringSubmatch(h.Get("Cache-Control"))
	if m == nil {
		t.Fatalf("Cache-Control %q", h.Get("Cache-Control"))
	}
	n, err := strconv.Atoi(m[1])
	must(t, err)
	return time.Duration(n) * time.Second
}

func TestNoCacheOutlivesACRL(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *revocation.Config) { c.Now = func() time.Time { return now } })
	w.refresh()
	path := "/crl/" + w.Issuer.ID() + ".crl"
	next := w.service.Publisher.Current(w.Issuer.ID()).NextUpdate
	for _, left := range []time.Duration{time.Hour, 20 * time.Second, -time.Hour} {
		now = next.Add(-left)
		if age := maxAge(t, w.get(path).Header()); age > max(left, 0) {
			t.Errorf("may be kept for %v with %v left", age, left)
		}
	}
}

// question is the DER of a request about certificates of the intermediate.
func (w *world) question(nonce []byte, serials ...*big.Int) []byte {
	w.Helper()
	r := ocsp.Request{Nonce: nonce}
	for _, s := range serials {
		id, err := ocsp.NewCertID(w.Intermediate, s, crypto.SHA1)
		must(w, err)
		r.CertIDs = append(r.CertIDs, id)
	}
	der, err := r.Marshal()
	must(w, err)
	return der
}

func (w *world) ask(der []byte) *httptest.ResponseRecorder {
	w.Helper()
	return w.get("/ocsp/" + base64.StdEncoding.EncodeToString(der))
}

func TestOCSPHeaders(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	alice := w.issue("alice")
	question := w.question(nil, alice.Serial.Big())
	got := w.ask(question)
	header := got.Header()
	if got.Code != 200 || header.Get("Content-Type") != "application/ocsp-response" ||
		header.Get("Expires") == "" || header.Get("Last-Modified") == "" {
		t.Errorf("%d %v", got.Code, header)
	}
	resp, err := http.Get(w.serve() + "/ocsp/" + base64.StdEncoding.EncodeToString(question)) // package http counts short ones
	must(t, err)
	must(t, resp.Body.Close())
	if resp.ContentLength != int64(got.Body.Len()) {
		t.Errorf("Content-Length is %d of %d", resp.ContentLength, got.Body.Len())
	}
	if age := maxAge(t, header); age > time.Hour || age < 50*time.Minute {
		t.Errorf("max-age is %v", age)
	}
	if again := w.ask(question); !bytes.Equal(again.Body.Bytes(), got.Body.Bytes()) {
		t.Error("the same answer is signed again at once")
	}
	path := "/ocsp/" + base64.StdEncoding.EncodeToString(question)
	if again := w.get(path, "If-None-Match", header.Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("by its entity tag: %d", again.Code)
	}
	w.revoke(alice, ca.KeyCompromise)
	if again := w.get(path, "If-None-Match", header.Get("ETag")); again.Code != 200 {
		t.Errorf("after the revocation, the answer before it is confirmed: %d", again.Code)
	}
	for name, der := range map[string][]byte{
		"nonce": w.question([]byte("0123456789abcdef"), alice.Serial.Big()), "unknown": w.question(nil, w.Serial(t).Big()), "malformed": {0x30},
	} {
		got := w.ask(der)
		if c := got.Header().Get("Cache-Control"); got.Code != 200 || c != "no-store" || got.Header().Get("ETag") != "" {
			t.Errorf("%s: %d, Cache-Control %q", name, got.Code, c)
		}
	}
}

func TestOCSPErrors(t *testing.T) {
	w, other := newWorld(t, nil), newWorld(t, nil)
	w.run()
	serial := w.issue("alice").Serial.Big()
	status := func(body []byte) ocsp.ErrorStatus {
		if len(body) != 5 {
			t.Fatalf("no error: %x", body)
		}
		return ocsp.ErrorStatus(body[4])
	}
	many := make([]*big.Int, ocsp.MaxCertIDs+1)
	for i := range many {
		many[i] = serial
	}
	for name, c := range map[string]struct {
		der  []byte
		want ocsp.ErrorStatus
	}{
		"another issuer":   {other.question(nil, serial), ocsp.Unauthorized},
		"too many":         {w.question(nil, many...), ocsp.MalformedRequest},
		"a long nonce":     {w.question(make([]byte, 129), serial), ocsp.MalformedRequest},
		"an empty nonce":   {w.question([]byte{}, serial), ocsp.MalformedRequest},
		"no request":       {[]byte("hello"), ocsp.MalformedRequest},
		"half a request":   {w.question(nil, serial)[:40], ocsp.MalformedRequest},
		"a megabyte or so": {make([]byte, 1<<20), ocsp.MalformedRequest},
	} {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequest("POST", "/ocsp", bytes.NewReader(c.der)))
		if got := status(rec.Body.Bytes()); rec.Code != 200 || got != c.want {
			t.Errorf("%s: %d, %v", name, rec.Code, got)
		}
	}
	for _, path := range []string{"/ocsp", "/ocsp/", "/ocsp/%%%", "/ocsp/!!", "/ocsp/M", "/ocsp/" + strings.Repeat("M", 1<<20)} {
		if got := status(w.get(path).Body.Bytes()); got != ocsp.MalformedRequest {
			t.Errorf("%.20s: %v", path, got)
		}
	}
	w.store.broken.Store(true)
	if got := status(w.ask(w.question(nil, serial)).Body.Bytes()); got != ocsp.InternalError {
		t.Errorf("with a broken store: %v", got)
	}
	w.store.broken.Store(false)
	w.restart() // no signer yet
	if got := status(w.ask(w.question(nil, serial)).Body.Bytes()); got != ocsp.TryLater {
		t.Errorf("without a signer: %v", got)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest("PUT", "/ocsp", nil))
	if rec.Code != 405 {
		t.Errorf("PUT: %d", rec.Code)
	}
}

// TestOCSPByGET: base64 may hold "//", which an http.ServeMux answers with 301.
func TestOCSPByGET(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	var text string
	for { // a request with "//" and "+" in its base64
		nonce := w.Serial(t)
		text = base64.StdEncoding.EncodeToString(w.question(append(nonce[:], 0xff, 0xff, 0xff, 0xff), w.Serial(t).Big()))
		if strings.Contains(text, "//") && strings.Contains(text, "+") {
			break
		}
	}
	base := w.serve()
	for name, path := range map[string]string{
		"as it is": text, "slash before it": "/" + text,
		"escaped":         strings.NewReplacer("/", "%2F", "+", "%2B", "=", "%3D").Replace(text),
		"escaped twice":   strings.NewReplacer("/", "%252F", "+", "%252B", "=", "%253D").Replace(text),
		"without padding": strings.TrimRight(text, "="),
		"for URLs":        strings.NewReplacer("/", "_", "+", "-").Replace(text),
		"line broken":     text[:64] + "%0A" + text[64:],
	} {
		body := fetch(t, base+"/ocsp/"+path)
		if len(body) < 100 {
			t.Errorf("%s: %x", name, body)
		}
	}
}

func TestOCSPSignerIsRenewed(t *testing.T) {
	start := time.Now()
	now := start
	w := newWorld(t, func(c *revocation.Config) { c.Now = func() time.Time { return now } })
	made := 0
	issue := w.conf.IssueResponder
	w.conf.IssueResponder = nil
	first := signerOf(t, w.Hierarchy, now)
	w.conf.OCSPSigner = first
	w.restart()
	must(t, w.service.Responder.Check())
	cert, err := w.issue("alice").X509()
	must(t, err)
	answer := func() (ocsp.Single, error) {
		q, err := ocsp.NewQuery(cert, w.Intermediate)
		must(t, err)
		der, err := q.Request()
		must(t, err)
		return q.Verify(w.service.Responder.Answer(context.Background(), der).DER, now)
	}
	if got, err := answer(); err != nil || got.Status != ocsp.Good {
		t.Errorf("by the configured signer: %+v, %v", got, err)
	}
	now = first.Certificate.NotAfter.Add(-10 * time.Minute)
	if got, err := answer(); err != nil || got.NextUpdate.After(first.Certificate.NotAfter) {
		t.Errorf("an answer outlives its signer: %+v, %v", got, err)
	}
	now = first.Certificate.NotAfter
	if _, err := answer(); !errors.Is(err, ocsp.TryLater) {
		t.Errorf("by a signer that has ended: %v", err)
	}
	w.conf.IssueResponder = func(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error) {
		made++
		return issue(ctx, pub)
	}
	w.restart()
	w.run()
	if got, err := answer(); err != nil || got.Status != ocsp.Good || made != 1 {
		t.Errorf("by the renewed one: %+v, %v", got, err)
	}
	// One that is another CA's, or not the key's, is not used.
	other := signerOf(t, catest.New(t), now)
	for _, bad := range []ocsp.Signer{other, {Certificate: first.Certificate, Key: other.Key}} {
		w.conf.OCSPSigner = bad
		w.restart()
		if w.service.Responder.Check() == nil {
			t.Error("a signer that can't answer is taken")
		}
	}
}

func signerOf(t *testing.T, h *catest.Hierarchy, now time.Time) ocsp.Signer {
	t.Helper()
	key := catest.Key(t)
	issued, err := h.Issuer.IssueResponder(context.Background(), h.Serial(t), key.Public(), 24*time.Hour, now)
	must(t, err)
	cert, err := issued.X509()
	must(t, err)
	return ocsp.Signer{Certificate: cert, Key: key}
}

func TestNextHandler(t *testing.T) {
	w := newWorld(t, nil)
	h := w.service.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(rw, "next") }))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/health", nil))
	if rec.Body.String() != "next" {
		t.Errorf("got %q", rec.Body)
	}
}
