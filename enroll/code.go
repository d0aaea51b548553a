package enroll

import (
	"time"

	"signet/ca"
)

// A Code is a one-time secret that lets an account enroll once without its
// password. Of the secret itself only the hash is kept.
type Code struct {
	// Hash is the SHA-256 of the code's 16 random bytes or more.
	Hash    [32]byte  `json:"hash"`
	Account string    `json:"account"`
	Profile string    `json:"profile,omitempty"` // "" for any that the account may have
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// By is the actor who made it; for a renewal, the account itself.
	By string `json:"by"`
	// SpentOn is the SHA-256 of the CSR that it was used for; nil while unused.
	SpentOn *[32]byte `json:"spent_on,omitempty"`
	// Renews is the serial of the certificate whose holder got this code to
	// renew it with a new key; nil for a code that a person was handed.
	Renews *ca.Serial `json:"renews,omitempty"`
}
