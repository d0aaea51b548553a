// Package revocation takes certificates back and tells the world.
//
// A [Revoker] revokes, puts on hold and releases. The [Publisher] keeps a
// current CRL of each issuer, and makes the next one at once when something was
// revoked. The [Responder] answers OCSP from the store. [Handler] is their
// plain HTTP. The codecs are in revocation/crl and revocation/ocsp; the
// relying server's end is revocation/agent.
package revocation
