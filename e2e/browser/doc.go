//go:build linux

// Package browser works Chromium and Firefox as a person does who has a card: on
// a screen that nobody sees (Xvfb), with a keyboard (xdotool). The browsers reach
// the card's key by OpenSC's PKCS#11 module and ask for the PIN and for the
// certificate in dialogs of their own; nothing is preset or bypassed.
//
// What a browser shows is told by its window's title, and kept in screenshots. It
// runs in a home of its own and leaves nothing behind outside it.
package browser
