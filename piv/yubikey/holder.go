//go:build cgo || windows

package yubikey

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// known are programs that hold cards, by the name that the system gives them.
var known = []string{"scdaemon", "ykman", "ykman-gui", "yubico-piv-tool", "opensc-tool", "pkcs11-tool",
	"firefox", "firefox-esr", "chrome", "chromium", "thunderbird", "ssh-agent", "ssh-pkcs11-help", "yubioath"}

// maxMaps bounds how much of a process's memory map is read, in bytes.
const maxMaps = 1 << 20

// holder says who may have the card: the processes of this user that have
// libpcsclite loaded, as the system tells on Linux, and those known to use
// cards. PC/SC itself doesn't say.
func holder() string {
	var found []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		name := processName(dir)
		if name == "" || name == "pcscd" {
			continue
		}
		if slices.Contains(known, name) || usesPCSC(dir) {
			found = append(found, fmt.Sprintf("%s (process %d)", name, pid))
		}
	}
	if len(found) == 0 {
		return "the system doesn't say which"
	}
	return "probably " + strings.Join(found, ", ")
}

func processName(dir string) string {
	comm, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(comm))
}

func usesPCSC(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "maps"))
	if err != nil {
		return false // another user's
	}
	defer f.Close()
	maps, _ := io.ReadAll(io.LimitReader(f, maxMaps))
	return bytes.Contains(maps, []byte("libpcsclite.so"))
}
