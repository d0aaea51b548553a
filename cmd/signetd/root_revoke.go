package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/revocation"
	"signet/revocation/crl"
)

func rootRevokeCommand() *cli.Command {
	return &cli.Command{
		Name: "revoke", Usage: "take back an intermediate for good, and all below it", ArgsUsage: "SERIAL|FILE.crt",
		Description: "Signs the root's next CRL with an entry for a certificate that the root signed. Bring the root's folder\n" +
			"back first, or name where it is with --root. SERIAL may be the first digits; a certificate that the store\n" +
			"doesn't know is named by its file. Every server that checks all levels refuses everyone below from then on.",
		Flags: append(placeFlags(), passwordFileFlag(), command.JSON(), rootFolderFlag(), rootLifetimeFlag(),
			&cli.StringFlag{Name: "reason", Value: ca.Unspecified.String(),
				Usage: "`REASON` of RFC 5280: cACompromise, keyCompromise, cessationOfOperation, superseded, …"},
			&cli.BoolFlag{Name: "yes", Usage: "ask for no confirmation"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "SERIAL|FILE.crt")
			if err != nil {
				return err
			}
			reason, err := lastingReason(c.String("reason"))
			if err != nil {
				return command.Usage(c, "--reason: %w", err)
			}
			out, err := revokeByRoot(c, args[0], reason)
			if err != nil {
				return err
			}
			return report(c, out, out.print)
		},
	}
}

// rootRevokeResult is what "root revoke" prints.
type rootRevokeResult struct {
	rootCRLResult
	Serial  string    `json:"serial"`
	Subject string    `json:"subject"`
	At      time.Time `json:"at"`
	Reason  ca.Reason `json:"reason"`
	Again   bool      `json:"again,omitempty"` // it was on the CRL already: nothing was signed
}

func (r rootRevokeResult) print(w io.Writer) {
	if r.Again {
		fmt.Fprintf(w, "%s is on the root's CRL already, since %s: %s. Nothing was signed.\n", r.Serial, r.At.UTC().Format(timeFormat), r.Reason)
		fmt.Fprintf(w, "The root's CRL is number %s, good until %s: %s\n", r.Number, r.Ends.Format(time.DateOnly), r.Path)
	} else {
		fmt.Fprintf(w, "Revoked %s (%s): %s\n", r.Serial, r.Subject, r.Reason)
		fmt.Fprintf(w, "Signed the root's CRL number %s, good until %s: %s\n", r.Number, r.Ends.Format(time.DateOnly), r.Path)
	}
	fmt.Fprint(w, "\nNext:\n"+
		"1. Where this is not the server's folder, copy that file to its place there. A running server takes it up by itself.\n"+
		"   If the server is gone, copy it to each relying server.\n"+
		"2. See on the relying servers that they have it: \"signet crl status\". Until then they let people in.\n"+
		"3. Take the root's folder offline again.\n"+
		"4. Make a new CA with \"signetd init\" in another folder: everyone enrolls anew there.\n")
}

func revokeByRoot(c *cli.Context, name string, reason ca.Reason) (out rootRevokeResult, err error) {
	lifetime, err := command.Duration(c.String("lifetime"))
	if err != nil {
		return out, command.Usage(c, "--lifetime: %w", err)
	}
	conf, err := config(c)
	if err != nil {
		return out, err
	}
	root, err := readCertificate(conf.path(conf.Root.Certificate))
	if err != nil {
		return out, err
	}
	cert, err := signedByRoot(c, conf, root, name)
	if err != nil {
		return out, err
	}
	serial, ok := ca.SerialOf(cert.SerialNumber)
	if !ok {
		return out, fmt.Errorf("the serial number %x is none that this CA can have given", cert.SerialNumber)
	}
	out = rootRevokeResult{Serial: serial.String(), Subject: cert.Subject.String(), At: time.Now().UTC().Truncate(time.Second), Reason: reason}
	last, err := readRootCRL(conf, root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return out, err
	}
	if out.already(conf, last, cert) {
		return out, nil
	}
	folder, err := rootFolderOf(c, conf)
	if err != nil {
		return out, err
	}
	showBelow(c, cert, serial)
	if !c.Bool("yes") {
		if err := confirm(c, "revoke", "In a script, give --yes."); err != nil {
			return out, err
		}
	}
	out.rootCRLResult, err = renewRootCRL(c, conf, folder, lifetime, revocation.Entry{Serial: serial, At: out.At, Reason: reason})
	return out, err
}

// already reports whether last has the certificate for good, and notes what it says.
func (r *rootRevokeResult) already(conf *Config, last *crl.List, cert *x509.Certificate) bool {
	if last == nil {
		return false
	}
	e, found := last.Find(cert.SerialNumber)
	if !found || e.Reason == ca.CertificateHold {
		return false
	}
	r.At, r.Reason, r.Again = e.At, e.Reason, true
	r.rootCRLResult = rootCRLResult{Path: conf.path(conf.Root.CRL), Number: last.Number, Ends: last.NextUpdate}
	return true
}

// signedByRoot is the certificate that name, a file or the first digits of a serial
// number, stands for: one that the root has signed, but not the root.
func signedByRoot(c *cli.Context, conf *Config, root *x509.Certificate, name string) (*x509.Certificate, error) {
	cert, err := certificateNamed(c, conf, name)
	if err != nil {
		return nil, err
	}
	if cert.Equal(root) {
		return nil, exit.With(exit.Usage, errors.New("that is the root itself, which no CRL can take back"),
			"Take it out of what relying servers trust.")
	}
	if err := cert.CheckSignatureFrom(root); err != nil {
		return nil, exit.With(exit.Usage, fmt.Errorf("%s (%s) is not signed by this CA's root: %w", name, cert.Subject, err),
			"Certificates of the intermediate's are revoked with \"signetd cert revoke\".")
	}
	return cert, nil
}

// certificateNamed finds the intermediate that is configured without the store:
// it may be the last thing left.
func certificateNamed(c *cli.Context, conf *Config, name string) (*x509.Certificate, error) {
	if strings.ContainsRune(name, filepath.Separator) || exists(name) || strings.Contains(name, ".") {
		return readCertificate(name)
	}
	digits := strings.ToLower(strings.ReplaceAll(name, ":", ""))
	cert, err := readCertificate(conf.path(conf.Intermediate.Certificate))
	if err == nil && len(digits) == 2*len(ca.Serial{}) && sameSerial(cert.SerialNumber, digits) {
		return cert, nil
	}
	if err := storeIsThere(c); err != nil {
		return nil, err
	}
	var found certificate
	if err := operate(c, "cert.show", oneCert{Serial: digits}, &found); err != nil {
		if exit.CodeOf(err) == exit.NotFound {
			return nil, exit.With(exit.NotFound, err, "Name the certificate by its file: \"signetd root revoke FILE.crt\".")
		}
		return nil, err
	}
	return found.X509()
}

func sameSerial(n *big.Int, digits string) bool {
	serial, ok := ca.SerialOf(n)
	return ok && serial.String() == digits
}

// entriesOf are last's entries and add, which counts where both name a certificate.
func entriesOf(last *crl.List, add []revocation.Entry) ([]revocation.Entry, error) {
	if last == nil {
		return add, nil
	}
	again := map[ca.Serial]bool{}
	for _, e := range add {
		again[e.Serial] = true
	}
	var entries []revocation.Entry
	for e := range last.All() {
		serial, ok := ca.SerialOf(new(big.Int).SetBytes(e.Serial))
		if !ok {
			return nil, fmt.Errorf("the last CRL of the root names %x, which this CA can't have issued", e.Serial)
		}
		if !again[serial] {
			entries = append(entries, revocation.Entry{Serial: serial, At: e.At, Reason: e.Reason})
		}
	}
	return append(entries, add...), nil
}
