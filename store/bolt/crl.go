package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"signet/revocation"
)

// RevokedEntries implements [revocation.Store]. What yield is given is the file's own
// memory, block after block, but for blocks in which something is fresh.
func (s *Store) RevokedEntries(ctx context.Context, scope revocation.Scope, begin func(revocation.Snapshot) error, yield func(der []byte) error) error {
	return s.view(ctx, func(t *tx) error {
		snapshot, err := t.snapshot(scope)
		if err != nil {
			return err
		}
		if err := begin(snapshot); err != nil {
			return err
		}
		octets := int64(0)
		var passed passage
		read := func(block []byte) error {
			passed.over(t.Tx, block)
			return s.turnPages(ctx, t, 1)
		}
		err = t.entriesOf(scope.Issuer, scope.Partition, read, func(entries []byte) error {
			octets += int64(len(entries))
			return yield(entries)
		})
		passed.release(t.Tx)
		if err != nil {
			return err
		}
		if octets != snapshot.Octets {
			return fmt.Errorf("%w: revoked certificates of issuer %s have %d octets, not %d", ErrCorrupt, scope.Issuer, octets, snapshot.Octets)
		}
		return nil
	})
}

// pagesPerBlock is how many pages reading one block brings into memory: its own, and
// where blocks don't lie side by side those that the system maps around it.
var pagesPerBlock = 1 + maxBlock/os.Getpagesize() + 4

func (t *tx) snapshot(scope revocation.Scope) (revocation.Snapshot, error) {
	state, err := t.revState(scope.Issuer)
	if err != nil {
		return revocation.Snapshot{}, err
	}
	all := state.size
	if scope.Partition != 0 {
		if all, err = t.scopeSize(scope.Issuer, scope.Partition); err != nil {
			return revocation.Snapshot{}, err
		}
	}
	return revocation.Snapshot{Revision: state.revision, Entries: int(all.entries), Octets: all.octets}, nil
}

// Revision implements [revocation.Store].
func (s *Store) Revision(_ context.Context, issuer string) (uint64, error) {
	if err := s.flushed.broken(); err != nil {
		return 0, err
	}
	return s.revisions.of(issuer), nil
}

// A crlState is what is known of an issuer's CRLs.
type crlState struct {
	number uint64 // the last one given out
	made   int64  // the latest thisUpdate, in seconds since 1970
}

// NextCRLNumber implements [revocation.Store]. Numbers are drawn far less often than
// once a millisecond, and so don't run ahead of the floor.
func (s *Store) NextCRLNumber(ctx context.Context, issuer string, above uint64) (number, last uint64, err error) {
	err = s.update(ctx, func(t *tx) error {
		crl, err := t.crl(issuer)
		if err != nil {
			return err
		}
		if last = crl.number; max(last, above) == math.MaxUint64 {
			return fmt.Errorf("issuer %s has had the greatest CRL number that there is", issuer)
		}
		crl.number = max(last+1, above+1, uint64(max(s.now().UnixMilli(), 0)))
		number = crl.number
		return t.setCRL(issuer, crl)
	})
	if err != nil {
		return 0, 0, err
	}
	return number, last, nil
}

func (t *tx) crl(issuer string) (crlState, error) {
	v := t.get(bucketCRLs, []byte(issuer))
	if v == nil {
		return crlState{made: math.MinInt64}, nil
	}
	if len(v) != 17 || v[0] != recordVersion {
		return crlState{}, fmt.Errorf("%w: CRL of issuer %s", ErrCorrupt, issuer)
	}
	return crlState{
		number: binary.BigEndian.Uint64(v[1:]),
		made:   int64(binary.BigEndian.Uint64(v[9:])),
	}, nil
}

func (t *tx) setCRL(issuer string, c crlState) error {
	v := binary.BigEndian.AppendUint64([]byte{recordVersion}, c.number)
	return t.put(bucketCRLs, []byte(issuer), binary.BigEndian.AppendUint64(v, uint64(c.made)))
}
