// Package ca is the certificate authority proper: it holds the CA keys and
// decides nothing but the form of what they sign.
//
//   - An [Issuer] is a CA certificate with its key, and the only type that
//     holds one. It signs leaf certificates, CRLs' and OCSP signers' bytes.
//   - A [Profile] says what a certificate may be. It is made from a
//     [ProfileConfig] that was checked whole, so that a Profile cannot be wrong.
//   - A [Serial] is a serial number that is never used twice; a
//     [SerialSource] hands them out from blocks that the store reserved.
//   - A [Certificate] is an issued certificate as it is kept.
//
// Who may have a certificate is decided by package enroll; which of them still
// hold, by package revocation.
package ca
