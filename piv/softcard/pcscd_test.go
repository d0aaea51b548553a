//go:build linux

package softcard_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"signet/piv/softcard"
	"signet/piv/yubikey"
)

// startPCSCD starts a pcscd of our own, with a vpcd in it: by systemd's socket
// activation it takes our socket instead of the system's.
func startPCSCD(t *testing.T) (socket, vpcd string) {
	t.Helper()
	pcscd := tool(t, "pcscd", "pcscd")
	driver := "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	if _, err := os.Stat(driver); err != nil {
		t.Fatalf("%s is missing: apt-get install vsmartcard-vpcd", driver)
	}
	dir := t.TempDir()
	port := freePort(t)
	conf := fmt.Sprintf("FRIENDLYNAME \"Yubico YubiKey CCID\"\nDEVICENAME /dev/null:0x%04X\nLIBPATH %s\nCHANNELID 0x%04X\n", port, driver, port)
	if err := os.Mkdir(filepath.Join(dir, "conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "conf", "vpcd"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "comm")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	f, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	args := []string{"-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" -f -c "$@"`, pcscd, filepath.Join(dir, "conf")}
	// Versions from 2 on ask polkit, which needn't run here.
	if help, _ := exec.Command(pcscd, "--help").CombinedOutput(); strings.Contains(string(help), "--disable-polkit") {
		args = append(args, "--disable-polkit")
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.ExtraFiles = []*os.File{f} // descriptor 3, where systemd would put it
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, cmd) })
	return socket, fmt.Sprintf("localhost:%d", port)
}

func stop(t *testing.T, cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
}

// freePort finds one whose neighbour is free too: vpcd opens two.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		a, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		port := a.Addr().(*net.TCPAddr).Port
		b, err := net.Listen("tcp", fmt.Sprintf(":%d", port+1))
		a.Close()
		if err == nil {
			b.Close()
			return port
		}
	}
	t.Fatal("no two free ports")
	return 0
}

// onlyOpen is the environment variable by which the test's program only opens the
// card and reads its tries, as signet does: libpcsclite has another socket in this process.
const onlyOpen = "SOFTCARD_TEST_OPEN"

func sayOpened() {
	card, err := yubikey.Open(context.Background(), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer card.Close()
	if _, err := card.PINTries(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("opened", card.Info().Serial)
}

func TestRealPCSCD(t *testing.T) {
	ypt := tool(t, "yubico-piv-tool", "yubico-piv-tool")
	socket, vpcd := startPCSCD(t)
	c := newCard(t, softcard.Config{Serial: 1234567})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- softcard.ServeVPCD(ctx, vpcd, c) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	say := func(program string, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "PCSCLITE_CSOCK_NAME="+socket, onlyOpen+"=1")
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	status := func() string { return say(ypt, "-a", "status") }
	opened := func() string { return say(os.Args[0]) }
	eventually(t, status, "1234567")
	start := time.Now()
	status()
	if d := time.Since(start); d > time.Second {
		t.Errorf("one look at the card took %v", d)
	}
	// A vpcd has two readers, of which one stays empty: that is one card, or none.
	eventually(t, opened, "opened 1234567")
	c.Unplug()
	eventually(t, status, "Failed to connect")
	eventually(t, opened, "no YubiKey found")
	c.Plug()
	eventually(t, status, "1234567")
	// Pulled out in the middle of a command, it is gone as well.
	c.Inject(softcard.Fault{INS: 0xf7, Do: softcard.UnplugAfter})
	start = time.Now()
	if said := opened(); !strings.Contains(said, "the card was pulled out") {
		t.Errorf("a card that was pulled out: %s", said)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("a command to a card that was pulled out took %v", d)
	}
	eventually(t, opened, "no YubiKey found")
	c.Plug()
	eventually(t, opened, "opened 1234567")
}

// eventually waits for a text: pcscd looks at its readers from time to time.
func eventually(t *testing.T, f func() string, text string) {
	t.Helper()
	var last string
	for range 100 {
		if last = f(); strings.Contains(last, text) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("never said %q, but:\n%s", text, last)
}
