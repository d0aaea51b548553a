package command

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestCompletionNamesItsProgram has bash read its script.
func TestCompletionNamesItsProgram(t *testing.T) {
	for shell := range completions {
		var out bytes.Buffer
		a := &cli.App{Name: "signetd", Writer: &out, Commands: []*cli.Command{Completion("signetd")}}
		if code := Run(t.Context(), a, []string{"signetd", "completion", shell}); code != 0 {
			t.Fatalf("%s: exit code %d", shell, code)
		}
		if text := out.String(); !strings.Contains(text, "signetd") || strings.Contains(text, "PROGRAM") {
			t.Errorf("%s: %s", shell, text)
		}
		if shell == "bash" {
			bash := exec.Command("bash", "-n")
			bash.Stdin = &out
			if said, err := bash.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, said)
			}
		}
	}
}
