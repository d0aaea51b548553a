// Package harness runs a whole signetd for the end-to-end tests and the
// benchmark: a process of its own, in a folder of its own, on ports of its own,
// with a software attestation root that it trusts.
package harness

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"signet/enroll"
	"signet/piv/softcard"
)

// A CA is a CA's folder and, while it runs, its server.
type CA struct {
	Bin string // the folder of signetd and signet
	Dir string // the CA's folder
	// HTTPS and HTTP are the two listeners: "https://127.0.0.1:12345".
	HTTPS, HTTP string
	Root        *x509.Certificate
	// Cards is the root of the software cards that this CA trusts.
	Cards *softcard.Root

	passphrase string // its file
	wrap       []string
	server     *exec.Cmd
	log        *os.File
}

// New makes a CA in dir with the programs in bin. lines are put in place of
// lines of its configuration that start alike: "#roots =" gives "roots = …".
func New(ctx context.Context, bin, dir string, replace map[string]string) (*CA, error) {
	https, err := FreePort()
	if err != nil {
		return nil, err
	}
	http, err := FreePort()
	if err != nil {
		return nil, err
	}
	c := &CA{
		Bin: bin, Dir: filepath.Join(dir, "ca"),
		HTTPS: fmt.Sprintf("https://127.0.0.1:%d", https), HTTP: fmt.Sprintf("http://127.0.0.1:%d", http),
		passphrase: filepath.Join(dir, "passphrase"),
	}
	if err := os.Mkdir(c.cards(), 0o700); err != nil {
		return nil, err
	}
	if c.Cards, err = softcard.LoadRoot(c.cards()); err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.passphrase, []byte("only for a test\n"), 0o600); err != nil {
		return nil, err
	}
	if _, err := c.Signetd(ctx, "init", "--password-file", c.passphrase, "--name", "Signet under test",
		"--host", "127.0.0.1", "--https", strings.TrimPrefix(c.HTTPS, "https://"),
		"--http", strings.TrimPrefix(c.HTTP, "http://")); err != nil {
		return nil, err
	}
	if err := c.configure(replace); err != nil {
		return nil, err
	}
	return c, c.readRoot()
}

// cards is the folder with the root of the software cards.
func (c *CA) cards() string { return filepath.Join(filepath.Dir(c.Dir), "cards") }

// configure trusts the software cards, and makes the replacements.
func (c *CA) configure(replace map[string]string) error {
	const roots = "attestation-roots.pem"
	if err := os.WriteFile(filepath.Join(c.Dir, roots), c.Cards.PEM(), 0o600); err != nil {
		return err
	}
	path := filepath.Join(c.Dir, "signetd.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	all := map[string]string{"#roots =": fmt.Sprintf("roots = [%q]", roots)}
	for start, line := range replace {
		all[start] = line
	}
	for start, line := range all {
		if !replaceLine(lines, start, line) {
			return fmt.Errorf("%s has no line that starts with %q", path, start)
		}
	}
	return os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600)
}

func replaceLine(lines []string, start, with string) bool {
	for i, line := range lines {
		if strings.HasPrefix(line, start) {
			lines[i] = with
			return true
		}
	}
	return false
}

func (c *CA) readRoot() error {
	text, err := os.ReadFile(filepath.Join(c.Dir, "root.crt"))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New("root.crt holds no PEM")
	}
	c.Root, err = x509.ParseCertificate(block.Bytes)
	return err
}

// Wrap makes Start run the server under another command, such as strace.
func (c *CA) Wrap(command ...string) { c.wrap = command }

// Start runs the server and returns when it answers.
func (c *CA) Start(ctx context.Context) error {
	log, err := os.OpenFile(c.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	args := append(append([]string{}, c.wrap...), filepath.Join(c.Bin, "signetd"), "serve", "--dir", c.Dir,
		"--password-file", c.passphrase)
	c.log, c.server = log, exec.Command(args[0], args[1:]...)
	c.server.Stdout, c.server.Stderr = log, log
	if err := c.server.Start(); err != nil {
		return err
	}
	return c.awaitReady(ctx)
}

func (c *CA) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if resp, err := http.Get(c.HTTP + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(c.LogPath())
			_ = c.Kill()
			return fmt.Errorf("signetd did not get ready; its log:\n%s", log)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// LogPath is the file of what the server said.
func (c *CA) LogPath() string { return filepath.Join(filepath.Dir(c.Dir), "signetd.log") }

// PID is the server's process, or that of the command that wraps it.
func (c *CA) PID() int { return c.server.Process.Pid }

// Stop ends the server as an operator would and waits for it.
func (c *CA) Stop() error { return c.end(syscall.SIGTERM) }

// Kill ends the server as a power cut would.
func (c *CA) Kill() error { return c.end(syscall.SIGKILL) }

func (c *CA) end(sig syscall.Signal) error {
	if c.server == nil {
		return nil
	}
	defer c.log.Close()
	_ = c.server.Process.Signal(sig)
	err := c.server.Wait()
	c.server = nil
	if sig == syscall.SIGKILL {
		return nil
	}
	return err
}

// Signetd runs one of the operator's commands and returns what it printed.
func (c *CA) Signetd(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, "signetd"), append(args, "--dir", c.Dir)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("signetd %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// SignetdJSON runs one of the operator's commands with --json and reads its answer.
func (c *CA) SignetdJSON(ctx context.Context, into any, args ...string) error {
	out, err := c.Signetd(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, into)
}

// Client is a client of this CA that trusts its root alone.
func (c *CA) Client(credentials enroll.Credentials) *enroll.Client {
	return &enroll.Client{BaseURL: c.HTTPS, HTTP: enroll.NewHTTPClient(c.Pool(), nil), Credentials: credentials}
}

// Pool holds the CA's root.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Root)
	return pool
}
