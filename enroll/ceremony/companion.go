package ceremony

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"signet/enroll"
	"signet/internal/problem"
	"signet/piv"
)

// Complete makes those keys of a profile's set that the card lacks, because the profile has
// come to have more of them, and gets certificates for them, all or none. The CA knows
// the holder by the certificate in force. It fails with [ErrComplete] where none is missing.
func Complete(ctx context.Context, cfg Config) (*Result, error) {
	cfg.Slot = 0 // whichever is good for signing in
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	return r.goOn(ctx, r.completeSet)
}

func (r *run) completeSet(ctx context.Context) (*Result, error) {
	if err := r.known(ctx); err != nil {
		return nil, err
	}
	r.entry.Ticket, r.entry.Replaces = nil, nil
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := r.companions(ctx, offer); err != nil {
		return nil, err
	}
	lacking := slices.DeleteFunc(membersOf(offer)[1:], func(m member) bool {
		return !slices.Contains(r.missing, Missing{m.profile, m.plan.Slot})
	})
	r.missing = nil
	if len(lacking) == 0 {
		return nil, ErrComplete
	}
	if err := r.choose(ctx, offer.Profile, lacking); err != nil {
		return nil, err
	}
	if err := r.clearSlots(ctx, r.entry.Keys); err != nil {
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

// SignIn is the slot whose certificate the CA knows the holder of the one in s by: s, or that of
// the certificate that it goes with.
func SignIn(ctx context.Context, card piv.Card, s piv.Slot) (piv.Slot, *x509.Certificate, error) {
	r := &run{Config: Config{Card: card, Slot: s}}
	return r.speaker(ctx)
}

// speaker is the slot whose certificate the CA shall know the holder by: the one in question, or
// where that is good for no sign-in, the first on the card that is, of the same issuer.
func (r *run) speaker(ctx context.Context) (piv.Slot, *x509.Certificate, error) {
	var own *x509.Certificate
	if r.Slot != 0 {
		var err error
		if own, err = r.matching(ctx, r.Slot); err == nil && signsIn(own) {
			return r.Slot, own, nil
		}
		if err != nil && (own == nil || signsIn(own)) {
			return 0, nil, err
		}
	}
	for _, s := range piv.Slots() {
		cert, err := r.matching(ctx, s)
		switch {
		case gone(err):
			return 0, nil, err
		case err != nil || !signsIn(cert) || own != nil && !bytes.Equal(cert.RawIssuer, own.RawIssuer):
			continue
		}
		return s, cert, nil
	}
	if own == nil {
		return 0, nil, ErrNoCertificate
	}
	return 0, nil, fmt.Errorf("slot %s: %w", r.Slot, ErrNoSignIn)
}

// signsIn reports whether TLS takes the certificate of a client (RFC 5280, Sections 4.2.1.3
// and 4.2.1.12).
func signsIn(cert *x509.Certificate) bool {
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return false
	}
	return len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 ||
		slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// renewed is the member that the slot's certificate is of.
func (r *run) renewed(offer *enroll.Offer) (member, error) {
	members := membersOf(offer)
	if r.entry.By == r.Slot || r.entry.By == 0 || offer.Plan.Slot == r.Slot { // or the companion was asked for by name
		return members[0], nil
	}
	for _, m := range members[1:] {
		if m.plan.Slot == r.Slot {
			return m, nil
		}
	}
	return member{}, &PlanError{Reason: fmt.Sprintf("profile %s, of the certificate in slot %s, has no companion for slot %s", offer.Profile, r.entry.By, r.Slot),
		Hint: "For a certificate by another profile: signet enroll --profile NAME --force."}
}

// standing makes what is renewed of the keys that are on the card: the slot's, and those
// of its companions.
func (r *run) standing(ctx context.Context, offer *enroll.Offer) error {
	m, err := r.renewed(offer)
	if err != nil {
		return err
	}
	if _, err := r.matching(ctx, r.Slot); err != nil {
		return err
	}
	k, err := r.keyIn(ctx, m.profile, r.Slot)
	if err != nil {
		return err
	}
	r.entry.Keys, r.entry.Profile = []*pendingKey{k}, offer.Profile
	if r.entry.By != r.Slot {
		return nil
	}
	also, err := r.companions(ctx, offer)
	if err != nil {
		return err
	}
	r.entry.Keys = append(r.entry.Keys, also...)
	if len(r.missing) > 0 {
		r.UI.Note("profile " + offer.Profile + " has come to have more keys than the card: " + listed(r.missing) +
			". To have them made: signet enroll --missing")
	}
	return nil
}

// keyIn is the key in a slot, as one that is only to be certified anew.
func (r *run) keyIn(ctx context.Context, profile string, s piv.Slot) (*pendingKey, error) {
	key, err := r.Card.Key(ctx, s)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public)
	if err != nil {
		return nil, err
	}
	return &pendingKey{Profile: profile, Slot: s, Algorithm: key.Algorithm,
		PIN: key.PINPolicy, Touch: key.TouchPolicy, Before: spki, Public: spki}, nil
}

// companions are the keys of the offer's companions that the card has. The others are noted
// as missing.
func (r *run) companions(ctx context.Context, offer *enroll.Offer) (keys []*pendingKey, err error) {
	r.missing = nil
	for _, m := range membersOf(offer)[1:] {
		held, err := r.holds(ctx, m)
		if err != nil {
			return nil, err
		}
		if !held {
			r.missing = append(r.missing, Missing{m.profile, m.plan.Slot})
			continue
		}
		k, err := r.keyIn(ctx, m.profile, m.plan.Slot)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// holds reports whether the member's slot has a key with a certificate that the CA issued
// by the member's profile, and that was not taken back.
func (r *run) holds(ctx context.Context, m member) (bool, error) {
	cert, err := r.matching(ctx, m.plan.Slot)
	if err != nil {
		if gone(err) {
			return false, err
		}
		return false, nil
	}
	record, err := r.record(ctx, cert)
	var p *problem.Problem
	switch {
	case errors.As(err, &p) && p.Status == http.StatusNotFound, errors.As(err, new(*MismatchError)):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("asking about the certificate in slot %s: %w", m.plan.Slot, err)
	}
	return record.Profile == m.profile && (record.Status == enroll.StatusGood || record.Status == enroll.StatusExpired), nil
}

// listed is "signing in slot 9c, encryption in slot 9d".
func listed(all []Missing) string {
	var words []string
	for _, m := range all {
		words = append(words, m.String())
	}
	return strings.Join(words, ", ")
}
