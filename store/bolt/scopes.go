package bolt

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// A revState is what is known of an issuer's revocations as a whole. It is kept with the
// sizes of the scopes in bucketScopes, in the record of the issuer's complete scope.
type revState struct {
	size             // of all entries, those of partitions too
	revision  uint64 // of the last change
	forgotten uint64 // changes up to it may be forgotten
	changes   uint64 // how many are kept
	swept     []byte // a key in bucketExpiry: up to it, none is on the CRL that is not in bucketLate
}

const (
	sizeLen  = 1 + 2*8
	stateLen = sizeLen + 3*8
)

func (s size) record() []byte {
	b := append(make([]byte, 0, stateLen+64), recordVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(s.entries))
	return binary.BigEndian.AppendUint64(b, uint64(s.octets))
}

func (s revState) record() []byte {
	b := s.size.record()
	for _, v := range []uint64{s.revision, s.forgotten, s.changes} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return append(b, s.swept...)
}

func parseSize(v []byte) (s size, ok bool) {
	if len(v) < sizeLen || v[0] != recordVersion {
		return s, false
	}
	return size{int64(binary.BigEndian.Uint64(v[1:])), int64(binary.BigEndian.Uint64(v[9:]))}, true
}

// scopeSize is that of a scope's entries.
func (t *tx) scopeSize(issuer string, partition int) (s size, err error) {
	v := t.get(bucketScopes, scopeKey(issuer, partition))
	if v == nil {
		return s, nil
	}
	s, ok := parseSize(v)
	if !ok {
		return s, fmt.Errorf("%w: revocations of issuer %s", ErrCorrupt, issuer)
	}
	return s, nil
}

// revState is the issuer's.
func (t *tx) revState(issuer string) (s revState, err error) {
	v := t.get(bucketScopes, scopeKey(issuer, 0))
	if v == nil {
		return s, nil
	}
	var ok bool
	if s.size, ok = parseSize(v); !ok || len(v) < stateLen {
		return s, fmt.Errorf("%w: revocations of issuer %s", ErrCorrupt, issuer)
	}
	s.revision = binary.BigEndian.Uint64(v[sizeLen:])
	s.forgotten = binary.BigEndian.Uint64(v[sizeLen+8:])
	s.changes = binary.BigEndian.Uint64(v[sizeLen+16:])
	s.swept = append(s.swept, v[stateLen:]...)
	return s, nil
}

// setRevState stores s, and makes its revision known when it is on disk.
func (s *Store) setRevState(t *tx, issuer string, state revState) error {
	t.OnCommit(func() { s.revisions.reached(issuer, state.revision) })
	return t.put(bucketScopes, scopeKey(issuer, 0), state.record())
}

// grow adds d to the size of a partition's scope.
func (t *tx) grow(issuer string, partition int, d size) error {
	s, err := t.scopeSize(issuer, partition)
	if err != nil {
		return err
	}
	s.add(d)
	return t.put(bucketScopes, scopeKey(issuer, partition), s.record())
}

// revisions are those on disk, by issuer. A transaction's comes in between its
// flush and the answers of its writes.
type revisions struct{ byIssuer sync.Map } // string -> *atomic.Uint64

func (r *revisions) reached(issuer string, revision uint64) {
	v, ok := r.byIssuer.Load(issuer)
	if !ok {
		v, _ = r.byIssuer.LoadOrStore(issuer, new(atomic.Uint64))
	}
	// The writer alone calls this, and a later state of one transaction later.
	v.(*atomic.Uint64).Store(revision)
}

func (r *revisions) of(issuer string) uint64 {
	if v, ok := r.byIssuer.Load(issuer); ok {
		return v.(*atomic.Uint64).Load()
	}
	return 0
}

// load takes those of all issuers from the store that was opened.
func (r *revisions) load(btx *bbolt.Tx) error {
	t := &tx{Tx: btx}
	for k := range pairs(t.Bucket(bucketScopes).Cursor(), nil) {
		if len(k) < 3 || binary.BigEndian.Uint16(k[len(k)-2:]) != 0 {
			continue
		}
		issuer := string(k[:len(k)-3])
		s, err := t.revState(issuer)
		if err != nil {
			return err
		}
		r.reached(issuer, s.revision)
	}
	return nil
}
