package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"signet/piv/softcard"
)

// process is a `softcard run`.
type process struct {
	cmd *exec.Cmd
	dir string
	env []string
}

func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	self, err := exec.LookPath("softcard") // testscript.Main puts it there
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"run", "--dir", dir}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	value, ok := strings.CutPrefix(strings.TrimSpace(line), "export ")
	if err != nil || !ok {
		t.Fatalf("softcard run said %q, %v", line, err)
	}
	return &process{cmd: cmd, dir: dir, env: append(os.Environ(), value)}
}

// with runs a program that finds the cards.
func (p *process) with(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ctl runs `softcard ctl`.
func (p *process) ctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.with(t, "softcard", append([]string{"ctl", "--dir", p.dir}, args...)...)
	if err != nil {
		t.Fatalf("ctl %q: %v\n%s", args, err, out)
	}
	return out
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "d")
}

func TestTerminate(t *testing.T) {
	p := start(t, shortDir(t))
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, "*.sock")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestTerminateWhileWaitingForTouch(t *testing.T) {
	p := start(t, shortDir(t))
	ypt := piv(t)
	if out, err := p.with(t, ypt, "-a", "generate", "-s", "9e", "-A", "ECCP256", "--touch-policy", "always", "-o", filepath.Join(p.dir, "pub")); err != nil {
		t.Fatal(out)
	}
	p.ctl(t, "wait-touch")
	go p.with(t, ypt, "-a", "verify-pin", "-P", "123456", "--sign", "-s", "9e", "-A", "ECCP256", "-i", "/dev/null", "-o", "/dev/null")
	eventually(t, func() bool { return strings.Contains(p.ctl(t, "status"), "waiting=true") })
	p.cmd.Process.Signal(syscall.SIGTERM)
	began := time.Now()
	if err := p.cmd.Wait(); err != nil || time.Since(began) > 3*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestKilledProcessLosesNothing(t *testing.T) {
	dir, ypt := shortDir(t), piv(t)
	p := start(t, dir, "--serial", "4711")
	key := filepath.Join(t.TempDir(), "pub.pem")
	if out, err := p.with(t, ypt, "-a", "generate", "-s", "9a", "-A", "ECCP256", "-o", key, "-a", "set-chuid"); err != nil {
		t.Fatal(out)
	}
	p.with(t, ypt, "-a", "verify-pin", "-P", "999999")
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait()
	p = start(t, dir, "--serial", "4711") // the dead one's sockets do not matter
	out, err := p.with(t, ypt, "-a", "status")
	if err != nil || !strings.Contains(out, "PIN tries left:\t2") || strings.Contains(out, "CHUID:\tNo data") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := p.with(t, ypt, "-a", "attest", "-s", "9a"); err != nil {
		t.Error(out)
	}
}

func TestCtl(t *testing.T) {
	p, ypt := start(t, shortDir(t), "--serial", "11,22"), piv(t)
	if out, err := p.with(t, "softcard", "ctl", "--dir", p.dir, "unplug"); err == nil || !strings.Contains(out, "2 cards") {
		t.Errorf("%v: %s", err, out)
	}
	p.ctl(t, "--serial", "11", "unplug")
	if out, err := p.with(t, ypt, "-a", "status"); err != nil || !strings.Contains(out, "22") {
		t.Errorf("%v\n%s", err, out)
	}
	p.ctl(t, "--serial", "22", "hold")
	if out, err := p.with(t, ypt, "-a", "status"); err == nil {
		t.Errorf("a card that another program holds was opened:\n%s", out)
	}
	p.ctl(t, "--serial", "22", "release")
	p.ctl(t, "--serial", "22", "fail", "--ins", "fd", "--sw", "6f00")
	p.ctl(t, "--serial", "22", "delay", "--for", "1ms", "--repeat")
	p.with(t, ypt, "-a", "version")
	p.ctl(t, "--serial", "22", "clear")
	if trace := p.ctl(t, "--serial", "22", "trace"); !strings.Contains(trace, "00 FD 00 00 len=5 sw=6F00") {
		t.Error(trace)
	}
	p.ctl(t, "--serial", "22", "unplug", "--ins", "f8", "--after")
	p.with(t, ypt, "-a", "version")
	if out := p.ctl(t, "status"); strings.Count(out, "plugged=false") != 2 {
		t.Error(out)
	}
	p.ctl(t, "--serial", "22", "plug")
	p.ctl(t, "--serial", "22", "refuse-touch")
	if out := p.ctl(t, "--serial", "22", "status"); !strings.Contains(out, "plugged=true held=false touch=refuse") {
		t.Error(out)
	}
}

func TestCtlTouch(t *testing.T) {
	p, ypt := start(t, shortDir(t), "--touch", "wait"), piv(t)
	pub := filepath.Join(p.dir, "pub")
	if out, err := p.with(t, ypt, "-a", "generate", "-s", "9e", "-A", "ECCP256", "--touch-policy", "always", "-o", pub); err != nil {
		t.Fatal(out)
	}
	touched := make(chan error, 1)
	go func() {
		_, err := softcard.Ask(context.Background(), filepath.Join(p.dir, "control.sock"),
			softcard.ControlRequest{Do: softcard.DoTouch, Wait: 5 * time.Second})
		touched <- err
	}()
	if out, err := p.with(t, ypt, "-a", "verify-pin", "-P", "123456", "--sign", "-s", "9e", "-A", "ECCP256", "-i", "/dev/null", "-o", "/dev/null"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if err := <-touched; err != nil {
		t.Error(err)
	}
}

func piv(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("yubico-piv-tool")
	if err != nil {
		t.Fatal("yubico-piv-tool is missing: apt-get install yubico-piv-tool")
	}
	return path
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for range 200 {
		if f() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("never happened")
}
