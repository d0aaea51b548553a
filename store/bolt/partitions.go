package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"signet/revocation"
)

// maxPartitions is how many an issuer can have: a number has two octets in keys.
const maxPartitions = 1<<16 - 1

// Partitions implements [revocation.Store].
func (s *Store) Partitions(ctx context.Context, issuer string) (all []revocation.Partition, err error) {
	err = s.view(ctx, func(t *tx) error {
		all, err = t.partitions(issuer)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// AddPartition implements [revocation.Store].
func (s *Store) AddPartition(ctx context.Context, issuer, url string) (p revocation.Partition, err error) {
	if url == "" {
		return p, errors.New("a partition without a URL")
	}
	err = s.update(ctx, func(t *tx) error {
		all, err := t.partitions(issuer)
		if err != nil {
			return err
		}
		for _, p = range all {
			if p.URL == url {
				return nil
			}
		}
		p = revocation.Partition{Number: p.Number + 1, URL: url}
		if p.Number > maxPartitions {
			return fmt.Errorf("issuer %s has %d partitions, and can't have more", issuer, maxPartitions)
		}
		return t.put(bucketPartitions, scopeKey(issuer, p.Number), append([]byte{recordVersion}, url...))
	})
	if err != nil {
		return revocation.Partition{}, err
	}
	return p, nil
}

func (t *tx) partitions(issuer string) (all []revocation.Partition, err error) {
	prefix := textKey(issuer)
	for k, v := range pairs(t.Bucket(bucketPartitions).Cursor(), prefix) {
		if len(k) != len(prefix)+2 || len(v) < 2 || v[0] != recordVersion {
			return nil, fmt.Errorf("%w: partition", ErrCorrupt)
		}
		all = append(all, revocation.Partition{Number: int(binary.BigEndian.Uint16(k[len(prefix):])), URL: string(v[1:])})
	}
	return all, nil
}
