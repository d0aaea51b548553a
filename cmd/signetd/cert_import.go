package main

import (
	"crypto/x509"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"signet/internal/certfile"
	"signet/internal/command"
	"signet/internal/exit"
)

func certImport() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "put certificates of this CA that the store doesn't know into it", ArgsUsage: "FILE",
		Description: "For a store that was restored: what was issued after the backup can't be revoked before it is known again.\n" +
			"FILE has the certificates as PEM. Each must be signed by the intermediate; those that\n" +
			"are known stay as they are.",
		Flags: reportFlags(&cli.StringFlag{Name: "user", Usage: "`USER` whose they are; nobody's where it is left out"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "FILE")
			if err != nil {
				return err
			}
			certs, err := certfile.Read(args[0])
			if err != nil {
				return exit.With(exit.Usage, err, "Nothing was imported.")
			}
			return importCertificates(c, certs)
		},
	}
}

func importCertificates(c *cli.Context, certs []*x509.Certificate) error {
	client, err := dialOperator(c)
	if err != nil {
		return err
	}
	defer client.close()
	total := importedCerts{Certificates: []certificate{}}
	for i, cert := range certs {
		var one importedCerts
		if err := client.call(c.Context, "cert.import", newCert{DER: cert.Raw, Account: c.String("user")}, &one); err != nil {
			return exit.With(exit.CodeOf(err), fmt.Errorf("certificate %d of %d: %w", i+1, len(certs), err),
				"Those before it are in the store. Mend the file and give the same command again.")
		}
		total.Added += one.Added
		total.Known += one.Known
		total.Certificates = append(total.Certificates, one.Certificates...)
	}
	return report(c, total, func(w io.Writer) {
		fmt.Fprintf(w, "%-12s %d\n%-12s %d\n", "Added", total.Added, "Known before", total.Known)
		for _, one := range total.Certificates {
			fmt.Fprintf(w, "%-12s %s\n", "Certificate", one.Serial)
		}
	})
}
