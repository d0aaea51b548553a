//go:build linux

package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// nssDatabase makes the database in which Chromium and Firefox look for PKCS#11
// modules and trusted CAs, as a person sets it up once: with OpenSC's module and
// the web server's CA.
func nssDatabase(ctx context.Context, dir, webCA string) error {
	module, err := openSC()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"certutil", "-N", "-d", "sql:" + dir, "--empty-password"},
		{"certutil", "-A", "-d", "sql:" + dir, "-n", "web CA", "-t", "C,,", "-a", "-i", webCA},
		{"modutil", "-dbdir", "sql:" + dir, "-add", "OpenSC", "-libfile", module, "-force"},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w\n%s", args[0], args[1], err, out)
		}
	}
	return nil
}

// openSC is the path of OpenSC's PKCS#11 module, which depends on the machine's
// architecture.
func openSC() (string, error) {
	for _, pattern := range []string{"/usr/lib/*/opensc-pkcs11.so", "/usr/lib*/opensc-pkcs11.so", "/usr/lib*/pkcs11/opensc-pkcs11.so"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0], nil
		}
	}
	return "", errors.New("there is no opensc-pkcs11.so below /usr/lib: scripts/need opensc-pkcs11 installs it")
}
