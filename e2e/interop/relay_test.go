package interop

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"signet/e2e/harness"
)

// A relay stands between the CA and who fetches from it, and can be made to
// answer otherwise: the CA's bad days.
type relay struct {
	URL string

	mu      sync.Mutex
	instead map[string]http.HandlerFunc // by path
}

func newRelay(t *testing.T, ca *harness.CA) *relay {
	t.Helper()
	target, err := url.Parse(ca.HTTP)
	must(t, err)
	r := &relay{instead: map[string]http.HandlerFunc{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		instead := r.instead[req.URL.Path]
		r.mu.Unlock()
		if instead == nil {
			instead = proxy.ServeHTTP
		}
		instead(w, req)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections() // of events, which never end
		server.Close()
	})
	r.URL = server.URL
	return r
}

// answer makes the relay answer for a path itself; nil ends that.
func (r *relay) answer(path string, instead http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instead[path] = instead
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
