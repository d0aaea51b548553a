package bolt

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holder finds the process that holds the lock on the file at path, in /proc/locks.
func holder(path string) (pid int, name string) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0, ""
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return 0, ""
	}
	defer f.Close()
	id := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	pid = holderIn(io.LimitReader(f, 1<<20), id)
	if pid == 0 {
		return 0, ""
	}
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return pid, strings.TrimSpace(string(comm))
}

// holderIn reads lines like "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"
// (proc_locks(5)) for the file with that device and inode. 0: not found, or in
// another PID namespace.
func holderIn(locks io.Reader, id string) int {
	lines := bufio.NewScanner(locks)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 6 && f[1] == "FLOCK" && f[5] == id {
			pid, err := strconv.Atoi(f[4])
			if err == nil && pid > 0 {
				return pid
			}
		}
	}
	return 0
}
