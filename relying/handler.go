package relying

import (
	"net/http"
)

// A HandlerConfig says what becomes of visitors without a good certificate. The
// zero value refuses them with a page that explains.
type HandlerConfig struct {
	// Optional lets everybody through: the handler behind looks at [FromContext],
	// and asks for a password, say, where the result is not [Success].
	Optional bool
	// Page fills in the page that refuses.
	Page Page
	// Refuse answers in place of the page; it finds the identity by [FromContext].
	Refuse http.Handler
}

// Handler checks the certificate of the connection at each request, so that a
// revocation counts for connections that last as well, and puts the identity into the
// request's context. It goes by the TLS connection alone, never by a header: behind
// a proxy that ends TLS, every result is [None].
func (c *Checker) Handler(next http.Handler, h HandlerConfig) http.Handler {
	refuse := h.Refuse
	if refuse == nil {
		refuse = h.Page
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := Identity{Result: None}
		if r.TLS != nil {
			id, _ = c.Check(r.Context(), r.TLS.PeerCertificates) // the identity says it all
		}
		r = r.WithContext(NewContext(r.Context(), id))
		if id.OK() || h.Optional {
			next.ServeHTTP(w, r)
			return
		}
		c.config.Logger.InfoContext(r.Context(), "a visitor is refused", "result", id.String(), "detail", id.Detail,
			"serial", id.Serial, "from", r.RemoteAddr)
		// The next request makes a new connection, in which another certificate can be chosen.
		w.Header().Set("Connection", "close")
		refuse.ServeHTTP(w, r)
	})
}
