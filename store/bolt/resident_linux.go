package bolt

import (
	"fmt"
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// residentFiles is how many octets of files are in this process's memory
// (proc_pid_statm(5), "shared"). Where that can't be known it is more than can be kept.
func residentFiles() int {
	var size, all, shared int
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &size, &all, &shared)
	}
	if err != nil {
		return residentKept + 1
	}
	return shared * os.Getpagesize()
}

// release drops the file's pages from the process's page table. On a shared map of
// a file that loses nothing (madvise(2), MADV_DONTNEED), and others may read
// meanwhile. The transaction's size is within the map.
func release(t *bbolt.Tx) {
	// A failure means more memory, nothing worse.
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, t.DB().Info().Data, uintptr(t.Size()), unix.MADV_DONTNEED)
}
