package enroll

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/piv"
)

// A submitted is a CSR on its way to a certificate.
type submitted struct {
	id      *Identity
	digest  [32]byte // SHA-256 of the CSR's DER
	csr     *x509.CertificateRequest
	keyID   [32]byte
	profile *Profile
	nonce   Nonce    // nil where the CSR has none and needs none
	card    *ca.Card // nil without an attestation
	proved  *Card    // what card is, as hardware
	at      time.Time
}

// Enroll gives id the certificate for csr, the DER of a PKCS#10: for the profile
// named, or for the one that id gets when it names none. The same account's
// same CSR gives the same certificate again, and fresh is false.
//
// The certificate, the use of the code or nonce and the log entry are on disk
// when it returns. It fails with *[RefusedError], one of ca's or piv's errors
// that name a rule, [ErrCredentials] where the account or code went away
// meanwhile, or the store's error.
func (e *Enroller) Enroll(ctx context.Context, id *Identity, profile string, csr []byte) (cert ca.Certificate, fresh bool, err error) {
	s := &submitted{id: id, digest: sha256.Sum256(csr), at: e.now()}
	if id.code != nil && id.code.SpentOn != nil && *id.code.SpentOn != s.digest {
		return cert, false, refuse("code.spent", "the code has been used for another CSR")
	}
	cert, err = e.store.Enrolled(ctx, id.Account.Name, s.digest)
	if err == nil {
		return cert, false, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return cert, false, fmt.Errorf("looking the CSR up: %w", err)
	}
	if err := e.check(ctx, s, profile, csr); err != nil {
		return ca.Certificate{}, false, err
	}
	// From here on a client that hangs up changes nothing: what it asked for is
	// done, and given to it when it asks again.
	return e.issue(context.WithoutCancel(ctx), s)
}

// check refuses s or fills it in. What costs least comes first.
func (e *Enroller) check(ctx context.Context, s *submitted, profile string, der []byte) (err error) {
	if err := s.id.mayStart(); err != nil {
		return err
	}
	if s.profile, err = e.profileFor(s.id, profile); err != nil {
		return err
	}
	if s.csr, err = x509.ParseCertificateRequest(der); err != nil {
		return refuse("csr.parse", "this is no PKCS#10 certificate signing request")
	}
	s.keyID = ca.KeyIDOf(s.csr.RawSubjectPublicKeyInfo)
	if err := e.checkNonce(s); err != nil {
		return err
	}
	if err := e.keys.CheckCSR(s.csr); err != nil {
		return err
	}
	if err := s.profile.Allows(s.csr.PublicKey); err != nil {
		return err
	}
	if err := e.checkOwner(ctx, s); err != nil {
		return err
	}
	if err := s.checkCard(e.policy.Load().roots); err != nil {
		return err
	}
	if err := e.checkUsable(ctx, s); err != nil {
		return err
	}
	return e.checkEscrow(ctx, s)
}

// checkUsable refuses the card that is lost, retired or another account's, and to renew
// what is on such a one. The store looks again when it records.
func (e *Enroller) checkUsable(ctx context.Context, s *submitted) error {
	var serial uint32
	if s.proved != nil {
		serial = s.proved.Serial
	}
	if c := s.id.Certificate; c != nil && c.Card != nil && c.Card.Serial != serial {
		if err := e.usable(ctx, c.Card.Serial, ""); err != nil {
			return err
		}
	}
	if serial == 0 {
		return nil
	}
	return e.usable(ctx, serial, s.id.Account.Name)
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

// allowedUntil is when the certificate must end because id has the profile for a
// while only; zero where it has it anyway.
func (s *submitted) allowedUntil() time.Time {
	if a := &s.id.Account; !a.May(s.profile.Name()) {
		return a.Until(s.profile.Name(), s.at)
	}
	return time.Time{}
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
	return nil
}

// issue signs and records. The audit lines are around both: a begin without an
// end is a certificate that never left.
func (e *Enroller) issue(ctx context.Context, s *submitted) (cert ca.Certificate, fresh bool, err error) {
	serial, err := e.serials.Next(ctx)
	if err != nil {
		return cert, false, err
	}
	event := e.eventOf(s, serial)
	audit.Log(ctx, e.logger, "begin", event)
	cert, fresh, err = e.signAndRecord(ctx, s, serial, event)
	switch {
	case err != nil:
		event.Detail["error"] = err.Error()
		audit.Log(ctx, e.logger, "failed", event)
		return ca.Certificate{}, false, err
	case !fresh:
		event.Detail["error"] = "the CSR was recorded meanwhile, with certificate " + cert.Serial.String()
		audit.Log(ctx, e.logger, "failed", event)
	default:
		audit.Log(ctx, e.logger, "end", event)
	}
	return cert, fresh, nil
}

func (e *Enroller) signAndRecord(ctx context.Context, s *submitted, serial ca.Serial, event audit.Event) (ca.Certificate, bool, error) {
	// Subject and names are the account's; of the CSR only the key is used.
	request := ca.Request{Person: s.id.Account.person(), CSR: s.csr, Serial: serial, Until: s.allowedUntil()}
	cert, err := e.issuer.Issue(ctx, s.profile.Profile, request, e.urls, s.at)
	if err != nil {
		return ca.Certificate{}, false, err
	}
	cert.Account, cert.Card = s.id.Account.Name, s.card
	recorded, fresh, err := e.store.RecordEnrollment(ctx, s.enrollment(*cert, event))
	if err != nil {
		return ca.Certificate{}, false, refusedByStore(err)
	}
	return recorded, fresh, nil
}

func (s *submitted) enrollment(cert ca.Certificate, event audit.Event) Enrollment {
	out := Enrollment{Certificate: cert, CSR: s.digest, Event: event, Card: s.proved, Temporary: !s.id.Account.May(s.profile.Name())}
	if s.nonce != nil {
		out.Nonce, out.NonceExpires = sha256.Sum256(s.nonce), s.nonce.expires()
	}
	if s.id.code != nil {
		out.Code = &s.id.code.Hash
	}
	out.Renews = s.id.renews()
	return out
}

// refusedByStore is what the store says of an enrollment that another one overtook.
func refusedByStore(err error) error {
	switch {
	case errors.Is(err, ErrCodeSpent):
		return refuse("code.spent", "the code has been used")
	case errors.Is(err, ErrNonceSpent):
		return refuse("nonce.spent", "the nonce in the CSR has been used")
	case errors.Is(err, ErrKeyTaken):
		return refuse("key.taken", "the key belongs to another account")
	case errors.Is(err, ErrKeyBlocked):
		return refuse("key.blocked", "a certificate for this key was revoked because the key was compromised")
	case errors.Is(err, ErrRevoked):
		return refuse("certificate.revoked", "the certificate to be renewed was revoked")
	case errors.Is(err, ErrCardLost):
		return refuse("card.lost", "the card was reported lost")
	case errors.Is(err, ErrCardRetired):
		return refuse("card.retired", "the card is retired")
	case errors.Is(err, ErrCardAssigned):
		return refuse("card.assigned", "the card belongs to another account")
	case errors.Is(err, ErrNotAllowed):
		return refuse("profile.denied", "the account's allowance for the profile has ended")
	case errors.Is(err, ErrNotFound):
		return ErrCredentials
	}
	return fmt.Errorf("recording the certificate: %w", err)
}

func (e *Enroller) eventOf(s *submitted, serial ca.Serial) audit.Event {
	event := e.event(s.id, "certificate.issue", serial.String())
	event.Detail = map[string]string{
		"profile":   s.profile.Name(),
		"method":    string(s.id.Method),
		"algorithm": ca.KeyAlgorithm(s.csr.PublicKey),
	}
	if s.card != nil {
		event.Detail["card"] = strconv.FormatUint(uint64(s.card.Serial), 10)
		event.Detail["slot"] = s.card.Slot
		event.Detail["firmware"] = s.card.Firmware
	}
	if s.id.code != nil {
		event.Detail["code_by"] = s.id.code.By
	}
	if old := s.id.renews(); old != nil {
		event.Detail["renews"] = old.String()
	}
	return event
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
