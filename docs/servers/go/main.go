// Command go is a small web server that lets in who holds a certificate of the
// CA: by one address nobody else, by another also who knows a password. A third
// address tells a monitor whether revocations arrive.
//
//	go run . -ca http://ca.example.com:8080
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"html/template"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/relying"
)

func main() {
	ca := flag.String("ca", "http://ca.example.com:8080", "`URL` of the CA's plain HTTP listener")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *ca); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, ca string) error {
	chain, err := relying.ReadCertificates("chain.pem") // the CA's /ca/bundle.pem
	if err != nil {
		return err
	}
	checker, err := relying.New(relying.Config{
		Authorities: []relying.Authority{{URL: ca, Certificates: chain}},
		Dir:         "crl", // so that a restart works while the CA is down
	})
	if err != nil {
		return err
	}
	users, err := readPasswords("passwords")
	if err != nil {
		return err
	}

	pages := http.HandlerFunc(welcome)
	required := checker.Handler(pages, relying.HandlerConfig{})
	optional := checker.Handler(users.handler(pages), relying.HandlerConfig{Optional: true})

	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return checker.Run(ctx) })
	all.Go(func() error { return serve(ctx, newServer("127.0.0.1:24480", required, checker)) })
	all.Go(func() error { return serve(ctx, newServer("127.0.0.1:24481", optional, checker)) })
	all.Go(func() error { return serve(ctx, newServer("127.0.0.1:24482", health(checker), nil)) })
	return all.Wait()
}

// newServer speaks TLS where there is a checker. The handshake takes any
// certificate; the handler judges it at each request, and can say why it refuses.
func newServer(address string, handler http.Handler, checker *relying.Checker) *http.Server {
	server := &http.Server{Addr: address, Handler: handler,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	if checker != nil {
		server.TLSConfig = checker.AskingTLSConfig(nil)
	}
	return server
}

// serve runs a server until ctx ends, and lets the requests finish that it has.
func serve(ctx context.Context, server *http.Server) error {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	})
	defer stop()
	var err error
	if server.TLSConfig == nil {
		err = server.ListenAndServe()
	} else {
		err = server.ListenAndServeTLS("server.crt", "server.key")
	}
	if errors.Is(err, http.ErrServerClosed) {
		<-done
		return nil
	}
	return err
}

var page = template.Must(template.New("").Parse(
	`<!doctype html><title>Welcome, {{.}}</title><h1>Welcome, {{.}}</h1>`))

// welcome is what the server is for. It learns who came from the request's
// context alone: a header can be sent by anybody.
func welcome(w http.ResponseWriter, r *http.Request) {
	name, _, _ := r.BasicAuth() // checked by passwords.handler
	if id := relying.FromContext(r.Context()); id.OK() {
		name = id.Account
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, name)
}

// health is for monitoring: 503 with the reason once a CRL is missing or has run
// out, when everybody is refused; otherwise until when each is good.
func health(checker *relying.Checker) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := checker.Health(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(checker.Levels())
	})
}
