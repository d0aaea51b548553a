package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"signet/internal/atomicfile"
	"signet/internal/sdnotify"
)

// A server is a running CA: the parts that last, and the authority that the
// configuration in force has made of them.
type server struct {
	parts
	conf        *Config
	level       *slog.LevelVar
	certificate *serverCertificate
	readyFile   string
	load        func() (*Config, error) // reads the configuration again

	current atomic.Pointer[authority]
	// The addresses as they are, where the configuration says port 0.
	httpsAddr, httpAddr string
}

// shutdownTimeout is how long requests under way may take to end.
const shutdownTimeout = 30 * time.Second

// run serves until ctx ends, and then until the requests under way are answered.
func (s *server) run(ctx context.Context, hup <-chan os.Signal) error {
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	s.realAddresses(s.conf)
	if err := s.serials.Reserve(ctx); err != nil {
		return err
	}
	first, err := newAuthority(ctx, s.conf, s.parts, nil)
	if err != nil {
		return err
	}
	s.current.Store(first)
	if err := s.certificate.load(ctx, s.conf); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, one := range s.servers(l) {
		g.Go(func() error { return serveUntil(ctx, one.server, one.listener, one.tls) })
	}
	g.Go(func() error { return first.revoking.Run(ctx) })
	g.Go(func() error { return s.certificate.run(ctx) })
	g.Go(func() error { return s.forget(ctx) })
	g.Go(func() error { return s.reloads(ctx, hup) })
	s.awaitFirst(ctx, first)
	if err := s.ready(); err != nil {
		return err
	}
	<-ctx.Done()
	s.notify(sdnotify.Stopping)
	s.logger.Info("stopping: answering the requests under way")
	err = g.Wait()
	s.logger.Info("stopped")
	return err
}

// listeners are the three doors.
type listeners struct{ https, http, operator net.Listener }

func (l *listeners) close() {
	for _, one := range []net.Listener{l.https, l.http, l.operator} {
		if one != nil {
			one.Close() // closed already where the server ended as it should
		}
	}
}

// maxConnections bounds the connections at each door, and so the memory that they
// hold; those beyond wait in the system's queue.
const maxConnections = 1024

func (s *server) listen(ctx context.Context) (_ *listeners, err error) {
	l := &listeners{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	var lc net.ListenConfig
	if l.https, err = lc.Listen(ctx, "tcp", s.conf.Listen.HTTPS); err != nil {
		return nil, fmt.Errorf("listen.https: %w", err)
	}
	if l.http, err = lc.Listen(ctx, "tcp", s.conf.Listen.HTTP); err != nil {
		return nil, fmt.Errorf("listen.http: %w", err)
	}
	s.httpsAddr, s.httpAddr = l.https.Addr().String(), l.http.Addr().String()
	l.https = netutil.LimitListener(lazyListener{l.https}, maxConnections)
	l.http = netutil.LimitListener(lazyListener{l.http}, maxConnections)
	l.operator, err = listenOperator(ctx, s.conf.socket(), s.logger)
	return l, err
}

// realAddresses puts the real port into URLs that say port 0, as tests have it.
func (s *server) realAddresses(conf *Config) {
	for _, one := range []struct {
		url  *string
		addr string
	}{{&conf.URLs.HTTPS, s.httpsAddr}, {&conf.URLs.HTTP, s.httpAddr}} {
		if base, ok := strings.CutSuffix(*one.url, ":0"); ok {
			_, port, _ := net.SplitHostPort(one.addr)
			*one.url = base + ":" + port
		}
	}
}

// oneServer is a listener and what serves it.
type oneServer struct {
	server   *http.Server
	listener net.Listener
	tls      bool
}

func (s *server) servers(l *listeners) []oneServer {
	https := s.httpServer(func(a *authority) http.Handler { return a.site.HTTPS })
	https.TLSConfig = s.certificate.tlsConfig()
	operator := s.httpServer(func(a *authority) http.Handler { return a.operatorHandler })
	operator.WriteTimeout = 0 // a listing may be long
	operator.ConnContext = connLogin
	return []oneServer{
		{https, l.https, true},
		{s.httpServer(func(a *authority) http.Handler { return a.site.HTTP }), l.http, false},
		{operator, l.operator, false},
	}
}

// httpServer is a server with bounds on all that a client could draw out; its
// handler is that of the authority in force when a request comes.
func (s *server) httpServer(pick func(*authority) http.Handler) *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			pick(s.current.Load()).ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug), // handshakes that failed
	}
}

// serveUntil serves until ctx ends, then lets the requests under way end.
func serveUntil(ctx context.Context, server *http.Server, l net.Listener, tls bool) error {
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		ended <- server.Shutdown(ctx)
	}()
	var err error
	if tls {
		err = server.ServeTLS(l, "", "")
	} else {
		err = server.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("requests were cut off after %s: %w", shutdownTimeout, err)
	}
	return nil
}

// awaitFirst waits until there is a CRL and an OCSP signer to answer with, but not
// for long: a server that lacks one still enrolls, and /readyz says what is wrong.
func (s *server) awaitFirst(ctx context.Context, a *authority) {
	for range 100 {
		if ctx.Err() != nil || a.revoking.Publisher.Current(s.issuer.ID()) != nil && a.revoking.Responder.Check() == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// addresses is the content of the ready file.
type addresses struct {
	HTTPS string `json:"https"`
	HTTP  string `json:"http"`
	PID   int    `json:"pid"`
}

// ready tells whoever waits that the server answers.
func (s *server) ready() error {
	s.logger.Info("ready", "https", s.httpsAddr, "http", s.httpAddr, "url", s.current.Load().conf.URLs.HTTPS)
	if s.readyFile != "" {
		data, err := json.Marshal(addresses{s.httpsAddr, s.httpAddr, os.Getpid()})
		if err != nil {
			return err
		}
		if err := atomicfile.Write(s.readyFile, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	s.notify(sdnotify.Ready())
	return nil
}
