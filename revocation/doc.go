// Package revocation takes certificates back and tells the world.
//
// A [Revoker] revokes, puts on hold and releases. The [Publisher] keeps a
// current CRL of each issuer, of its partitions, and their deltas, in files, and
// makes the next ones at once when something was revoked. The [Responder] answers
// OCSP from the store, and signs ahead what it can. [New] makes the three that
// belong together, a [Service]; [Service.Handler] is their plain HTTP and
// [Service.SelfHandler] is how people revoke their own certificates. The codecs
// are in revocation/crl and revocation/ocsp; the relying server's end is
// revocation/agent.
//
//	s, err := revocation.New(revocation.Config{Store: store, Issuer: issuer, …})
//	go s.Run(ctx)                                    // keeps CRL and OCSP signer current
//	http.ListenAndServe(":8080", s.Handler(nil))     // what certificates point to
//	_, err = s.Revoker.Revoke(ctx, serial, ca.KeyCompromise, "alice")
//	err = s.Publisher.Refresh(ctx)                   // optional: wait for the CRL that says so
//
// A revocation is on disk when Revoke returns. From then on OCSP says so, but
// for what caches keep (Config.OCSPLifetime at most); the CRL follows within a
// moment, and a burst of revocations shares one.
package revocation
