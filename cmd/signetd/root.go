package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/internal/atomicfile"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/revocation"
	"signet/revocation/crl"
)

// rootCRLLifetime is how long the root's CRL is good when nothing is said.
const rootCRLLifetime = 365 * day

func rootCommand() *cli.Command {
	return command.Group("root", "what needs the root's key", rootCRLCommand(), rootRevokeCommand())
}

func rootCRLCommand() *cli.Command {
	return &cli.Command{
		Name: "crl", Usage: "sign the root's next CRL",
		Description: "Bring the root's folder back first, or name where it is with --root. A running server\n" +
			"takes the new CRL up by itself.",
		Flags: append(placeFlags(), passwordFileFlag(), command.JSON(), rootFolderFlag(), rootLifetimeFlag()),
		Action: func(c *cli.Context) error {
			if _, err := command.Args(c); err != nil {
				return err
			}
			lifetime, err := command.Duration(c.String("lifetime"))
			if err != nil {
				return command.Usage(c, "--lifetime: %w", err)
			}
			conf, err := config(c)
			if err != nil {
				return err
			}
			folder, err := rootFolderOf(c, conf)
			if err != nil {
				return err
			}
			out, err := renewRootCRL(c, conf, folder, lifetime)
			if err != nil {
				return err
			}
			return report(c, out, func(w io.Writer) {
				fmt.Fprintf(w, "Signed the root's CRL number %s, good until %s: %s\n", out.Number, out.Ends.Format(time.DateOnly), out.Path)
			})
		},
	}
}

func rootFolderFlag() cli.Flag {
	return &cli.StringFlag{Name: "root", Usage: "the root's `FOLDER` (default: root in the CA's folder)"}
}

func rootLifetimeFlag() cli.Flag {
	return &cli.StringFlag{Name: "lifetime", Usage: "how long the CRL is good, as `TIME`", Value: "365d"}
}

// rootCRLResult is what "root crl" prints.
type rootCRLResult struct {
	Path   string    `json:"path"`
	Number *big.Int  `json:"number"`
	Ends   time.Time `json:"ends"`
}

// rootFolderOf is the folder with the root's key.
func rootFolderOf(c *cli.Context, conf *Config) (string, error) {
	folder := c.String("root")
	if folder == "" {
		folder = conf.path(rootFolder)
	}
	if !exists(filepath.Join(folder, "root.key")) {
		return "", exit.With(exit.NotFound, fmt.Errorf("the root's key is not in %s", folder),
			"Bring the root's folder back for a moment, or name where it is with --root.")
	}
	return folder, nil
}

func renewRootCRL(c *cli.Context, conf *Config, folder string, lifetime time.Duration, add ...revocation.Entry) (rootCRLResult, error) {
	if path := conf.path(conf.Root.CRL); !exists(path) {
		fmt.Fprintf(c.App.ErrWriter, "signetd: warning: the root's last CRL, %s, is missing: what was revoked on it is not carried on. Revoke it again.\n", path)
	}
	passphrase, err := secretSource{What: "passphrase of the CA's keys", File: conf.passwordFile()}.read()
	if err != nil {
		return rootCRLResult{}, err
	}
	defer clear(passphrase)
	root, err := openRootFolder(c.Context, folder, passphrase)
	if err != nil {
		return rootCRLResult{}, err
	}
	return replaceRootCRL(conf, root, lifetime, add...)
}

// replaceRootCRL signs the CRL that follows the one in force, with its entries and add.
func replaceRootCRL(conf *Config, root *ca.Issuer, lifetime time.Duration, add ...revocation.Entry) (rootCRLResult, error) {
	configured, err := readCertificate(conf.path(conf.Root.Certificate))
	if err != nil {
		return rootCRLResult{}, err
	}
	if !configured.Equal(root.Certificate()) {
		return rootCRLResult{}, errors.New("the root in this folder is not the one of this CA")
	}
	last, err := readRootCRL(conf, configured)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return rootCRLResult{}, err
	}
	der, err := signRootCRL(root, last, lifetime, time.Now(), add...)
	if err != nil {
		return rootCRLResult{}, err
	}
	next, err := crl.Parse(der)
	if err != nil {
		return rootCRLResult{}, err
	}
	path := conf.path(conf.Root.CRL)
	return rootCRLResult{Path: path, Number: next.Number, Ends: next.NextUpdate}, atomicfile.Write(path, der, 0o644)
}

// openRootFolder opens the root in the folder that is kept offline.
func openRootFolder(ctx context.Context, folder string, passphrase []byte) (*ca.Issuer, error) {
	cert, err := readCertificate(filepath.Join(folder, "root.crt"))
	if err != nil {
		return nil, err
	}
	key, err := openKey(ctx, filepath.Join(folder, "root.key"), passphrase)
	if err != nil {
		return nil, err
	}
	return ca.NewIssuer(cert, nil, key)
}

// signRootCRL signs the CRL that follows last, which is nil for the first, with add on it. Its
// number is the time in milliseconds: it grows also where the last CRL was lost
// (RFC 5280, Section 5.2.3).
func signRootCRL(root *ca.Issuer, last *crl.List, lifetime time.Duration, now time.Time, add ...revocation.Entry) ([]byte, error) {
	number := uint64(now.UnixMilli())
	if last != nil && last.Number.IsUint64() && last.Number.Uint64() >= number {
		number = last.Number.Uint64() + 1
	}
	entries, err := entriesOf(last, add)
	if err != nil {
		return nil, err
	}
	return revocation.RootCRL(root, number, now, lifetime, entries)
}

// readRootCRL reads the root's CRL in force and verifies it.
func readRootCRL(conf *Config, root *x509.Certificate) (*crl.List, error) {
	data, err := os.ReadFile(conf.path(conf.Root.CRL))
	if err != nil {
		return nil, err
	}
	ders, err := crl.Split(data)
	if err != nil || len(ders) != 1 {
		return nil, errors.Join(fmt.Errorf("%s is not one CRL", conf.path(conf.Root.CRL)), err)
	}
	list, err := crl.Parse(ders[0])
	if err != nil {
		return nil, err
	}
	if err := list.Complete(); err != nil {
		return nil, err
	}
	return list, crl.CheckSignature(list, root)
}
