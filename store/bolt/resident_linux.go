package bolt

import (
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// release drops the file's pages from the process's page table. On a shared map of
// a file that loses nothing (madvise(2), MADV_DONTNEED), and others may read
// meanwhile. The transaction's size is within the map.
func release(t *bbolt.Tx) {
	// A failure means more memory, nothing worse.
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, t.DB().Info().Data, uintptr(t.Size()), unix.MADV_DONTNEED)
}
