package main

import (
	"fmt"
	"io"
	"strings"
)

// any reports whether anything falls.
func (f *fallen) any() bool {
	return f.certificates()+len(f.Codes)+len(f.Cards)+len(f.Ended) > 0
}

// describe names what falls, and how, on lines that are set in.
func (f *fallen) describe(w io.Writer) { f.name(w, true) }

// list names the same, of which nobody has said yet what shall become of it.
func (f *fallen) list(w io.Writer) { f.name(w, false) }

func (f *fallen) name(w io.Writer, falls bool) {
	for _, list := range []struct {
		certs []fallenCert
		what  string
	}{{f.Held, "to be put on hold"}, {f.Released, "to be released"}, {f.Revoked, "to be revoked"}, {f.Kept, "on hold for another reason, which stays so"}} {
		for i, c := range list.certs {
			if i == maxDescribed {
				fmt.Fprintf(w, "  and %s more\n", certificates(len(list.certs)-i))
				break
			}
			what := ""
			if falls {
				what = " " + list.what
			}
			fmt.Fprintf(w, "  certificate %s%s\n", c, what)
		}
	}
	for _, code := range f.Codes {
		profile := "any profile"
		if code.Profile != "" {
			profile = "profile " + code.Profile
		}
		fmt.Fprintf(w, "  an unused code for %s, until %s\n", profile, code.Expires.UTC().Format(timeFormat))
	}
	if len(f.Cards) > 0 {
		what := ""
		if falls {
			what = ", to be nobody's"
		}
		fmt.Fprintf(w, "  %s%s\n", cardsInWords(f.Cards), what)
	}
	for _, a := range f.Ended {
		fmt.Fprintf(w, "  the allowance for temporary certificates of profile %s, until %s\n", a.Profile, a.Until.UTC().Format(timeFormat))
	}
}

// maxDescribed is how many certificates are named one by one.
const maxDescribed = 20

func (c fallenCert) String() string {
	s := c.Serial.String()[:16] + " (" + c.Profile + ", "
	if c.Card != 0 {
		s += fmt.Sprintf("card %d slot %s, ", c.Card, c.Slot)
	}
	return s + "until " + c.NotAfter.UTC().Format(timeFormat) + ")"
}

func cardsInWords(serials []uint32) string {
	names := make([]string, len(serials))
	for i, s := range serials {
		names[i] = fmt.Sprint(s)
	}
	if len(names) == 1 {
		return "card " + names[0]
	}
	return "cards " + strings.Join(names, ", ")
}

// print says what was changed.
func (f *fallen) print(w io.Writer) {
	row := func(name, value string) { fmt.Fprintf(w, "%-12s %s\n", name, value) }
	for _, list := range []struct {
		name  string
		certs []fallenCert
	}{{"On hold", f.Held}, {"Released", f.Released}, {"Revoked", f.Revoked}} {
		if len(list.certs) > 0 {
			row(list.name, certificates(len(list.certs)))
		}
	}
	if len(f.Kept) > 0 {
		row("Unchanged", certificates(len(f.Kept))+" on hold for another reason")
	}
	if len(f.Codes) > 0 {
		row("Codes", fmt.Sprintf("%d deleted", len(f.Codes)))
	}
	if len(f.Cards) > 0 {
		row("Returned", cardsInWords(f.Cards)+": in the inventory")
	}
	if g := f.Given; g != nil {
		row("Temporary", fmt.Sprintf("%s may have certificates of profile %s until %s", f.Account, g.Profile, g.Until.UTC().Format(timeFormat)))
		row("", fmt.Sprintf("\"signetd code new %s --profile %s\" makes the code for one", f.Account, g.Profile))
	}
	for _, a := range f.Ended {
		row("Ended", "the allowance for profile "+a.Profile)
	}
	if f.CRL != "" {
		row("CRL", crlInWords(f.CRL))
	}
}
