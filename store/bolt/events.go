package bolt

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"signet/internal/audit"
)

// Events implements [store.Store].
func (s *Store) Events(ctx context.Context, after uint64, yield func(audit.Event) bool) error {
	return s.view(ctx, func(t *tx) error {
		c := t.Bucket(bucketEvents).Cursor()
		for k, v := c.Seek(eventKey(after + 1)); k != nil && after+1 != 0; k, v = c.Next() {
			if err := s.turnPages(ctx, t, 1); err != nil {
				return err
			}
			var e audit.Event
			if err := json.Unmarshal(v, &e); err != nil {
				return fmt.Errorf("%w: event: %w", ErrCorrupt, err)
			}
			e.Seq = binary.BigEndian.Uint64(k)
			if !yield(e) {
				return nil
			}
		}
		return nil
	})
}

// newEvent is e's record; its number will be its key.
func newEvent(e audit.Event) ([]byte, error) {
	e.Seq = 0
	e.Time = e.Time.UTC()
	record, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing a log entry: %w", err)
	}
	return record, nil
}

// log appends an event. The number is given in the transaction, so that there is
// no gap where one is undone.
func (t *tx) log(event []byte) error {
	seq, err := t.next(bucketEvents)
	if err != nil {
		return err
	}
	return t.put(bucketEvents, eventKey(seq), event)
}

func eventKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
