//go:build linux

package browser

import (
	"context"
	"path/filepath"
)

// Chromium is as Debian has it.
var Chromium = Kind{
	name: "Chromium", program: "chromium", version: `Chromium (\d+)`,
	pinDialog: "Unlock Security Device",
	prepare:   prepareChromium,
}

func prepareChromium(ctx context.Context, home, webCA, url string) ([]string, error) {
	if err := nssDatabase(ctx, filepath.Join(home, ".pki", "nssdb"), webCA); err != nil {
		return nil, err
	}
	return []string{
		"--user-data-dir=" + filepath.Join(home, "profile"),
		// It only visits a server of the test's, and its sandbox needs what
		// containers and root don't have.
		"--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
		"--no-first-run", "--no-default-browser-check", "--password-store=basic",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-session-crashed-bubble", "--window-position=0,0", "--window-size=1024,768",
		url,
	}, nil
}
