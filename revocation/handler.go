package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"time"

	"signet/ca"
	"signet/revocation/crl"
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
//	GET  /crl/{id}.crl     the CRL of the issuer with that ID, DER
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
	h.roots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	h.bundle = h.roots
	h.ids[ca.IssuerID(root)] = root
	for _, c := range p.issuer.Chain() {
		h.ids[ca.IssuerID(c)] = c
		h.bundle = append(h.bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
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
	if id, ok := between(path, "/crl/", ".crl"); ok && h.ids[id] != nil {
		return func(w http.ResponseWriter, r *http.Request) { h.serveCRL(w, r, id) }
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

func (h *handler) serveCRL(w http.ResponseWriter, r *http.Request, id string) {
	l := h.publisher.Current(id)
	if l == nil {
		unavailable(w, "there is no CRL of this issuer yet")
		return
	}
	w.Header().Set("Content-Type", crl.ContentType)
	w.Header().Set("Cache-Control", h.maxAge(l.NextUpdate))
	w.Header().Set("ETag", l.ETag)
	h.serveFile(w, r, l.Modified, l.DER)
}

func (h *handler) serveBundle(w http.ResponseWriter, r *http.Request) {
	b, err := h.publisher.pemBundle()
	if err != nil {
		unavailable(w, err.Error())
		return
	}
	next, modified := b.lists[0].NextUpdate, b.lists[0].Modified
	for _, l := range b.lists[1:] {
		if l.NextUpdate.Before(next) {
			next = l.NextUpdate
		}
		if l.Modified.After(modified) {
			modified = l.Modified
		}
	}
	w.Header().Set("Content-Type", pemContentType)
	w.Header().Set("Cache-Control", h.maxAge(next))
	w.Header().Set("ETag", b.etag)
	h.serveFile(w, r, modified, b.pem)
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

// serveFile serves data under the date at which it changed, unless that is still to
// come: lists of one second have dates of their own (List.Modified), and a clock may
// be set back, but no answer may be younger than itself (RFC 9110, Section 8.8.2.1).
// The entity tag is there in any case.
func (h *handler) serveFile(w http.ResponseWriter, r *http.Request, modified time.Time, data []byte) {
	if modified.After(h.now()) {
		modified = time.Time{}
	}
	http.ServeContent(w, r, "", modified, bytes.NewReader(data))
}

// maxCRLAge is how long a cache may keep a CRL that will be good for longer,
// so that a revocation is not hidden behind it for days.
const maxCRLAge = time.Minute

// maxAge lets caches keep a CRL for a moment, and never past nextUpdate.
func (h *handler) maxAge(nextUpdate time.Time) string {
	age := min(nextUpdate.Sub(h.now()), maxCRLAge)
	return fmt.Sprintf("public, max-age=%d", max(0, int(age/time.Second)))
}

func unavailable(w http.ResponseWriter, text string) {
	w.Header().Set("Retry-After", "5")
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, http.StatusServiceUnavailable)
}
