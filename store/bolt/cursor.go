package bolt

import (
	"bytes"
	"iter"

	"go.etcd.io/bbolt"
)

// pairs are the keys that begin with prefix, in order, with their values. Both are valid
// as long as the transaction; nothing may be changed meanwhile.
func pairs(c *bbolt.Cursor, prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		k, v := c.First()
		if prefix != nil {
			k, v = c.Seek(prefix)
		}
		for ; k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if !yield(k, v) {
				return
			}
		}
	}
}
