package main

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/internal/sdnotify"
	"signet/store/bolt"
)

// newParts are the parts of a server on a store of its own, which the caller closes.
func newParts(t *testing.T) parts {
	t.Helper()
	h := catest.New(t)
	st, err := bolt.Open(filepath.Join(t.TempDir(), "signet.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return parts{store: st, issuer: h.Issuer, serials: ca.NewSerialSource(st), logger: slog.New(slog.DiscardHandler)}
}

func TestTheServersCertificateRenewsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParts(t)
		defer p.store.Close()
		key, err := ca.GenerateKey("P-256")
		if err != nil {
			t.Fatal(err)
		}
		conf := defaultConfig()
		conf.DataDir, conf.URLs.HTTP, conf.TLS.Hosts = t.TempDir(), "http://ca.example:8080", []string{"ca.example", "::1"}
		conf.TLS.Lifetime = duration(30 * time.Hour)
		c := &serverCertificate{parts: p, key: key}
		ctx, cancel := context.WithCancel(t.Context())
		if err := c.load(ctx, conf); err != nil {
			t.Fatal(err)
		}
		first := c.inUse.Load().Leaf
		if err := first.VerifyHostname("ca.example"); err != nil {
			t.Error(err)
		}
		ended := make(chan error)
		go func() { ended <- c.run(ctx) }()

		// Until two thirds of its time are over, it is kept, also by a restart.
		time.Sleep(19 * time.Hour)
		again := &serverCertificate{parts: p, key: key}
		if err := again.load(ctx, conf); err != nil || !c.inUse.Load().Leaf.Equal(first) || !again.inUse.Load().Leaf.Equal(first) {
			t.Errorf("renewed after 19 of 30 hours (%v)", err)
		}
		time.Sleep(2 * time.Hour)
		second := c.inUse.Load()
		if second.Leaf.Equal(first) || !second.Leaf.NotAfter.After(first.NotAfter) || len(second.Certificate) != 2 {
			t.Errorf("after 21 of 30 hours it is still the one until %s", second.Leaf.NotAfter)
		}
		if got := again.fromFile(ctx, conf); got == nil || !got.Leaf.Equal(second.Leaf) {
			t.Error("the renewed one is not on disk")
		}
		other := *conf
		other.TLS.Hosts = []string{"ca.example"}
		if err := again.load(ctx, &other); err != nil || len(again.inUse.Load().Leaf.IPAddresses) != 0 {
			t.Errorf("other hosts, and the certificate is for %v (%v)", again.inUse.Load().Leaf.IPAddresses, err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRequestsUnderWayAreAnsweredBeforeTheEnd(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		io.WriteString(w, "answered")
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveUntil(ctx, server, l, false) }()
	body := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		body <- string(text)
	}()
	<-begun
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("the server ended (%v) with a request under way", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if got := <-body; got != "answered" {
		t.Errorf("the client got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	s := &server{parts: parts{logger: slog.New(slog.DiscardHandler)}}
	s.notify("READY=1")
	buf := make([]byte, 64)
	if n, err := l.Read(buf); err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("%q %v", buf[:n], err)
	}
	if strings.HasSuffix(sdnotify.Reloading(), "=0") {
		t.Error("there is no monotonic clock")
	}
}

func TestTLSAsksForACertificateAndRequiresNone(t *testing.T) {
	c := (&serverCertificate{}).tlsConfig()
	if c.ClientAuth != tls.RequestClientCert || c.MinVersion < tls.VersionTLS12 {
		t.Errorf("%+v", c)
	}
}

func TestEveryListenerIsBounded(t *testing.T) {
	s := &server{parts: parts{logger: slog.New(slog.DiscardHandler)}, certificate: &serverCertificate{}}
	for i, one := range s.servers(&listeners{}) {
		h := one.server
		if h.ReadHeaderTimeout == 0 || h.ReadTimeout == 0 || h.IdleTimeout == 0 || h.MaxHeaderBytes == 0 || (i < 2 && h.WriteTimeout == 0) {
			t.Errorf("listener %d: %+v", i, h)
		}
	}
}

func TestPort0IsFilledIn(t *testing.T) {
	s := &server{httpsAddr: "127.0.0.1:4433", httpAddr: "[::1]:8888"}
	c := &Config{}
	c.URLs.HTTPS, c.URLs.HTTP = "https://ca.example:0", "http://ca.example:8080"
	s.realAddresses(c)
	if got := strings.Join([]string{c.URLs.HTTPS, c.URLs.HTTP}, " "); got != "https://ca.example:4433 http://ca.example:8080" {
		t.Error(got)
	}
}
