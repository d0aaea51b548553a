package bolt_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"signet/ca"
	"signet/revocation"
)

// However large the file, little of it is in this process's memory.
func TestResidentMemory(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	l, err := newLoad(t.Context(), s, 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.run(t.Context(), 32, 15_000, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "signet.db")
	small(t, path, "enrolling")
	var serials []ca.Serial
	err = s.Certificates(t.Context(), revocation.Filter{}, func(c ca.Certificate) bool {
		serials = append(serials, c.Serial)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	small(t, path, "listing")
	for _, serial := range serials {
		if _, err := s.Certificate(t.Context(), "0123456789abcdef", serial); err != nil {
			t.Fatal(err)
		}
	}
	small(t, path, "reading each")
}

// small checks that at most 16 MiB of a file of 40 or more are resident.
func small(t *testing.T, path, after string) {
	t.Helper()
	const limit = 16 << 10 // KiB
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	kib := resident(t, path)
	t.Logf("after %s: %d of %d KiB", after, kib, info.Size()>>10)
	if kib > limit || info.Size()>>10 < 2*limit {
		t.Errorf("after %s, %d of the file's %d KiB are resident, want at most %d", after, kib, info.Size()>>10, limit)
	}
}

// resident is how many KiB of the file mapped from path are in this process's memory,
// by /proc/self/smaps.
func resident(t *testing.T, path string) (kib int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, mine, found := bufio.NewScanner(f), false, false
	for lines.Scan() {
		field := strings.Fields(lines.Text())
		if !strings.HasSuffix(field[0], ":") {
			mine = strings.HasSuffix(lines.Text(), " "+path)
		}
		if mine && field[0] == "Rss:" {
			found = true
			n, err := strconv.Atoi(field[1])
			if err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	if !found {
		t.Fatalf("%s is not in /proc/self/smaps", path)
	}
	return kib
}
