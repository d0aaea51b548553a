package enroll

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/piv"
)

// A RefusedError is a request that a rule refused. Rule is from [Rules];
// Reason and Hint are for whoever asked, and hold no secret.
type RefusedError struct {
	Rule   string
	Reason string
	Hint   string
	status int // of the answer; 0 for the rule's
}

func (e *RefusedError) Error() string { return e.Rule + ": " + e.Reason }

// A Rule is why a request may be refused, as docs/api.md lists it.
type Rule struct {
	Name string
	Hint string // what to do next
}

// rules are all rules of this package and, with their hints, those by which
// package piv refuses attestations. Package ca has rules of its own about keys
// and CSRs, which docs/api.md lists too.
var rules = []Rule{
	{"account.disabled", "Ask an administrator to enable the account."},
	{"profile.denied", "Ask an administrator for the profile, or name one that the account has."},
	{"profile.unknown", "Leave the profile out to get the account's first."},
	{"profile.names", "Ask an administrator to complete the account."},
	{"credential.kind", "Use the kind of credential that the call takes."},

	{"set.incomplete", "Send a CSR for each profile of the set, all in one request."},
	{"set.unknown", "Get the profile again, and send a CSR for each that it lists under \"with\", once."},
	{"set.card", "Make all keys of the set on one card."},
	{"set.key", "Generate a key for each slot."},
	{"set.nonce", "Put one nonce into all CSRs of the set."},
	{"set.mixed", "Send the CSRs that were handed in together, or sign new ones for all."},

	{"code.spent", "Ask for a new code."},
	{"code.expired", "Ask for a new code."},

	{"certificate.unknown", "Use a certificate of this CA, a password or a code."},
	{"certificate.revoked", "Enroll anew with a password or a code: \"signet enroll --force\"."},
	{"certificate.held", "Ask an officer to release the certificate."},
	{"certificate.expired", "Enroll anew with a password or a code."},
	{"certificate.usage", "Use a certificate that is made for client authentication."},

	{"escrow.unavailable", "Ask an administrator: the CA's escrow key is to be restored, and the server started with it."},
	{"escrow.missing", "Run \"signet enroll\" again; in a script, give the card's PUK with --puk-file."},
	{"escrow.profile", "Enroll for a profile that has PUKs kept."},
	{"escrow.key", "Ask for the profile again: the CA's escrow key has changed."},
	{"escrow.limit", "Wait for some hours, or ask an officer in person."},
	{"escrow.none", "Look at the card's serial number: \"signet card list\". A PUK that you know yourself needs no CA: \"signet card unblock\"."},
	{"escrow.waiting", "Ask an officer to approve the request."},
	{"escrow.denied", "Ask the officer why."},
	{"escrow.expired", "Run \"signet card unblock --from-ca\" again: it makes another request."},
	{"escrow.taken", "Run \"signet card unblock --from-ca\" again: it makes another request."},

	{"csr.parse", "Send a PKCS#10, as PEM or as base64 of its DER."},
	{"csr.signature", "Sign the CSR with the key that is in it."},
	{"csr.names", "Ask for no names, or for those that the profile gives."},

	{"nonce.missing", "Get the profile first and put its nonce into the CSR."},
	{"nonce.account", "Get a nonce with the credentials that the CSR is handed in with."},
	{"nonce.expired", "Get a new nonce and sign a new CSR."},
	{"nonce.spent", "Get a new nonce and sign a new CSR."},

	{"key.ca", "Generate a key of your own."},
	{"key.taken", "Generate a new key: this one belongs to another account."},
	{"key.blocked", "Generate a new key: this one was reported compromised."},

	{"card.lost", "Tell the administrator that the card was found, or use another one."},
	{"card.retired", "Use another card: this one is out of service."},
	{"card.assigned", "Use a card of your own, or ask an administrator to assign this one to you."},

	{"attestation.missing", "Have the card generate the key, and put its attestation into the CSR."},
	{piv.RuleForm, "Send the attestation as the card gives it: the slot's certificate and that of f9."},
	{piv.RuleSignature, "Send the slot's certificate and that of f9 of one and the same card."},
	{piv.RuleDates, "Check the clocks of card issuer, client and server."},
	{piv.RuleRoot, "Use a genuine YubiKey, or ask an administrator to trust the maker's root."},
	{piv.RuleIssuer, "Use a genuine YubiKey, or ask an administrator to trust the maker's root."},
	{piv.RuleMatch, "Send the slot's certificate and that of f9 of one and the same card."},
	{"attestation.key", "Send the attestation of the slot that signed the CSR."},
	{"attestation.slot", "Generate the key in the slot that the profile names."},
	{"attestation.pin-policy", "Generate the key with the PIN policy that the profile names."},
	{"attestation.touch-policy", "Generate the key with the touch policy that the profile names."},
	{"attestation.firmware", "Use a card with newer firmware."},
	{"attestation.roca", "Use another algorithm than RSA, or a card with newer firmware."},
	{"attestation.blocked-firmware", "Use a card with newer firmware; where an advisory is named, another algorithm may do."},
	{"attestation.fips", "Use a card of the FIPS series."},
	{"attestation.cspn", "Use a card of the CSPN series."},
	{"attestation.form-factor", "Use a card of a shape that the profile lets in."},
	{"attestation.card", "Use a card that the profile lists."},
	{"attestation.card-denied", "Use another card, and ask an administrator about this one."},
}

// Rules lists the rules of this package and those of piv.
func Rules() []Rule { return slices.Clone(rules) }

// refuse makes the error of the rule named.
func refuse(rule, reason string) *RefusedError {
	return &RefusedError{Rule: rule, Reason: reason, Hint: hintOf(rule)}
}

func refusef(rule, format string, args ...any) *RefusedError {
	return refuse(rule, fmt.Sprintf(format, args...))
}

func hintOf(rule string) string {
	for _, r := range rules {
		if r.Name == rule {
			return r.Hint
		}
	}
	return ""
}

// What a request is answered with beside a certificate and a RefusedError.
var (
	// ErrCredentials is a password or code that is not right, or an account that
	// is none: which, the answer does not say.
	ErrCredentials = errors.New("the account name, password or code is wrong")
	// ErrNoCredentials is a request that presents none.
	ErrNoCredentials = errors.New("this call wants credentials")
)

// An InputError is what an operator or administrator said of an account or a
// code that can't be: their mistake, not the store's.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// input makes an [InputError] of err; nil stays nil.
func input(err error) error {
	if err == nil {
		return nil
	}
	return &InputError{err}
}

// A ThrottledError is an attempt that was not looked at: there were too many.
type ThrottledError struct{ After time.Duration }

func (e *ThrottledError) Error() string { return "too many attempts" }

// A BusyError is a request that found too many before it.
type BusyError struct{ After time.Duration }

func (e *BusyError) Error() string { return "the server is busy" }
