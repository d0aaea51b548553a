package relying

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/ca"
)

// everybody is one visitor of each kind, with the result that each must have.
func (w *world) everybody() map[string]*tls.Certificate {
	other := newWorld(w)
	bob, carol := w.person("bob", time.Now()), w.person("carol", time.Now())
	dave := w.shortLived("dave")
	w.pass(2 * time.Minute)
	w.revoke(bob.Leaf, ca.KeyCompromise)
	w.revoke(carol.Leaf, ca.CertificateHold)
	w.publish()
	return map[string]*tls.Certificate{
		"NONE": nil, "SUCCESS": w.alice(), "FAILED:revoked": bob, "FAILED:on-hold": carol,
		"FAILED:expired":        dave,
		"FAILED:unknown-issuer": other.alice(),
	}
}

// Behind an optional certificate everybody gets through, and is told apart.
func TestOptional(t *testing.T) {
	w := newWorld(t)
	all := w.everybody()
	s := w.asking401(HandlerConfig{Optional: true})
	for want, cert := range all {
		status, body, _ := s.get(s.visitor(cert, "HTTP/1.1"))
		name := ""
		if want == "SUCCESS" {
			name = "alice"
		}
		if status != 200 || body != want+" "+name {
			t.Errorf("%s: %d %q", want, status, body)
		}
	}
}

func TestRequired(t *testing.T) {
	w := newWorld(t)
	all := w.everybody()
	s := w.asking401(HandlerConfig{Page: Page{Service: "the <wiki>", Contact: "mailto:help@example.com", Enroll: "https://ca.example"}})
	for want, expect := range map[string]struct {
		status int
		words  string // of the page
		kind   string // of the problem
	}{
		"NONE":                  {401, "A certificate is needed here", "certificate-required"},
		"FAILED:revoked":        {403, "in other hands", "certificate-revoked"},
		"FAILED:on-hold":        {403, "on hold", "certificate-on-hold"},
		"FAILED:expired":        {403, "It was good until", "certificate-expired"},
		"FAILED:unknown-issuer": {403, "another CA", "certificate-unknown-issuer"},
	} {
		client := s.visitor(all[want], "HTTP/1.1")
		for _, accept := range []string{"text/html,*/*;q=0.8", "*/*"} {
			req, err := http.NewRequest(http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", accept)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := read(t, resp)
			if resp.StatusCode != expect.status || resp.Header.Get("Cache-Control") != "no-store" || (resp.Header.Get("WWW-Authenticate") != "") != (expect.status == 401) {
				t.Errorf("%s: %d %v", want, resp.StatusCode, resp.Header)
			}
			if accept == "*/*" {
				var p struct{ Type, Detail, Hint string }
				if err := json.Unmarshal([]byte(body), &p); err != nil || p.Type != "urn:signet:problem:"+expect.kind || p.Detail == "" || p.Hint == "" {
					t.Errorf("%s: %v %s", want, err, body)
				}
				continue
			}
			if !strings.Contains(body, expect.words) || !strings.Contains(body, want) || !strings.Contains(body, "the &lt;wiki&gt;") ||
				!strings.Contains(body, `href="mailto:help@example.com"`) || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "style-src 'sha256-") {
				t.Errorf("%s: %v\n%s", want, resp.Header, body)
			}
		}
	}
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The page says that it is not the visitor's fault.
func TestTheServerCannotCheck(t *testing.T) {
	w := newWorld(t)
	c := w.checker(w.config())
	s := w.serve(c, c.AskingTLSConfig(nil), c.Handler(http.HandlerFunc(greet), HandlerConfig{}))
	status, body, resp := s.get(s.visitor(w.alice(), "HTTP/1.1"))
	if status != 503 || !strings.Contains(body, "certificate-no-crl") || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", status, body)
	}
}

// Names of a certificate that nobody vouches for are not shown as if they were true.
func TestAStrangersNameIsNotShown(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	s := w.asking401(HandlerConfig{})
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	resp, err := s.visitor(other.person("administrator", time.Now()), "HTTP/1.1").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, resp); strings.Contains(body, "administrator</dd>") || strings.Contains(body, "CN=administrator") {
		t.Error(body)
	}
}

// Headers are nobody's identity.
func TestHeadersCountForNothing(t *testing.T) {
	w := newWorld(t)
	c := w.fresh(w.config())
	h := c.Handler(http.HandlerFunc(greet), HandlerConfig{})
	r := httptest.NewRequest(http.MethodGet, "http://x/", nil)
	r.Header.Set("Client-Cert", "::")
	r.Header.Set("Remote-User", "alice")
	rec := httptest.NewRecorder()
	if h.ServeHTTP(rec, r); rec.Code != http.StatusUnauthorized {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestRefuse(t *testing.T) {
	w := newWorld(t)
	s := w.asking401(HandlerConfig{Refuse: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://login.example/?because="+FromContext(r.Context()).String(), http.StatusSeeOther)
	})})
	client := s.visitor(nil, "HTTP/1.1")
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if status, _, resp := s.get(client); status != http.StatusSeeOther || resp.Header.Get("Location") != "https://login.example/?because=NONE" {
		t.Errorf("%d %v", status, resp.Header)
	}
}
