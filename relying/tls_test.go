package relying

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
)

// A site is a TLS server with the middleware, or without it, and a client.
type site struct {
	*world
	*httptest.Server
	checker *Checker
}

// serve starts a server. Its own certificate is of the CA too, which saves making one.
func (w *world) serve(c *Checker, config *tls.Config, h http.Handler) *site {
	w.Helper()
	key := catest.Key(w)
	cert, err := w.Issuer.IssueServer(w.Context(), w.Serial(w), key.Public(), []string{"127.0.0.1"}, w.URLs, time.Hour, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	own := certificate(w, cert, key)
	own.Certificate = append(own.Certificate, w.Intermediate.Raw)
	s := &site{world: w, checker: c, Server: httptest.NewUnstartedServer(h)}
	s.TLS = config
	s.TLS.Certificates = []tls.Certificate{*own}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.StartTLS()
	w.Cleanup(s.Server.Close)
	return s
}

func greet(w http.ResponseWriter, r *http.Request) {
	id := FromContext(r.Context())
	fmt.Fprintf(w, "%s %s", id, id.Account)
}

// asking is a site as the package comment has it.
func (w *world) asking401(h HandlerConfig) *site {
	c := w.fresh(w.config())
	return w.serve(c, c.AskingTLSConfig(nil), c.Handler(http.HandlerFunc(greet), h))
}

// visitor is an HTTP client with a certificate, or none, that resumes sessions.
func (s *site) visitor(cert *tls.Certificate, protocol string) *http.Client {
	config := &tls.Config{RootCAs: s.Pool(), ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	if cert != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	t := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: protocol == "HTTP/2.0"}
	s.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

func (s *site) get(client *http.Client) (int, string, *http.Response) {
	s.Helper()
	resp, err := client.Get(s.URL)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(body), resp
}

// A connection that lasts is refused at the next request after the revocation.
func TestRevocationReachesOpenConnections(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		w := newWorld(t)
		s := w.asking401(HandlerConfig{})
		alice := w.alice()
		client := s.visitor(alice, protocol)
		status, body, resp := s.get(client)
		if status != 200 || body != "SUCCESS alice" || resp.Proto != protocol {
			t.Fatalf("%d %q %s", status, body, resp.Proto)
		}
		w.revoke(alice.Leaf, ca.KeyCompromise)
		w.publish()
		w.fetch(s.checker)
		before := resp.TLS
		status, body, resp = s.get(client)
		if status != 403 || !strings.Contains(body, "certificate-revoked") {
			t.Errorf("%s: %d %q", protocol, status, body)
		}
		if resp.TLS.DidResume != before.DidResume {
			t.Errorf("%s: that was another connection", protocol)
		}
		if protocol == "HTTP/1.1" && !resp.Close {
			t.Error("the connection is kept, with the certificate that was refused")
		}
	}
}

// dial makes a TLS connection and asks for the page, so that session tickets come.
func (s *site) dial(config *tls.Config) (tls.ConnectionState, error) {
	s.Helper()
	conn, err := tls.Dial("tcp", s.Listener.Addr().String(), config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if err != nil {
		return tls.ConnectionState{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return conn.ConnectionState(), fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return conn.ConnectionState(), err
}

// A session that is resumed is checked as a new one: a ticket is no way round a revocation.
func TestResumedSessions(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, strict := range []bool{true, false} {
			w := newWorld(t)
			c := w.fresh(w.config())
			config := c.AskingTLSConfig(nil)
			handler := c.Handler(http.HandlerFunc(greet), HandlerConfig{})
			if strict {
				config, handler = c.TLSConfig(&tls.Config{}), http.HandlerFunc(greet)
			}
			s := w.serve(c, config, handler)
			alice := w.alice()
			client := &tls.Config{RootCAs: w.Pool(), Certificates: []tls.Certificate{*alice}, MaxVersion: version,
				ClientSessionCache: tls.NewLRUClientSessionCache(4), ServerName: "127.0.0.1"}
			for i := range 2 {
				state, err := s.dial(client)
				if err != nil || state.DidResume != (i == 1) {
					t.Fatalf("%s, visit %d: %v, resumed: %t", name, i, err, state.DidResume)
				}
			}
			w.revoke(alice.Leaf, ca.KeyCompromise)
			w.publish()
			w.fetch(c)
			state, err := s.dial(client)
			if err == nil {
				t.Errorf("%s, strict %t: the ticket of a revoked certificate lets in", name, strict)
			}
			if !strict && !state.DidResume {
				t.Errorf("%s: the session was not resumed, which proves nothing", name)
			}
		}
	}
}

func TestStrictHandshakes(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	c := w.fresh(w.config())
	s := w.serve(c, c.TLSConfig(nil), http.HandlerFunc(greet))
	bob := w.person("bob", time.Now())
	w.revoke(bob.Leaf, ca.Superseded)
	w.publish()
	w.fetch(c)
	for name, cert := range map[string]*tls.Certificate{"none": nil, "revoked": bob, "another CA's": other.alice()} {
		if resp, err := s.visitor(cert, "HTTP/1.1").Get(s.URL); err == nil {
			resp.Body.Close()
			t.Errorf("%s: let in", name)
		}
	}
	if resp, err := s.visitor(w.alice(), "HTTP/1.1").Get(s.URL); err != nil {
		t.Error(err)
	} else {
		resp.Body.Close()
	}
}

// What the server's own configuration says stays, and can't undo the check.
func TestBaseConfiguration(t *testing.T) {
	w := newWorld(t)
	c := w.fresh(w.config())
	called := 0
	base := &tls.Config{
		ClientAuth: tls.NoClientCert, NextProtos: []string{"x"},
		VerifyConnection:   func(tls.ConnectionState) error { called++; return nil },
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return &tls.Config{}, nil },
	}
	got := c.TLSConfig(base)
	if base.ClientAuth != tls.NoClientCert || got.NextProtos[0] != "x" || got.MinVersion != tls.VersionTLS12 {
		t.Error("the configuration given is changed, or lost")
	}
	if got.VerifyConnection(tls.ConnectionState{}) == nil || called != 0 {
		t.Error("no certificate is enough")
	}
	if err := got.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{w.alice().Leaf}}); err != nil || called != 1 {
		t.Errorf("%v, called %d times", err, called)
	}
	other, err := got.GetConfigForClient(nil)
	if err != nil || other.ClientAuth != tls.RequireAnyClientCert || other.VerifyConnection(tls.ConnectionState{}) == nil {
		t.Error("GetConfigForClient goes round the check")
	}
}

// Run fetches at once, and again; whoever waits for Ready has a CRL.
func TestRun(t *testing.T) {
	w := newWorld(t)
	config := w.config()
	config.Every = 50 * time.Millisecond
	c := w.checker(config)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	wait, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := c.Ready(wait); err != nil {
		t.Fatal(err)
	}
	alice := w.alice()
	w.check(c, alice, "SUCCESS")
	w.revoke(alice.Leaf, ca.KeyCompromise)
	w.publish()
	for id, _ := c.Check(wait, []*x509.Certificate{alice.Leaf}); id.OK(); id, _ = c.Check(wait, []*x509.Certificate{alice.Leaf}) {
		select {
		case <-wait.Done():
			t.Fatal("the revocation never arrived")
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
