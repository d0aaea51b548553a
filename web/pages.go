package web

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"signet/ca"
	"signet/internal/problem"
)

//go:embed pages
var pageFiles embed.FS

const stylePath = "/static/style.css"

// pages are the HTML pages. Those that are the same for everybody are made once.
type pages struct {
	indexHTML, notFoundHTML, css []byte
	cssTag                       string
}

// view is what the templates are filled with.
type view struct {
	Organisation string
	URL          string
	Fingerprint  string   // 64 lower-case hex digits
	Groups       []string // the same, four digits each, to be compared by eye
	Links        links
	Root         authority
	Intermediate authority
	StylePath    string
}

type authority struct{ Subject, Algorithm, Until string }

func newPages(c Config) (*pages, error) {
	t, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("web: reading the pages: %w", err)
	}
	p := &pages{}
	v := viewOf(c)
	for name, to := range map[string]*[]byte{"index.html": &p.indexHTML, "notfound.html": &p.notFoundHTML} {
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, name, v); err != nil {
			return nil, fmt.Errorf("web: making %s: %w", name, err)
		}
		*to = b.Bytes()
	}
	if p.css, err = pageFiles.ReadFile("pages/style.css"); err != nil {
		return nil, fmt.Errorf("web: reading the pages: %w", err)
	}
	sum := sha256.Sum256(p.css)
	p.cssTag = fmt.Sprintf("%q", hex.EncodeToString(sum[:8]))
	return p, nil
}

func viewOf(c Config) view {
	sum := sha256.Sum256(c.Root.Raw)
	v := view{
		Organisation: c.Organisation, URL: c.URL, Fingerprint: hex.EncodeToString(sum[:]),
		Links: linksOf(c), Root: authorityOf(c.Root), Intermediate: authorityOf(c.Intermediate),
		StylePath: stylePath,
	}
	if v.Organisation == "" {
		v.Organisation = c.Root.Subject.CommonName
	}
	for i := 0; i < len(v.Fingerprint); i += 4 {
		v.Groups = append(v.Groups, v.Fingerprint[i:i+4])
	}
	return v
}

func authorityOf(c *x509.Certificate) authority {
	return authority{
		Subject:   c.Subject.String(),
		Algorithm: ca.KeyAlgorithm(c.PublicKey),
		Until:     c.NotAfter.UTC().Format("2 January 2006"),
	}
}

func (p *pages) index(w http.ResponseWriter, _ *http.Request) {
	writeHTML(w, http.StatusOK, p.indexHTML)
}

func (p *pages) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", p.cssTag)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	if r.Header.Get("If-None-Match") == p.cssTag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(p.css)
}

// notFound answers browsers with a page and programs with a problem.
func (p *pages) notFound(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeHTML(w, http.StatusNotFound, p.notFoundHTML)
		return
	}
	answer := problem.New(http.StatusNotFound, "not-found", "there is nothing at this address")
	answer.Instance = r.Header.Get(problem.RequestID)
	problem.Write(w, answer)
}

func writeHTML(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
