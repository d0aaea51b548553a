package main

import (
	"fmt"
	"io"
	"strings"

	"signet/piv"
)

// modelInWords is as much of a card's model as its statement tells.
func modelInWords(s *piv.Statement) string {
	model := "YubiKey 5"
	switch {
	case s.SecurityKey:
		model = "Security Key"
	case s.FormFactor == 6 || s.FormFactor == 7:
		model = "YubiKey Bio"
	case s.Firmware.Less(piv.Version{5, 0, 0}):
		model = "YubiKey 4"
	}
	if s.FIPS {
		model += " FIPS"
	}
	if s.CSPN {
		model += " CSPN"
	}
	return model
}

var slotUses = map[string]string{
	"9a": "authentication", "9c": "digital signature", "9d": "decryption", "9e": "card authentication",
}

func slotInWords(slot string) string {
	if use := slotUses[slot]; use != "" {
		return slot + " (" + use + ")"
	}
	return slot + " (a retired key)"
}

var pinWords = map[string]string{
	"never":  "never asked for: whoever has the card can use the key",
	"once":   "asked for once, until the card is pulled out or another application used",
	"always": "asked for at each use",
}

var touchWords = map[string]string{
	"never":  "never asked for: a program can use the key while the card is in",
	"cached": "asked for, and good for 15 seconds",
	"always": "asked for at each use",
}

func inWords(words map[string]string, policy string) string {
	if w := words[policy]; w != "" {
		return w
	}
	return policy + ", which this program doesn't know"
}

func (a *attestationInWords) print(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("Card", "%s", a.cardInWords())
	line("States", "it made the key in slot %s itself; such a key can't leave the card", slotInWords(a.Slot))
	line("Key", "%s, SHA-256 of its SubjectPublicKeyInfo %s", a.Algorithm, a.KeyID)
	line("PIN", "%s", inWords(pinWords, a.PINPolicy))
	line("Touch", "%s", inWords(touchWords, a.TouchPolicy))
	if a.Verified {
		line("Verified", "yes, to %s", a.Chain[len(a.Chain)-1])
	} else {
		line("Verified", "NO: %s (%s). What stands above may be made up.", a.Refusal.Reason, a.Refusal.Rule)
	}
	if len(a.Chain) > 2 {
		line("Chain", "%s", strings.Join(a.Chain, "\n             < "))
	}
	a.printLimits(line)
}

// printLimits says what a statement can't prove, and what is known against the card.
func (a *attestationInWords) printLimits(line func(string, string, ...any)) {
	if a.Request && a.Verified {
		line("Request", "for the attested key, and signed by it")
	}
	line("Not proved", "when the statement was made, and who has the card and its PIN. A copy of it is as good as")
	line("", "the original: only a fresh signature by the key, over a nonce, shows that the card is at hand.")
	for _, d := range a.Advisories {
		line("Advisory", "%s: %s", d.ID, d.Fault)
		line("", "%s", d.URL)
	}
}

func (a *attestationInWords) cardInWords() string {
	parts := []string{a.Model}
	if a.FormFactor != "" {
		parts = append(parts, a.FormFactor)
	}
	if a.Serial != 0 {
		parts = append(parts, fmt.Sprintf("serial number %d", a.Serial))
	} else {
		parts = append(parts, "which does not tell its serial number")
	}
	return strings.Join(append(parts, "firmware "+a.Firmware.String()), ", ")
}
