package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// A way is how a server asks for certificates.
type way string

const (
	required way = "required"
	optional way = "optional"
)

// A visitor shows a certificate, or gives a password, or neither.
type visitor struct {
	cert           *tls.Certificate
	user, password string
	header         http.Header // sent beside, where there is HTTP
}

// An outcome is what came of a visit.
type outcome struct {
	in   bool
	user string // as whom
	// broken: the connection ended without a word, as it may while a server reloads.
	broken bool
	// said is what the visitor was told, in a few words.
	said string
	// got is the request as the application behind the server had it.
	got http.Header
}

// A door is a server as its users see it.
type door interface {
	// enter tries to get in by a new connection.
	enter(ctx context.Context, w way, v visitor) outcome
	// sit gets in by a connection that it keeps, with a session that can be
	// resumed, and returns what tries again on it.
	sit(ctx context.Context, w way, v visitor) (again func() outcome, leave func())
}

// A site is a door of HTTP.
type site struct {
	urls  map[way]string
	roots *x509.CertPool
}

func newSite(s *stand, requiredPort, optionalPort int) *site {
	url := func(port int) string { return fmt.Sprintf("https://%s/", address(port)) }
	return &site{urls: map[way]string{required: url(requiredPort), optional: url(optionalPort)}, roots: s.roots}
}

func (s *site) client(v visitor) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: s.roots, ClientSessionCache: tls.NewLRUClientSessionCache(8),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if v.cert == nil {
				return &tls.Certificate{}, nil
			}
			return v.cert, nil // whatever CAs the server names
		},
	}}}
}

func (s *site) enter(ctx context.Context, w way, v visitor) outcome {
	client := s.client(v)
	defer client.CloseIdleConnections()
	return s.ask(ctx, client, w, v)
}

func (s *site) sit(ctx context.Context, w way, v visitor) (again func() outcome, leave func()) {
	client := s.client(v)
	return func() outcome { return s.ask(ctx, client, w, v) }, client.CloseIdleConnections
}

func (s *site) ask(ctx context.Context, client *http.Client, w way, v visitor) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.urls[w], nil)
	if err != nil {
		return outcome{said: err.Error()}
	}
	req.Header.Set("Accept", "text/html, */*") // as browsers do
	for name, values := range v.header {
		req.Header[name] = values
	}
	if v.user != "" {
		req.SetBasicAuth(v.user, v.password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return ended(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return ended(err)
	}
	var got http.Header
	if resp.StatusCode == http.StatusOK && json.Unmarshal(body, &got) == nil {
		return outcome{in: true, user: got.Get(userHeader), said: "in", got: got}
	}
	if name := welcome.FindSubmatch(body); resp.StatusCode == http.StatusOK && name != nil {
		return outcome{in: true, user: string(name[1]), said: "in"}
	}
	return outcome{said: told(resp, body)}
}

// welcome is the page of a server that has no other application behind it.
var welcome = regexp.MustCompile(`<title>Welcome, (.*?)</title>`)

// told is a page in a few words: its status and title.
func told(resp *http.Response, body []byte) string {
	if resp.StatusCode == http.StatusUnauthorized && strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic") {
		return "401, asked for a password"
	}
	title := regexp.MustCompile(`<title>(.*?)</title>`).FindSubmatch(body)
	if title == nil {
		return fmt.Sprintf("%d without a page", resp.StatusCode)
	}
	return fmt.Sprintf("%d “%s”", resp.StatusCode, html.UnescapeString(string(title[1])))
}

// ended is an error of the connection in a few words: the TLS alert, where there
// was one.
func ended(err error) outcome {
	if _, after, found := strings.Cut(err.Error(), "remote error: tls: "); found {
		return outcome{said: "TLS alert “" + after + "”"}
	}
	return outcome{said: err.Error(), broken: true}
}
