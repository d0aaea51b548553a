//go:build cgo

package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"signet/enroll"
	"signet/internal/exit"
	"signet/piv/softcard"
)

// A Ctrl-C while the card waits for a touch ends the run at once, although the card
// goes on waiting, and the next run goes on.
func TestInterruptedAtTouch(t *testing.T) {
	w, err := newWorld(t.Cleanup, softcard.Version{5, 7, 1}, plan{PlanConfig: enroll.PlanConfig{TouchPolicy: "cached"}})
	if err != nil {
		t.Fatal(err)
	}
	d := deskIn(t, w)
	d.cards[0].SetTouch(softcard.TouchWait)
	cmd := d.enroll()
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := d.cards[0].AwaitTouch(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_ = cmd.Process.Signal(os.Interrupt)
	var exited *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exited) || exited.ExitCode() != exit.Failed {
		t.Errorf("%v, want exit code %d", err, exit.Failed)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v to end", took)
	}
	if !strings.Contains(talk.String(), "it goes on where it was") {
		t.Errorf("it said %s", talk.String())
	}
	d.cards[0].SetTouch(softcard.TouchAuto)
	d.cards[0].Touch()
	d.must(t, d.enroll())
	d.check(t)
}

// A Ctrl-C while the CA doesn't answer is no CA that can't be reached.
func TestInterruptedAtServer(t *testing.T) {
	w, err := newWorld(t.Cleanup, softcard.Version{5, 7, 1}, plan{})
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	d := deskIn(t, w)
	cmd := d.run("enroll", "--ca", "https://"+silent.Addr().String(), "--fingerprint", enroll.Fingerprint(d.ca.Root), "--user", "alice")
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Accept(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	var exited *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exited) || exited.ExitCode() != exit.Failed || !strings.Contains(talk.String(), "signet: interrupted") {
		t.Errorf("%v\n%s", err, talk.String())
	}
}
