package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"signet/relying"
	"signet/relying/certheader"
	"signet/relying/gate"
)

// authority: the URL of a CA alone is the base of all it has, which makes use of
// deltas too; any other gives CRLs.
func (g gateCA) authority(certs []*x509.Certificate) relying.Authority {
	if u, err := url.Parse(g.URL[0]); len(g.URL) == 1 && err == nil && strings.Trim(u.Path, "/") == "" {
		return relying.Authority{URL: g.URL[0], Certificates: certs}
	}
	return relying.Authority{CRLs: g.URL, Certificates: certs}
}

// A gateServer is the gate's listener, and that of its metrics where there is one.
type gateServer struct {
	listener net.Listener
	server   *http.Server
	metrics  *gateServer // nil for none
}

// maxGateConnections bounds the proxy's connections: a busy one keeps some dozens.
const maxGateConnections = 4096

func listenGate(c *gateConfig, g *gate.Gate, checker *relying.Checker, logger *slog.Logger) (*gateServer, error) {
	mode, err := c.socketMode()
	if err != nil {
		return nil, err
	}
	s, err := newGateServer(c.Listen, mode, g)
	if err != nil {
		return nil, err
	}
	if c.Metrics != "" {
		if s.metrics, err = newGateServer(c.Metrics, mode, gateMetrics(g, checker)); err != nil {
			_ = s.listener.Close()
			return nil, err
		}
	}
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		logger.Warn("the gate listens beyond this host: whoever reaches it can ask what a certificate is worth, which is the proxy's business alone",
			"address", a.String())
	}
	return s, nil
}

func newGateServer(address string, mode fs.FileMode, h http.Handler) (*gateServer, error) {
	l, err := listenAt(address, mode)
	if err != nil {
		return nil, fmt.Errorf("listening at %s: %w", address, err)
	}
	return &gateServer{listener: netutil.LimitListener(l, maxGateConnections), server: &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 5 * time.Minute,
		MaxHeaderBytes: 2 * certheader.MaxValue, // a certificate, and what the visitor sent
	}}, nil
}

// listenAt makes a socket with that mode. Until it has it, it is its owner's alone: nobody
// else may write to what the umask of services, 022, leaves.
func listenAt(address string, mode fs.FileMode) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return net.Listen("tcp", address)
	}
	if err := removeDeadSocket(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// removeDeadSocket removes what a gate that was killed has left, and nothing else.
func removeDeadSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there, and is no socket", path)
	}
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		return errors.New("another process listens there")
	}
	return os.Remove(path)
}

// run serves until ctx ends, and then finishes the answers that were begun.
func (s *gateServer) run(ctx context.Context) error {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = s.server.Shutdown(wait)
	})
	err := s.server.Serve(s.listener)
	if !stop() {
		<-done
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
