package relying

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the pages of docs/servers/pages")

// cannotTell is for servers that give the same reason for a certificate of another CA
// and for a CRL that is missing: nginx alone.
var cannotTell = explanation{"unsure", "Your certificate can’t be checked here", "This server has no list of revoked certificates (CRL) for it, so it did not let you in.",
	"Another organisation issued it, or you made it yourself: this server takes certificates of its own organisation’s CA. " +
		"Or it is of that CA, and this server lacks a part of the CA’s list.",
	[]string{closeAll, "Choose another certificate when the browser asks: the one on your card.",
		"If that was the one on your card, tell the administrator of this site: others are not let in either."},
	"if people with good certificates see this, the file of CRLs lacks one of the CA’s levels. The agent that fetches them (`signet crl`) writes no such file."}

// The pages that servers have as files are those of this package, without what only a
// program knows: dates, names, links. "go test -run Pages -update" writes them.
func TestPagesOfServersAreThese(t *testing.T) {
	const dir = "../docs/servers/pages"
	pages := map[string]explanation{
		"none": noCertificate, "revoked": isRevoked, "expired": explanations[Expired], "stranger": explanations[UnknownIssuer],
		"unchecked": cannotCheck, "refused": notAccepted, "foreign": cannotTell,
	}
	for name, e := range pages {
		want, err := view{explanation: e}.render()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".html")
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s does not say what relying says (%v): go test ./relying -run Pages -update", path, err)
		}
		if regexp.MustCompile(`(?i)https?:|src=|<link|<script|url\(|@import`).Match(want) {
			t.Errorf("%s loads something, or leads elsewhere", path)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != len(pages) {
		t.Errorf("there are other files than %d pages: %q", len(pages), files)
	}
}

// Every explanation is whole, and its commands can be seen.
func TestExplanationsAreWhole(t *testing.T) {
	all := []explanation{noCertificate, cannotCheck, isRevoked, isOnHold, caIsRevoked, notAccepted}
	for _, e := range explanations {
		all = append(all, e)
	}
	for _, e := range all {
		text := strings.Join(append([]string{e.What, e.Happened, e.Admin}, e.Steps...), " ")
		if e.Title == "" || e.What == "" || e.Admin == "" || len(e.Steps) == 0 || strings.Count(text, "`")%2 != 0 || !strings.Contains(pageStyle+" .unsure {", "."+e.Mark+" {") {
			t.Errorf("%+v", e)
		}
	}
	if got := code("run `signet <x>` & `y`"); got != "run <code>signet &lt;x&gt;</code> &amp; <code>y</code>" {
		t.Error(got)
	}
	if got := plain("run `signet enroll`."); got != "run “signet enroll”." {
		t.Error(got)
	}
}
