package bolt

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/revocation/crl"
)

// A damaged record is an error, not a panic and not a half-empty certificate.
func TestDamagedRecords(t *testing.T) {
	c := ca.Certificate{Issuer: "x", DER: []byte{1, 2, 3}, Card: &ca.Card{Serial: 1, Attestation: [][]byte{{1}, {2}}}}
	record, err := certRecord(&c)
	if err != nil {
		t.Fatal(err)
	}
	key := certKey(c.Issuer, c.Serial)
	for n := range record {
		if _, err := readCert(key, record[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a record cut to %d of %d bytes: %v", n, len(record), err)
		}
	}
	if _, err := readCert(key, append(slices.Clone(record), 0)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a record with one byte more: %v", err)
	}
	if _, err := readCert(key[:20], record); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a key cut short: %v", err)
	}
	record[0]++
	if _, err := readCert(key, record); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a record of another version: %v", err)
	}
}

// Cards recorded before series and root were are read as they were written, and one that has neither is
// still written so.
func TestCardsOfBefore(t *testing.T) {
	plain := ca.Certificate{Issuer: "x", DER: []byte{1}, Card: &ca.Card{Serial: 1, Slot: "9a", Attestation: [][]byte{{1}, {2}}}}
	record, err := certRecord(&plain)
	if err != nil {
		t.Fatal(err)
	}
	// What the version before wrote, byte for byte, from the card on.
	before := "\x01\x00\x00\x00\x01" + "\x00\x00" + "\x00\x029a" + "\x00\x00\x00\x00\x00\x00" + "\x02" + "\x00\x00\x01\x01" + "\x00\x00\x01\x02"
	if !strings.HasSuffix(string(record), before) {
		t.Errorf("%x", record)
	}
	for _, card := range []ca.Card{*plain.Card, {FIPS: true}, {CSPN: true}, {FIPS: true, CSPN: true, Root: "CN=Root"}, {Root: "CN=Root"}} {
		c := plain
		c.Card = &card
		record, err := certRecord(&c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readCert(certKey(c.Issuer, c.Serial), record)
		if err != nil || !reflect.DeepEqual(got.Card, &card) {
			t.Errorf("%+v is read as %+v, %v", card, got.Card, err)
		}
	}
}

func TestRecordsTooLarge(t *testing.T) {
	if _, err := certRecord(&ca.Certificate{Subject: strings.Repeat("x", 1<<16)}); err == nil {
		t.Error("a subject of 64 KiB was written")
	}
	if _, err := certRecord(&ca.Certificate{Card: &ca.Card{Attestation: make([][]byte, 256)}}); err == nil {
		t.Error("an attestation of 256 certificates was written")
	}
	if _, err := codeRecord(enroll.Code{By: strings.Repeat("x", 1<<16)}); err == nil {
		t.Error("a code by an actor of 64 KiB was written")
	}
}

func TestTimes(t *testing.T) {
	for _, want := range []time.Time{
		{}, time.Unix(0, 0).UTC(), time.Date(1969, 7, 20, 20, 17, 40, 5, time.UTC),
		time.Date(2031, 1, 2, 3, 4, 5, 999_999_999, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		record, err := certRecord(&ca.Certificate{IssuedAt: want})
		if err != nil {
			t.Fatal(err)
		}
		got, err := readCert(certKey("x", ca.Serial{}), record)
		if err != nil || !reflect.DeepEqual(got.IssuedAt, want) {
			t.Errorf("got %v, %v, want %v", got.IssuedAt, err, want)
		}
	}
	early, late := time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 1, time.UTC)
	if bytes.Compare(timeKey(early), timeKey(late)) >= 0 || bytes.Equal(timeKey(late), timeKey(late.Truncate(time.Second))) {
		t.Error("keys of times are out of order, or rounded down")
	}
}

func FuzzRecords(f *testing.F) {
	record, err := certRecord(&ca.Certificate{DER: []byte{1}, Card: &ca.Card{Attestation: [][]byte{{1}}}})
	if err != nil {
		f.Fatal(err)
	}
	code, err := codeRecord(enroll.Code{Account: "alice", SpentOn: &[32]byte{}, Renews: &ca.Serial{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record)
	f.Add(code)
	partitioned, err := certRecord(&ca.Certificate{DER: []byte{1}, Partition: 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(partitioned)
	f.Add(revState{revision: 1, swept: []byte{1}}.record())
	f.Fuzz(func(t *testing.T, record []byte) {
		if c, err := readCert(certKey("x", ca.Serial{}), record); err == nil {
			if again, err := certRecord(&c); err != nil || len(again) != len(record) {
				t.Errorf("read, but written anew it has %d bytes instead of %d: %v", len(again), len(record), err)
			}
		}
		_, _ = readCode([32]byte{}, record)
		_, _ = readAccount(record)
		_, _ = parseRevoked(record)
		_, _ = parseSize(record)
		_, _ = parsePartition(record)
		_, _, _ = parseChangeKey(record)
	})
}

// Whatever a block holds, a change of it fails or leaves whole entries, as many as it says.
func FuzzBlocks(f *testing.F) {
	serial := ca.Serial{5}
	entry, err := crl.AppendEntry(nil, crl.Entry{Serial: serial, At: time.Unix(1_900_000_000, 0), Reason: ca.KeyCompromise})
	if err != nil {
		f.Fatal(err)
	}
	other, err := crl.AppendEntry(nil, crl.Entry{Serial: ca.Serial{7}, At: time.Unix(1_900_000_000, 0)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil))
	f.Add(entry)
	f.Add(append(slices.Clone(entry), other...))
	f.Add(entry[:20])
	f.Fuzz(func(t *testing.T, block []byte) {
		before, _, err := count(block)
		merged, grown, mergeErr := mergeBlock(nil, block, []change{{serial, entry}})
		if err != nil || mergeErr != nil {
			return
		}
		after, _, err := count(merged)
		if err != nil || int64(after-before) != grown.entries || int64(len(merged)-len(block)) != grown.octets {
			t.Errorf("%d entries became %d, and it says %+v (%v)", before, after, grown, err)
		}
		if at := cut(merged, len(merged)/2); at < 0 || at > len(merged) {
			t.Errorf("cut at %d of %d", at, len(merged))
		}
	})
}

func count(entries []byte) (n int, last ca.Serial, err error) {
	for len(entries) > 0 && err == nil {
		var entry []byte
		last, entry, err = firstEntry(entries)
		entries = entries[len(entry):]
		n++
	}
	return n, last, err
}
