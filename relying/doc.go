// Package relying lets Go servers accept the client certificates of a Signet CA, and
// refuse those that were revoked. Go's crypto/tls looks at no CRL and asks no OCSP
// responder; this package does, at every connection and every request.
//
// A server in which a certificate is needed:
//
//	chain, err := relying.ReadCertificates("chain.pem") // the CA's /ca/bundle.pem
//	...
//	checker, err := relying.New(relying.Config{
//		Authorities: []relying.Authority{{URL: "http://ca.example.com:8080", Certificates: chain}},
//		Dir:         "/var/lib/wiki/crl", // so that a restart works while the CA is down
//	})
//	...
//	go checker.Run(ctx)
//	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		fmt.Fprintln(w, "hello", relying.FromContext(r.Context()).Account)
//	})
//	server := &http.Server{
//		Addr:      ":443",
//		Handler:   checker.Handler(pages, relying.HandlerConfig{}),
//		TLSConfig: checker.AskingTLSConfig(nil),
//	}
//	err = server.ListenAndServeTLS("server.crt", "server.key")
//
// Visitors without a certificate, or with one that was revoked or has expired, get a page that
// says so and what to do. With HandlerConfig.Optional they get through, and the
// handler asks for a password where [Identity.OK] is false. What speaks no HTTP
// takes [Checker.TLSConfig], with which a handshake fails unless the certificate does.
//
// # What is checked
//
// The chain to one of the authorities' roots, by way of the intermediates that are
// configured; dates; that the certificate is one for clients; and of every level,
// what the CA above it has revoked. [Checker.Run] keeps the CRLs of all levels in
// memory: it fetches them when the CA announces a new one, within a second, and
// looks for them every half minute all the same. They are believed only if they are
// signed, in force, and no older than those in hand.
//
// Where a CRL announces deltas, those are fetched, and the complete list only when
// its next base is out or a delta is of no use: the two together then say what the
// next complete list would. Partitions of the CRL are not needed: the complete one
// covers them.
//
// # When nobody can say
//
// Before the first CRL has come, and after one has run out, nobody knows what is
// revoked. By default everybody is refused then, by [Config.FailOpen] everybody is let
// in who is not known to be revoked. [Config.OCSP] asks OCSP responders as well, or
// instead. Who says "revoked" always wins.
package relying
