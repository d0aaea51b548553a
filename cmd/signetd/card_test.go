package main

import (
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// trustCards has the script's CA want keys in the scripts' cards, and have the profile for
// temporary certificates that the configuration has as an example.
func trustCards(ts *testscript.TestScript, neg bool, args []string) {
	cardRoot(ts, false, []string{"ca/cards.pem"})
	path := ts.MkAbs("ca/signetd.toml")
	text := strings.Replace(ts.ReadFile(path), `attestation = "none"`, `attestation = "required"`, 1)
	text = strings.Replace(text, `#roots = ["attestation-roots.pem"]`, `roots = ["cards.pem"]`, 1)
	for _, line := range []string{"[profiles.temporary]", `lifetime = "7d"`, "[profiles.temporary.key]"} {
		text = strings.Replace(text, "\n#"+line, "\n"+line, 1)
	}
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
}
