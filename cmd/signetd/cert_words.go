package main

import (
	"fmt"
	"io"

	"signet/ca"
)

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
