package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"signet/internal/exit"
)

func newTestSetup(t *testing.T, dir string) *setup {
	t.Helper()
	pass := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(pass, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &setup{dir: dir, name: "Acme", passphraseFile: pass, now: time.Now,
		template: newConfigFor("Acme", "", ":0", ":0", []string{"127.0.0.1"})}
}

// snapshot is every file below dir with its content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = string(data)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// An init that was cut off between any two files is completed by the next one,
// and what was there before stays as it was.
func TestAnInterruptedInitIsCompleted(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "ca")
	if err := newTestSetup(t, whole).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The files in the order in which they come into being; before the
	// hierarchy is in place it is in the stage, whole.
	order := []string{
		"signet.db", configName, "root/root.key", "root/root.crt", "root.crt", "intermediate.key", "intermediate.crt",
		"root.crl", serverKey, serverCert, ocspKey, ocspCert,
	}
	staged := order[2:7]
	for cut := range order {
		dir := filepath.Join(t.TempDir(), "ca")
		copyFiles(t, whole, dir, order[:cut])
		if cut > 1 && cut < 7 {
			copyFiles(t, whole, filepath.Join(dir, ".init"), staged[cut-2:])
			writeFile(t, filepath.Join(dir, ".init", stageComplete), "")
		}
		before := snapshot(t, dir)
		s := newTestSetup(t, dir)
		if err := s.run(t.Context()); err != nil {
			t.Fatalf("cut off before %s: %v", order[cut], err)
		}
		if !s.complete() {
			t.Errorf("cut off before %s: not completed", order[cut])
		}
		after := snapshot(t, dir)
		for path, content := range before {
			if name := filepath.Base(path); filepath.Base(filepath.Dir(path)) != ".init" && name != "signet.db" &&
				exists(path) && after[path] != content {
				t.Errorf("cut off before %s: %s was changed", order[cut], path)
			}
		}
		if cut > 1 {
			same(t, filepath.Join(whole, "root.crt"), filepath.Join(dir, "root.crt"))
			same(t, filepath.Join(whole, "root/root.key"), filepath.Join(dir, "root/root.key"))
		}
	}
}

// A stage without its mark is rubbish: nothing of it has come into force.
func TestAHalfMadeStageIsThrownAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	writeFile(t, filepath.Join(dir, ".init/root/root.key"), "half a key")
	s := newTestSetup(t, dir)
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "root/root.key")); err != nil || string(data) == "half a key" {
		t.Errorf("root.key is %q, %v", data, err)
	}
	if exists(s.stage()) {
		t.Error("the stage is still there")
	}
}

// With the root's folder offline, init makes nothing that would need it.
func TestALostIntermediateIsNotReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	if err := newTestSetup(t, dir).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "root")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"intermediate.crt", "root.crt", "root.crl"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		var e *exit.Error
		if err := newTestSetup(t, dir).run(t.Context()); !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("without %s: %v", name, err)
		}
		writeFile(t, path, string(data))
	}
	s := newTestSetup(t, dir)
	if err := s.run(context.Background()); err != nil || len(s.made) != 0 {
		t.Errorf("%v, made %v", err, s.made)
	}
}

func copyFiles(t *testing.T, from, to string, names []string) {
	t.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(to, name), string(data))
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	if y, err := os.ReadFile(b); err != nil || string(x) != string(y) {
		t.Errorf("%s is not %s (%v)", b, a, err)
	}
}
