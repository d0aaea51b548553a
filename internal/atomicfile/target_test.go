//go:build unix

package atomicfile_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"signet/internal/atomicfile"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTarget(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(in("file"), nil, 0o600))
	must(t, os.Symlink("file", in("link")))
	must(t, os.Symlink("none", in("dangling")))
	must(t, os.Mkdir(in("folder"), 0o700))
	must(t, os.Symlink("folder", in("way")))
	must(t, syscall.Mkfifo(in("fifo"), 0o600))
	must(t, os.Symlink("fifo", in("to the fifo")))
	l, err := net.Listen("unix", in("socket"))
	must(t, err)
	defer l.Close()
	for path, want := range map[string]string{
		in("file"): in("file"), in("link"): in("file"), in("new"): in("new"), in("way/new"): in("folder/new"),
	} {
		if got, err := atomicfile.Target(path); got != want || err != nil {
			t.Errorf("%s: %s, %v", path, got, err)
		}
	}
	for path, want := range map[string]string{
		"/dev/null": "a device", "/": "a folder", dir: "a folder", in("way"): "a folder", in("new") + "/": "a folder",
		in("dangling"): "symlink to none, which is not there", in("fifo"): "a FIFO", in("to the fifo"): "a FIFO", in("socket"): "a socket",
	} {
		if _, err := atomicfile.Target(path); !errors.Is(err, atomicfile.ErrNotFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := atomicfile.Target(in("no folder/new")); !errors.Is(err, os.ErrNotExist) || errors.Is(err, atomicfile.ErrNotFile) {
		t.Errorf("%v", err)
	}
}

func TestTidy(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"h", ".h.123", ".h.12a", ".h.state.7", ".other.123"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	atomicfile.Tidy(filepath.Join(dir, "h"))
	var left []string
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".h.12a", ".h.state.7", ".other.123", "h"}; !slices.Equal(left, want) {
		t.Errorf("%q", left)
	}
}
