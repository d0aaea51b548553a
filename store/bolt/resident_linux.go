package bolt

import (
	"bytes"
	"os"
	"strconv"
	"sync"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// A fileMeter reads proc_pid_statm(5), which stays open: opening it each time would cost most.
type fileMeter struct {
	open sync.Once
	file *os.File
}

// resident is how many octets of files are in this process's memory ("shared" in
// statm). Where that can't be known it is more than can be kept.
func (m *fileMeter) resident() int {
	m.open.Do(func() { m.file, _ = os.Open("/proc/self/statm") }) // reading nil fails
	var text [128]byte
	n, _ := m.file.ReadAt(text[:], 0)
	fields := bytes.Fields(text[:n])
	if len(fields) < 3 {
		return residentKept + 1
	}
	pages, err := strconv.Atoi(string(fields[2]))
	if err != nil {
		return residentKept + 1
	}
	return pages * os.Getpagesize()
}

func (m *fileMeter) close() {
	m.open.Do(func() {})
	m.file.Close()
}

// release drops one of the file's residentParts parts from the process's page table.
// On a shared map of a file that loses nothing (madvise(2), MADV_DONTNEED), and others
// may read meanwhile. The transaction's size is within the map.
func release(t *bbolt.Tx, part int) {
	page := t.DB().Info().PageSize
	length := (int(t.Size())/page/residentParts + 1) * page
	start := min(part*length, int(t.Size()))
	length = min(length, int(t.Size())-start)
	// A failure means more memory, nothing worse.
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, t.DB().Info().Data+uintptr(start), uintptr(length), unix.MADV_DONTNEED)
}

// releaseRange does the same for that part of the map.
func releaseRange(from, to uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
}
