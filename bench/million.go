package main

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"signet/ca"
)

// million is how many certificates are revoked in the store that is measured.
const million = 1_000_000

// seedRevoked puts a million revocations of the issuer into the store, which nobody
// has open, as schema 1 has them: to record so many certificates and
// revoke them would take minutes. Whoever opens the store next makes their entries.
func seedRevoked(dir, issuer string) error {
	db, err := bbolt.Open(filepath.Join(dir, "signet.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	at := time.Now().Truncate(time.Second)
	for from := 0; from < million && err == nil; from += million / 20 {
		err = db.Update(func(tx *bbolt.Tx) error {
			if err := tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte{0, 0, 0, 1}); err != nil {
				return err
			}
			b := tx.Bucket([]byte("revoked"))
			b.FillPercent = 0.9
			for i := from; i < from+million/20; i++ {
				serial := seededSerial(i)
				if err := b.Put(append([]byte(issuer+"\x00"), serial[:]...), seededRecord(i, at)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(err, db.Sync(), db.Close())
}

// seededSerial is the ith, in order.
func seededSerial(i int) (s ca.Serial) {
	binary.BigEndian.PutUint32(s[:], 1<<24+uint32(i)*2000)
	for j := 4; j < len(s); j++ {
		s[j] = byte(rand.Uint32())
	}
	return s
}

// seededReason is what the ith was revoked for: one in four for no reason, which takes a
// shorter entry.
func seededReason(i int) ca.Reason {
	return []ca.Reason{ca.KeyCompromise, ca.Superseded, ca.CessationOfOperation, ca.Unspecified}[i%4]
}

func seededRecord(i int, at time.Time) []byte {
	v := append(make([]byte, 0, 32), 1, byte(seededReason(i)))
	v = binary.BigEndian.AppendUint64(v, uint64(at.Unix()))
	v = binary.BigEndian.AppendUint64(v, uint64(at.AddDate(1, 0, 0).Unix()))
	return append(v, "@operator"...)
}
