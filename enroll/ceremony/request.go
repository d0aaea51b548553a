package ceremony

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"signet/enroll"
	"signet/piv"
)

// request signs a CSR of each key on the card, all with the server's nonce in them, and with
// the attestation. They are on disk once all are signed: CSRs of different nonces are never
// handed in together. They ask for no names: those come from the account.
func (r *run) request(ctx context.Context, offer *enroll.Offer) error {
	templates, err := r.templates(ctx, offer)
	if err != nil {
		return err
	}
	csrs := make([][]byte, len(r.entry.Keys))
	for i, k := range r.entry.Keys {
		signer, err := r.signer(ctx, k.Slot)
		if err != nil {
			return err
		}
		r.step(StepSign, k)
		if csrs[i], err = x509.CreateCertificateRequest(rand.Reader, &templates[i], signer); err != nil {
			return fmt.Errorf("signing the request on the card: %w", err)
		}
	}
	for i, k := range r.entry.Keys {
		k.CSR = csrs[i]
	}
	return r.save()
}

// templates are what the keys' CSRs shall say.
func (r *run) templates(ctx context.Context, offer *enroll.Offer) ([]x509.CertificateRequest, error) {
	members := membersOf(offer)
	all := make([]x509.CertificateRequest, len(r.entry.Keys))
	for i, k := range r.entry.Keys {
		plan := planFor(members, k.Profile)
		if plan == nil {
			return nil, errPlanChanged
		}
		piv.AddNonce(&all[i], offer.Nonce)
		if plan.Attestation == enroll.AttestationNone {
			continue
		}
		r.step(StepAttest, k)
		a, err := r.Card.Attest(ctx, k.Slot)
		switch {
		case err == nil:
			piv.AddAttestation(&all[i], a)
		case gone(err) || plan.Attestation == enroll.AttestationRequired:
			return nil, attestFailed(err)
		}
	}
	return all, nil
}

func attestFailed(err error) error {
	if errors.Is(err, piv.ErrEmpty) {
		return &PlanError{Reason: "the key in the slot was imported, so that the card can't attest it"}
	}
	return err
}

// signer signs with the key in the slot, telling the person when to touch.
func (r *run) signer(ctx context.Context, s piv.Slot) (crypto.Signer, error) {
	key, err := r.Card.Key(ctx, s)
	if err != nil {
		return nil, err
	}
	inner, err := r.Card.Signer(s, key, r.pin)
	if err != nil {
		return nil, err
	}
	return &toldSigner{Signer: inner, ctx: ctx, ui: r.UI, touch: key.TouchPolicy != piv.TouchNever}, nil
}

// A toldSigner tells the person to touch before the card waits for it, and
// gives up when its context ends. crypto.Signer has no context: it keeps the
// ceremony's, which it doesn't outlive.
type toldSigner struct {
	crypto.Signer
	ctx   context.Context
	ui    UI
	touch bool
}

func (s *toldSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.touch {
		s.ui.Touch()
	}
	type result struct {
		sig []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		sig, err := s.Signer.Sign(rand, digest, opts)
		done <- result{sig, err}
	}()
	select {
	case r := <-done:
		return r.sig, r.err
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}
