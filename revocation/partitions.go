package revocation

import (
	"context"
	"fmt"

	"signet/ca"
)

// MaxPartitions is how many an issuer may be told to have: with so many, a CRL of
// a million entries becomes a thousand of a thousand.
const MaxPartitions = 1000

// A PartitionStore keeps partitions: see [Store].
type PartitionStore interface {
	Partitions(ctx context.Context, issuer string) ([]Partition, error)
	AddPartition(ctx context.Context, issuer, url string) (Partition, error)
}

// EnsurePartitions returns the first n partitions of issuer whose CRLs are below
// base, the URL of the plain HTTP listener, and adds those that are missing.
// Those of another base, or beyond n, stay for the certificates that are in them.
func EnsurePartitions(ctx context.Context, store PartitionStore, issuer, base string, n int) ([]Partition, error) {
	if n < 0 || n > MaxPartitions {
		return nil, fmt.Errorf("%d partitions: from 0 to %d can be", n, MaxPartitions)
	}
	all, err := store.Partitions(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("reading partitions: %w", err)
	}
	var out []Partition
	for _, p := range all {
		if len(out) < n && p.URL == ca.PartitionURL(base, issuer, p.Number) {
			out = append(out, p)
		}
	}
	for next := len(all) + 1; len(out) < n; next++ {
		p, err := store.AddPartition(ctx, issuer, ca.PartitionURL(base, issuer, next))
		if err != nil {
			return nil, fmt.Errorf("adding a partition: %w", err)
		}
		if p.Number != next { // two servers at the same moment
			return nil, fmt.Errorf("adding a partition: it got the number %d, not %d; try again", p.Number, next)
		}
		out = append(out, p)
	}
	return out, nil
}
