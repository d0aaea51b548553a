package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/internal/command"
)

func certCommand() *cli.Command {
	return command.Group("cert", "certificates that were issued",
		certList(), certShow(), certAttestation(), certRevoke(),
		certOne(actionHold, "take a certificate back until it is released", "cert.hold"),
		certOne(actionRelease, "take the hold off a certificate", "cert.release"))
}

// revokeCommand is "cert revoke" again, for whoever is in a hurry.
func revokeCommand() *cli.Command { return certRevoke() }

// serialOrFlags describes what a command takes that changes one certificate or many.
const serialOrFlags = "SERIAL may be the first digits of the serial number where no other begins with them. " +
	"In its place, flags choose many: those for which all of the flags hold and that have not run out, or those in a file."

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

// certOne makes a command that does one operation on one certificate, or on many.
func certOne(name, usage, operation string) *cli.Command {
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
			return pem.Encode(c.App.Writer, &pem.Block{Type: "CERTIFICATE", Bytes: out.DER})
		},
	}
}

func certList() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list certificates", Flags: append(reportFlags(filterFlags()...),
			&cli.StringFlag{Name: "expiring", Usage: "those that are valid and run out within `TIME`: \"30d\""},
			&cli.BoolFlag{Name: "revoked", Usage: "those that are revoked or on hold; --revoked=false: those that are not"},
			&cli.BoolFlag{Name: "all", Usage: "the CA's own too"}),
		Action: func(c *cli.Context) error {
			f, after, err := filterOf(c)
			if err != nil {
				return err
			}
			client, err := dialOperator(c)
			if err != nil {
				return err
			}
			defer client.close()
			body, err := client.post(c.Context, "cert.list", f)
			if err != nil {
				return err
			}
			defer body.Close()
			return printList(c, json.NewDecoder(body), after)
		},
	}
}

// filterOf reads the flags of "cert list"; only certificates that are valid
// after the time returned are wanted.
func filterOf(c *cli.Context) (f certFilter, after time.Time, err error) {
	if _, err := command.Args(c); err != nil {
		return f, after, err
	}
	if f, err = chosenBy(c); err != nil {
		return f, after, err
	}
	f.All = c.Bool("all")
	if c.IsSet("revoked") {
		revoked := c.Bool("revoked")
		f.Revoked = &revoked
	}
	if s := c.String("expiring"); s != "" {
		d, err := parseDuration(s)
		if err != nil {
			return f, after, command.Usage(c, "--expiring: %w", err)
		}
		after = time.Now()
		f.ExpiresBefore = after.Add(d)
	}
	return f, after, nil
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date: 2027-01-31, or as RFC 3339 has it", s)
}

const listRow = "%-18s %-16s %-14s %-10s %-17s %s\n"

// printList prints certificates as they come: a table, or with --json one
// array of objects.
func printList(c *cli.Context, from *json.Decoder, after time.Time) error {
	w, asJSON, n := c.App.Writer, c.Bool("json"), 0
	if !asJSON {
		fmt.Fprintf(w, listRow, "SERIAL", "USER", "PROFILE", "CARD", "UNTIL", "STATE")
	}
	for {
		var one certificate
		err := from.Decode(&one)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the list broke off: %w", err)
		}
		if one.NotAfter.Before(after) {
			continue
		}
		if asJSON {
			err = printElement(w, n, one)
		} else {
			one.printRow(w)
		}
		if err != nil {
			return err
		}
		n++
	}
	if asJSON {
		fmt.Fprint(w, map[bool]string{true: "[]\n", false: "\n]\n"}[n == 0])
	}
	return nil
}

// printElement prints the nth element of a JSON array that isn't all there yet.
func printElement(w io.Writer, n int, one certificate) error {
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s", map[bool]string{true: "[\n", false: ",\n"}[n == 0], text)
	return err
}

func (c certificate) printRow(w io.Writer) {
	card := "-"
	if c.Card != nil {
		card = fmt.Sprint(c.Card.Serial)
	}
	account := c.Account
	if account == "" {
		account = "(the CA's own)"
	}
	// 16 of 40 digits tell them apart; commands take so few.
	fmt.Fprintf(w, listRow, c.Serial.String()[:16], account, c.Profile, card, c.NotAfter.UTC().Format("2006-01-02 15:04"), c.stateInWords())
}

func (c certificate) stateInWords() string {
	if c.State == "revoked" {
		return "revoked: " + c.Revocation.Reason.String()
	}
	return c.State
}

func (c certificate) print(w io.Writer) {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", name, value)
		}
	}
	row("Serial", c.Serial.String())
	row("Subject", c.Subject)
	row("User", c.Account)
	row("Profile", c.Profile)
	row("Issuer", c.Issuer)
	row("Valid", c.NotBefore.UTC().Format(timeFormat)+" to "+c.NotAfter.UTC().Format(timeFormat))
	row("State", c.stateInWords())
	if c.Revocation != nil {
		row("Since", c.Revocation.At.UTC().Format(timeFormat)+", by "+c.Revocation.By)
	}
	row("CRL", crlInWords(c.CRL))
	if card := c.Card; card != nil {
		row("Card", fmt.Sprintf("%d, firmware %s%s, slot %s", card.Serial, card.Firmware, seriesInWords(card), card.Slot))
		row("Policies", "PIN "+card.PINPolicy+", touch "+card.TouchPolicy)
	}
}

// seriesInWords is ", FIPS" and the like.
func seriesInWords(c *ca.Card) (words string) {
	if c.FIPS {
		words += ", FIPS"
	}
	if c.CSPN {
		words += ", CSPN"
	}
	return words
}

// crlInWords says where the CRL is that shows a change.
func crlInWords(crl string) string {
	return map[string]string{
		crlOut:     "out, and OCSP says the same",
		crlDelayed: "on its way; the server's log says what holds it up. OCSP says so already",
		crlStopped: "made when the server starts; until then nobody is told",
	}[crl]
}
