package bolt

import (
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// resident keeps the file's part in the process's memory small. bbolt reads
// through a memory map, and each page that was ever read stays in the
// process's resident set for as long as the machine has memory left. After a
// while that would be the whole file, which an operator (or a memory limit)
// rightly takes for the server's memory. So when it has grown, the map is told
// to let go. The pages stay in the system's cache, and the next use of one costs
// a fault without a read.
//
// How much it has grown only the system knows, and asking takes some
// microseconds: it is asked when enough may have been read since the last time.
type resident struct {
	unasked atomic.Int64 // pages read since the system was asked, at most
}

// How many pages one thing brings into memory at most, beyond those that all
// share: a leaf in each of six buckets, each with the neighbours that the system maps at a fault.
const (
	pagesPerWrite       = 6 * 16
	pagesPerRead        = 16
	pagesPerCertificate = 3 // in a listing, one after the other
	// pagesUnasked is how many may be read before the system is asked.
	pagesUnasked = 1024
)

// residentKept is when to let go: when so many octets of files are resident, the
// store's and the program's own, which signetd has 13 MiB of.
const residentKept = 18 << 20

// touched counts n pages read, and lets go of all where that has become too many.
// The caller's transaction keeps the map where it is meanwhile.
func (r *resident) touched(t *bbolt.Tx, n int) {
	if r.unasked.Add(int64(n)) < pagesUnasked {
		return
	}
	r.unasked.Store(0)
	if residentFiles() > residentKept {
		release(t)
	}
}
