package enroll_test

import (
	"os"
	"strings"
	"testing"

	"signet/enroll"
)

// docs/api.md lists every rule; its status is the one that is sent.
func TestRulesAreDocumented(t *testing.T) {
	doc := string(must(os.ReadFile("../docs/api.md")))
	for _, r := range enroll.Rules() {
		if !strings.Contains(doc, "`"+r.Name+"`") {
			t.Errorf("docs/api.md does not list %s", r.Name)
		}
		if r.Hint == "" {
			t.Errorf("%s has no hint", r.Name)
		}
		for line := range strings.Lines(doc) {
			if strings.HasPrefix(line, "| `"+r.Name+"`") && !strings.Contains(line, "| "+enroll.StatusOfRule(r.Name)+" |") {
				t.Errorf("%s is sent with %s: %s", r.Name, enroll.StatusOfRule(r.Name), line)
			}
		}
	}
}
