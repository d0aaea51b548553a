package relying_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"signet/relying"
)

// A server whose pages are for holders of a certificate: the others get a page that
// explains. The moment that a certificate is revoked, its holder is one of them.
func Example() {
	ca := newDemoCA() // stands in for http://ca.example.com:8080
	defer ca.Close()

	checker, err := relying.New(relying.Config{
		Authorities: []relying.Authority{{URL: ca.URL, Certificates: ca.Chain}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go checker.Run(ctx)
	if err := checker.Ready(ctx); err != nil { // nobody gets in before the first CRLs are here
		fmt.Println(err)
		return
	}

	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello", relying.FromContext(r.Context()).Account)
	})
	server := httptest.NewUnstartedServer(checker.Handler(pages, relying.HandlerConfig{}))
	server.TLS = checker.AskingTLSConfig(nil)
	server.StartTLS()
	defer server.Close()

	fmt.Println(ca.Visit(server, "alice"))
	fmt.Println(ca.Visit(server, ""))
	// Output:
	// 200 hello alice
	// 401 A certificate is needed here
}

// An application that asks for a password where there is no certificate, and says why
// one is not taken.
func ExampleChecker_Handler_optional() {
	ca := newDemoCA()
	defer ca.Close()
	checker, stop := ca.Checker()
	defer stop()

	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch id := relying.FromContext(r.Context()); id.Result {
		case relying.Success:
			fmt.Fprintln(w, "hello", id.Account)
		case relying.Failed:
			fmt.Fprintln(w, "your certificate is not taken:", id.Reason)
		default:
			fmt.Fprintln(w, "your password, please")
		}
	})
	server := httptest.NewUnstartedServer(checker.Handler(app, relying.HandlerConfig{Optional: true}))
	server.TLS = checker.AskingTLSConfig(nil)
	server.StartTLS()
	defer server.Close()

	fmt.Println(ca.Visit(server, "alice"))
	fmt.Println(ca.Visit(server, "bob")) // whose certificate was revoked
	fmt.Println(ca.Visit(server, ""))
	// Output:
	// 200 hello alice
	// 200 your certificate is not taken: revoked
	// 200 your password, please
}

// For what speaks no HTTP: a handshake without a good certificate fails.
func ExampleChecker_TLSConfig() {
	ca := newDemoCA()
	defer ca.Close()
	checker, stop := ca.Checker()
	defer stop()

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "welcome") }))
	server.TLS = checker.TLSConfig(nil)
	server.StartTLS()
	defer server.Close()

	fmt.Println(ca.Visit(server, "alice"))
	fmt.Println(ca.Visit(server, "bob")) // whose certificate was revoked
	// Output:
	// 200 welcome
	// no connection
}
