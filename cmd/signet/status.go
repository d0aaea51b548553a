package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/enroll/ceremony"
	"signet/internal/certfile"
	"signet/internal/command"
	"signet/internal/dn"
	"signet/internal/exit"
	"signet/piv"
	"signet/revocation/ocsp"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the certificates on a card, until when they hold, and whether the CA stands behind them",
		Description: "It looks at every slot with a certificate of a CA that is remembered here, or at one: --slot.\n" +
			"Exits with 0 where the CA says that all hold, 3 where one is revoked, on hold, unknown to\n" +
			"the CA or expired, 8 where the CA's OCSP responder can't be reached, and with --expiring 14\n" +
			"where one runs out within that time.",
		Flags: flags(command.JSON(), serialFlag(),
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
		return fmt.Errorf("slot %s of card %d: %w", slot, card.Info().Serial, ceremony.ErrNoCertificate)
	}
	return err
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
	in := io.Reader(os.Stdin)
	if name := c.String("certificate"); name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return exit.With(exit.NotFound, err, "Name a file that holds the certificate as PEM.")
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return err
	}
	certs, err := certfile.Parse(data)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
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

// judge asks the CA. Its error is the verdict, where that isn't good or, within
// expiring, won't be.
func (s *status) judge(ctx context.Context, expiring time.Duration) error {
	fail := func(code int, status string, err error, hint string) error {
		s.Status, s.Problem = status, err.Error()
		return exit.With(code, err, hint)
	}
	if s.KeyOnCard != nil && !*s.KeyOnCard {
		return fail(exit.Denied, "mismatch", fmt.Errorf("slot %s holds another key than the certificate's", s.Slot),
			"If an enrollment was ended halfway, run it again: signet enroll.")
	}
	known, err := loadAuthorities()
	if err != nil {
		return err
	}
	issuer, err := s.findIssuer(ctx, known)
	switch {
	case errors.Is(err, errUntrusted):
		return fail(exit.Denied, "untrusted", err, "Name the CA once: signet enroll --ca URL --fingerprint HEX.")
	case err != nil:
		return fail(exit.Unreachable, "unreachable", fmt.Errorf("the CA can't be asked: %w", err), hintAsk)
	}
	if time.Now().After(s.NotAfter) {
		if s.retired() {
			s.Status = retired
			return nil
		}
		return fail(exit.Denied, "expired", fmt.Errorf("the certificate expired on %s", s.NotAfter.Format(time.DateOnly)),
			"Get another: signet enroll --force.")
	}
	answer, err := askOCSP(ctx, s.cert, issuer)
	if err != nil {
		return fail(exit.Unreachable, "unreachable", fmt.Errorf("the CA can't be asked: %w", err), hintAsk)
	}
	switch {
	case answer.Status == ocsp.Good:
		s.Status = "good"
		if time.Until(s.NotAfter) > expiring {
			return nil
		}
		s.Expiring = true
		return exit.With(exit.Expiring, fmt.Errorf("the certificate runs out on %s (%s)", s.NotAfter.Local().Format(time.DateOnly),
			left(s.NotAfter, time.Now())), "Get another in time: signet renew.")
	case answer.Status == ocsp.Revoked:
		s.RevokedAt, s.Reason = &answer.RevokedAt, &answer.Reason
		if answer.Reason == ca.Superseded && s.retired() {
			s.Status = retired
			return nil
		}
		word := "revoked"
		if answer.Reason == ca.CertificateHold {
			word = "held"
		}
		return fail(exit.Denied, word, fmt.Errorf("the certificate is %s since %s (%s)", word,
			answer.RevokedAt.UTC().Format(time.RFC3339), answer.Reason), "Ask the CA's officers; for another certificate: signet enroll --force.")
	}
	return fail(exit.Denied, "unknown", errors.New("the CA says that it never issued this certificate"), "")
}

// retired is the status of a certificate that has another in its place, and whose key is kept.
const retired = "retired"

// retired reports whether the slot is one where a key is kept to read what was encrypted to it.
func (s *status) retired() bool {
	slot, err := piv.ParseSlot(s.Slot)
	return err == nil && slices.Contains(piv.RetiredSlots(), slot) && ceremony.Encrypts(slot, s.cert)
}

const hintAsk = "Check the network and run the command again; whether the certificate still holds isn't known."

var errUntrusted = errors.New("the certificate is of no CA that is remembered here")

// client is for what is fetched on plain HTTP: it is signed.
var plain = &http.Client{Timeout: 20 * time.Second}

// findIssuer fetches the issuer's certificate from where the certificate says,
// and sees to it that it leads to a root that was trusted.
func (s *status) findIssuer(ctx context.Context, known *authorities) (*x509.Certificate, error) {
	if len(s.cert.IssuingCertificateURL) == 0 || len(known.all) == 0 {
		return nil, errUntrusted
	}
	issuer, err := fetchCertificate(ctx, s.cert.IssuingCertificateURL[0])
	if err != nil {
		return nil, err
	}
	if s.cert.CheckSignatureFrom(issuer) != nil {
		return nil, errUntrusted
	}
	for _, au := range known.all {
		root, err := au.root()
		if err == nil && (issuer.Equal(root) || issuer.CheckSignatureFrom(root) == nil) {
			s.CA = au.URL
			return issuer, nil
		}
	}
	return nil, errUntrusted
}

func fetchCertificate(ctx context.Context, url string) (*x509.Certificate, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := plain.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, resp.Status)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func askOCSP(ctx context.Context, cert, issuer *x509.Certificate) (ocsp.Single, error) {
	if len(cert.OCSPServer) == 0 {
		return ocsp.Single{}, errors.New("the certificate names no OCSP responder")
	}
	q, err := ocsp.NewQuery(cert, issuer)
	if err != nil {
		return ocsp.Single{}, err
	}
	return q.Ask(ctx, plain, cert.OCSPServer[0])
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
