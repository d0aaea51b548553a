//go:build !linux

package bolt

import "go.etcd.io/bbolt"

// Elsewhere nothing is let go: MADV_DONTNEED is a hint there that does little.
func residentFiles() int { return 0 }

func release(*bbolt.Tx) {}
