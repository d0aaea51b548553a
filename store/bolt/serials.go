package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ReserveSerialBlock implements [ca.SerialStore]. Blocks are counted from 0.
func (s *Store) ReserveSerialBlock(ctx context.Context) (block uint32, err error) {
	err = s.update(ctx, func(t *tx) error {
		block = 0
		v := t.get(bucketMeta, keySerialBlock)
		if v != nil && len(v) != 4 {
			return fmt.Errorf("%w: serial block", ErrCorrupt)
		}
		if v != nil {
			block = binary.BigEndian.Uint32(v)
		}
		if block == math.MaxUint32 {
			return errors.New("all blocks of serial numbers are used up")
		}
		return t.put(bucketMeta, keySerialBlock, binary.BigEndian.AppendUint32(nil, block+1))
	})
	if err != nil {
		return 0, err
	}
	return block, nil
}
