package main

import (
	"crypto/x509"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/internal/exit"
)

// below is what a CA's certificate has signed, as far as the store knows.
type below struct {
	issued   int             // ever
	accounts map[string]bool // that have any in force
	people   []certificate   // the first of theirs in force
	inForce  int             // theirs
	own      int             // the CA's own in force
}

// showBelow says what falls with a certificate. Where the store can't be read it
// says so: that must not keep anyone from revoking.
func showBelow(c *cli.Context, cert *x509.Certificate, serial ca.Serial) {
	w := c.App.ErrWriter
	fmt.Fprintf(w, "To be revoked for good: %s (%s), until %s.\n", serial, cert.Subject, cert.NotAfter.UTC().Format(timeFormat))
	fmt.Fprintln(w, "With it falls every certificate below it:")
	b, err := belowOf(c, ca.IssuerID(cert))
	if err != nil {
		fmt.Fprintf(w, "  they can't be counted: %v\n", err)
		return
	}
	b.describe(w)
}

func belowOf(c *cli.Context, issuer string) (below, error) {
	b := below{accounts: map[string]bool{}}
	if err := storeIsThere(c); err != nil {
		return b, err
	}
	client, err := dialOperator(c)
	if err != nil {
		return b, err
	}
	defer client.close()
	body, err := client.post(c.Context, "cert.list", certFilter{All: true})
	if err != nil {
		return b, err
	}
	defer body.Close()
	err = elementsOf(body, func(one certificate) error {
		if one.Issuer == issuer {
			b.add(one)
		}
		return nil
	})
	return b, err
}

func (b *below) add(one certificate) {
	b.issued++
	switch {
	case one.State == "expired" || one.State == "revoked":
	case one.Account == "":
		b.own++
	default:
		b.inForce++
		b.accounts[one.Account] = true
		if len(b.people) < maxDescribed {
			b.people = append(b.people, one)
		}
	}
}

func (b *below) describe(w io.Writer) {
	for _, one := range b.people {
		fmt.Fprintf(w, "  certificate %s of %s (%s, until %s)\n", one.Serial.String()[:16], one.Account, one.Profile, one.NotAfter.UTC().Format(timeFormat))
	}
	if more := b.inForce - len(b.people); more > 0 {
		fmt.Fprintf(w, "  and %s more\n", certificates(more))
	}
	fmt.Fprintf(w, "  in all %s in force, users: %d; and %d of the CA's own (TLS server, OCSP signer); %d were issued ever\n",
		certificates(b.inForce), len(b.accounts), b.own, b.issued)
}

// storeIsThere keeps a store from being made where the root's folder is with
// no more of the CA than its certificates.
func storeIsThere(c *cli.Context) error {
	conf, err := config(c)
	if err != nil {
		return err
	}
	if path := conf.path(conf.Store); !exists(path) {
		return exit.With(exit.NotFound, fmt.Errorf("there is no store %s", path), "Name the certificate by its file: \"signetd root revoke FILE.crt\".")
	}
	return nil
}
