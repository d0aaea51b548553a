package main

import (
	"crypto/x509"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"signet/internal/certfile"
	"signet/internal/command"
	"signet/piv"
)

//go:embed attestation/verify.sh attestation/README.txt
var auditorFiles embed.FS

func certAttestation() *cli.Command {
	return &cli.Command{
		Name: "attestation", Usage: "write what proves which card a certificate's key is in, for an auditor", ArgsUsage: "SERIAL",
		Description: "The folder holds certificates and a script, verify.sh, that checks them with openssl alone.",
		Flags:       reportFlags(&cli.StringFlag{Name: "out", Usage: "write into the new folder `DIR`; attestation-SERIAL where it is left out"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "SERIAL")
			if err != nil {
				return err
			}
			var e evidence
			if err := operate(c, "cert.attestation", oneCert{Serial: args[0]}, &e); err != nil {
				return err
			}
			dir := c.String("out")
			if dir == "" {
				dir = "attestation-" + e.Certificate.Serial.String()[:16]
			}
			if err := e.write(dir); err != nil {
				return err
			}
			out := map[string]string{"serial": e.Certificate.Serial.String(), "folder": dir, "verify": filepath.Join(dir, "verify.sh")}
			return report(c, out, func(w io.Writer) {
				fmt.Fprintf(w, "%s holds the evidence for %s; sh %s checks it\n", dir, e.Certificate.Serial, out["verify"])
			})
		},
	}
}

// write makes the folder, which must not exist: what is in it belongs to one certificate.
func (e *evidence) write(dir string) error {
	files, err := e.files()
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (e *evidence) files() (map[string][]byte, error) {
	if len(e.CA) < 2 || len(e.Chain) < 3 {
		return nil, fmt.Errorf("the server's answer lacks certificates")
	}
	last := len(e.Chain) - 1
	record := struct {
		certificate
		DER []byte `json:"der,omitempty"` // in a file of its own
	}{certificate: e.Certificate}
	card := *e.Certificate.Card
	card.Attestation = nil
	record.Card = &card
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"certificate.pem": certfile.Encode(e.Certificate.DER), "ca-intermediate.pem": certfile.Encode(e.CA[:len(e.CA)-1]...), "ca-root.pem": certfile.Encode(e.CA[len(e.CA)-1]),
		"statement.pem": certfile.Encode(e.Chain[0]), "card.pem": certfile.Encode(e.Chain[1]), "maker-root.pem": certfile.Encode(e.Chain[last]),
		"record.json": append(text, '\n'),
	}
	if last > 2 {
		files["maker-intermediates.pem"] = certfile.Encode(e.Chain[2:last]...)
	}
	for _, name := range []string{"verify.sh", "README.txt"} {
		if files[name], err = auditorFiles.ReadFile("attestation/" + name); err != nil {
			return nil, err
		}
	}
	files["verify.sh"], err = e.script(files["verify.sh"])
	return files, err
}

// script fills in what verify.sh can't tell from the certificates.
func (e *evidence) script(text []byte) ([]byte, error) {
	statement, err := x509.ParseCertificate(e.Chain[0])
	if err != nil {
		return nil, err
	}
	digest := map[x509.SignatureAlgorithm]string{
		x509.SHA384WithRSA: "sha384", x509.ECDSAWithSHA384: "sha384", x509.SHA512WithRSA: "sha512", x509.ECDSAWithSHA512: "sha512",
	}[statement.SignatureAlgorithm]
	if digest == "" {
		digest = "sha256"
	}
	own := ""
	if root, err := x509.ParseCertificate(e.Chain[len(e.Chain)-1]); err == nil && !piv.IsYubicoRoot(root) {
		own = "a root that the CA's administrator chose" // which need not have PIV in its name
	}
	r := strings.NewReplacer("@AT@", strconv.FormatInt(e.Certificate.IssuedAt.Unix(), 10), "@DIGEST@", digest, "@OWN@", own)
	return []byte(r.Replace(string(text))), nil
}
