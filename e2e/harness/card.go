package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"signet/enroll"
	"signet/piv/softcard"
)

// A Card is a software card that is plugged in: a process that stands in for
// pcscd, of which libpcsclite learns by its environment.
type Card struct {
	// Env lets a program find the card.
	Env []string
	// PIN is the card's, and Serial its certificate's, once it is enrolled.
	PIN, Serial string

	dir     string
	process *exec.Cmd
}

// PlugIn runs a new software card in dir, whose maker this CA trusts, with those flags of
// "softcard run". Unplug ends it.
func (c *CA) PlugIn(dir string, flags ...string) (*Card, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.ReadFile(filepath.Join(c.cards(), softcard.RootFile))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, softcard.RootFile), root, 0o600); err != nil {
		return nil, err
	}
	k := &Card{dir: dir, process: exec.Command(filepath.Join(c.Bin, "softcard"), append([]string{"run", "--dir", dir}, flags...)...)}
	said, err := k.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := k.process.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	variable, ok := strings.CutPrefix(strings.TrimSpace(line), "export ")
	if err != nil || !ok {
		_ = k.Unplug()
		return nil, fmt.Errorf("softcard run said %q: %w", line, err)
	}
	k.Env = []string{variable}
	return k, nil
}

// Unplug takes the card out.
func (k *Card) Unplug() error {
	_ = k.process.Process.Signal(syscall.SIGTERM)
	return k.process.Wait()
}

// EnrollCard gets the account a certificate in slot 9a of the card, by the
// command that its user types.
func (c *CA) EnrollCard(ctx context.Context, k *Card, account string) error {
	var made struct{ Code string }
	if err := c.SignetdJSON(ctx, &made, "code", "new", account); err != nil {
		return err
	}
	k.PIN = "482915"
	secrets := map[string]string{"code": made.Code, "pin": k.PIN, "puk": "73920461"}
	args := []string{"enroll", "--ca", c.HTTPS, "--fingerprint", enroll.Fingerprint(c.Root), "--json"}
	for name, secret := range secrets {
		path := filepath.Join(k.dir, name)
		if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
			return err
		}
		args = append(args, "--"+name+"-file", path)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, "signet"), args...)
	cmd.Env = append(append(os.Environ(), HomeEnv(k.dir)...), k.Env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("signet enroll: %w\n%s%s", err, out, stderr.Bytes())
	}
	return json.Unmarshal(out, &struct{ Serial *string }{&k.Serial})
}

// Home is the environment of the person who has the card.
func (k *Card) Home() []string { return HomeEnv(k.dir) }

// HomeEnv makes dir a person's home, for programs that must find nothing of the
// person's who runs the tests.
func HomeEnv(dir string) []string {
	return []string{
		"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir,
		"XDG_CONFIG_HOME=" + filepath.Join(dir, ".config"),
		"XDG_CACHE_HOME=" + filepath.Join(dir, ".cache"),
		"XDG_DATA_HOME=" + filepath.Join(dir, ".local", "share"),
		"XDG_STATE_HOME=" + filepath.Join(dir, ".local", "state"),
	}
}
