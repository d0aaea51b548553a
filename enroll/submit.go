package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"signet/ca"
	"signet/piv"
)

// A submitted is a CSR on its way to a certificate.
type submitted struct {
	id      *Identity
	name    string   // of the profile, as it was asked for
	der     []byte   // the CSR's
	digest  [32]byte // SHA-256 of der
	csr     *x509.CertificateRequest
	keyID   [32]byte
	profile *Profile
	nonce   Nonce    // nil where the CSR has none and needs none
	card    *ca.Card // nil without an attestation
	proved  *Card    // what card is, as hardware
	known   bool     // the account has enrolled the key before
	at      time.Time
}

// Enroll gives id the certificates for the CSRs: one, or the main one and those that go
// with it, for the profiles named; the first for the one that id gets when it names
// none. The same account's same CSRs give the same certificates again, and fresh is false.
//
// The certificates, the use of the code or nonce and the log entries are on disk
// when it returns. It fails with *[RefusedError], one of ca's or piv's errors
// that name a rule, [ErrCredentials] where the account or code went away
// meanwhile, or the store's error. Then there is none of the certificates.
func (e *Enroller) Enroll(ctx context.Context, id *Identity, requests ...Request) (certs []ca.Certificate, fresh bool, err error) {
	if len(requests) == 0 || len(requests) > MaxMembers {
		return nil, false, &formError{fmt.Sprintf("there must be 1 to %d CSRs", MaxMembers)}
	}
	a := e.apply(id, requests)
	if id.code != nil && id.code.SpentOn != nil && *id.code.SpentOn != a.csrs[0].digest {
		return nil, false, refuse("code.spent", "the code has been used for another CSR")
	}
	if certs, err = e.enrolled(ctx, a); certs != nil || err != nil {
		return certs, false, err
	}
	if err := e.check(ctx, a); err != nil {
		return nil, false, err
	}
	// From here on a client that hangs up changes nothing: what it asked for is
	// done, and given to it when it asks again.
	return e.issue(context.WithoutCancel(ctx), a)
}

// check refuses a or fills it in. What costs least comes first.
func (e *Enroller) check(ctx context.Context, a *application) error {
	if err := a.id.mayStart(); err != nil {
		return err
	}
	if err := e.checkSet(a); err != nil {
		return err
	}
	if err := a.each(e.checkForm); err != nil {
		return err
	}
	if err := a.checkTogether(); err != nil {
		return err
	}
	if err := a.each(func(s *submitted) error { return e.checkKey(ctx, a, s) }); err != nil {
		return err
	}
	if err := a.checkOneCard(); err != nil {
		return err
	}
	first := a.csrs[0] // of a set, all are on its card
	var card uint32
	if first.proved != nil {
		card = first.proved.Serial
	}
	if err := e.checkUsable(ctx, first.id, card); err != nil {
		return err
	}
	return e.checkEscrow(ctx, first)
}

// checkForm refuses what is no CSR, and a nonce that is not good.
func (e *Enroller) checkForm(s *submitted) (err error) {
	if s.csr, err = x509.ParseCertificateRequest(s.der); err != nil {
		return refuse("csr.parse", "this is no PKCS#10 certificate signing request")
	}
	s.keyID = ca.KeyIDOf(s.csr.RawSubjectPublicKeyInfo)
	return e.checkNonce(s)
}

// checkKey refuses a key that the profile doesn't take, or not from this card.
func (e *Enroller) checkKey(ctx context.Context, a *application, s *submitted) error {
	if err := e.keys.CheckCSR(s.csr); err != nil {
		return err
	}
	if err := s.profile.Allows(s.csr.PublicKey); err != nil {
		return err
	}
	if err := e.checkOwner(ctx, s); err != nil {
		return err
	}
	if err := e.checkHeld(ctx, a, s); err != nil {
		return err
	}
	return e.checkCard(ctx, s, a.policy.roots)
}

// checkUsable refuses the card, 0 for none, that is lost, retired or another account's, and to renew
// what is on such a one. The store looks again when it records.
func (e *Enroller) checkUsable(ctx context.Context, id *Identity, serial uint32) error {
	if c := id.Certificate; c != nil && c.Card != nil && c.Card.Serial != serial {
		if err := e.usable(ctx, c.Card.Serial, ""); err != nil {
			return err
		}
	}
	if serial == 0 {
		return nil
	}
	return e.usable(ctx, serial, id.Account.Name)
}

// usable refuses a card for account; for "" it may be anybody's.
func (e *Enroller) usable(ctx context.Context, serial uint32, account string) error {
	c, err := e.store.Card(ctx, serial)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("looking card %d up: %w", serial, err)
	case c.State == CardLost:
		return refusedByStore(ErrCardLost)
	case c.State == CardRetired:
		return refusedByStore(ErrCardRetired)
	case account != "" && c.Account != "" && c.Account != account:
		return refusedByStore(ErrCardAssigned)
	}
	return nil
}

// checkEscrow wants the card's PUK kept before anything is enrolled on it. A renewal
// is let through: cards that were set up before the profile had PUKs kept go on.
func (e *Enroller) checkEscrow(ctx context.Context, s *submitted) error {
	if !s.profile.Plan.PUKEscrow || s.id.renews() != nil {
		return nil
	}
	kept, err := e.escrow.confirmed(ctx, s.card.Serial, s.id.Account.Name)
	if err != nil {
		return err
	}
	if !kept {
		return refusef("escrow.missing", "the profile wants the PUK of card %d kept by the CA, and it is not", s.card.Serial)
	}
	return nil
}

// checkNonce wants a nonce of this server's where an attestation needs one: it
// has no date of its own. A nonce that nothing needs must be good all the same.
func (e *Enroller) checkNonce(s *submitted) error {
	raw, ok := piv.NonceFromCSR(s.csr)
	if ok {
		s.nonce = raw
		return e.noncer.check(s.nonce, s.id.Account.Name)
	}
	attested := s.profile.Plan.Attestation == AttestationRequired
	if s.profile.Plan.Attestation == AttestationOptional {
		_, err := piv.AttestationFromCSR(s.csr)
		attested = !errors.Is(err, piv.ErrNoAttestation)
	}
	if attested {
		return refuse("nonce.missing", "the CSR carries no nonce of this server's")
	}
	return nil
}

// checkOwner refuses the CA's own keys and another account's. The store looks
// again when it records: this is to refuse before signing.
func (e *Enroller) checkOwner(ctx context.Context, s *submitted) error {
	if e.caKeys[s.keyID] {
		return refuse("key.ca", "the key is the CA's own")
	}
	owner, err := e.store.KeyOwner(ctx, s.keyID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case errors.Is(err, ErrKeyBlocked):
		return refuse("key.blocked", "a certificate for this key was revoked because the key was compromised")
	case err != nil:
		return fmt.Errorf("looking the key up: %w", err)
	case owner != s.id.Account.Name:
		return refuse("key.taken", "the key belongs to another account")
	}
	s.known = true
	return nil
}

// maxListed is how many of its certificates an account may list.
const maxListed = 100

// Certificates lists id's own certificates, the newest first.
func (e *Enroller) Certificates(ctx context.Context, id *Identity) ([]Record, error) {
	if err := id.mayManage(); err != nil {
		return nil, err
	}
	certs, err := e.store.CertificatesOf(ctx, id.Account.Name, maxListed)
	if err != nil {
		return nil, fmt.Errorf("listing certificates: %w", err)
	}
	out := make([]Record, len(certs))
	for i := range certs {
		out[i] = recordOf(&certs[i], e.now())
	}
	return out, nil
}

// Certificate tells of one of id's own certificates: [ErrNotFound] where it is
// none of them.
func (e *Enroller) Certificate(ctx context.Context, id *Identity, serial ca.Serial) (*Record, error) {
	if err := id.mayManage(); err != nil {
		return nil, err
	}
	cert, account, err := e.store.Held(ctx, e.issuer.ID(), serial)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", serial, err)
	}
	if account.Name != id.Account.Name {
		return nil, fmt.Errorf("certificate %s: %w", serial, ErrNotFound)
	}
	out := recordOf(&cert, e.now())
	return &out, nil
}
