package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"signet/internal/exit"
)

// What is no file is refused before anything is written beside it, or opened.
func TestNotAFile(t *testing.T) {
	r := newHost(t)
	r.must(os.Mkdir(r.path("p"), 0o700))
	places := map[string]string{"/dev/null": "is a device", r.path("p/folder"): "is a folder", r.path("p/dangling"): "which is not there", r.path("p/fifo"): "is a FIFO"}
	r.must(os.Mkdir(r.path("p/folder"), 0o700))
	r.must(os.Symlink("nowhere", r.path("p/dangling")))
	r.must(syscall.Mkfifo(r.path("p/fifo"), 0o600))
	r.write("key.pem", "no certificate")
	before := r.names(r.path("p"))
	for place, want := range places {
		for _, args := range [][]string{
			{"fetch", "--out", place},
			{"sync", "--out", place},
			{"sync", "--out", r.path("p/crl.pem"), "--health", place},
			{"status", "--out", place},
		} {
			args = append([]string{"crl"}, append(args, "--ca-file", r.path("chain.pem"))...)
			if args[1] != "status" {
				args = append(args, "--url", r.server.URL)
			}
			if code, said := r.signet(args...); code == exit.OK || !strings.Contains(said, want) && args[1] != "status" {
				t.Errorf("%v: %d %s", args, code, said)
			}
		}
		if code, said := r.signet("crl", "status", "--health", place); code == exit.OK {
			t.Errorf("%s: %s", place, said)
		}
	}
	if after := r.names(r.path("p")); after != before {
		t.Errorf("left behind:\n%s", after)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode()&os.ModeDevice == 0 {
		t.Fatalf("/dev/null is %v, %v", info, err)
	}
	for _, args := range [][]string{
		{"fetch", "--url", "http://x", "--ca-file", "x", "--out", ""}, {"fetch", "--url", "http://x", "--ca-file", "", "--out", "x"},
		{"sync", "--url", "http://x", "--ca-file", "x", "--out", ""}, {"status", "--health", ""}, {"status", "--ca-file", "x", "--out", ""},
	} {
		if code, said := r.signet(append([]string{"crl"}, args...)...); code != exit.Usage || !strings.Contains(said, "--help") && args[0] != "sync" {
			t.Errorf("%v: %d %s", args, code, said)
		}
	}
	if _, said := r.signet("crl", "fetch", "--url", "http://x", "--ca-file", r.path("key.pem"), "--out", "x"); !strings.Contains(said, "chain file") {
		t.Error(said)
	}
	if _, said := r.signet("crl", "sync", "--help"); !strings.Contains(said, "(default: 1m0s)") {
		t.Error(said)
	}
}

// names are those of the files in the folder and below.
func (r *host) names(dir string) string {
	r.Helper()
	var all []string
	r.must(filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return strings.Join(all, "\n")
}

// One file by two names has one agent; what a killed one has left of the health file goes.
func TestSyncThroughASymlink(t *testing.T) {
	r := newHost(t)
	r.must(os.Mkdir(r.path("real"), 0o700))
	r.must(os.Symlink("real", r.path("way")))
	r.must(os.WriteFile(r.path("real/crl.pem"), nil, 0o600))
	r.must(os.Symlink("real/crl.pem", r.path("link.pem")))
	r.write(".h.123", "half")
	flags := []string{"--url", r.server.URL, "--ca-file", r.path("chain.pem")}
	stop := r.sync(append(flags, "--out", r.path("link.pem"), "--health", r.path("h"))...)
	r.eventually("the file", func() bool { return r.inForce("real/crl.pem") })
	if info, err := os.Lstat(r.path("link.pem")); err != nil || info.Mode()&os.ModeSymlink == 0 || r.read("link.pem.lock") != "" || r.read("real/crl.pem.lock") == "" {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := os.Stat(r.path(".h.123")); err == nil {
		t.Error("what a killed agent has left of the health file is there")
	}
	for _, name := range []string{"real/crl.pem", "way/crl.pem", "link.pem"} {
		if code, said := r.signet(append([]string{"crl", "fetch", "--out", r.path(name)}, flags...)...); code != exit.Failed || !strings.Contains(said, "another agent holds") {
			t.Errorf("%s: %d %s", name, code, said)
		}
	}
	if code := stop(); code != exit.OK {
		t.Errorf("it ended with %d", code)
	}
}
