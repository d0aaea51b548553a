package gate_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/relying"
	"signet/relying/certheader"
	"signet/relying/gate"
	"signet/revocation/crl"
)

// A world is a CA, some people with certificates, and a checker of them.
type world struct {
	*catest.Hierarchy
	checker *relying.Checker
	alice   *x509.Certificate // a good one
	bob     *x509.Certificate // revoked
	eve     *x509.Certificate // of another CA
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Hierarchy: catest.New(t)}
	w.alice, w.bob = person(t, w.Hierarchy, "alice"), person(t, w.Hierarchy, "bob")
	w.eve = person(t, catest.New(t), "alice")
	serial, _ := ca.SerialOf(w.bob.SerialNumber)
	lists := map[string][]byte{
		"/crl/" + w.Issuer.ID() + ".crl":       list(t, w.Issuer, crl.Entry{Serial: serial, At: time.Now(), Reason: ca.KeyCompromise}),
		"/crl/" + ca.IssuerID(w.Root) + ".crl": list(t, w.RootIssuer),
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if body := lists[r.URL.Path]; body != nil {
			_, _ = rw.Write(body)
			return
		}
		http.NotFound(rw, r)
	}))
	t.Cleanup(server.Close)
	var err error
	w.checker, err = relying.New(relying.Config{
		Authorities: []relying.Authority{{URL: server.URL, Certificates: []*x509.Certificate{w.Root, w.Intermediate}}},
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// running has the checker fetch.
func (w *world) running(t testing.TB) *world {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.checker.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	wait, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := w.checker.Ready(wait); err != nil {
		t.Fatal(err)
	}
	return w
}

func person(t testing.TB, h *catest.Hierarchy, name string) *x509.Certificate {
	t.Helper()
	c, err := h.Issue(t, name, catest.Key(t), time.Now()).X509()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func list(t testing.TB, issuer *ca.Issuer, entries ...crl.Entry) []byte {
	t.Helper()
	der, err := crl.Create(issuer, crl.Template{
		Number: 1, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		Entries: func(yield func(crl.Entry) bool) error {
			for _, e := range entries {
				yield(e)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (w *world) gate(t testing.TB, c gate.Config) *gate.Gate {
	t.Helper()
	c.Checker, c.Logger = w.checker, slog.New(slog.DiscardHandler)
	g, err := gate.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ask asks as a proxy does, with the header set.
func ask(g *gate.Gate, header http.Header) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "http://gate/auth", nil)
	for name, values := range header {
		r.Header[name] = values
	}
	rec := httptest.NewRecorder()
	g.ServeHTTP(rec, r)
	return rec.Result()
}

func nginx(c *x509.Certificate) string {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	return strings.ReplaceAll(url.QueryEscape(string(text)), "+", "%20")
}

func caddy(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) }

// always are the headers that every answer has.
func always(t *testing.T, resp *http.Response, verify, user string) {
	t.Helper()
	if got := resp.Header.Get("Client-Verify"); got != verify {
		t.Errorf("Client-Verify: %q, want %q", got, verify)
	}
	if got := resp.Header.Get("Remote-User"); got != user {
		t.Errorf("Remote-User: %q, want %q", got, user)
	}
	for _, name := range []string{"Client-Verify", "Remote-User", "Client-Revocation", "Client-Serial", "Client-Cert", "Client-Cert-Chain"} {
		values, ok := resp.Header[name]
		if !ok || len(values) != 1 || (values[0] == "") != (verify != "SUCCESS" && name != "Client-Verify") {
			t.Errorf("%s: %s is %q", verify, name, values)
		}
	}
}

func TestAnswers(t *testing.T) {
	w := newWorld(t).running(t)
	required, optional := w.gate(t, gate.Config{}), w.gate(t, gate.Config{Optional: true})
	for _, c := range []struct {
		value, verify, user string
		status              int
	}{
		{nginx(w.alice), "SUCCESS", "alice", 200},
		{caddy(w.alice), "SUCCESS", "alice", 200},
		{certheader.Encode(w.alice), "SUCCESS", "alice", 200},
		{caddy(w.alice) + "," + caddy(w.Intermediate), "SUCCESS", "alice", 200},
		{caddy(w.bob), "FAILED:revoked", "", 403},
		{caddy(w.eve), "FAILED:unknown-issuer", "", 403},
		{caddy(w.Intermediate), "FAILED:wrong-usage", "", 403},
		{caddy(catest.New(t).Root), "FAILED:unknown-issuer", "", 403},
		{"rubbish", "FAILED:malformed", "", 403},
		{"", "NONE", "", 401},
	} {
		header := http.Header{"X-Client-Cert": {c.value}}
		resp := ask(required, header)
		always(t, resp, c.verify, c.user)
		if resp.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", c.verify, resp.StatusCode, c.status)
		}
		resp = ask(optional, header)
		always(t, resp, c.verify, c.user)
		if resp.StatusCode != 200 {
			t.Errorf("%s, optional: status %d", c.verify, resp.StatusCode)
		}
	}
	resp := ask(required, nil)
	always(t, resp, "NONE", "")
	resp = ask(required, http.Header{"X-Client-Cert": {nginx(w.alice)}})
	if got, err := certheader.Parse(resp.Header["Client-Cert"], certheader.RFC9440); err != nil || !got.Equal(w.alice) {
		t.Errorf("Client-Cert: %v", err)
	}
	if resp.Header.Get("Client-Cert-Chain") != certheader.Encode(w.Intermediate) || len(resp.Header.Get("Client-Serial")) != 40 {
		t.Errorf("%v", resp.Header)
	}
	if counts := required.Counts(); counts["SUCCESS"] != 5 || counts["FAILED"] != 5 || counts["NONE"] != 2 {
		t.Errorf("%v", counts)
	}
}

// What a client sends itself never passes as the gate's answer.
func TestForgedHeaders(t *testing.T) {
	w := newWorld(t).running(t)
	for _, optional := range []bool{false, true} {
		g := w.gate(t, gate.Config{Optional: optional})
		for _, forged := range []http.Header{
			{"Remote-User": {"admin"}}, {"Client-Cert": {certheader.Encode(w.alice)}}, {"Client-Serial": {"01"}},
			{"Client-Cert-Chain": {"::"}}, {"Client-Revocation": {"checked"}}, {"Client_Revocation": {"checked"}}, {"Remote_user": {"admin"}}, {"Client_Cert": {"x"}}, {"client_verify": {"SUCCESS"}},
			{"Remote-User": {"", "admin"}},
		} {
			resp := ask(g, forged)
			always(t, resp, "FAILED:forged-header", "")
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%v: status %d", forged, resp.StatusCode)
			}
		}
		// A good certificate's answer has something in each of them, which the proxy puts
		// over what the client sent; but for other spellings, of which it knows nothing.
		good := http.Header{"X-Client-Cert": {caddy(w.alice)}, "Remote-User": {"admin"}, "Client-Cert": {"::"}}
		resp := ask(g, good)
		always(t, resp, "SUCCESS", "alice")
		good["Remote_user"] = []string{"admin"}
		always(t, ask(g, good), "FAILED:forged-header", "")
		// Empty ones say nothing.
		always(t, ask(g, http.Header{"Remote-User": {""}}), "NONE", "")
		// Certificates in other headers are not looked at, nor two in the right one.
		always(t, ask(g, http.Header{"X-Forwarded-Tls-Client-Cert": {caddy(w.alice)}, "Ssl-Client-Cert": {nginx(w.alice)}}), "NONE", "")
		always(t, ask(g, http.Header{"X-Client-Cert": {caddy(w.alice), ""}}), "FAILED:malformed", "")
	}
}

func TestThePageOfTheGate(t *testing.T) {
	w := newWorld(t).running(t)
	g := w.gate(t, gate.Config{Page: relying.Page{Service: "the wiki"}})
	for accept, kind := range map[string]string{"text/html": "text/html; charset=utf-8", "*/*": "application/problem+json"} {
		resp := ask(g, http.Header{"X-Client-Cert": {caddy(w.bob)}, "Accept": {accept}})
		if resp.Header.Get("Content-Type") != kind || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", accept, resp.Header)
		}
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t).running(t)
	header := http.Header{"X-Client-Cert": {caddy(w.alice)}}
	g := w.gate(t, gate.Config{User: gate.CommonName, UserHeader: "x-user"})
	if resp := ask(g, header); resp.Header.Get("X-User") != "alice" || resp.Header["Remote-User"] != nil {
		t.Errorf("%v", resp.Header)
	}
	// The certificate has no e-mail address: an empty name must not pass for a user.
	resp := ask(w.gate(t, gate.Config{User: gate.Email}), header)
	always(t, resp, "FAILED:no-name", "")
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("%d", resp.StatusCode)
	}
}

// A visitor whose path the proxy hands over gets no 200 by it.
func TestOtherPaths(t *testing.T) {
	w := newWorld(t)
	g := w.gate(t, gate.Config{})
	get := func(path string, header http.Header) int {
		r := httptest.NewRequest(http.MethodGet, "http://gate"+path, nil)
		r.Header = header
		rec := httptest.NewRecorder()
		g.ServeHTTP(rec, r)
		return rec.Code
	}
	for path, want := range map[string]int{"/": 404, "/auth/": 404, "/auth/x": 404, "/wiki": 404, "/health": 503, "/metrics": 404} {
		if got := get(path, http.Header{}); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	w.running(t)
	if got := get("/health", http.Header{}); got != 200 {
		t.Errorf("/health: %d", got)
	}
	for _, h := range []http.Header{{"X-Forwarded-For": {"192.0.2.1"}}, {"X-Client-Cert": {""}}} {
		if got := get("/health", h); got != 404 {
			t.Errorf("/health by way of a proxy: %d", got)
		}
	}
}

// Nobody gets in while the gate has no CRL; the status is one that nginx takes for an answer.
func TestBeforeTheFirstCRL(t *testing.T) {
	w := newWorld(t)
	resp := ask(w.gate(t, gate.Config{}), http.Header{"X-Client-Cert": {caddy(w.alice)}})
	always(t, resp, "FAILED:no-crl", "")
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestConfig(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]gate.Config{
		"no checker":         {},
		"header of answers":  {Checker: w.checker, Header: "client-cert"},
		"user's header":      {Checker: w.checker, Header: "X-Cert", UserHeader: "x-cert"},
		"two in one":         {Checker: w.checker, UserHeader: "Client-Verify"},
		"no name":            {Checker: w.checker, Header: "X Cert"},
		"underscore":         {Checker: w.checker, UserHeader: "REMOTE_USER"},
		"format":             {Checker: w.checker, Format: "xml"},
		"user":               {Checker: w.checker, User: "uid"},
		"a script to enroll": {Checker: w.checker, Page: relying.Page{Enroll: "javascript:alert(1)"}},
		"a script to help":   {Checker: w.checker, Page: relying.Page{Contact: "JavaScript:alert(1)"}},
		"a page in itself":   {Checker: w.checker, Page: relying.Page{Contact: "data:text/html,x"}},
		"a bare address":     {Checker: w.checker, Page: relying.Page{Contact: "help@example.com"}},
		"a bare host":        {Checker: w.checker, Page: relying.Page{Enroll: "ca.example.com"}},
		"no host":            {Checker: w.checker, Page: relying.Page{Enroll: "https:///x"}},
		"no slashes":         {Checker: w.checker, Page: relying.Page{Enroll: "https:ca.example.com"}},
		"nobody":             {Checker: w.checker, Page: relying.Page{Contact: "mailto:"}},
	} {
		if _, err := gate.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	page := relying.Page{Enroll: "https://ca.example:8443", Contact: "mailto:help@example.com"}
	if _, err := gate.New(gate.Config{Checker: w.checker, Header: "X-Forwarded-Tls-Client-Cert", UserHeader: "X-Forwarded-User", Page: page}); err != nil {
		t.Error(err)
	}
}

// Headers that proxies take away or make themselves, and those of HTTP, can bear no answer.
func TestHeadersThatHTTPHas(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{
		"Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Connection", "proxy-authenticate", "Proxy-Authorization",
		"Host", "Content-Length", "content-type", "Authorization", "WWW-Authenticate", "Cookie", "Set-Cookie", "Location", "Cache-Control",
		"Expect", "Range", "If-Match", "X-Forwarded-For", "Forwarded", "Vary", "Date", "Accept", "Sec-WebSocket-Key", "X-Accel-Redirect",
	} {
		for _, c := range []gate.Config{{Checker: w.checker, Header: name}, {Checker: w.checker, UserHeader: name}} {
			if _, err := gate.New(c); err == nil || !strings.Contains(err.Error(), "meaning of its own") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Who was let in while nobody can say whether the certificate is revoked is told
// from who was checked.
func TestUnchecked(t *testing.T) {
	w := newWorld(t)
	open, err := relying.New(relying.Config{
		Authorities: []relying.Authority{{URL: "http://127.0.0.1:1", Certificates: []*x509.Certificate{w.Root, w.Intermediate}}},
		FailOpen:    true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	checked := w.running(t).gate(t, gate.Config{})
	w.checker = open
	unchecked := w.gate(t, gate.Config{})
	for _, c := range []struct {
		gate               *gate.Gate
		cert, verify, says string
	}{
		{checked, caddy(w.alice), "SUCCESS", gate.Checked},
		{unchecked, caddy(w.alice), "SUCCESS", gate.Unchecked},
		{checked, caddy(w.bob), "FAILED:revoked", ""},
		{unchecked, caddy(w.eve), "FAILED:unknown-issuer", ""},
		{unchecked, "", "NONE", ""},
	} {
		resp := ask(c.gate, http.Header{"X-Client-Cert": {c.cert}})
		if got := resp.Header["Client-Revocation"]; len(got) != 1 || got[0] != c.says || resp.Header.Get("Client-Verify") != c.verify {
			t.Errorf("%s: Client-Revocation is %q, not %q; %v", c.verify, got, c.says, resp.Header)
		}
	}
}
