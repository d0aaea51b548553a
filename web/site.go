package web

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"signet/ca"
	"signet/internal/problem"
)

// maxBody bounds the body of every request, in octets. The protocols' handlers
// have tighter bounds of their own.
const maxBody = 1 << 20

// A Config is what a Site is made of. API, Public, Root and Intermediate are
// needed; the rest may be left zero.
type Config struct {
	// Organisation is the CA's name as people know it.
	Organisation string
	// URL is the address of the HTTPS listener as people type it,
	// "https://ca.example:8443".
	URL string
	// Root and Intermediate are the CA's certificates.
	Root, Intermediate *x509.Certificate
	// API serves the paths below /api/v1/ on HTTPS.
	API http.Handler
	// SelfRevocation serves /api/v1/certificates/{serial}/revocation; nil
	// leaves it to API.
	SelfRevocation http.Handler
	// Public makes the handler of CRLs, OCSP and CA certificates, on both
	// listeners, which leaves all else to next. It stands before the muxes, since
	// those redirect paths with "//", which OCSP by GET may have.
	Public func(next http.Handler) http.Handler
	// Kept answers a request from memory where it can, before anything else is done
	// for the request: no id, no access line. It reports whether it did. It is asked
	// first on both listeners, unless each request is to be logged. It may be nil.
	Kept func(http.ResponseWriter, *http.Request) bool
	// Checks are what /readyz asks.
	Checks []Check
	// Logger gets one line for each request; nil discards them.
	Logger *slog.Logger
	// Now is the clock of /readyz; nil means time.Now.
	Now func() time.Time
}

// A Site is the CA's HTTP, assembled.
type Site struct {
	// HTTPS serves pages, the enrollment API, and all that HTTP serves.
	HTTPS http.Handler
	// HTTP serves CRLs, OCSP, CA certificates and health checks.
	HTTP http.Handler
}

// New assembles a Site.
func New(c Config) (*Site, error) {
	switch {
	case c.API == nil || c.Public == nil:
		return nil, errors.New("web: a site needs both its API and its public handler")
	case c.Root == nil || c.Intermediate == nil:
		return nil, errors.New("web: a site needs the CA's certificates")
	}
	if _, err := url.Parse(c.URL); err != nil {
		return nil, errors.New("web: the site's URL is none")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	pages, err := newPages(c)
	if err != nil {
		return nil, err
	}
	ready := &readiness{checks: c.Checks, now: c.Now, logger: c.Logger}
	return &Site{
		HTTPS: keptFirst(c, wrap(c.Logger, "https", secure(c.Public(httpsMux(c, pages, ready))))),
		HTTP:  keptFirst(c, wrap(c.Logger, "http", plain(c.Public(httpMux(pages, ready))))),
	}, nil
}

// httpsMux: browsers send a client certificate by themselves, also to a request
// that another site's page made, so the API is closed to those (cross-origin
// requests that browsers mark as such; other programs don't mark theirs).
func httpsMux(c Config, p *pages, ready *readiness) *http.ServeMux {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(crossOrigin))
	mux := httpMux(p, ready)
	mux.Handle("/api/v1/", guard.Handler(c.API))
	if c.SelfRevocation != nil {
		mux.Handle("/api/v1/certificates/{serial}/revocation", guard.Handler(c.SelfRevocation))
	}
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET "+stylePath, p.style)
	return mux
}

func crossOrigin(w http.ResponseWriter, r *http.Request) {
	p := problem.New(http.StatusForbidden, "cross-origin", "a page of another site sent this request")
	p.Instance = r.Header.Get(problem.RequestID)
	problem.Write(w, p)
}

func httpMux(p *pages, ready *readiness) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.Handle("GET /readyz", ready)
	mux.HandleFunc("/", p.notFound)
	return mux
}

// links are the addresses on the index page. They are relative: a browser that
// has come by https stays there, and HSTS could not send it to a closed port.
type links struct{ Root, Intermediate, RootsPEM, Certificates, CRL, Bundle string }

func linksOf(c Config) links {
	root, inter := ca.IssuerID(c.Root), ca.IssuerID(c.Intermediate)
	return links{
		Root:         "/ca/" + root + ".cer",
		Intermediate: "/ca/" + inter + ".cer",
		RootsPEM:     "/roots.pem",
		Certificates: "/ca/bundle.pem",
		CRL:          "/crl/" + inter + ".crl",
		Bundle:       "/crl/bundle.pem",
	}
}
