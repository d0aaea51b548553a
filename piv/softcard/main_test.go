package softcard_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"signet/piv/softcard"
)

// libpcsclite reads PCSCLITE_CSOCK_NAME once per process: all tests share one
// socket, and each plugs its own card in.
var pcsc *softcard.PCSC

func TestMain(m *testing.M) {
	if os.Getenv(onlyOpen) != "" {
		sayOpened()
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "softcard")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	pcsc, err = softcard.ListenPCSC(filepath.Join(dir, "pcscd.sock"))
	if err != nil {
		panic(err)
	}
	os.Setenv("PCSCLITE_CSOCK_NAME", pcsc.SocketPath())
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- pcsc.Serve(ctx) }()
	code := m.Run()
	cancel()
	if err := <-served; err != nil {
		fmt.Println("serving PC/SC:", err)
		return 1
	}
	return code
}

// sharedRoot is made once: RSA keys take time.
var sharedRoot = sync.OnceValues(softcard.NewRoot)

func testRoot(t testing.TB) *softcard.Root {
	t.Helper()
	r, err := sharedRoot()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newCard makes a card that nobody has plugged into a reader.
func newCard(t testing.TB, cfg softcard.Config) *softcard.Card {
	t.Helper()
	if cfg.Root == nil {
		cfg.Root = testRoot(t)
	}
	c, err := softcard.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// plugged makes a card and a reader for it.
func plugged(t testing.TB, cfg softcard.Config) (*softcard.Card, string) {
	t.Helper()
	c := newCard(t, cfg)
	name, err := pcsc.Add(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pcsc.Remove(c) })
	return c, name
}

// tool finds a program, and fails the test by naming its Debian package.
func tool(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	return path
}
