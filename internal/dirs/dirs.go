// Package dirs says where each system keeps a person's files: both programs have a
// folder "signet" there. What the XDG Base Directory Specification names in the
// environment counts on every system.
package dirs

import (
	"os"
	"path/filepath"
	"runtime"
)

// Config is for settings: ~/.config, ~/Library/Application Support, or %AppData%.
func Config() string { return here().of("XDG_CONFIG_HOME", ".config", "AppData") }

// State is for what is pending, and belongs to this machine: ~/.local/state,
// ~/Library/Application Support, or %LocalAppData%.
func State() string {
	return here().of("XDG_STATE_HOME", filepath.Join(".local", "state"), "LocalAppData")
}

// Data is for what a program keeps: ~/.local/share, ~/Library/Application Support, or
// %LocalAppData%.
func Data() string {
	return here().of("XDG_DATA_HOME", filepath.Join(".local", "share"), "LocalAppData")
}

// A machine is what the places depend on.
type machine struct {
	system string // as runtime.GOOS
	home   string
	env    func(string) string
}

func here() machine {
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return machine{runtime.GOOS, home, os.Getenv}
}

// of is the folder: in what the variable xdg names, else in the system's own place,
// which on Windows the variable windows names.
func (m machine) of(xdg, unix, windows string) string {
	base := m.env(xdg)
	if !filepath.IsAbs(base) { // the specification: a relative one is ignored
		base = m.own(unix, windows)
	}
	return filepath.Join(base, "signet")
}

func (m machine) own(unix, windows string) string {
	switch m.system {
	case "windows":
		if base := m.env(windows); base != "" {
			return base
		}
		return filepath.Join(m.home, "AppData")
	case "darwin", "ios":
		return filepath.Join(m.home, "Library", "Application Support")
	}
	return filepath.Join(m.home, unix)
}
