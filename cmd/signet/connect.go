package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/enroll"
	"signet/internal/certfile"
	"signet/internal/dn"
	"signet/internal/exit"
)

// A connection is a CA that is trusted, and how to be known there.
type connection struct {
	authority
	Root  *x509.Certificate
	known *authorities
}

// connect finds the CA that the flags name and makes sure of it: by what is
// remembered, or at first contact by the fingerprint.
func connect(c *cli.Context) (*connection, error) {
	known, err := loadAuthorities()
	if err != nil {
		return nil, err
	}
	url := c.String("ca")
	if url != "" {
		if url, err = canonical(url); err != nil {
			return nil, err
		}
	}
	fingerprint := c.String("fingerprint")
	au, ok := known.find(url)
	switch {
	case ok && fingerprint != "":
		err = au.sameFingerprint(fingerprint)
	case !ok && url == "":
		err = exit.With(exit.Usage, errors.New("no CA is named and none is known"), "Name it: --ca URL --fingerprint HEX.")
	case !ok && fingerprint == "":
		err = exit.With(exit.Usage, fmt.Errorf("the CA at %s is not known yet", url),
			"Give the fingerprint of its root, which the administrator has: --fingerprint HEX.")
	case !ok:
		au, err = meet(c, url, fingerprint)
	}
	if err != nil {
		return nil, err
	}
	root, err := au.root()
	if err != nil {
		return nil, err
	}
	if c.Bool("dry-run") {
		return &connection{authority: au, Root: root, known: known}, nil
	}
	if err := known.use(au); err != nil {
		return nil, fmt.Errorf("remembering the CA: %w", err)
	}
	if !ok {
		fmt.Fprintf(c.App.ErrWriter, "trusting %s from now on: its root is %s\n", au.URL, dn.String(root.RawSubject))
	}
	return &connection{authority: au, Root: root, known: known}, nil
}

// remember keeps the account's name, now that it is known to be right. What was
// done with it is done, so that it isn't spoiled by a disk that is full.
func (n *connection) remember(c *cli.Context) {
	if err := n.known.use(n.authority); err != nil {
		fmt.Fprintf(c.App.ErrWriter, "signet: warning: the account's name can't be remembered: %v\n", err)
	}
}

// meet makes first contact.
func meet(c *cli.Context, url, fingerprint string) (authority, error) {
	if _, err := enroll.ParseFingerprint(fingerprint); err != nil {
		return authority{}, exit.With(exit.Usage, err, "The administrator has it from \"signetd init\".")
	}
	root, err := enroll.Trust(c.Context, url, fingerprint)
	if err != nil {
		return authority{}, err
	}
	return authority{URL: url, Fingerprint: enroll.Fingerprint(root),
		Root: string(certfile.Encode(root.Raw))}, nil
}

// client is the CA's API with credentials, or as the holder of cert.
func (n *connection) client(creds enroll.Credentials, cert *tls.Certificate) *enroll.Client {
	pool := x509.NewCertPool()
	pool.AddCert(n.Root)
	return &enroll.Client{BaseURL: n.URL, HTTP: enroll.NewHTTPClient(pool, cert), Credentials: creds}
}

// askAccount is the account's name; "" where a code is to be asked for.
func (n *connection) askAccount(c *cli.Context) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", exit.With(exit.Usage, errors.New("neither an account nor a code is given"), "Name one: --user NAME, or --code-file FILE.")
	}
	if n.User != "" {
		return askLine(c, "Account", n.User)
	}
	return askLine(c, "Account (leave it empty to enter a one-time code)", "")
}

// credentials are what the flags, files or the person say.
func (n *connection) credentials(c *cli.Context) (enroll.Credentials, error) {
	code, err := codeSecret(c)
	if err != nil || code != "" {
		return enroll.Credentials{Code: code}, err
	}
	user := c.String("user")
	if user == "" {
		if user, err = n.askAccount(c); err != nil {
			return enroll.Credentials{}, err
		}
	}
	if user == "" {
		code, err := readHidden(c, "One-time code")
		return enroll.Credentials{Code: strings.TrimSpace(code)}, err
	}
	password, err := secret{flag: "password-file", env: "SIGNET_PASSWORD", what: "password of " + user}.read(c)
	if err != nil {
		return enroll.Credentials{}, err
	}
	n.User = user
	return enroll.Credentials{Account: user, Password: password}, nil
}
