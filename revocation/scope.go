package revocation

import (
	"strings"
	"sync/atomic"
	"time"
)

// A scope is what the Publisher keeps of one [Scope]: its CRL in force and its delta.
type scope struct {
	Partition // the zero value for all of the issuer's certificates
	list      atomic.Pointer[List]
	delta     atomic.Pointer[List]
}

// deltaURL is where the delta is whose complete CRL is at url.
func deltaURL(url string) string { return strings.TrimSuffix(url, ".crl") + ".delta.crl" }

// replace puts list in force in place of the one before.
func replace(at *atomic.Pointer[List], list *List) error {
	if old := at.Swap(list); old != nil {
		return old.file.drop()
	}
	return nil
}

// A baseline is what deltas are to: the number and the revision of the last CRLs that
// were made of every scope.
type baseline struct {
	number                 uint64 // 0 before the first
	revision               uint64
	thisUpdate, nextUpdate time.Time
}
