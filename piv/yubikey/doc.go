// Package yubikey is a [piv.Card] on a YubiKey in a PC/SC reader. It is the only
// importer of piv-go, and with it of libpcsclite: a build without cgo gets
// [List] and [Open] that say so, except on Windows, where PC/SC needs no cgo.
//
// Readers are filtered by name first, since piv-go leaks its handle when it
// opens a card that has no PIV application. A card is held exclusively while
// it is open, and its PIN forgotten when it is closed.
package yubikey
