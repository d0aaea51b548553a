package revocation

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"strings"
	"time"

	"signet/ca"
	"signet/internal/certfile"
)

// pemContentType is the media type of a PEM file (RFC 8555, Section 9.1 for
// certificates; there is none for CRLs).
const pemContentType = "application/x-pem-file"

// A handler is the plain HTTP of revocation. It chooses by the path itself: an
// http.ServeMux answers a path with "//", as base64 in an OCSP request may
// have, with a redirect to another path.
type handler struct {
	publisher *Publisher
	responder *Responder
	ids       map[string]*x509.Certificate // every CA certificate by issuer ID
	roots     []byte                       // PEM
	bundle    []byte                       // PEM, the root first
	started   time.Time
	next      http.Handler
	now       func() time.Time
}

// Handler serves, on plain HTTP:
//
//	GET  /crl/{id}.crl     the complete CRL of the issuer with that ID, DER
//	GET  /crl/{id}/{n}.crl the CRL of that partition, DER
//	GET  /crl/{…}.delta.crl  the delta of each of them, DER
//	GET  /crl/bundle.pem   the CRL of every level, PEM
//	GET  /crl/events       server-sent events: an issuer has a new CRL
//	GET  /ca/{id}.cer      a CA certificate, DER
//	GET  /ca/bundle.pem    the certificates of every level, the root's first, PEM
//	GET  /roots.pem        the root's certificate, PEM
//	POST /ocsp             OCSP (RFC 6960, Appendix A)
//	GET  /ocsp/{base64}    OCSP
//
// and leaves other paths to next (nil: not found). It must not be mounted in
// an http.ServeMux, which would redirect OCSP's GET; next may be one.
func (s *Service) Handler(next http.Handler) http.Handler {
	p := s.Publisher
	if next == nil {
		next = http.NotFoundHandler()
	}
	h := &handler{
		publisher: p, responder: s.Responder, next: next,
		ids: map[string]*x509.Certificate{}, started: p.now(), now: p.now,
	}
	root := p.issuer.Root()
	h.roots = certfile.Encode(root.Raw)
	h.bundle = h.roots
	h.ids[ca.IssuerID(root)] = root
	for _, c := range p.issuer.Chain() {
		h.ids[ca.IssuerID(c)] = c
		h.bundle = append(h.bundle, certfile.Encode(c.Raw)...)
	}
	return h
}

// ServeHTTP chooses by the path. Slashes before it are let pass: a base URL
// that ends with one is a common mistake.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := "/" + strings.TrimLeft(r.URL.Path, "/")
	if path == "/ocsp" || strings.HasPrefix(path, "/ocsp/") {
		h.serveOCSP(w, r, path)
		return
	}
	serve := h.fileAt(path)
	if serve == nil {
		h.next.ServeHTTP(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET here", http.StatusMethodNotAllowed)
		return
	}
	serve(w, r)
}

// fileAt is what serves the file at path, or nil.
func (h *handler) fileAt(path string) http.HandlerFunc {
	switch path {
	case "/roots.pem":
		return h.servePEM(h.roots)
	case "/ca/bundle.pem":
		return h.servePEM(h.bundle)
	}
	switch path {
	case "/crl/bundle.pem":
		return h.serveBundle
	case "/crl/events":
		return h.serveEvents
	}
	if name, ok := between(path, "/crl/", ".crl"); ok {
		if scope, delta, ok := h.scopeOf(name); ok {
			return func(w http.ResponseWriter, r *http.Request) { h.serveCRL(w, r, scope, delta) }
		}
	}
	if id, ok := between(path, "/ca/", ".cer"); ok && h.ids[id] != nil {
		return func(w http.ResponseWriter, r *http.Request) {
			h.serveFixed(w, r, "application/pkix-cert", h.ids[id].Raw) // RFC 2585, Section 4.1
		}
	}
	return nil
}

func between(path, prefix, suffix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, suffix)
}

func (h *handler) servePEM(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { h.serveFixed(w, r, pemContentType, data) }
}

// serveFixed serves what does not change while the server runs.
func (h *handler) serveFixed(w http.ResponseWriter, r *http.Request, contentType string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Set("ETag", etag(data))
	http.ServeContent(w, r, "", h.started, bytes.NewReader(data))
}

func unavailable(w http.ResponseWriter, text string) {
	w.Header().Set("Retry-After", "5")
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, http.StatusServiceUnavailable)
}
