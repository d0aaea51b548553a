// Package yubikey is a [piv.Card] on a YubiKey in a PC/SC reader. It is the only
// importer of piv-go and of scard, and with them of libpcsclite: a build without cgo
// gets [List] and [Open] that say so, except on Windows, where PC/SC needs no cgo.
//
// piv-go makes keys, tells of them, attests and signs. What it can't do, and all
// that is no key, goes over a connection of our own ([link]). The two take turns
// (hold.go): each takes the card exclusively.
//
// Readers are filtered by name first, since piv-go leaks its handle when it
// opens a card that has no PIV application. A card is held exclusively while
// it is open, and its PIN forgotten when it is closed.
package yubikey
