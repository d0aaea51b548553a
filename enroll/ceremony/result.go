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
	With    []Installed // its companions, in the CA's order
	Resumed bool        // what an earlier run had begun
	Secured bool        // the factory's secrets were replaced
	// Superseded are the certificates of the key that this one's replaced, and that the CA
	// revoked for that.
	Superseded []ca.Serial
}

// An Installed is a certificate on a card, in the slot of its key.
type Installed struct {
	Slot        piv.Slot
	Profile     string
	Certificate *x509.Certificate
	Issued      *enroll.Issued
}
