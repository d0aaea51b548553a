package bolt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"signet/enroll"
)

// Secret implements [enroll.Store].
func (s *Store) Secret(ctx context.Context, name string) (secret [32]byte, err error) {
	err = s.view(ctx, func(t *tx) error { return t.secret(name, &secret) })
	if !errors.Is(err, enroll.ErrNotFound) {
		return secret, err
	}
	var fresh [32]byte
	if _, err := rand.Read(fresh[:]); err != nil {
		return secret, fmt.Errorf("drawing a secret: %w", err)
	}
	err = s.update(ctx, func(t *tx) error {
		err := t.secret(name, &secret)
		if !errors.Is(err, enroll.ErrNotFound) {
			return err // another was faster
		}
		secret = fresh
		return t.put(bucketSecrets, []byte(name), fresh[:])
	})
	if err != nil {
		return [32]byte{}, err
	}
	return secret, nil
}

func (t *tx) secret(name string, into *[32]byte) error {
	v := t.get(bucketSecrets, []byte(name))
	if v == nil {
		return enroll.ErrNotFound
	}
	if copy(into[:], v) != len(into) {
		return fmt.Errorf("%w: secret %s", ErrCorrupt, name)
	}
	return nil
}
