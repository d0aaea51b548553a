package main

import (
	"os"
	"path/filepath"
)

// configDir is $XDG_CONFIG_HOME/signet, stateDir $XDG_STATE_HOME/signet, as the XDG
// Base Directory Specification has them.
func configDir() string { return xdg("XDG_CONFIG_HOME", ".config") }
func stateDir() string  { return xdg("XDG_STATE_HOME", filepath.Join(".local", "state")) }

func xdg(env, fallback string) string {
	base := os.Getenv(env)
	if !filepath.IsAbs(base) { // the specification: a relative one is ignored
		home, err := os.UserHomeDir()
		if err != nil {
			home = os.TempDir()
		}
		base = filepath.Join(home, fallback)
	}
	return filepath.Join(base, "signet")
}
