package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"signet/enroll"
	"signet/internal/problem"
)

// submit hands the CSRs in. Where the nonce in them has run out, or is another
// account's, new CSRs of the same keys are signed.
func (r *run) submit(ctx context.Context) error {
	r.UI.Step(StepSubmit)
	issued, err := r.handIn(ctx)
	if refusedNonce(err) {
		offer, planErr := r.plan(ctx)
		if planErr != nil {
			return planErr
		}
		if err := r.request(ctx, offer); err != nil {
			return err
		}
		r.UI.Step(StepSubmit)
		issued, err = r.handIn(ctx)
	}
	if refusedBy(err, "escrow.missing") {
		if err := r.keepLate(ctx); err != nil {
			return err
		}
		issued, err = r.handIn(ctx)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("handing the request in: %w", err), r.noteRefusal(err))
	}
	return r.take(issued)
}

func (r *run) handIn(ctx context.Context) (*enroll.Issued, error) {
	var all []enroll.Request
	for _, k := range r.entry.Keys {
		all = append(all, enroll.Request{Profile: k.Profile, CSR: k.CSR})
	}
	return r.ca.Submit(ctx, all...)
}

// take remembers what the CA issued: a certificate for each of the keys, or nothing.
func (r *run) take(issued *enroll.Issued) error {
	first := *issued
	first.With = nil
	all := append([]enroll.Issued{first}, issued.With...)
	if len(all) != len(r.entry.Keys) {
		return &MismatchError{fmt.Sprintf("the CA gave %d certificates for %d keys", len(all), len(r.entry.Keys))}
	}
	for i, k := range r.entry.Keys {
		if _, err := r.check(k, &all[i]); err != nil {
			return err
		}
	}
	for i, k := range r.entry.Keys {
		k.Issued = &all[i]
	}
	return r.save()
}

func refusedNonce(err error) bool {
	return refusedBy(err, "nonce.expired", "nonce.spent", "nonce.account")
}

// refusedBy reports whether one of those rules of the CA's refused.
func refusedBy(err error, rules ...string) bool {
	var p *problem.Problem
	return errors.As(err, &p) && slices.Contains(rules, p.Rule)
}

// noteRefusal remembers that the CA won't certify the keys: the next run makes
// others. Those that were there before are kept, and the request forgotten.
func (r *run) noteRefusal(err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return nil
	}
	kind, _, _ := strings.Cut(p.Rule, ".")
	switch {
	case p.Rule == "set.mixed": // with new CSRs none of them was certified before
		for _, k := range r.entry.Keys {
			k.CSR = nil
		}
		return r.save()
	case !slices.Contains([]string{"attestation", "key", "csr", "set"}, kind):
		return nil // it may be all right another time, or by other credentials
	}
	r.entry.Keys = slices.DeleteFunc(r.entry.Keys, (*pendingKey).stays)
	for _, k := range r.entry.Keys {
		k.Refused = true
	}
	if len(r.entry.Keys) == 0 {
		r.entry.forget()
	}
	return r.save()
}
