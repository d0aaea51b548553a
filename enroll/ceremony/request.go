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

// request signs a CSR on the card, with the attestation and the server's nonce in it.
// It asks for no names: they come from the account.
func (r *run) request(ctx context.Context, offer *enroll.Offer) error {
	k := r.entry.Key
	var template x509.CertificateRequest
	piv.AddNonce(&template, offer.Nonce)
	if offer.Plan.Attestation != enroll.AttestationNone {
		r.UI.Step(StepAttest)
		a, err := r.Card.Attest(ctx, k.Slot)
		switch {
		case err == nil:
			piv.AddAttestation(&template, a)
		case gone(err) || offer.Plan.Attestation == enroll.AttestationRequired:
			return attestFailed(err)
		}
	}
	signer, err := r.signer(ctx, k.Slot)
	if err != nil {
		return err
	}
	r.UI.Step(StepSign)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &template, signer)
	if err != nil {
		return fmt.Errorf("signing the request on the card: %w", err)
	}
	k.CSR = csr
	return r.save()
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
