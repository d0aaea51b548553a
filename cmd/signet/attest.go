package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/enroll"
	"signet/internal/certfile"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/piv"
)

func attestCommand() *cli.Command {
	return command.Group("attest", "what cards state of their keys", attestShowCommand())
}

func attestShowCommand() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "explain an attestation in words, and verify it", ArgsUsage: "[FILE]",
		Description: "FILE is PEM: the slot's certificate and the card's own (f9), or a certificate request that carries\n" +
			"them; - is stdin. Without FILE, a card is asked for its statement. The exit code is 0 where it verifies, 3\n" +
			"where it proves nothing, 4 where the card states nothing.",
		Flags: flags(command.JSON(), serialFlag(), slotFlag(),
			&cli.StringSliceFlag{Name: "root", Usage: "trust the certificates in `FILE` beside Yubico's roots"}),
		Action: runAttestShow,
	}
}

func runAttestShow(c *cli.Context) error {
	evidence, err := attestEvidence(c)
	if err != nil {
		return err
	}
	roots, err := attestRoots(c.StringSlice("root"))
	if err != nil {
		return err
	}
	e, err := explainAttestation(evidence, roots, time.Now())
	if err != nil {
		return unproved(err)
	}
	if err := report(c, e, func() { e.print(c.App.Writer) }); err != nil {
		return err
	}
	if !e.Verified {
		return exit.With(exit.Denied, errors.New("the attestation proves nothing: "+e.Refusal.Reason), "")
	}
	return nil
}

// attestEvidence is the file's, or the card's.
func attestEvidence(c *cli.Context) (*piv.Evidence, error) {
	if c.Args().Len() > 1 {
		return nil, command.Usage(c, "one FILE at most")
	}
	if name := c.Args().First(); name != "" {
		if c.IsSet("slot") || c.IsSet("serial") {
			return nil, command.Usage(c, "a FILE, or a card's --slot: not both")
		}
		data, err := readInput(name)
		if err != nil {
			return nil, err
		}
		e, err := piv.ReadEvidence(data)
		if err != nil {
			return nil, unproved(fmt.Errorf("%s: %w", name, err))
		}
		return e, nil
	}
	slot, err := piv.ParseSlot(c.String("slot"))
	if err != nil {
		return nil, command.Usage(c, "--slot: %w", err)
	}
	card, err := findCard(c)
	if err != nil {
		return nil, err
	}
	defer card.Close()
	a, err := card.Attest(c.Context, slot)
	if errors.Is(err, piv.ErrEmpty) {
		return nil, exit.With(exit.NotFound, fmt.Errorf("%w: a card states nothing of an empty slot, or of a key that was put into it", err),
			"\"signet card info\" shows which slots hold what.")
	}
	if err != nil {
		return nil, err
	}
	return &piv.Evidence{Attestation: a}, nil
}

// unproved gives what is no attestation its exit code.
func unproved(err error) error {
	if errors.Is(err, piv.ErrNoAttestation) || errors.As(err, new(*piv.StatementError)) {
		return exit.With(exit.Denied, err, "Give the slot's attestation and the certificate of f9: ykman piv keys attest 9a -; ykman piv certificates export f9 -")
	}
	return err
}

func attestRoots(names []string) (*piv.Roots, error) {
	var extra []*x509.Certificate
	for _, name := range names {
		data, err := readInput(name)
		if err != nil {
			return nil, err
		}
		certs, err := certfile.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		extra = append(extra, certs...)
	}
	return piv.NewRoots(extra...), nil
}

// An attestationInWords is what "attest show" says.
type attestationInWords struct {
	Verified bool `json:"verified"`
	// Refusal is set where it is not.
	Refusal *refusalInWords `json:"refusal,omitempty"`

	Model        string        `json:"model"`
	Serial       uint32        `json:"serial,omitempty"`
	FormFactor   string        `json:"form_factor,omitempty"`
	Firmware     piv.Version   `json:"firmware"`
	CardFirmware piv.Version   `json:"card_firmware,omitzero"`
	FIPS         bool          `json:"fips"`
	CSPN         bool          `json:"cspn"`
	Slot         string        `json:"slot"`
	Algorithm    piv.Algorithm `json:"algorithm"`
	KeyID        string        `json:"key_id"` // SHA-256 of the SubjectPublicKeyInfo, hex
	PINPolicy    string        `json:"pin_policy"`
	TouchPolicy  string        `json:"touch_policy"`
	// Chain are the subjects, from the slot's certificate to the root.
	Chain      []string          `json:"chain"`
	Advisories []advisoryInWords `json:"advisories"`
	// Request is whether the attestation came in a certificate request.
	Request bool `json:"request"`
}

type refusalInWords struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

type advisoryInWords struct {
	ID    string `json:"id"`
	Fault string `json:"fault"`
	URL   string `json:"url"`
}

// explainAttestation reads what is stated, and verifies it. It fails where nothing is
// stated at all.
func explainAttestation(e *piv.Evidence, roots *piv.Roots, now time.Time) (*attestationInWords, error) {
	s, err := e.Attestation.Read()
	if err != nil {
		return nil, err
	}
	slot, err := x509.ParseCertificate(e.Attestation.Slot)
	if err != nil {
		return nil, err
	}
	keyID := sha256.Sum256(slot.RawSubjectPublicKeyInfo)
	out := &attestationInWords{
		Model: modelInWords(s), Serial: s.Serial, FormFactor: enroll.FormFactorName(s.FormFactor), Firmware: s.Firmware, CardFirmware: s.CardFirmware,
		FIPS: s.FIPS, CSPN: s.CSPN, Slot: s.Slot.String(), Algorithm: piv.Algorithm(ca.KeyAlgorithm(s.Public)), KeyID: hex.EncodeToString(keyID[:]),
		PINPolicy: s.PINPolicy.String(), TouchPolicy: s.TouchPolicy.String(), Request: e.CSR != nil, Advisories: []advisoryInWords{},
	}
	for _, a := range piv.Advisories() {
		if a.Affects(s.Firmware, s.FormFactor, out.Algorithm) {
			out.Advisories = append(out.Advisories, advisoryInWords{a.ID, a.Fault, a.URL})
		}
	}
	return out, out.verify(e, roots, now)
}

func (a *attestationInWords) verify(e *piv.Evidence, roots *piv.Roots, now time.Time) error {
	chain, err := roots.Chain(e.Attestation, now)
	var refused *piv.StatementError
	switch {
	case errors.As(err, &refused):
		a.Refusal = &refusalInWords{refused.Rule, refused.Reason}
		return nil
	case err != nil:
		return err
	}
	for _, c := range chain {
		a.Chain = append(a.Chain, c.Subject.String())
	}
	if err := e.Same(); err != nil {
		a.Refusal = &refusalInWords{"attestation.key", err.Error()}
		return nil
	}
	a.Verified = true
	return nil
}
