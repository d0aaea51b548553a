package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/enroll"
	"signet/internal/audit"
	"signet/store/bolt"
)

// In an emergency the PUK is shown at a terminal, and there alone.
func TestAPUKIsShownAtATerminal(t *testing.T) {
	dir := t.TempDir()
	pass := filepath.Join(dir, "pass")
	if err := os.WriteFile(pass, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	caDir := filepath.Join(dir, "ca")
	for _, args := range [][]string{{"init", "--host", "ca.example"}, {"escrow", "init"}} {
		args = append(args, "--dir", caDir, "--password-file", pass)
		if out, err := exec.Command("signetd", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	keepIn(t, caDir, "abcdefgh")

	person, program := openTerminal(t)
	cmd := exec.Command("signetd", "puk", "release", "1001", "--dir", caDir, "--password-file", pass)
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = program, &talk
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, talk.String())
	}
	if err := person.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Log(err) // a terminal may know no deadlines
	}
	line, err := bufio.NewReader(person).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "abcdefgh" {
		t.Errorf("the terminal shows %q, %v", line, err)
	}
	if strings.Contains(talk.String(), "abcdefgh") || !strings.Contains(talk.String(), "Card 1001, for alice") {
		t.Errorf("stderr: %s", talk.String())
	}
}

// keepIn has the CA in dir keep a PUK of alice's card 1001.
func keepIn(t *testing.T, dir, puk string) {
	t.Helper()
	conf, err := LoadConfig(filepath.Join(dir, configName), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := openEscrow(conf, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Public().Seal(1001, puk)
	if err != nil {
		t.Fatal(err)
	}
	st, err := bolt.Open(conf.path(conf.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	ctx, e := t.Context(), audit.Event{Time: time.Now(), Actor: "alice", Action: "test"}
	if err := st.AddAccount(ctx, enroll.Account{Name: "alice", Profiles: []string{"user"}}, e); err != nil {
		t.Fatal(err)
	}
	if _, err := st.AddPUK(ctx, 1001, "alice", enroll.Kept{ID: sealed.ID(), Sealed: sealed, At: time.Now()}, e); err != nil {
		t.Fatal(err)
	}
}
