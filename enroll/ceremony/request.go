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

// request signs a CSR of each key on the card, all with the server's nonce in them. They
// are on disk once all are signed: CSRs of different nonces are never handed in together.
func (r *run) request(ctx context.Context, offer *enroll.Offer) error {
	members := membersOf(offer)
	var all [][]byte
	for _, k := range r.entry.Keys {
		plan := planFor(members, k.Profile)
		if plan == nil {
			return errPlanChanged
		}
		csr, err := r.sign(ctx, k, plan, offer.Nonce)
		if err != nil {
			return err
		}
		all = append(all, csr)
	}
	for i, k := range r.entry.Keys {
		k.CSR = all[i]
	}
	return r.save()
}

// sign makes a CSR, with the attestation and the nonce in it. It asks for no names: they
// come from the account.
func (r *run) sign(ctx context.Context, k *pendingKey, plan *enroll.Plan, nonce enroll.Nonce) ([]byte, error) {
	var template x509.CertificateRequest
	piv.AddNonce(&template, nonce)
	if plan.Attestation != enroll.AttestationNone {
		r.step(StepAttest, k)
		a, err := r.Card.Attest(ctx, k.Slot)
		switch {
		case err == nil:
			piv.AddAttestation(&template, a)
		case gone(err) || plan.Attestation == enroll.AttestationRequired:
			return nil, attestFailed(err)
		}
	}
	signer, err := r.signer(ctx, k.Slot)
	if err != nil {
		return nil, err
	}
	r.step(StepSign, k)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &template, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the request on the card: %w", err)
	}
	return csr, nil
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
