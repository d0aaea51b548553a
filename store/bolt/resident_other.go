//go:build !linux

package bolt

import "go.etcd.io/bbolt"

// release does nothing: elsewhere MADV_DONTNEED is a hint that does as little.
func release(*bbolt.Tx) {}
