package ceremony

import (
	"crypto/x509"

	"signet/ca"
	"signet/enroll"
	"signet/piv"
)

// A Result is what a run has put on a card.
type Result struct {
	Card piv.Info
	Installed
	Main    piv.Slot    // of the certificate that these go with, or are
	With    []Installed // its companions, in the CA's order
	Resumed bool        // what an earlier run had begun
	Secured bool        // the factory's secrets were replaced
	// Superseded are the certificates of keys that others have replaced, by this run or an earlier
	// one, and that the CA revoked for that. Left are those that it could not be had to
	// revoke: the next run goes on with it.
	Superseded, Left []ca.Serial
	// Kept are keys that were replaced, where they are now.
	Kept []Retired
	// Missing are the keys that the profile has come to have, and the card has not.
	Missing []Missing
}

// An Installed is a certificate on a card, in the slot of its key.
type Installed struct {
	Slot        piv.Slot
	Profile     string
	Certificate *x509.Certificate
	Issued      *enroll.Issued
}

// A Retired is a key that was replaced, and still reads what was encrypted to it.
type Retired struct {
	Slot        piv.Slot
	Certificate *x509.Certificate // nil where it has none
}
