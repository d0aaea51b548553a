package enroll

import (
	"context"
	"errors"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// What a [Store] answers beside success. Any other error is the store's own
// trouble: the caller may try again and nothing was changed.
var (
	ErrNotFound   = errors.New("not found")
	ErrExists     = errors.New("exists already")
	ErrCodeSpent  = errors.New("this code has been used")
	ErrNonceSpent = errors.New("this nonce has been used")
	ErrKeyTaken   = errors.New("this key belongs to another account")
	ErrKeyBlocked = errors.New("this key was reported compromised")
	ErrRevoked    = errors.New("the certificate to be renewed was revoked")

	ErrCardLost     = errors.New("this card is lost")
	ErrCardRetired  = errors.New("this card is retired")
	ErrCardAssigned = errors.New("this card belongs to another account")
	ErrMixed        = errors.New("some of these CSRs have certificates already, and some don't")
	ErrNotAllowed   = errors.New("the account may not have this profile any longer")
	ErrTooMany      = errors.New("more certificates than one step changes")
	ErrCardNotLost  = errors.New("this card is not lost")
	ErrCardInUse    = errors.New("certificates in force are on this card")
	ErrCardKnown    = errors.New("more is known of this card than that it was imported")
)

// A Store keeps accounts, codes and issued certificates. Every method is one
// atomic step, durable when it returns nil, and safe for concurrent use. The
// events given are stored in the same step as the change that they tell of;
// where nothing is changed, none is stored. What a method returns is on disk.
// When a context ends, a step not begun is not made and the context's error is
// returned; one begun is waited for.
type Store interface {
	ca.SerialStore
	EscrowStore

	// AddAccount stores a new account: ErrExists where there is one of that name. Cards that are
	// still assigned to the name are nobody's from then on, but for those on which certificates
	// of its are in force or on hold at the event's time.
	AddAccount(ctx context.Context, a Account, e audit.Event) error
	// Account returns the account of that name, or ErrNotFound.
	Account(ctx context.Context, name string) (Account, error)
	// Accounts returns all accounts, by name.
	Accounts(ctx context.Context) ([]Account, error)
	// ChangeAccount runs change on the stored account and stores the result;
	// what change fails with is returned and nothing is stored. It must not
	// change the name or call the store, may run more than once, and is waited
	// for by other writes: hash passwords before. ErrNotFound where there is no
	// such account.
	ChangeAccount(ctx context.Context, name string, change func(*Account) error, e audit.Event) (Account, error)
	// RemoveAccount deletes the account and its unused codes, or returns
	// ErrNotFound. Its certificates, its keys and the codes it used stay. Its cards
	// are nobody's from then on, and those assigned go into the inventory; but those on which
	// certificates of its are in force or on hold at the event's time stay assigned to the name,
	// so that nobody else enrolls on them. Of none of them is a PUK its any longer.
	RemoveAccount(ctx context.Context, name string, e audit.Event) error

	// AddCode stores a code: ErrNotFound where its account isn't there,
	// ErrExists where a code of that hash is.
	AddCode(ctx context.Context, c Code, e audit.Event) error
	// Code returns the code with that hash, spent or not, expired or not, or ErrNotFound.
	Code(ctx context.Context, hash [32]byte) (Code, error)

	// Secret returns the 32 random bytes kept under name, made at first use.
	Secret(ctx context.Context, name string) ([32]byte, error)

	// Enrolled returns the certificate that the account was given for the CSR
	// with that SHA-256, or ErrNotFound.
	Enrolled(ctx context.Context, account string, csr [32]byte) (ca.Certificate, error)
	// Held returns the certificate that issuer gave that serial and the account
	// that holds it, both of one state, or ErrNotFound where either isn't there.
	// It is on the path of each request that a client certificate authenticates.
	Held(ctx context.Context, issuer string, serial ca.Serial) (ca.Certificate, Account, error)
	// CertificatesOf returns the account's certificates, the newest first and no
	// more than limit of them.
	CertificatesOf(ctx context.Context, account string, limit int) ([]ca.Certificate, error)
	// OnHold returns the certificates of that issuer and account that are on hold, the newest first.
	OnHold(ctx context.Context, issuer, account string) ([]ca.Certificate, error)
	// Revision grows with each change of what is revoked or on hold of the issuer's: never less than
	// that of a change which was answered, never more than what a reading that begins
	// now sees. It reads memory alone.
	Revision(ctx context.Context, issuer string) (uint64, error)
	// RecordEnrollment stores the outcome of an enrollment, all of it or nothing.
	// Where the same account's same CSRs have been recorded already, it stores
	// nothing and returns the certificates recorded then, in the order of these CSRs, and
	// false, whatever became of the account, the code and the nonce since. Where some of them
	// have and some have not, it fails with ErrMixed. It fails with
	// ErrNotFound where the account isn't there, or the code isn't or is another
	// account's; with ErrCodeSpent, ErrNonceSpent, ErrKeyTaken and ErrKeyBlocked;
	// with ErrRevoked where the certificate that is renewed is not there, revoked
	// or on hold; and with ErrExists where the issuer's serial is there already, or one serial
	// or CSR is there twice among these.
	// With ErrCardLost or ErrCardRetired where the card is, or that of the
	// certificate that is renewed; with ErrCardAssigned where it is another
	// account's; with ErrNotAllowed where a certificate would outlive
	// the allowance that it rests on. A card that is new, or nobody's, is the account's from then on.
	// Whether the code or the nonce has expired and the account may enroll, the
	// caller has checked. Where the certificate names a card, what is escrowed for that
	// is proven to be the account's from then on, and no other account's.
	RecordEnrollment(ctx context.Context, e Enrollment) (certs []ca.Certificate, recorded bool, err error)
	// RecordCertificate stores a certificate that no one enrolled for: the CA's
	// own. ErrExists where the issuer's serial is there already.
	RecordCertificate(ctx context.Context, c ca.Certificate, e audit.Event) error
	// KeyOwner returns the account that first enrolled the public key, or
	// ErrNotFound; ErrKeyBlocked where a certificate for it was revoked with
	// reason keyCompromise.
	KeyOwner(ctx context.Context, keyID [32]byte) (string, error)
	// Forget deletes the nonces and the unused codes that had expired by then, and the
	// requests for PUKs that had ended [KeepPUKRequests] before. It may do so in several steps.
	Forget(ctx context.Context, then time.Time) error

	// Card returns the card with that serial number, or ErrNotFound.
	Card(ctx context.Context, serial uint32) (Card, error)
	// Cards calls yield with each card, by serial number, until yield returns false.
	// It reads one consistent state. yield must not call the store.
	Cards(ctx context.Context, yield func(Card) bool) error
	// AddCards stores those of the cards that are not known yet, each with its event,
	// and returns how many. It may do so in several steps.
	AddCards(ctx context.Context, cards []Card, event func(Card) audit.Event) (added int, err error)
	// Holding returns what hangs on a card or an account: ErrNotFound where there
	// is no account of the name given, ErrTooMany where there are more than
	// [MaxHolding] certificates.
	Holding(ctx context.Context, of Holder) (Holding, error)
	// ChangeHolding has decide look at what hangs on a card or an account, and does what it
	// decides: all of it or nothing, and nobody changes any of it in between. It fails
	// as Holding does, and with what decide fails with. decide may run more than
	// once, and its last run counts; it must not call the store.
	ChangeHolding(ctx context.Context, of Holder, decide func(Holding) (Decision, error)) error
}

// An Enrollment is all that one enrollment puts on disk in one step: a certificate, the
// main one, and those that were enrolled together with it.
type Enrollment struct {
	Issuance
	// With are of the same account, issuer and card.
	With []Issuance
	// Code is the hash of the code it was authenticated with; nil for others.
	Code *[32]byte
	// Renews is the serial of the certificate that this one takes the place of,
	// of the same issuer, whose holder it is for; nil where it renews none.
	Renews *ca.Serial
	// Nonce is the SHA-256 of the nonce in the CSR; NonceExpires is until when it
	// must be remembered: the nonce itself says so, hence the same nonce always
	// comes with the same time. Both are zero where the CSR has none and needs none.
	Nonce        [32]byte
	NonceExpires time.Time
	// Card is what the attestation has proved of the card: Serial and the hardware.
	// nil without an attestation.
	Card *Card
	// Allowance is the profile whose allowance is all by which the account may have these
	// certificates; "" where it may have them anyway.
	Allowance string
}

// An Issuance is one certificate of an [Enrollment].
type Issuance struct {
	Certificate ca.Certificate
	CSR         [32]byte // SHA-256 of the CSR's DER; of the main one, the code is spent on it
	Event       audit.Event
}

// All are the main one and those with it, in that order.
func (e *Enrollment) All() []Issuance { return append([]Issuance{e.Issuance}, e.With...) }
