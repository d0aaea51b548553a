// Package store is what an engine must be: the union of what the packages below
// need of one. The engines are the packages beneath; store/storetest is the
// suite that each of them passes.
package store

import (
	"context"
	"io"

	"signet/enroll"
	"signet/internal/audit"
	"signet/revocation"
)

// A Store is a storage engine of Signet.
type Store interface {
	enroll.Store
	revocation.Store

	// Events calls yield with the log entries whose number is greater than after,
	// in order, until yield returns false. Numbers count from 1 without a gap.
	// yield must not call the store.
	Events(ctx context.Context, after uint64, yield func(audit.Event) bool) error
	// Ping fails where the store can't be read, or could not be written when that
	// was last tried and still can't.
	Ping(ctx context.Context) error
	io.Closer
}
