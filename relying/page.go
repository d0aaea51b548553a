package relying

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"signet/internal/problem"
)

// A Page is what is said to those who are refused. The zero value will do.
type Page struct {
	// Service is what they wanted to get into: "the wiki of Example Ltd".
	Service string
	// Enroll is the CA's https:// URL, where they learn how to get a certificate.
	Enroll string
	// Contact is a URL of who helps: "mailto:help@example.com", "https://help.example.com".
	Contact string
}

// Check refuses links that lead nowhere: a browser can't follow them, or runs them.
func (p Page) Check() error {
	for _, link := range []struct {
		name, url string
		schemes   []string
	}{
		{"enroll", p.Enroll, []string{"https", "http"}},
		{"contact", p.Contact, []string{"mailto", "https", "http", "tel"}},
	} {
		if link.url == "" {
			continue
		}
		u, err := url.Parse(link.url)
		if err != nil {
			return fmt.Errorf("the page's %s: %w", link.name, err)
		}
		web := u.Scheme == "https" || u.Scheme == "http"
		if !slices.Contains(link.schemes, u.Scheme) || web && u.Host == "" || !web && u.Opaque == "" {
			return fmt.Errorf("the page's %s: %q is no URL of %s", link.name, link.url, strings.Join(link.schemes, ":, ")+":")
		}
	}
	return nil
}

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// ServeHTTP refuses with the identity of the request's context: with a page for
// browsers, with a problem document (RFC 9457) for others. The status is that of
// [Identity.Status].
func (p Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Write(w, r, FromContext(r.Context()))
}

// Status is the HTTP status of a refusal: 401 without a certificate, 403 with one
// that doesn't do, 503 while the server can't check any; 200 where there is none.
func (i Identity) Status() int {
	switch {
	case i.OK():
		return http.StatusOK
	case i.Result != Failed:
		return http.StatusUnauthorized
	case i.Reason.Ours():
		return http.StatusServiceUnavailable
	}
	return http.StatusForbidden
}

// Write refuses id with the status of [Identity.Status].
func (p Page) Write(w http.ResponseWriter, r *http.Request, id Identity) {
	p.WriteStatus(w, r, id, id.Status())
}

// WriteStatus refuses id with that status.
func (p Page) WriteStatus(w http.ResponseWriter, r *http.Request, id Identity, status int) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("Vary", "Accept")
	head.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized {
		// RFC 9110, Section 15.5.2 wants a challenge; of TLS's none is registered.
		head.Set("WWW-Authenticate", "TLS-Client-Certificate")
	}
	if status == http.StatusServiceUnavailable {
		head.Set("Retry-After", "30")
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeProblem(w, id, status)
		return
	}
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", "default-src 'none'; style-src '"+styleHash()+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	head.Set("Referrer-Policy", "no-referrer")
	body, err := p.render(id)
	if err != nil { // the template is ours: a mistake in it must not let anybody in
		http.Error(w, explain(id).Title, status)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func writeProblem(w http.ResponseWriter, id Identity, status int) {
	e := explain(id)
	name := "certificate-required"
	if id.Result == Failed {
		name = "certificate-" + string(id.Reason)
	}
	problem.Write(w, &problem.Problem{
		Type: problem.URN(name), Title: e.Title, Status: status,
		Detail: plain(e.What), Hint: plain(strings.Join(e.Steps, " ")),
	})
}

// view is what the page is filled with.
type view struct {
	Page
	explanation
	Style  template.CSS
	Result string
	Facts  []fact
}

type fact struct{ Name, Value string }

func (p Page) render(id Identity) ([]byte, error) {
	return view{Page: p, explanation: explain(id), Result: id.String(), Facts: facts(id)}.render()
}

func (v view) render() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{"code": code}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("reading the page: %w", err)
	}
	v.Style = template.CSS(pageStyle)
	var out strings.Builder
	if err := t.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("making the page: %w", err)
	}
	return []byte(out.String()), nil
}

// code has what is between backticks in the look of commands.
func code(text string) template.HTML {
	var out strings.Builder
	for i, part := range strings.Split(template.HTMLEscapeString(text), "`") {
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		out.WriteString(part)
	}
	return template.HTML(out.String())
}

// plain has it between quotation marks.
func plain(text string) string {
	var out strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			part = "“" + part + "”"
		}
		out.WriteString(part)
	}
	return out.String()
}

// styleHash lets the browser take the page's own style and no other (CSP, Section 2.3.1).
func styleHash() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
