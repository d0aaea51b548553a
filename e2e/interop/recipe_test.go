package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A recipe is a folder of docs/servers and how its server is run.
type recipe struct {
	// name is the folder's; title is the program's, with its version.
	name  string
	title func(t *testing.T) string
	// ports are those that its files name.
	ports []int
	// prepare puts into the prefix what an operator makes: passwords, databases.
	prepare func(s *stand)
	// command runs the server in the foreground, in the prefix.
	command func(s *stand) *exec.Cmd
	// started does what an operator does once it runs.
	started func(s *stand)
	// begin is how its README starts the server, to try.
	begin string
	// check and reload are the commands that its README gives to the agent.
	check, reload string
	// door is how people get in.
	door func(s *stand) door
	// says is what someone who is refused is told, by case.
	says map[string]string
	// saysOptional is what someone whose certificate is refused is told where one
	// is optional, if it is something else.
	saysOptional string
	// handsOn: the application learns the certificate by Client-Cert.
	handsOn bool
	// nameless: what is behind the server does not learn who it is.
	nameless bool
	// polls: the agent is tried without push too.
	polls bool
	// gaps: it closes its ports for a moment when it reloads.
	gaps bool
	// lingers: a connection that is open when its certificate is revoked stays open.
	lingers bool
}

// docs is the folder of the recipes.
const docs = "../../docs/servers"

// copyTo copies the recipe's files as they stand, and the pages, into a prefix.
func (r recipe) copyTo(t *testing.T, prefix string) {
	t.Helper()
	for from, to := range map[string]string{r.name: prefix, "pages": filepath.Join(prefix, "pages")} {
		if err := os.CopyFS(to, os.DirFS(filepath.Join(docs, from))); err != nil {
			t.Fatal(err)
		}
	}
}

// program finds a program that Debian may have put where only root looks.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name, "/usr/bin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Fatalf("there is no %s: \"make test\" installs what the tests need", name)
	return ""
}

// output runs a program to its end and returns what it printed.
func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, name), args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// The commands that the agent is tested with are those that the recipe gives.
func TestReadmesNameTheCommands(t *testing.T) {
	for _, r := range []recipe{nginx(), apache(), haproxy(), stunnel(), postgresql()} {
		readme, err := os.ReadFile(filepath.Join(docs, r.name, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		for flag, command := range map[string]string{"--check": r.check, "--reload": r.reload} {
			if line := flag + " '" + command + "'"; command != "" && !strings.Contains(string(readme), line) {
				t.Errorf("the README of %s does not say: %s", r.name, line)
			}
		}
		inOrder(t, r.name, string(readme), "To try", "```sh\n", fetchAtOnce+"\n", r.begin, "signet crl sync --url "+readmeCA, "```")
	}
}

// inOrder: a server is started when there is something to read, and then followed.
func inOrder(t *testing.T, name, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			t.Errorf("the README of %s does not say %q, or not in this order: %q", name, part, parts)
			return
		}
		text = after
	}
}
