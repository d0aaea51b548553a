package ca

import (
	"fmt"
	"time"
)

// A Revocation is why and since when a certificate no longer holds.
type Revocation struct {
	At     time.Time `json:"at"` // UTC, whole seconds, as CRL and OCSP carry it
	Reason Reason    `json:"reason"`
	By     string    `json:"by"` // the actor, as in audit.Event
}

// A Reason is a CRLReason of RFC 5280, Section 5.3.1.
type Reason int

// The reasons. 7 is not used. RemoveFromCRL is for delta CRLs alone and AACompromise
// for attribute certificates: [ParseReason] takes neither.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	RemoveFromCRL        Reason = 8
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

var reasonNames = map[Reason]string{
	Unspecified: "unspecified", KeyCompromise: "keyCompromise", CACompromise: "cACompromise",
	AffiliationChanged: "affiliationChanged", Superseded: "superseded",
	CessationOfOperation: "cessationOfOperation", CertificateHold: "certificateHold",
	RemoveFromCRL: "removeFromCRL", PrivilegeWithdrawn: "privilegeWithdrawn", AACompromise: "aACompromise",
}

// String is the reason's name as RFC 5280 spells it.
func (r Reason) String() string {
	if n, ok := reasonNames[r]; ok {
		return n
	}
	return fmt.Sprintf("reason(%d)", int(r))
}

// Reasons are the names that [ParseReason] takes, in the order of their numbers.
func Reasons() []string {
	var names []string
	for r := Unspecified; r <= PrivilegeWithdrawn; r++ {
		if n, ok := reasonNames[r]; ok && r != RemoveFromCRL {
			names = append(names, n)
		}
	}
	return names
}

// ParseReason reads a reason's name as RFC 5280 spells it, but for
// removeFromCRL and aACompromise, which no one may give.
func ParseReason(name string) (Reason, error) {
	for r, n := range reasonNames {
		if n == name && r != RemoveFromCRL && r != AACompromise {
			return r, nil
		}
	}
	return 0, fmt.Errorf("%q is no revocation reason; one of %v", name, Reasons())
}

// MarshalText and UnmarshalText keep the name, not the number.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Reason) UnmarshalText(text []byte) (err error) {
	for v, n := range reasonNames {
		if n == string(text) {
			*r = v
			return nil
		}
	}
	return fmt.Errorf("%q is no revocation reason", text)
}
