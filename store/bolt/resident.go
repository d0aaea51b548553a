package bolt

import (
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// resident keeps the file's part in the process's memory small. bbolt reads
// through a memory map, and each page that was ever read stays in the
// process's resident set for as long as the machine has memory left. After a
// while that would be the whole file, which an operator (or a memory limit)
// rightly takes for the server's memory. So every so often the map is told to
// let go. The pages stay in the system's cache, and the next use of one costs
// a fault without a read: a tenth of the speed with 32 writers.
type resident struct {
	count atomic.Int64
}

// How many pages one thing brings into memory at most, beyond those that all
// share: a leaf in each of six buckets, each with the neighbours that the system maps at a fault.
const (
	pagesPerWrite       = 6 * 16
	pagesPerRead        = 16
	pagesPerCertificate = 3 // in a listing, one after the other
	// pagesKept is when to let go: after each full batch of enrollments, which
	// brings in 8 MiB at most.
	pagesKept = 2048
)

// touched counts n pages and lets go of all when they are many. The caller's
// transaction keeps the map where it is meanwhile.
func (r *resident) touched(t *bbolt.Tx, n int) {
	if r.count.Add(int64(n)) >= pagesKept {
		r.count.Store(0)
		release(t)
	}
}
