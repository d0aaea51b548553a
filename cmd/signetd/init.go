package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"signet/enroll"
	"signet/internal/command"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "make a CA, or complete one that is half made",
		Description: "Makes a root, an intermediate, an OCSP signer, the server's TLS certificate, the\n" +
			"configuration and the store. It overwrites nothing: run again, it makes what is missing.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "the CA's `FOLDER`", Value: defaultDir()},
			&cli.StringFlag{Name: "name", Usage: "the organisation's `NAME`, in the CA's certificates", Value: "Signet"},
			&cli.StringFlag{Name: "https", Usage: "`ADDRESS` of the listener for people and enrollment", Value: ":8443"},
			&cli.StringFlag{Name: "http", Usage: "`ADDRESS` of the listener for CRLs and OCSP", Value: ":8080"},
			&cli.StringSliceFlag{Name: "host", Usage: "`NAME` or address of this host as others reach it; may be given more than once (default: the host's name)"},
			&cli.StringFlag{Name: "root-algorithm", Usage: "`KEY` of the root: " + strings.Join(caAlgorithms, ", "), Value: "P-384"},
			&cli.StringFlag{Name: "algorithm", Usage: "`KEY` of the intermediate", Value: "P-256"},
			passwordFileFlag(), command.JSON(),
		},
		Action: initAction,
	}
}

// caAlgorithms are the kinds of key that a CA may have: those of package ca but
// for RSA-2048, which is not for 20 years.
var caAlgorithms = []string{"P-256", "P-384", "Ed25519", "RSA-3072", "RSA-4096"}

func initAction(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	s, err := newSetup(c)
	if err != nil {
		return err
	}
	if err := s.run(c.Context); err != nil {
		return err
	}
	out, err := s.result()
	if err != nil {
		return err
	}
	return report(c, out, func(w io.Writer) { out.print(w) })
}

// newSetup reads the flags. Where a configuration is there already, it counts
// and not the flags.
func newSetup(c *cli.Context) (*setup, error) {
	dir, err := filepath.Abs(c.String("dir"))
	if err != nil {
		return nil, err
	}
	s := &setup{
		dir: dir, name: c.String("name"), rootAlgorithm: c.String("root-algorithm"), algorithm: c.String("algorithm"),
		passphraseFile: absolute(c.String("password-file")), now: time.Now,
	}
	hosts := c.StringSlice("host")
	if len(hosts) == 0 {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("finding this host's name: %w", err)
		}
		hosts = []string{name}
	}
	for _, h := range hosts {
		if err := checkHost(h); err != nil {
			return nil, command.Usage(c, "--host: %w", err)
		}
	}
	for _, flag := range []string{"root-algorithm", "algorithm"} {
		if !slices.Contains(caAlgorithms, c.String(flag)) {
			return nil, command.Usage(c, "--%s: %q is none of %s", flag, c.String(flag), strings.Join(caAlgorithms, ", "))
		}
	}
	for _, flag := range []string{"name", "host", "https", "http"} {
		if c.IsSet(flag) {
			s.given = append(s.given, "--"+flag)
		}
	}
	passphraseFile := s.passphraseFile
	if passphraseFile == "-" {
		passphraseFile = ""
	}
	s.template = newConfigFor(s.name, passphraseFile, c.String("https"), c.String("http"), hosts)
	return s, nil
}

// fingerprint is a certificate's, as it is shown everywhere: 64 lower-case hex digits.
func fingerprint(cert *x509.Certificate) string { return strings.ToLower(enroll.Fingerprint(cert)) }

// initResult is what init prints.
type initResult struct {
	Dir         string    `json:"dir"`
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the root's certificate
	Made        []string  `json:"made"`        // files, relative to Dir
	RootFolder  string    `json:"root_folder,omitempty"`
	RootCRLEnds time.Time `json:"root_crl_ends"`
	Next        string    `json:"next"`
}

func (s *setup) result() (initResult, error) {
	root, err := readCertificate(s.conf.path(s.conf.Root.Certificate))
	if err != nil {
		return initResult{}, err
	}
	list, err := readRootCRL(s.conf, root)
	if err != nil {
		return initResult{}, err
	}
	out := initResult{
		Dir: s.dir, Fingerprint: fingerprint(root), Made: append([]string{}, s.made...), RootCRLEnds: list.NextUpdate,
		Next: "signetd serve --dir " + quoted(s.dir),
	}
	if exists(filepath.Join(s.dir, rootFolder)) {
		out.RootFolder = filepath.Join(s.dir, rootFolder)
	}
	return out, nil
}

func (r initResult) print(w io.Writer) {
	if len(r.Made) == 0 {
		fmt.Fprintf(w, "The CA in %s is complete; nothing was changed.\n", r.Dir)
	} else {
		fmt.Fprintf(w, "Made in %s:\n", r.Dir)
		for _, name := range r.Made {
			fmt.Fprintf(w, "  %-18s %s\n", name, whatIs[name])
		}
	}
	fmt.Fprintf(w, "\nThe root's SHA-256 fingerprint, by which users know this CA:\n\n  %s\n", r.Fingerprint)
	if r.RootFolder != "" {
		fmt.Fprintf(w, "\nTake the folder %s OFFLINE: move it to a medium that you lock away.\n"+
			"The server never reads it. You need it again before %s, for \"signetd root crl\".\n",
			r.RootFolder, r.RootCRLEnds.Format(time.DateOnly))
	}
	fmt.Fprintf(w, "\nNext:\n\n  %s\n", r.Next)
}

var whatIs = map[string]string{
	configName: "the configuration, each setting explained", "signet.db": "the store",
	"root/root.key": "the root's key, encrypted", "root/root.crt": "the root's certificate",
	"root.crt": "the root's certificate, for the server", "root.crl": "the root's CRL, good for a year",
	"intermediate.key": "the key that signs, encrypted", "intermediate.crt": "the certificate that signs",
	serverKey: "the TLS key, encrypted", serverCert: "the TLS certificate; it renews itself",
	ocspKey: "the OCSP signer's key, encrypted", ocspCert: "the OCSP signer's certificate; it renews itself",
}

// quoted is path as a shell takes it.
func quoted(path string) string {
	for _, r := range path {
		if !(r == '/' || r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
		}
	}
	return path
}
