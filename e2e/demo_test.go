package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The demo is the main job: an empty folder, a CA, a card, nginx, a revocation,
// a refusal. It must say so, be quick, and leave nothing behind.
func TestDemo(t *testing.T) {
	temp := t.TempDir()
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), "../demo/demo")
	cmd.Env = append(os.Environ(), "DEMO_BIN="+bin, "TMPDIR="+temp)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"Certificate in slot 9a of card",
		"Welcome, UID=alice,CN=Alice Example",
		"HTTP 200",
		"revoked: keyCompromise",
		"HTTP 400",
		"client SSL certificate verify error: (23:certificate revoked)",
		"Response verify OK",
		"alice.crt: revoked",
		"error 23 at 0 depth lookup: certificate revoked",
		"Nothing is left running.",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	for _, process := range processesIn(t, temp) {
		t.Errorf("still running: %s", process)
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// "make run" leaves a CA and a card to play with; "make stop" ends them.
func TestRunAndStop(t *testing.T) {
	dir := t.TempDir()
	script := func(name string) string {
		t.Helper()
		cmd := exec.Command("../demo/" + name) // "stop" runs when the test's context has ended
		cmd.Env = append(os.Environ(), "DEMO_BIN="+bin, "DEMO_DIR="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("demo/%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	t.Cleanup(func() { script("stop") })
	for range 2 { // the second time it finds them running
		said := script("run")
		url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(said)
		fetch(t, url+"/ca/bundle.pem")
		if n := len(processesIn(t, dir)); n != 2 {
			t.Errorf("%d processes run, not signetd and softcard", n)
		}
	}
	out, err := output(t, "bash", "-c", `. "$0/env" && signet card list --json && signetd user show alice --json`, dir)
	if err != nil || !strings.Contains(out, `"firmware"`) || !strings.Contains(out, `"alice"`) {
		t.Errorf("in the shell that it says to take: %v\n%s", err, out)
	}
	script("stop")
	if left := processesIn(t, dir); len(left) > 0 {
		t.Errorf("after demo/stop there still run: %v", left)
	}
}

// processesIn are the processes whose working directory is, or was, below dir.
func processesIn(t *testing.T, dir string) (found []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil || len(links) == 0 {
		t.Fatalf("no processes to be seen: %v", err)
	}
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
			found = append(found, strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
}
