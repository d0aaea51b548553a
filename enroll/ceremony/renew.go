package ceremony

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"signet/ca"
	"signet/piv"
)

// Renew gets another certificate in place of the one in the slot, which is also
// what the CA knows its holder by: for the same key, or with newKey for a new
// one. It goes on where an earlier run was ended, as [Enroll] does. It fails
// with [ErrNoCertificate] where the slot has none.
//
// Where card and CA allow it, a new key is made in a free retired slot, and moved to the
// old one's place once its certificate is on the card. Elsewhere a new key destroys the one
// that the holder is known by. So a one-time ticket is fetched and on disk before: it
// still holds when nothing else does.
func Renew(ctx context.Context, cfg Config, newKey bool) (*Result, error) {
	if cfg.Slot == 0 {
		cfg.Slot = piv.SlotAuthentication
	}
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	if newKey {
		return r.goOn(ctx, r.renewKey)
	}
	return r.goOn(ctx, r.renewSame)
}

// renewSame signs a new CSR with the key that is there.
func (r *run) renewSame(ctx context.Context) (*Result, error) {
	if err := r.known(ctx); err != nil {
		return nil, err
	}
	r.entry.Replaces = nil // with the same key both may stand: nothing of the old one is lost
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	key, err := r.Card.Key(ctx, r.Slot)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public)
	if err != nil {
		return nil, err
	}
	r.entry.Keys = []*pendingKey{{Profile: offer.Profile, Slot: r.Slot, Algorithm: key.Algorithm,
		PIN: key.PINPolicy, Touch: key.TouchPolicy, Before: spki, Public: spki}}
	r.entry.Profile, r.entry.By = offer.Profile, r.Slot
	if err := r.request(ctx, offer); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// renewKey makes another key beside the old one, or destroys that first.
func (r *run) renewKey(ctx context.Context) (*Result, error) {
	lost, err := r.knownOrTicket(ctx)
	if err != nil {
		return nil, err
	}
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.choose(ctx, offer.Profile, membersOf(offer)[:1]); err != nil {
		return nil, err
	}
	r.entry.By = r.Slot
	beside, err := r.beside(ctx, &offer.Plan)
	if err != nil {
		return nil, err
	}
	if !beside {
		if err := r.clearOwn(ctx, lost); err != nil {
			return nil, err
		}
	}
	if err := r.generate(ctx); err != nil {
		return nil, err
	}
	if err := r.request(ctx, offer); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// clearOwn sees to what destroying the key in the slot takes: a ticket, unless the key
// is lost and there is one.
func (r *run) clearOwn(ctx context.Context, lost bool) (err error) {
	// What is in the slot now goes to disk with the ticket, so that no later run takes it
	// for the new key.
	k := r.entry.Keys[0]
	if k.Slot != r.Slot {
		// The profile has moved to another slot, which may be in use.
		err = r.clearSlots(ctx, r.entry.Keys)
	} else {
		k.Before, err = r.inSlot(ctx, k.Slot)
	}
	if err != nil || lost {
		return err
	}
	return r.ticket(ctx)
}

// knownOrTicket asks as the holder of the certificate in force, or, where the key is
// lost that an earlier run destroyed, by the ticket that it got before.
func (r *run) knownOrTicket(ctx context.Context) (lost bool, err error) {
	err = r.known(ctx)
	var mismatch *MismatchError
	if (errors.As(err, &mismatch) || errors.Is(err, ErrNoCertificate)) && r.ticketHolds() {
		r.ca = r.Code(r.entry.Ticket.Code)
		return true, r.unlock(ctx)
	}
	return false, err
}

// ticket sees to it that a one-time code is on disk, and asks with it from here on.
func (r *run) ticket(ctx context.Context) error {
	t, err := r.ca.(Renewer).RenewalCode(ctx)
	if err != nil {
		return fmt.Errorf("asking for a renewal: %w", err)
	}
	r.entry.Ticket = t
	r.ca = r.Code(t.Code)
	return r.save()
}

func (r *run) ticketHolds() bool {
	return r.entry.Ticket != nil && time.Now().Before(r.entry.Ticket.Expires)
}

// known unlocks the card and connects as the holder of the certificate in the
// slot, and finds its profile.
func (r *run) known(ctx context.Context) error {
	cert, err := r.matching(ctx, r.Slot)
	if err != nil {
		return err
	}
	if err := r.unlock(ctx); err != nil {
		return err
	}
	if err := r.connect(ctx, r.Slot, cert); err != nil {
		return err
	}
	serial, ok := ca.SerialOf(cert.SerialNumber)
	if !ok {
		return &MismatchError{"the certificate in the slot is not of this CA"}
	}
	r.entry.Replaces = cert.RawSubjectPublicKeyInfo
	if r.Profile != "" {
		return nil
	}
	record, err := r.ca.(Renewer).Certificate(ctx, serial)
	if err != nil {
		return fmt.Errorf("asking about the certificate in force: %w", err)
	}
	r.profile = record.Profile
	return nil
}

// matching is the slot's certificate, if it is the slot's key's.
func (r *run) matching(ctx context.Context, s piv.Slot) (*x509.Certificate, error) {
	cert, err := r.Card.Certificate(ctx, s)
	if errors.Is(err, piv.ErrEmpty) {
		return nil, ErrNoCertificate
	}
	if err != nil {
		return nil, err
	}
	spki, err := r.inSlot(ctx, s)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(spki, cert.RawSubjectPublicKeyInfo) {
		return nil, &MismatchError{fmt.Sprintf("the certificate in slot %s is not of the key in it", s)}
	}
	return cert, nil
}

// connect asks as the holder of cert, in slot s: the card signs the TLS handshake.
func (r *run) connect(ctx context.Context, s piv.Slot, cert *x509.Certificate) error {
	signer, err := r.signer(ctx, s)
	if err != nil {
		return err
	}
	r.ca = r.Holder(tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: signer, Leaf: cert})
	return nil
}
