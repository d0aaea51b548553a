package web

import (
	"net"
	"net/http"
	"strings"
)

// contentPolicy lets a page load what this server serves and nothing else: no
// inline script or style, no frame round it, no form sent elsewhere.
const contentPolicy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// secure sets the headers that tell a browser to be careful with pages.
func secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", contentPolicy)
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		if staysHTTPS(r.Host) {
			head.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.ServeHTTP(w, r)
	})
}

// plain sets what of it makes sense over plain HTTP.
func plain(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}

// staysHTTPS reports whether a browser may be told to use https alone for host.
// An address is none (RFC 6797, Section 8.1.1), and on localhost it would shut out
// every other program that listens there: HSTS knows no ports.
func staysHTTPS(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	return net.ParseIP(name) == nil && name != "localhost" && !strings.HasSuffix(name, ".localhost")
}
