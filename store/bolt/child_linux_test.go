package bolt_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"signet/store/bolt"
)

// children are the programs that this test binary is for other processes' sake:
// the environment says which one it is.
var children = map[string]func(){
	"flushes":       flushesChild,
	"killed":        killedChild,
	"killedsets":    killedSetsChild,
	"faults":        faultsChild,
	"full":          fullChild,
	"locking":       lockingChild,
	"revoking":      revokingChild,
	"revokeflushes": revokeFlushesChild,
}

const childEnv = "SIGNET_BOLT_TEST_CHILD"

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childEnv)]; child != nil {
		child()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// dirEnv tells a child where its store is.
const dirEnv = "SIGNET_BOLT_TEST_DIR"

// childCommand is this test binary as the child named, with a store in dir. Where
// before isn't empty, that program runs it.
func childCommand(ctx context.Context, name, dir string, before ...string) *exec.Cmd {
	args := append(before, os.Args[0])
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Env = append(os.Environ(), childEnv+"="+name, dirEnv+"="+dir)
	return c
}

// runChild runs c to its end and returns what it wrote to stdout.
func runChild(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(c.Path), err, out.String(), talk.String())
	}
	return out.String()
}

// openChild opens the child's store and makes a load for it.
func openChild() (*bolt.Store, *load) {
	s, err := bolt.Open(filepath.Join(os.Getenv(dirEnv), "signet.db"), nil)
	orDie(err)
	s.SetFresh(20, 60) // so that much is folded
	l, err := newLoad(context.Background(), s, 3)
	orDie(err)
	return s, l
}

// orDie ends a child that has failed.
func orDie(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
