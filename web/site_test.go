package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/internal/problem"
)

// root makes a self-signed certificate of that common name.
func root(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func say(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", text, r.URL.Path) })
}

// public stands for package revocation's handler.
func public(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, p := range []string{"/crl/", "/ca/", "/roots.pem", "/ocsp"} {
			if strings.HasPrefix(r.URL.Path, p) {
				say("public").ServeHTTP(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func newSite(t *testing.T, change func(*Config)) (*Site, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c := Config{
		Organisation: `Ada & <Sons>`, URL: "https://ca.example:8443",
		Root: root(t, "Root"), Intermediate: root(t, "Intermediate"),
		API: say("api"), SelfRevocation: say("revoke"), Public: public,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

func ask(h http.Handler, method, path string, set ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(set); i += 2 {
		r.Header.Set(set[i], set[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRoutes(t *testing.T) {
	s, _ := newSite(t, nil)
	for _, c := range []struct {
		h            http.Handler
		method, path string
		status       int
		body         string
	}{
		{s.HTTPS, "GET", "/", 200, "Certificate authority"},
		{s.HTTPS, "GET", "/api/v1/profiles/default", 200, "api "},
		{s.HTTPS, "POST", "/api/v1/certificates/01/revocation", 200, "revoke "},
		{s.HTTPS, "GET", "/api/v1/certificates/01/revocation", 200, "revoke "},
		{s.HTTPS, "GET", "/roots.pem", 200, "public "},
		{s.HTTPS, "GET", "/crl/0123.crl", 200, "public "},
		{s.HTTPS, "GET", stylePath, 200, "color-scheme"},
		{s.HTTPS, "GET", "/nothing", 404, "not-found"},
		{s.HTTP, "GET", "/crl/bundle.pem", 200, "public "},
		{s.HTTP, "POST", "/ocsp", 200, "public "},
		{s.HTTP, "GET", "/ocsp/MEow%2F", 200, "public "},
		{s.HTTP, "GET", "/ocsp/MEow//a+b", 200, "public /ocsp/MEow//a+b"},
		{s.HTTP, "GET", "/health", 200, "ok"},
		{s.HTTP, "GET", "/api/v1/profiles/default", 404, "not-found"},
		{s.HTTP, "GET", "/", 404, "not-found"},
	} {
		w := ask(c.h, c.method, c.path)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s %s: %d %q, want %d with %q", c.method, c.path, w.Code, w.Body, c.status, c.body)
		}
	}
}

func TestIndexShowsTheFingerprintAndEscapes(t *testing.T) {
	var c Config
	s, _ := newSite(t, func(x *Config) { c = *x })
	body := ask(s.HTTPS, "GET", "/").Body.String()
	sum := sha256.Sum256(c.Root.Raw)
	for _, want := range []string{
		"Ada &amp; &lt;Sons&gt;", "--fingerprint " + hex.EncodeToString(sum[:]),
		"signet enroll --ca https://ca.example:8443", linksOf(c).CRL, linksOf(c).Certificates,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the index page lacks %q", want)
		}
	}
	for _, never := range []string{"<script", "style=", "<Sons>"} {
		if strings.Contains(body, never) {
			t.Errorf("the index page has %q, which its own policy forbids", never)
		}
	}
}

func TestNotFoundSpeaksToBrowsersAndPrograms(t *testing.T) {
	s, _ := newSite(t, nil)
	if w := ask(s.HTTPS, "GET", "/x", "Accept", "text/html,*/*"); w.Code != 404 ||
		!strings.Contains(w.Body.String(), "There is nothing at this address") {
		t.Errorf("a browser got %d %q", w.Code, w.Body)
	}
	w := ask(s.HTTPS, "GET", "/x")
	var p problem.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Instance != w.Header().Get(problem.RequestID) {
		t.Errorf("a program got %q (%v)", w.Body, err)
	}
}

func TestHeaders(t *testing.T) {
	s, _ := newSite(t, nil)
	w := ask(s.HTTPS, "GET", "https://ca.example/")
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff",
		"Strict-Transport-Security": "max-age=", "Referrer-Policy": "no-referrer", problem.RequestID: "",
	} {
		if got := w.Header().Get(name); got == "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want it to have %q", name, got, want)
		}
	}
	for _, host := range []string{"localhost:8443", "127.0.0.1:8443", "[::1]:8443", "a.localhost"} {
		if got := ask(s.HTTPS, "GET", "https://"+host+"/").Header().Get("Strict-Transport-Security"); got != "" {
			t.Errorf("%s is told %q", host, got)
		}
	}
	if got := ask(s.HTTP, "GET", "http://ca.example/health").Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("plain HTTP says Strict-Transport-Security: %q", got)
	}
}

func TestAClientsRequestIDIsDropped(t *testing.T) {
	s, log := newSite(t, nil)
	if got := ask(s.HTTPS, "GET", "/api/v1/x", problem.RequestID, "forged").Header().Get(problem.RequestID); got == "forged" || got == "" {
		t.Errorf("the answer's id is %q", got)
	}
	if strings.Contains(log.String(), "forged") || !strings.Contains(log.String(), "path=/api/v1/x status=200") {
		t.Errorf("the access line is %q", log)
	}
}

func TestCrossOriginRequestsAreRefused(t *testing.T) {
	s, _ := newSite(t, nil)
	if w := ask(s.HTTPS, "POST", "/api/v1/renewals", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden ||
		w.Header().Get("Content-Type") != problem.ContentType || !strings.Contains(w.Body.String(), "cross-origin") {
		t.Errorf("another site's page may POST: %d %s", w.Code, w.Body)
	}
}

func TestAPanicIsA500WithItsCauseInTheLogAlone(t *testing.T) {
	s, log := newSite(t, func(c *Config) {
		c.API = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the cause") })
	})
	w := ask(s.HTTPS, "GET", "/api/v1/x")
	if w.Code != 500 || strings.Contains(w.Body.String(), "the cause") || !strings.Contains(w.Body.String(), "instance") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "the cause") {
		t.Errorf("the log has no cause: %q", log)
	}
}

func TestABodyIsBounded(t *testing.T) {
	var got error
	s, _ := newSite(t, func(c *Config) {
		c.API = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, got = io.ReadAll(r.Body) })
	})
	r := httptest.NewRequest("POST", "/api/v1/certificates", bytes.NewReader(make([]byte, maxBody+1)))
	s.HTTPS.ServeHTTP(httptest.NewRecorder(), r)
	var tooLarge *http.MaxBytesError
	if !errors.As(got, &tooLarge) {
		t.Errorf("reading a body of %d octets: %v", maxBody+1, got)
	}
}

func TestReadyz(t *testing.T) {
	var ill error
	now, asked := time.Now(), 0
	s, _ := newSite(t, func(c *Config) {
		c.Now = func() time.Time { return now }
		c.Checks = []Check{
			{"store", func(context.Context) error { asked++; return nil }},
			{"crl", func(context.Context) error { return ill }},
		}
	})
	if w := ask(s.HTTP, "GET", "/readyz"); w.Code != 200 || !strings.Contains(w.Body.String(), `"store":"ok"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	ill = errors.New("ran out yesterday")
	ask(s.HTTPS, "GET", "/readyz")
	if asked != 1 {
		t.Errorf("asked the store %d times within a second", asked)
	}
	now = now.Add(readyFor)
	if w := ask(s.HTTPS, "GET", "/readyz"); w.Code != 503 || !strings.Contains(w.Body.String(), "ran out yesterday") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNewRefusesHalfASite(t *testing.T) {
	for _, c := range []Config{{}, {API: say(""), Public: public}} {
		if _, err := New(c); err == nil {
			t.Errorf("New(%+v) made a site", c)
		}
	}
}

// What is kept is answered before all else, unless every request is to be logged.
func TestKeptComesFirst(t *testing.T) {
	var log bytes.Buffer
	level := &slog.LevelVar{}
	s, _ := newSite(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
		c.Kept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/ocsp/kept" {
				return false
			}
			_, _ = io.WriteString(w, "kept")
			return true
		}
	})
	ask := func(h http.Handler, path string) (body, id string) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		return rec.Body.String(), rec.Header().Get(problem.RequestID)
	}
	for _, h := range []http.Handler{s.HTTP, s.HTTPS} {
		if body, id := ask(h, "/ocsp/kept"); body != "kept" || id != "" {
			t.Errorf("kept: %q, id %q", body, id)
		}
		if body, id := ask(h, "/ocsp/other"); body != "public /ocsp/other" || id == "" {
			t.Errorf("not kept: %q, id %q", body, id)
		}
	}
	level.Set(slog.LevelDebug)
	log.Reset()
	if body, id := ask(s.HTTP, "/ocsp/kept"); body != "public /ocsp/kept" || id == "" || !strings.Contains(log.String(), "/ocsp/kept") {
		t.Errorf("at level debug: %q, id %q, %s", body, id, log.String())
	}
}
