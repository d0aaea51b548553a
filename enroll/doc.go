// Package enroll is the registration authority: it decides who may have which
// certificate.
//
// An [Enroller] proves who is asking (password, enrollment code, or the
// certificate in force), checks what they hand in against the profile's key
// plan (the CSR's signature, the server's nonce, the card's attestation), has
// the certificate made by package ca, and puts certificate, code, nonce and log
// entry on disk in one step before it answers.
//
// [Accounts] keeps people and their passwords, [Codes] the one-time codes,
// [Holdings] whose card is whose and what falls with a card or an account,
// [Escrow] the PUKs of cards, sealed.
// [Enroller.Handler] is the HTTP of all that, [Client] the other end of it; the work at
// the card is in enroll/ceremony.
package enroll
