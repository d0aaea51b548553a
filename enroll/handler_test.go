package enroll_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/problem"
)

// post sends a body as alice and returns the answer and its body.
func (a *authority) post(path, contentType string, body io.Reader) (*http.Response, []byte) {
	a.t.Helper()
	req := must(http.NewRequest("POST", a.url+path, body))
	req.SetBasicAuth("alice", password)
	req.Header.Set("Content-Type", contentType)
	resp := must(a.withPassword("alice").HTTP.Do(req))
	defer resp.Body.Close()
	return resp, must(io.ReadAll(resp.Body))
}

func TestBodies(t *testing.T) {
	a := newAuthority(t)
	before := enroll.Computed(a.enroll)
	huge := `{"csr":"` + strings.Repeat("A", 10<<20) + `"}`
	start := time.Now()
	resp, _ := a.post("/api/v1/certificates", "application/json", strings.NewReader(huge))
	if resp.StatusCode != 413 || time.Since(start) > 2*time.Second {
		t.Errorf("10 MB: %d after %s", resp.StatusCode, time.Since(start))
	}
	// The same without saying how long it is.
	resp, _ = a.post("/api/v1/certificates", "application/json", io.LimitReader(strings.NewReader(huge), 10<<20))
	if resp.StatusCode != 413 {
		t.Errorf("10 MB in chunks: %d", resp.StatusCode)
	}
	if n := enroll.Computed(a.enroll) - before; n != 0 {
		t.Errorf("%d passwords hashed for bodies that are too large", n)
	}
	for _, c := range []struct {
		status    int
		mediaType string
		body      string
	}{
		{415, "text/plain", `{"csr":"AAAA"}`},
		{415, "", `{"csr":"AAAA"}`},
		{400, "application/json", ``},
		{400, "application/json", `null x`},
		{400, "application/json", `[]`},
		{400, "application/json", `{"csr":"AAAA","subject":"CN=root"}`},
		{400, "application/json", `{"csr":"AAAA"}{}`},
		{400, "application/json", `{"csr":"?"}`},
		{400, "application/json; charset=utf-8", `{"csr":""}`},
		{400, "application/json", `{"csr":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}`},
	} {
		resp, body := a.post("/api/v1/certificates", c.mediaType, strings.NewReader(c.body))
		var p problem.Problem
		if err := json.Unmarshal(body, &p); err != nil || resp.StatusCode != c.status || p.Status != c.status || p.Instance != "request-1" {
			t.Errorf("%s: %d %s", c.body, resp.StatusCode, body)
		}
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be cached", c.body)
		}
	}
}

func TestCSRAsPEM(t *testing.T) {
	a := newAuthority(t)
	resp, body := a.submitPEM("CERTIFICATE REQUEST")
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if resp.Header.Get("Replay-Nonce") == "" || resp.Header.Get("Cache-Control") != "no-store" ||
		resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", resp.Header)
	}
	var issued enroll.Issued
	if err := json.Unmarshal(body, &issued); err != nil || !strings.HasPrefix(issued.Certificate, "-----BEGIN CERTIFICATE-----\n") || len(issued.Chain) != 1 {
		t.Errorf("%v %s", err, body)
	}
	if resp, _ := a.submitPEM("NEW CERTIFICATE REQUEST"); resp.StatusCode != http.StatusCreated {
		t.Errorf("the older PEM label: %d", resp.StatusCode)
	}
}

// submitPEM uses the nonce of an answer's header, as RFC 8555 clients do.
func (a *authority) submitPEM(label string) (*http.Response, []byte) {
	a.t.Helper()
	resp, _ := a.post("/api/v1/certificates", "application/json", strings.NewReader("{}"))
	var nonce enroll.Nonce
	if err := nonce.UnmarshalText([]byte(resp.Header.Get("Replay-Nonce"))); err != nil {
		a.t.Fatal(err)
	}
	csr := wish{key: catest.Key(a.t), nonce: nonce}.csr(a.t)
	text := pem.EncodeToMemory(&pem.Block{Type: label, Bytes: csr})
	return a.post("/api/v1/certificates", "application/json", bytes.NewReader(must(json.Marshal(map[string]string{"csr": string(text)}))))
}

func TestRoutes(t *testing.T) {
	a := newAuthority(t)
	resp, _ := a.post("/api/v1/profiles/user", "application/json", nil)
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET" || resp.Header.Get("Content-Type") != problem.ContentType {
		t.Errorf("POST to a profile: %d %v", resp.StatusCode, resp.Header)
	}
	for _, path := range []string{"/api/v1/", "/api/v1/nonsense", "/api/v2/certificates"} {
		resp, _ := a.post(path, "application/json", nil)
		if resp.StatusCode != 404 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	_, err := a.withPassword("alice").Plan(ctx, "../certificates", 0)
	refused(t, err, 403, "profile.denied")
}

// A failing store is a 500 whose cause is in the log alone.
func TestStoreFails(t *testing.T) {
	a := newAuthority(t)
	alice := a.withPassword("alice")
	csr := wish{key: catest.Key(t), nonce: must(alice.Plan(ctx, "", 0)).Nonce}.csr(t)
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := alice.Submit(ctx, enroll.Request{CSR: csr})
	p := refused(t, err, 500, "")
	if strings.Contains(p.Detail, "store") || p.Instance != "request-1" {
		t.Errorf("%+v", p)
	}
	if !strings.Contains(a.log.String(), "request failed") || !strings.Contains(a.log.String(), "request-1") {
		t.Error("the log does not say why")
	}
}

// Whatever is posted, the answer is the client's fault or a certificate.
func FuzzSubmission(f *testing.F) {
	a := newSets(f)
	h := a.enroll.Handler()
	nonce := must(a.withPassword("alice").Plan(ctx, "user", 0)).Nonce
	for _, csr := range [][]byte{wish{key: catest.Key(f), nonce: nonce}.csr(f), wish{key: catest.Key(f), bare: true}.csr(f), []byte("x")} {
		f.Add(must(json.Marshal(map[string]string{"profile": "user", "csr": base64.StdEncoding.EncodeToString(csr)})))
		f.Add(must(json.Marshal(map[string]string{"csr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))})))
	}
	f.Add([]byte("{}"))
	for _, names := range [][]string{whole, {"user", "signing"}, {"user", "signing", "signing", "encryption"}, {"other", "user"}} {
		f.Add(setBody(trioOf(f, nonce, names).requests))
	}
	f.Add([]byte(`{"csr":"AAAA","with":[null,{"profile":"signing","csr":"AAAA"},{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/api/v1/certificates", bytes.NewReader(body))
		r.SetBasicAuth("alice", password)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// A body that is no object is refused, and what is wrong is said in the API's words.
func TestBodiesThatAreNoObject(t *testing.T) {
	a := newAuthority(t)
	for body, want := range map[string]string{
		"null": "no JSON object", "[]": "no JSON object", `"x"`: "no JSON object",
		`{"reason":7}`: `"reason" can't be a number`, `{"other":7}`: `unknown field "other"`,
	} {
		r := httptest.NewRequest("POST", "https://ca.example/api/v1/cards/4711/puk/requests", strings.NewReader(body))
		r.SetBasicAuth("alice", password)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.enroll.Handler().ServeHTTP(w, r)
		var p problem.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 400 || !strings.Contains(p.Detail, want) || strings.Contains(p.Detail, "enroll.") {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}
