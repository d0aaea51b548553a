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
// A new key destroys the one that the holder is known by. So a one-time ticket
// is fetched and on disk before: it still holds when nothing else does.
func Renew(ctx context.Context, cfg Config, newKey bool) (*Result, error) {
	if cfg.Slot == 0 {
		cfg.Slot = piv.SlotAuthentication
	}
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	pending, err := r.pending(ctx)
	if err != nil {
		return nil, err
	}
	if pending && !r.entry.Key.Refused {
		return r.resume(ctx)
	}
	if newKey {
		return r.renewKey(ctx)
	}
	return r.renewSame(ctx)
}

// renewSame signs a new CSR with the key that is there.
func (r *run) renewSame(ctx context.Context) (*Result, error) {
	if err := r.known(ctx); err != nil {
		return nil, err
	}
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
	r.entry.Key = &pendingKey{Profile: offer.Profile, Slot: r.Slot, Algorithm: key.Algorithm,
		PIN: key.PINPolicy, Touch: key.TouchPolicy, Before: spki, Public: spki}
	if err := r.request(ctx, offer); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// renewKey destroys the key and makes another.
func (r *run) renewKey(ctx context.Context) (*Result, error) {
	if err := r.ticket(ctx); err != nil {
		return nil, err
	}
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.choose(offer); err != nil {
		return nil, err
	}
	k := r.entry.Key
	if k.Slot != r.Slot {
		// The profile has moved to another slot, which may be in use.
		if err := r.clearSlot(ctx); err != nil {
			return nil, err
		}
	} else if k.Before, err = r.inSlot(ctx, k.Slot); err != nil {
		return nil, err
	}
	if err := r.generate(ctx); err != nil {
		return nil, err
	}
	if err := r.request(ctx, offer); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// ticket sees to it that a one-time code is on disk, and asks with it from
// here on: one that an earlier run got before it destroyed the key, or one for the
// certificate in force.
func (r *run) ticket(ctx context.Context) error {
	err := r.known(ctx)
	var mismatch *MismatchError
	if (errors.As(err, &mismatch) || errors.Is(err, ErrNoCertificate)) && r.ticketHolds() {
		r.ca = r.Code(r.entry.Ticket.Code)
		return r.unlock(ctx)
	}
	if err != nil {
		return err
	}
	t, err := r.ca.(Renewer).RenewalCode(ctx)
	if err != nil {
		return fmt.Errorf("asking for a renewal: %w", err)
	}
	r.entry.Ticket, r.profile = t, t.Profile
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
	if err := r.connect(ctx, cert); err != nil {
		return err
	}
	if r.Profile != "" {
		return nil
	}
	serial, ok := ca.SerialOf(cert.SerialNumber)
	if !ok {
		return &MismatchError{"the certificate in the slot is not of this CA"}
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

// connect asks as the holder of cert: the card signs the TLS handshake.
func (r *run) connect(ctx context.Context, cert *x509.Certificate) error {
	signer, err := r.signer(ctx, r.Slot)
	if err != nil {
		return err
	}
	r.ca = r.Holder(tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: signer, Leaf: cert})
	return nil
}
