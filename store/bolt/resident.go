package bolt

import (
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// resident keeps the file's part in the process's memory small. bbolt reads
// through a memory map, and each page that was ever read stays in the
// process's resident set for as long as the machine has memory left; each
// fault brings its neighbours too. After a while that would be the whole
// file, which an operator (or a memory limit) rightly takes for the server's
// memory. So every so often the map is told to let go. The pages stay in the
// system's cache, and the next use of one costs a fault without a read.
type resident struct {
	count atomic.Int64
}

// How many pages one thing touches, about, beyond those that all share: a leaf in
// each bucket, with the neighbours that the system maps around a fault.
const (
	pagesPerWrite = 6 * 16
	pagesPerRead  = 16
	pagesKept     = 2048 // 8 MiB
)

// touched counts n pages. It is called in a read transaction or by the writer, while
// the map can't move.
func (r *resident) touched(n int, db *bbolt.DB) {
	if r.count.Add(int64(n)) < pagesKept {
		return
	}
	r.count.Store(0)
	release(db)
}
