package bolt

import "context"

// SetFresh changes from how many fresh revocations on they are folded, and beyond how many
// by whoever adds some. It is for a store that nobody uses yet.
func (s *Store) SetFresh(foldAt, maxFresh int) { s.foldAt, s.maxFresh = foldAt, maxFresh }

// Fresh is how many revocations are not folded.
func (s *Store) Fresh(ctx context.Context) (n int, err error) {
	err = s.view(ctx, func(t *tx) error { n = t.freshCount(); return nil })
	return n, err
}
