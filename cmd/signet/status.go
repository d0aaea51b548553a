package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/internal/certfile"
	"signet/internal/command"
	"signet/internal/dn"
	"signet/internal/exit"
	"signet/piv"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the certificates on a card, until when they hold, and whether the CA stands behind them",
		Description: "It looks at every slot with a certificate of a CA that is remembered here, or at one: --slot.\n" +
			"Exits with 0 where the CA says that all hold, 3 where one is revoked, on hold, unknown to\n" +
			"the CA or expired, 8 where the CA's OCSP responder can't be reached, and with --expiring 14\n" +
			"where one runs out within that time. The PIN is wanted only where an earlier run has left\n" +
			"certificates to be revoked.",
		Flags: flags(command.JSON(), serialFlag(), pinFlag(),
			&cli.StringFlag{Name: "slot", Usage: "look at that `SLOT` alone: 9a, 9c, 9d, 9e, or 82 to 95"},
			&cli.StringFlag{Name: "expiring", Usage: "exit with 14 where one runs out within that `TIME`, such as 30d"},
			&cli.StringFlag{Name: "certificate", Usage: "look at the certificate in `FILE` (PEM) instead of a card's; - is stdin"}),
		Action: runStatus,
	}
}

// A status is what is known of a certificate.
type status struct {
	Card      *piv.Info  `json:"card,omitempty"`
	Slot      string     `json:"slot,omitempty"`
	Subject   string     `json:"subject"`
	Issuer    string     `json:"issuer"`
	Serial    string     `json:"serial"`
	NotBefore time.Time  `json:"not_before"`
	NotAfter  time.Time  `json:"not_after"`
	KeyOnCard *bool      `json:"key_on_card,omitempty"` // whether the slot's key is the certificate's
	Status    string     `json:"status"`                // good, revoked, held, unknown, expired, retired, mismatch, unreachable, untrusted
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Reason    *ca.Reason `json:"reason,omitempty"`
	CA        string     `json:"ca,omitempty"` // the remembered CA that it is of
	Expiring  bool       `json:"expiring,omitempty"`
	Problem   string     `json:"problem,omitempty"`
	cert      *x509.Certificate
}

func runStatus(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	expiring, err := expiringWithin(c)
	if err != nil {
		return err
	}
	if !c.IsSet("slot") && c.String("certificate") == "" {
		return statusOfCard(c, expiring)
	}
	s := &status{}
	read := s.fromSlot
	if c.String("certificate") != "" {
		read = s.fromFile
	}
	if err := read(c); err != nil {
		return err
	}
	verdict := s.judge(c.Context, expiring)
	if s.Status == "" {
		return verdict // nothing was found out
	}
	if err := report(c, s, func() { s.print(c) }); err != nil {
		return err
	}
	return verdict
}

// expiringWithin is what --expiring says; 0 where it is left out.
func expiringWithin(c *cli.Context) (time.Duration, error) {
	if c.String("expiring") == "" {
		return 0, nil
	}
	d, err := command.Duration(c.String("expiring"))
	if err != nil {
		return 0, command.Usage(c, "--expiring: %w", err)
	}
	return d, nil
}

func (s *status) fromSlot(c *cli.Context) error {
	slot, err := piv.ParseSlot(c.String("slot"))
	if err != nil {
		return command.Usage(c, "%w", err)
	}
	card, err := openCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	err = s.read(c.Context, card, slot)
	if errors.Is(err, piv.ErrEmpty) {
		return noCertificate(fmt.Sprintf("slot %s of card %d", slot, card.Info().Serial))
	}
	return err
}

func noCertificate(what string) error {
	return exit.With(exit.NotFound, errors.New(what+" has no certificate"), "Get a first one: signet enroll.")
}

// read fails with [piv.ErrEmpty] where the slot has no certificate.
func (s *status) read(ctx context.Context, card piv.Card, slot piv.Slot) error {
	cert, err := card.Certificate(ctx, slot)
	if err != nil {
		return err
	}
	info := card.Info()
	s.Card, s.Slot = &info, slot.String()
	key, err := card.Key(ctx, slot)
	if err != nil && !errors.Is(err, piv.ErrEmpty) {
		return err
	}
	same := false
	if err == nil {
		spki, err := x509.MarshalPKIXPublicKey(key.Public)
		same = err == nil && bytes.Equal(spki, cert.RawSubjectPublicKeyInfo)
	}
	s.KeyOnCard = &same
	s.fill(cert)
	return nil
}

func (s *status) fromFile(c *cli.Context) error {
	data, err := readInput(c.String("certificate"))
	if err != nil {
		return err
	}
	certs, err := certfile.Parse(data)
	if err != nil {
		return exit.With(exit.Failed, fmt.Errorf("reading the certificate: %w", err), "It is wanted as PEM.")
	}
	s.fill(certs[0])
	return nil
}

func (s *status) fill(cert *x509.Certificate) {
	s.cert = cert
	s.Subject, s.Issuer = dn.String(s.cert.RawSubject), dn.String(s.cert.RawIssuer)
	s.Serial = serialOf(s.cert)
	s.NotBefore, s.NotAfter = s.cert.NotBefore, s.cert.NotAfter
}

func (s *status) print(c *cli.Context) {
	if s.Card != nil {
		printf(c, "Slot %s of card %d:\n", s.Slot, s.Card.Serial)
	}
	describe(c.App.Writer, s.cert)
	if s.Status == "good" {
		printf(c, "  status   good: %s stands behind it\n", s.CA)
		return
	}
	if s.Status == retired {
		printf(c, "  status   retired: its key is kept to read what was encrypted to it\n")
		return
	}
	printf(c, "  status   %s\n", s.Status)
}
