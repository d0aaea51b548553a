package enroll

import (
	"time"

	"signet/ca"
)

// A CardState is where a card stands with the CA.
type CardState string

// The states. One in the inventory is nobody's: it goes to whoever enrolls with it.
// With one that is lost or retired nobody enrolls, and nothing on it is renewed.
const (
	CardInventory CardState = "inventory"
	CardAssigned  CardState = "assigned"
	CardLost      CardState = "lost"
	CardRetired   CardState = "retired"
)

// A Card is a piece of hardware that the CA knows: an enrollment has proved it, or
// an officer has named it.
type Card struct {
	Serial uint32    `json:"serial"`
	State  CardState `json:"state"`
	// Account is whose it is: "" for nobody's.
	Account string `json:"account,omitempty"`

	// What is known of the hardware; empty before an enrollment has proved it,
	// unless whoever added the card knew.
	Firmware   string `json:"firmware,omitempty"`    // "5.7.1"
	FormFactor string `json:"form_factor,omitempty"` // as [FormFactors] lists them
	FIPS       bool   `json:"fips,omitempty"`
	CSPN       bool   `json:"cspn,omitempty"`

	// FirstSeen is when an enrollment first proved the card; zero where none has.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	// Changed is when state or account last changed.
	Changed time.Time `json:"changed"`
	Note    string    `json:"note,omitempty"`

	// Held are the certificates that are on hold because the card is lost, and for
	// no other reason.
	Held []Held `json:"held,omitempty"`
	// Holders are the accounts that have enrolled with the card, whose
	// certificates may be on it.
	Holders []string `json:"holders,omitempty"`
}

// A Held is a certificate that was put on hold then.
type Held struct {
	Serial ca.Serial `json:"serial"`
	At     time.Time `json:"at"` // as in ca.Revocation
}

// holds reports whether c is on hold because of k's loss: not because somebody has put
// it on hold since, who may have had another reason.
func (k *Card) holds(c *ca.Certificate) bool {
	if c.Revocation == nil || c.Revocation.Reason != ca.CertificateHold {
		return false
	}
	for _, h := range k.Held {
		if h.Serial == c.Serial && h.At.Equal(c.Revocation.At) {
			return true
		}
	}
	return false
}

// An Allowance lets an account have certificates of one more profile for a while,
// because a card of its own is lost. They end with it at the latest.
type Allowance struct {
	Profile string    `json:"profile"`
	Until   time.Time `json:"until"`
	Card    uint32    `json:"card"` // the lost one's serial number
}
