package main

import (
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/internal/certfile"
	"signet/internal/command"
)

func certCommand() *cli.Command {
	return command.Group("cert", "certificates that were issued",
		certList(), certShow(), certAttestation(), certImport(), certRevoke(),
		certAction(actionHold, "take a certificate back until it is released", "cert.hold"),
		certAction(actionRelease, "take the hold off a certificate", "cert.release"))
}

// revokeCommand is "cert revoke" again, for whoever is in a hurry.
func revokeCommand() *cli.Command { return certRevoke() }

// serialOrFlags describes what a command takes that changes one certificate or many.
const serialOrFlags = "SERIAL may be the first digits of the serial number where no other begins with them. In its place,\n" +
	"flags choose many: those for which all of the flags hold and that have not run out, or those in a file."

func certRevoke() *cli.Command {
	return &cli.Command{
		Name: actionRevoke, Usage: "take certificates back for good", ArgsUsage: "[SERIAL]", Description: serialOrFlags,
		Flags: append(reportFlags(manyFlags()...), &cli.StringFlag{Name: "reason", Value: ca.Unspecified.String(),
			Usage: "`REASON` of RFC 5280: " + strings.Join(ca.Reasons(), ", ")}),
		Action: func(c *cli.Context) error {
			if _, err := ca.ParseReason(c.String("reason")); err != nil {
				return command.Usage(c, "--reason: %w", err)
			}
			if choosesMany(c) {
				return changeMany(c, actionOf(c.String("reason")), c.String("reason"))
			}
			args, err := command.Args(c, "SERIAL")
			if err != nil {
				return err
			}
			return operateOnCert(c, "cert.revoke", oneCert{Serial: args[0], Reason: c.String("reason")})
		},
	}
}

// actionOf is what revoking with that reason is.
func actionOf(reason string) string {
	if reason == ca.CertificateHold.String() {
		return actionHold
	}
	return actionRevoke
}

// certAction makes a command that does one operation on one certificate, or on many.
func certAction(name, usage, operation string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "[SERIAL]", Description: serialOrFlags, Flags: reportFlags(manyFlags()...),
		Action: func(c *cli.Context) error {
			if choosesMany(c) {
				return changeMany(c, name, "")
			}
			args, err := command.Args(c, "SERIAL")
			if err != nil {
				return err
			}
			return operateOnCert(c, operation, oneCert{Serial: args[0]})
		},
	}
}

func operateOnCert(c *cli.Context, operation string, in oneCert) error {
	var out certificate
	if err := operate(c, operation, in, &out); err != nil {
		return err
	}
	return report(c, out, func(w io.Writer) { out.print(w) })
}

func certShow() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "show a certificate", ArgsUsage: "SERIAL",
		Flags: reportFlags(&cli.BoolFlag{Name: "pem", Usage: "print the certificate itself"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "SERIAL")
			if err != nil {
				return err
			}
			if !c.Bool("pem") {
				return operateOnCert(c, "cert.show", oneCert{Serial: args[0]})
			}
			var out certificate
			if err := operate(c, "cert.show", oneCert{Serial: args[0]}, &out); err != nil {
				return err
			}
			_, err = c.App.Writer.Write(certfile.Encode(out.DER))
			return err
		},
	}
}
