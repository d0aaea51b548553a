// Package house holds the tree to its own plan: a package imports only from
// floors below its own (docs/design.md), and the CA server has no cgo in it.
package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// floors gives each room its floor. What is in none of them is internal/, which is
// below all, and the end-to-end tests, which are above.
var floors = map[string]int{
	"signet/ca": 1, "signet/piv": 1,
	"signet/enroll": 2, "signet/revocation": 2,
	"signet/web": 3, "signet/store": 3, "signet/relying": 3,
	"signet/cmd": 4,
}

// strangers are packages of one floor that must not know of one another; a
// package and its own subpackages are no strangers.
func strangers(a, b string) bool { return room(a) != room(b) }

// room is the package at the top of a path: "signet/store/bolt" is in "signet/store".
func room(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if len(parts) < 2 {
		return path
	}
	return parts[0] + "/" + parts[1]
}

// A listed package, as "go list -json" has it.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, env []string, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir, cmd.Env = "../..", append(cmd.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestAPackageImportsOnlyFromFloorsBelow(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range list(t, nil, "./...") {
		floor, ok := floors[room(p.ImportPath)]
		seen[room(p.ImportPath)] = true
		for _, i := range p.Imports {
			below, inHouse := floors[room(i)]
			switch {
			case !inHouse:
			case !ok && strings.HasPrefix(p.ImportPath, "signet/internal/"):
				t.Errorf("%s is below all floors and imports %s", p.ImportPath, i)
			case ok && below > floor:
				t.Errorf("%s (floor %d) imports %s (floor %d)", p.ImportPath, floor, i, below)
			case ok && below == floor && strangers(p.ImportPath, i):
				t.Errorf("%s imports %s, its neighbour on floor %d", p.ImportPath, i, floor)
			}
		}
	}
	for name := range floors {
		if !seen[name] {
			t.Errorf("there is no package on floor %d called %s", floors[name], name)
		}
	}
}

func TestTheEnginesDoNotKnowOneAnother(t *testing.T) {
	for _, p := range list(t, nil, "./store/...") {
		for _, i := range p.Imports {
			if strings.HasPrefix(p.ImportPath, "signet/store/") && strings.HasPrefix(i, "signet/store/") {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

func cardLibrary(path string) bool {
	return strings.HasPrefix(path, "github.com/go-piv/piv-go") || strings.HasPrefix(path, "github.com/ebfe/scard")
}

func TestTheServerHasNoCardLibrary(t *testing.T) {
	for _, cgo := range []string{"CGO_ENABLED=0", "CGO_ENABLED=1"} {
		for _, p := range list(t, []string{cgo}, "./cmd/signetd") {
			for _, d := range p.Deps {
				if cardLibrary(d) || d == "signet/piv/yubikey" {
					t.Errorf("%s: %s depends on %s", cgo, p.ImportPath, d)
				}
			}
		}
	}
}

func TestOnlyOnePackageImportsTheCardLibrary(t *testing.T) {
	for _, p := range list(t, []string{"CGO_ENABLED=1"}, "./...") {
		for _, i := range p.Imports {
			if cardLibrary(i) && p.ImportPath != "signet/piv/yubikey" {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}
