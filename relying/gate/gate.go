// Package gate answers reverse proxies that ask whether a visitor may pass:
// Caddy's forward_auth, Traefik's ForwardAuth, nginx's auth_request. The proxy ends TLS,
// asks for a client certificate without judging it, and hands it to the gate in a
// header; the gate checks all of it ([relying.Checker]) and answers with headers
// that the proxy hands on to the application.
//
// A certificate is public, and so is every name in it: what makes the visitor its owner
// is the proxy's TLS handshake. Therefore the gate looks at one header, the one that
// the proxy sets on every request, and at no other; and it refuses requests
// with which a client tries to pass off an answer of its own: see [Gate.ServeHTTP].
package gate

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http/httpguts"

	"signet/internal/problem"
	"signet/relying"
	"signet/relying/certheader"
)

// Config is how a gate is asked and how it answers. Checker must be there.
type Config struct {
	Checker *relying.Checker
	// Header is where the proxy puts the client's certificate; "" for X-Client-Cert.
	// The proxy must set it in every request, to nothing where there is no certificate.
	Header string
	// Format is how it is written there; "" for [certheader.Auto].
	Format certheader.Format
	// Optional answers 200 to everybody, so that the application may ask for a
	// password; otherwise who has no good certificate gets 401 or 403 and a page.
	Optional bool
	// UserHeader gets the user's name; "" for Remote-User.
	UserHeader string
	// User says which of the certificate's names that is; "" for [Account].
	User User
	// Page fills in the page that refuses.
	Page relying.Page

	Logger *slog.Logger // nil for slog.Default()
}

// User is a kind of name in a certificate: see [relying.Names].
type User string

// The kinds.
const (
	Account    User = "account"
	CommonName User = "common-name"
	Email      User = "email"
	UPN        User = "upn"
)

func (u User) of(n relying.Names) string {
	switch u {
	case CommonName:
		return n.CommonName
	case Email:
		return n.Email
	case UPN:
		return n.UPN
	}
	return n.Account
}

// The headers of every answer, beside the user's. Each is there whatever the
// result, and empty where there is nothing to say.
const (
	VerifyHeader     = "Client-Verify"     // "SUCCESS", "NONE", or "FAILED:" and the reason
	RevocationHeader = "Client-Revocation" // [Checked] or [Unchecked], where the result is SUCCESS
	SerialHeader     = "Client-Serial"     // the certificate's serial number, where the result is SUCCESS
	CertHeader       = "Client-Cert"       // the certificate (RFC 9440), where the result is SUCCESS
	ChainHeader      = "Client-Cert-Chain"
)

// What is in [RevocationHeader]: only a checker with [relying.Config.FailOpen] lets
// somebody in unchecked.
const (
	Checked   = "checked"   // it is not revoked
	Unchecked = "unchecked" // nobody can say whether it is
)

// The paths that the gate has.
const (
	AuthPath   = "/auth"
	HealthPath = "/health"
)

// A Gate is an [http.Handler].
type Gate struct {
	Config
	answers []string // the names of the headers in each answer

	succeeded, failed, none atomic.Uint64
}

// New checks the configuration.
func New(c Config) (*Gate, error) {
	if c.Checker == nil {
		return nil, errors.New("the gate needs a checker")
	}
	if c.Header == "" {
		c.Header = "X-Client-Cert"
	}
	if c.UserHeader == "" {
		c.UserHeader = "Remote-User"
	}
	if c.User == "" {
		c.User = Account
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	switch c.User {
	case Account, CommonName, Email, UPN:
	default:
		return nil, fmt.Errorf("%q is no kind of name in a certificate; one of account, common-name, email, upn", c.User)
	}
	if _, err := certheader.ParseFormat(string(c.Format)); c.Format != "" && err != nil {
		return nil, err
	}
	c.Header, c.UserHeader = textproto.CanonicalMIMEHeaderKey(c.Header), textproto.CanonicalMIMEHeaderKey(c.UserHeader)
	g := &Gate{Config: c, answers: []string{VerifyHeader, c.UserHeader, RevocationHeader, SerialHeader, CertHeader, ChainHeader}}
	return g, errors.Join(g.checkHeaders(), g.Page.Check())
}

// checkHeaders: with the certificate in the header that answers bear too, what a
// client sent there could not be told from what the proxy has set.
func (g *Gate) checkHeaders() error {
	for _, name := range []string{g.Header, g.UserHeader} {
		switch {
		case !httpguts.ValidHeaderFieldName(name) || strings.Contains(name, "_"):
			return fmt.Errorf("%q is no name of a header that proxies hand on", name)
		case taken(name):
			return fmt.Errorf("the header %s has a meaning of its own in HTTP; take another name, as X-Client-Cert or Remote-User", name)
		}
	}
	seen := map[string]bool{g.Header: true}
	for _, name := range g.answers {
		if seen[name] {
			return fmt.Errorf("the header %s would be used twice: the proxy hands the certificate over in one, and the answers have others", name)
		}
		seen[name] = true
	}
	return nil
}

// ServeHTTP answers at /auth, and at /health for monitors. Nothing is anywhere
// else: a proxy that hands the visitor's own path over is set up wrongly, and gets no 200.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == AuthPath:
		g.auth(w, r)
	case r.URL.Path == HealthPath && !g.proxied(r):
		g.health(w)
	default:
		p := problem.New(http.StatusNotFound, "not-found", "the gate answers at "+AuthPath)
		p.Hint = "Set the proxy up to ask there, whatever path the visitor wants."
		problem.Write(w, p)
	}
}

// proxied reports whether r comes of a visitor, by way of a proxy.
func (g *Gate) proxied(r *http.Request) bool {
	for name := range r.Header {
		if name == g.Header || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}

func (g *Gate) auth(w http.ResponseWriter, r *http.Request) {
	id := g.judge(r.Context(), r.Header)
	values := g.values(id)
	if name := g.forged(r.Header, values); name != "" {
		id = relying.Identity{Result: relying.Failed, Reason: relying.Forged, Detail: "the client sent " + name}
		values = g.values(id)
	}
	for name, value := range values {
		w.Header()[name] = []string{value}
	}
	w.Header().Set("Cache-Control", "no-store")
	g.count(r, id)
	if id.OK() || g.Optional && id.Reason != relying.Forged {
		w.WriteHeader(http.StatusOK)
		return
	}
	g.Page.WriteStatus(w, r, id, status(id))
}

// status is 401 or 403: any other is an error of the proxy's to nginx.
func status(id relying.Identity) int {
	if id.Result == relying.None {
		return http.StatusUnauthorized
	}
	return http.StatusForbidden
}

func (g *Gate) judge(ctx context.Context, h http.Header) relying.Identity {
	cert, err := certheader.Parse(h[g.Header], g.Format)
	switch {
	case err != nil:
		return relying.Identity{Result: relying.Failed, Reason: relying.Malformed, Detail: g.Header + ": " + err.Error()}
	case cert == nil:
		return relying.Identity{Result: relying.None}
	}
	id, _ := g.Checker.Check(ctx, []*x509.Certificate{cert})
	if user := g.User.of(id.Names); id.OK() && !sayable(user) {
		id.Result, id.Reason, id.Names = relying.Failed, relying.NoName, relying.Names{}
		id.Detail = fmt.Sprintf("the certificate has no name of the kind %s that could be a header's value", g.User)
	}
	return id
}

// sayable: a name that a header can have as its value, unchanged.
func sayable(user string) bool {
	return user != "" && strings.TrimSpace(user) == user && httpguts.ValidHeaderFieldValue(user)
}

// values are the headers of the answer. Only a good certificate is handed on.
func (g *Gate) values(id relying.Identity) map[string]string {
	out := map[string]string{VerifyHeader: id.String(), g.UserHeader: "", RevocationHeader: "", SerialHeader: "", CertHeader: "", ChainHeader: ""}
	if id.OK() {
		out[g.UserHeader], out[SerialHeader] = g.User.of(id.Names), id.Serial
		out[RevocationHeader] = Checked
		if id.Unchecked {
			out[RevocationHeader] = Unchecked
		}
		out[CertHeader] = certheader.Encode(id.Certificate)
		// RFC 9440, Section 2.3: without the certificate itself; the root is known anyway.
		out[ChainHeader] = certheader.EncodeChain(id.Chain[1 : len(id.Chain)-1])
	}
	return out
}

// forged is the name of a header in which the client tries to say what only the
// gate may, and which the proxy might let through; "" for none. There are two such
// cases. Where the answer's header is empty, some proxies keep the client's (Caddy
// from 2.10.0 to 2.11.1: CVE-2026-30851). And a name with '_' in the place of '-' is
// another header to the proxy, but the same to applications that get headers as
// variables (RFC 3875, Section 4.1.18; in Caddy before 2.11.4, CVE-2026-52845).
func (g *Gate) forged(h http.Header, answer map[string]string) string {
	for name, values := range h {
		dashed := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
		value, ours := answer[dashed]
		if !ours || strings.Join(values, "") == "" {
			continue
		}
		if dashed != name || value == "" {
			return name
		}
	}
	return ""
}

func (g *Gate) count(r *http.Request, id relying.Identity) {
	switch id.Result {
	case relying.Success:
		g.succeeded.Add(1)
	case relying.Failed:
		g.failed.Add(1)
		g.Logger.InfoContext(r.Context(), "a certificate is refused", "result", id.String(), "detail", id.Detail, "serial", id.Serial,
			"from", r.Header.Get("X-Forwarded-For"))
	default:
		g.none.Add(1)
	}
}

// Counts are how often each result was given.
func (g *Gate) Counts() map[relying.Result]uint64 {
	return map[relying.Result]uint64{relying.Success: g.succeeded.Load(), relying.Failed: g.failed.Load(), relying.None: g.none.Load()}
}

// health: 200 while every level has a CRL in force, 503 otherwise.
func (g *Gate) health(w http.ResponseWriter) {
	report := struct {
		Status string          `json:"status"` // "ok", or what is wrong
		Levels []relying.Level `json:"levels"`
	}{"ok", g.Checker.Levels()}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := g.Checker.Health(); err != nil {
		report.Status = err.Error()
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(report)
}
