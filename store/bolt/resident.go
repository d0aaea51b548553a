package bolt

import (
	"sync/atomic"
	"unsafe"

	"go.etcd.io/bbolt"
)

// resident keeps the file's part in the process's memory small. bbolt reads
// through a memory map, and each page that was ever read stays in the
// process's resident set for as long as the machine has memory left. After a
// while that would be the whole file, which an operator (or a memory limit)
// rightly takes for the server's memory. So when it has grown, the map is told
// to let go of a part of the file, another one each time: what is used at random
// stays in memory as far as there is room. The pages stay in the system's cache,
// and the next use of one costs a fault without a read.
//
// How much it has grown only the system knows, and asking takes a microsecond:
// it is asked when enough may have been read since the last time.
type resident struct {
	meter   fileMeter
	unasked atomic.Int64 // pages read since the system was asked, at most
	last    atomic.Int64 // the part let go last
}

// How many pages one thing brings into memory at most, beyond those that all
// share: a leaf in each of six buckets, each with the neighbours that the system maps at a fault.
const (
	pagesPerWrite       = 6 * 16
	pagesPerRead        = 16
	pagesPerCertificate = 3 // in a listing, one after the other
	// pagesUnasked is how many may be read before the system is asked.
	pagesUnasked = 256
)

// residentKept is when to let go: when so many octets of files are resident, the
// store's and the program's own, which signetd has 12 MiB of.
const residentKept = 18 << 20

// residentParts is how many parts of the file are let go one after the other.
const residentParts = 8

// touched counts n pages read, and lets go of parts of the file while too much is
// resident. The caller's transaction keeps the map where it is meanwhile.
func (r *resident) touched(t *bbolt.Tx, n int) {
	if r.unasked.Add(int64(n)) < pagesUnasked {
		return
	}
	r.unasked.Store(0)
	for range residentParts {
		if r.meter.resident() <= residentKept {
			return
		}
		release(t, int(r.last.Add(1)%residentParts))
	}
}

// A passage is the part of the file that a long reading has passed since it let go of some.
// To let go of that alone, and not of all, spares those who read elsewhere
// meanwhile the faults.
type passage struct {
	from, to uintptr
	octets   int
}

// passageSize is how many octets are read before their pages are let go of.
const passageSize = 1 << 20

// over counts a value, which lies in the file's map or in memory of this process.
func (p *passage) over(t *bbolt.Tx, value []byte) {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(value)))
	to := from + uintptr(len(value))
	if p.octets == 0 {
		p.from, p.to = from, to
	}
	p.from, p.to = min(p.from, from), max(p.to, to)
	if p.octets += len(value); p.octets >= passageSize {
		p.release(t)
	}
}

// release lets go of what was passed, as far as it is in the map, with the neighbours that
// the system has mapped at a fault.
func (p *passage) release(t *bbolt.Tx) {
	const window = 16 << 12
	begin := t.DB().Info().Data
	from, to := max(p.from&^(window-1), begin), min((p.to+window-1)&^(window-1), begin+uintptr(t.Size())&^4095)
	if p.octets > 0 && from < to {
		releaseRange(from, to)
	}
	*p = passage{}
}
