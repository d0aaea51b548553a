package bolt_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/store/bolt"
)

// lockingChild has the store open until its stdin ends.
func lockingChild() {
	s, _ := openChild()
	fmt.Println("open")
	_, err := io.Copy(io.Discard, os.Stdin)
	orDie(errors.Join(err, s.Close()))
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "signet.db")
	c := childCommand(t.Context(), "locking", dir)
	in, errIn := c.StdinPipe()
	out, errOut := c.StdoutPipe()
	if err := errors.Join(errIn, errOut, c.Start()); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}

	_, err := bolt.Open(path, nil)
	var locked *bolt.LockedError
	if !errors.Is(err, bolt.ErrLocked) || !errors.As(err, &locked) {
		t.Fatalf("opened while another process has it: %v", err)
	}
	if locked.PID != c.Process.Pid || locked.Path != path {
		t.Errorf("it names process %d and %s, want %d and %s", locked.PID, locked.Path, c.Process.Pid, path)
	}
	if want := fmt.Sprintf("(pid %d) already has this store open: %s", c.Process.Pid, path); !strings.HasSuffix(err.Error(), want) {
		t.Errorf("it says %q, want %q", err, want)
	}

	in.Close()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	openIn(t, dir)
}
