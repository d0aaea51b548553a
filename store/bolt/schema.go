package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"signet/internal/atomicfile"
)

// The buckets. In keys, text is followed by a NUL, a time is as by [timeKey], and
// numbers are big-endian.
var (
	bucketMeta     = []byte("meta")     // schema, serial block: see the keys below
	bucketAccounts = []byte("accounts") // name -> account
	bucketCodes    = []byte("codes")    // hash -> code
	// bucketCodeExpiry finds the codes that end: expiry hash -> account. One that
	// was used stays in it until then.
	bucketCodeExpiry = []byte("codes.expiry")
	bucketNonces     = []byte("nonces")       // expiry its-nanoseconds hash -> present
	bucketCerts      = []byte("certificates") // [certKey] -> certificate, but for its revocation
	// bucketEnrolled finds an account's certificates, and the one for a CSR:
	// account NUL SHA-256 of the CSR -> key in bucketCerts.
	bucketEnrolled = []byte("certificates.enrolled")
	bucketExpiry   = []byte("certificates.expiry") // NotAfter, key in bucketCerts -> present
	bucketKeys     = []byte("keys")                // key ID -> account, and [keyBlocked] where it is
	bucketRevoked  = []byte("revoked")             // issuer NUL serial -> revocation
	bucketFresh    = []byte("revoked.fresh")       // issuer NUL serial -> what is to be folded: see fresh.go
	// What is on CRLs: see blocks.go, scopes.go, changes.go, revoking.go.
	bucketBlocks     = []byte("revoked.blocks")  // issuer NUL partition last-serial -> entries
	bucketScopes     = []byte("revoked.scopes")  // issuer NUL partition -> size; and of partition 0, revState
	bucketChanges    = []byte("revoked.changes") // issuer NUL revision serial -> partition
	bucketLate       = []byte("revoked.late")    // issuer NUL time serial -> partition
	bucketPartitions = []byte("partitions")      // issuer NUL number -> URL
	bucketCRLs       = []byte("crls")            // issuer -> number, thisUpdate
	bucketEvents     = []byte("events")          // number -> event
	bucketSecrets    = []byte("secrets")         // name -> 32 bytes
	bucketCards      = []byte("cards")           // serial -> card
	bucketOwners     = []byte("cards.owners")    // account NUL serial -> present
	// PUKs, sealed: see escrow.go, pukrequests.go.
	bucketEscrow      = []byte("puks")          // card account -> what is kept
	bucketUnproven    = []byte("puks.unproven") // account NUL card -> present
	bucketPUKRequests = []byte("puks.requests") // number -> request
)

var buckets = [][]byte{
	bucketMeta, bucketAccounts, bucketCodes, bucketCodeExpiry, bucketNonces, bucketCerts,
	bucketEnrolled, bucketExpiry, bucketKeys, bucketRevoked, bucketCRLs, bucketEvents, bucketSecrets,
	bucketFresh, bucketBlocks, bucketScopes, bucketChanges, bucketLate, bucketPartitions,
	bucketCards, bucketOwners,
	bucketEscrow, bucketUnproven, bucketPUKRequests,
}

// present is the value of a key that is all there is. It isn't empty, since a
// transaction sees an empty value that it has put itself as none.
var present = []byte{1}

// The keys in bucketMeta.
var (
	keySchema      = []byte("schema")       // uint32
	keySerialBlock = []byte("serial.block") // uint32, the next one
	keyPing        = []byte("ping")
	// keyCardsFound is there while a store of an earlier version is searched for cards:
	// the key of the last certificate that was looked at. See find_cards.go.
	keyCardsFound = []byte("cards.found")
)

// schema is the version of all the above. One that adds to it without hurting
// an older program keeps the number. An older one that is opened is brought to
// it: see upgrade.go. From 2 on, entries of CRLs are kept encoded; from 3 on, the latest
// revocations are kept apart.
const schema = 3

// ErrNewer is a store written by a later version of Signet than this one.
var ErrNewer = errors.New("written by a newer version of Signet")

func checkSchema(tx *bbolt.Tx) error {
	_, err := schemaOf(tx)
	return err
}

// schemaOf is the store's schema, if this program knows it.
func schemaOf(tx *bbolt.Tx) (uint32, error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return 0, errors.New("not a store of Signet")
	}
	v := meta.Get(keySchema)
	if len(v) != 4 {
		return 0, errors.New("not a store of Signet: it has no schema version")
	}
	n := binary.BigEndian.Uint32(v)
	if n > schema {
		return n, fmt.Errorf("%w: its schema is %d, and this program knows up to %d", ErrNewer, n, schema)
	}
	return n, nil
}

// complete makes the buckets that a store of the same schema lacks, because the
// version of Signet that wrote it didn't know them.
func complete(db *bbolt.DB) error {
	missing := false
	err := db.View(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			missing = missing || tx.Bucket(name) == nil
		}
		return nil
	})
	if err != nil || !missing {
		return err
	}
	return db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
}

func setSchema(tx *bbolt.Tx) error {
	return tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint32(nil, schema))
}

// create makes an empty store at path where there is no file. It makes it
// under another name and links it into place when it is whole and flushed, so
// that a crash leaves a store or nothing, and of two at once one wins.
func create(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() == 0 {
		return errors.New("there is an empty file, which is no store: remove it first")
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), ".new-store-*")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name())
	if err := errors.Join(fresh.Close(), format(fresh.Name())); err != nil {
		return err
	}
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// format makes a new file with empty buckets.
func format(path string) error {
	db, err := openFile(path, time.Second)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return setSchema(tx)
	})
	return errors.Join(err, db.Close())
}
