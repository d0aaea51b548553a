package enroll

import (
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// MaxHolding bounds the certificates of a [Holding]: others wait while they change.
const MaxHolding = 5000

// A Holder says whose [Holding] is meant: that of an account, or that of a card.
type Holder struct {
	// Issuer is whose certificates are meant, by its ID.
	Issuer string
	// Card is a card's serial number; 0 where it is about an account.
	Card uint32
	// Account is the account. With a card, "" means the card's owner, if it has one.
	Account string
	// Temporary has, with a card, those of the account's certificates meant too that are of a
	// profile which it has an allowance for, wherever their keys are.
	Temporary bool
	// With are profiles whose certificates are meant as well where Temporary has others meant.
	With []string
	// At is now: what has expired by then is left out.
	At time.Time
}

// A Holding is all that hangs on a card or an account.
type Holding struct {
	// Account is nil where the card has none.
	Account *Account
	// Cards are the account's, by serial number; or the one asked for, whose State is ""
	// where nothing is known of it yet.
	Cards []Card
	// Certificates are those that have not expired and are not revoked for good, but may be
	// on hold, in the order of issue: the account's, or those on the card, whosever they are.
	Certificates []ca.Certificate
	// Codes are the account's unused codes; none where it is about a card.
	Codes []Code
}

// A Decision is what becomes of a [Holding]. Its zero value changes nothing.
type Decision struct {
	Account *Account // stored, where not nil
	// Remove is the name of an account that is deleted, as RemoveAccount does it; "" for none.
	Remove  string
	Cards   []Card   // stored
	Forget  []uint32 // the serial numbers of cards that are deleted; nobody's
	Revoke  []Revoke
	Release []ca.Serial // certificates on hold
	Codes   [][32]byte  // the hashes of those that are deleted
	Events  []audit.Event
}

// A Revoke is a certificate that is revoked or put on hold, as revocation.Store's
// Revoke has it.
type Revoke struct {
	Serial ca.Serial
	What   ca.Revocation
}
