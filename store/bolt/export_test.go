package bolt

import "context"

// SetFresh changes from how many fresh revocations on they are folded, and beyond how many
// by whoever adds some.
func (s *Store) SetFresh(foldAt, maxFresh int64) {
	s.foldAt.Store(foldAt)
	s.maxFresh.Store(maxFresh)
}

// Fresh is how many revocations are not folded.
func (s *Store) Fresh(ctx context.Context) (n int, err error) {
	err = s.view(ctx, func(t *tx) error { n = t.freshCount(); return nil })
	return n, err
}
