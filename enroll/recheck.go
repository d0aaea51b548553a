package enroll

import (
	"crypto"
	"errors"
	"slices"
	"strings"

	"signet/ca"
	"signet/piv"
)

// Recheck holds a certificate that was issued earlier against p, its profile as the configuration
// has it now, and returns every rule that would refuse its key today: none where it would still
// be let in. p is nil where the profile is gone. The evidence on file is verified as of the day of
// issue: that a card's own certificate has run out since says nothing against its key.
func (p *Profile) Recheck(c *ca.Certificate, roots *piv.Roots) []*RefusedError {
	if p == nil {
		return []*RefusedError{refusef("profile.unknown", "its profile is gone: the configuration has no %s", c.Profile)}
	}
	cert, err := c.X509()
	if err != nil {
		return []*RefusedError{refusef("key.profile", "the certificate on file can't be read: %v", err)}
	}
	out := p.judgeAlgorithm(cert.PublicKey)
	switch {
	case p.Plan.Attestation == AttestationNone:
	case c.Card != nil && len(c.Card.Attestation) == 2:
		a := &piv.Attestation{Slot: c.Card.Attestation[0], Card: c.Card.Attestation[1]}
		out = append(out, p.Plan.recheckCard(a, c, cert.PublicKey, roots)...)
	case p.Plan.Attestation == AttestationRequired:
		out = append(out, refuse("attestation.missing", "no attestation is recorded, and the profile requires one"))
	}
	return out
}

// RecheckSet holds a card with a certificate of p against p's companions as the configuration has
// them now: nil where all are in force there, as has tells by their name.
func (p *Profile) RecheckSet(has func(profile string) bool) *RefusedError {
	var missing []string
	for _, name := range p.With {
		if !has(name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return refusef("set.incomplete", "the card has no certificate in force for %s", strings.Join(missing, ", "))
}

func (p *Profile) judgeAlgorithm(key crypto.PublicKey) []*RefusedError {
	algorithm := piv.Algorithm(ca.KeyAlgorithm(key))
	if slices.Contains(p.Plan.Algorithms, algorithm) {
		return nil
	}
	return []*RefusedError{refusef("key.profile", "the key is %s, the profile wants %s", algorithm, oneOf(p.Plan.Algorithms))}
}

// recheckCard judges what the evidence states also where it proves nothing any more: each
// reason is worth knowing.
func (p *Plan) recheckCard(a *piv.Attestation, c *ca.Certificate, key crypto.PublicKey, roots *piv.Roots) (out []*RefusedError) {
	statement, err := roots.Verify(a, c.IssuedAt)
	if err != nil {
		out = append(out, refuseEvidence(err))
		if statement, err = a.Read(); err != nil {
			return out
		}
	}
	if !samePublicKey(statement.Public, key) {
		out = append(out, refuse("attestation.key", "the recorded attestation is of another key than the certificate's"))
	}
	return append(out, p.Judge(statement, "")...)
}

// refuseEvidence is why the evidence on file is not taken any more.
func refuseEvidence(err error) *RefusedError {
	var s *piv.StatementError
	if errors.As(err, &s) {
		return refusef(s.Rule, "the recorded attestation is no longer taken: %s", s.Reason)
	}
	return refusef(piv.RuleForm, "the recorded attestation is no longer taken: %v", err)
}
