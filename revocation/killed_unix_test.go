//go:build unix

package revocation_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// killedDir names the folder of the process that TestKilled starts.
const killedDir = "SIGNET_TEST_KILLED_DIR"

// TestKilled: whenever the process is killed, what is under the list's name is a
// whole CRL. What else it leaves, the next start removes: see TestFilesOfLists.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		publishForEver(t, dir)
	}
	t.Parallel()
	dir := t.TempDir()
	seen := 0
	for i := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), killedDir+"="+dir)
		must(t, cmd.Start())
		time.Sleep(time.Duration(400+70*i) * time.Millisecond)
		must(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
		lists, err := filepath.Glob(filepath.Join(dir, "*.crl"))
		must(t, err)
		for _, path := range lists {
			der, err := os.ReadFile(path)
			must(t, err)
			if l, err := crl.Parse(der); err != nil || l.Entries < 50_000 {
				t.Errorf("after a kill: %v", err)
			}
			seen++
		}
	}
	if seen == 0 {
		t.Error("no list was saved: nothing was tried")
	}
}

// publishForEver makes lists in dir until it is killed.
func publishForEver(t *testing.T, dir string) {
	w := newWorld(t, nil)
	w.conf.Store, w.conf.CRLDir = newBigStore(t, w.store, 50_000), dir
	w.restart()
	for {
		w.revoke(w.issue("alice"), ca.Superseded)
		if err := w.service.Publisher.Refresh(t.Context()); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
