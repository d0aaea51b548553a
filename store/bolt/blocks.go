package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"signet/ca"
)

// Entries of CRLs are kept as they will stand in a CRL, in blocks of some KiB: the
// next CRL is made by reading these, one after the other, and a change costs the
// rewriting of one. A block has the record's version and the DER of its entries,
// by serial. Its key is that of its scope and the last serial that belongs into
// it, so that seeking an entry's own place finds its block.

// maxBlock bounds a block's entries, in octets. Larger ones are read a little
// faster and changed a little slower: a commit writes a block with up to three neighbours.
const maxBlock = 8000

// lastSerial is behind every serial number: the key of a scope's last block.
var lastSerial = bytes.Repeat([]byte{0xff}, len(ca.Serial{}))

// A change of the entries: der in the place of what serial had, if anything. It is
// nil where there shall be none.
type change struct {
	serial ca.Serial
	der    []byte
}

// A size is how many entries there are and how long they are together. Of a change it
// is the difference.
type size struct{ entries, octets int64 }

func (s *size) add(d size) { s.entries += d.entries; s.octets += d.octets }

// scopeKey is issuer NUL partition.
func scopeKey(issuer string, partition int) []byte {
	return binary.BigEndian.AppendUint16(textKey(issuer), uint16(partition))
}

// applyChanges makes the changes, which are by serial and of one scope, and returns
// by how much there is more than before.
func (t *tx) applyChanges(issuer string, partition int, changes []change) (grown size, err error) {
	scope := scopeKey(issuer, partition)
	for len(changes) > 0 {
		key, old, err := t.block(scope, changes[0].serial)
		if err != nil {
			return grown, err
		}
		n := 1
		for n < len(changes) && bytes.Compare(changes[n].serial[:], key[len(scope):]) <= 0 {
			n++
		}
		merged, d, err := mergeBlock(make([]byte, 0, len(old)+n*64), old, changes[:n])
		if err != nil {
			return grown, err
		}
		if err := t.putBlock(scope, key, merged, old != nil, d.octets < 0); err != nil {
			return grown, err
		}
		grown.add(d)
		changes = changes[n:]
	}
	return grown, nil
}

// block finds where serial belongs: the block's key, and its entries, which are nil
// where it isn't there yet.
func (t *tx) block(scope []byte, serial ca.Serial) (key, entries []byte, err error) {
	k, v := t.Bucket(bucketBlocks).Cursor().Seek(append(bytes.Clone(scope), serial[:]...))
	if !bytes.HasPrefix(k, scope) {
		return append(bytes.Clone(scope), lastSerial...), nil, nil
	}
	entries, err = blockEntries(v)
	return bytes.Clone(k), entries, err
}

// blockEntries are those of a block's record.
func blockEntries(record []byte) ([]byte, error) {
	if len(record) < 2 || record[0] != recordVersion {
		return nil, fmt.Errorf("%w: block of revoked certificates", ErrCorrupt)
	}
	return record[1:], nil
}

// putBlock stores the entries of the block with that key: as several where they are too
// many for one, and in the next one where few are left.
func (t *tx) putBlock(scope, key, entries []byte, exists, shrunk bool) error {
	if shrunk && len(entries) < maxBlock/4 {
		var err error
		if key, entries, err = t.joinNext(scope, key, entries); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		if !exists {
			return nil
		}
		return t.delete(bucketBlocks, key)
	}
	for len(entries) > maxBlock {
		piece := cut(entries, len(entries)/pieces(len(entries)))
		last, _, err := lastEntry(entries[:piece])
		if err != nil {
			return err
		}
		left := append(bytes.Clone(scope), last[:]...)
		if err := t.put(bucketBlocks, left, blockRecord(entries[:piece])); err != nil {
			return err
		}
		entries = entries[piece:]
	}
	return t.put(bucketBlocks, key, blockRecord(entries))
}

func blockRecord(entries []byte) []byte {
	return append(append(make([]byte, 0, 1+len(entries)), recordVersion), entries...)
}

// pieces is into how many blocks so many octets are divided: each has room for more.
func pieces(n int) int {
	const good = maxBlock * 3 / 4
	return (n + good - 1) / good
}

// cut is where the entry ends that reaches to n or beyond.
func cut(entries []byte, n int) int {
	at := 0
	for at < n && at+1 < len(entries) {
		at += 2 + int(entries[at+1])
	}
	return min(at, len(entries))
}

// joinNext puts the few entries of the block with that key to those of the next one,
// where they fit well, and returns what is to be stored instead.
func (t *tx) joinNext(scope, key, entries []byte) (at, joined []byte, err error) {
	c := t.Bucket(bucketBlocks).Cursor()
	k, v := c.Seek(key)
	if bytes.Equal(k, key) {
		k, v = c.Next()
	}
	if !bytes.HasPrefix(k, scope) || len(v)+len(entries) > maxBlock*3/4 {
		return key, entries, nil
	}
	next, err := blockEntries(v)
	if err != nil {
		return nil, nil, err
	}
	at, joined = bytes.Clone(k), append(bytes.Clone(entries), next...)
	return at, joined, t.delete(bucketBlocks, key)
}

// mergeBlock makes the changes, which are by serial, in a block's entries, and appends
// what comes of it to merged.
func mergeBlock(merged, entries []byte, changes []change) ([]byte, size, error) {
	var grown size
	for _, c := range changes {
		for len(entries) > 0 {
			serial, entry, err := firstEntry(entries)
			if err != nil {
				return nil, grown, err
			}
			order := bytes.Compare(serial[:], c.serial[:])
			if order > 0 {
				break
			}
			entries = entries[len(entry):]
			if order == 0 {
				grown.add(size{-1, -int64(len(entry))})
				break
			}
			merged = append(merged, entry...)
		}
		if c.der != nil {
			grown.add(size{1, int64(len(c.der))})
			merged = append(merged, c.der...)
		}
	}
	return append(merged, entries...), grown, nil
}

// entryHead is what each entry begins with, but for its length in the second octet:
// a SEQUENCE of less than 128 octets, and in it an INTEGER of 20.
const entryHead = "\x30\x00\x02\x14"

// firstEntry is the first of entries, and its serial.
func firstEntry(entries []byte) (serial ca.Serial, entry []byte, err error) {
	const least = len(entryHead) + len(serial)
	if len(entries) < least || entries[0] != entryHead[0] || string(entries[2:4]) != entryHead[2:] ||
		entries[1] >= 0x80 || len(entries) < 2+int(entries[1]) || 2+int(entries[1]) < least {
		return serial, nil, fmt.Errorf("%w: entry of a revoked certificate", ErrCorrupt)
	}
	return ca.Serial(entries[4:least]), entries[:2+int(entries[1])], nil
}

func lastEntry(entries []byte) (serial ca.Serial, entry []byte, err error) {
	for len(entries) > 0 && err == nil {
		serial, entry, err = firstEntry(entries)
		entries = entries[len(entry):]
	}
	return serial, entry, err
}
