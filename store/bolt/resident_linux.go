package bolt

import (
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// release drops the file's pages from the process's page table. On a shared map of
// a file that loses nothing (madvise(2), MADV_DONTNEED), and it is safe while
// others read.
func release(db *bbolt.DB) {
	info, err := os.Stat(db.Path())
	if err != nil || info.Size() < pagesKept*4096 {
		return
	}
	// A failure means more memory, nothing worse.
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, db.Info().Data, uintptr(info.Size()), unix.MADV_DONTNEED)
}
