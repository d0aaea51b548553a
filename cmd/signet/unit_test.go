package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// systemd understands the units, and finds them as tight as what they must do permits.
func TestUnits(t *testing.T) {
	for name, bound := range map[string]float64{"signetd": 1.5, "signet-crl": 3, "signet-gate": 1.5} {
		t.Run(name, func(t *testing.T) { checkUnit(t, name+".service", bound) })
	}
}

func checkUnit(t *testing.T, name string, bound float64) {
	unit, err := os.ReadFile("../../packaging/systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	// The programs and the documentation are not installed here.
	text := regexp.MustCompile(`/usr/local/bin/signetd?`).ReplaceAllString(string(unit), os.Args[0])
	text = regexp.MustCompile(`(?m)^Documentation=.*\n`).ReplaceAllString(text, "")
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	analyze := func(args ...string) string {
		out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze %v: %v (apt-get install systemd)\n%s", args, err, out)
		}
		return string(out)
	}
	if out := analyze("verify", "--recursive-errors=no", path); strings.Contains(out, name) {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	out := analyze("security", "--offline=true", path)
	var exposure float64
	_, rest, _ := strings.Cut(out, "Overall exposure level for "+name+": ")
	if _, err := fmt.Sscan(rest, &exposure); err != nil || exposure > bound {
		t.Errorf("exposure %v, %v\n%s", exposure, err, out)
	}
}

// systemd understands the user's units, too.
func TestUserUnits(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"signet-renew.service", "signet-renew.timer"} {
		unit, err := os.ReadFile("../../packaging/systemd/user/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(unit), "/usr/local/bin/signet", os.Args[0])
		text = regexp.MustCompile(`(?m)^Documentation=.*\n`).ReplaceAllString(text, "")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("systemd-analyze", "--user", "verify", "--recursive-errors=no", filepath.Join(dir, "signet-renew.timer"), filepath.Join(dir, "signet-renew.service"))
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "signet-renew") {
		t.Errorf("systemd-analyze verify: %v (apt-get install systemd)\n%s", err, out)
	}
}
