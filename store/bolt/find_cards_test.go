package bolt_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
)

// A store of a version that knew no cards gets those that its certificates tell of, whose
// owner is who enrolled last; also where the search for them was broken off.
func TestCardsAreFound(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, name := range []string{"alice", "bob", "carol"} {
		if err := s.AddAccount(t.Context(), enroll.Account{Name: name}, audit.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct {
		account string
		card    uint32
	}{{"alice", 7}, {"bob", 7}, {"alice", 8}, {"carol", 9}, {"alice", 0}, {"alice", 7}} {
		cert := ca.Certificate{
			Issuer: oldIssuer, Serial: oldSerial(i), DER: []byte{0x30, 0}, Account: c.account, Profile: "user", KeyID: [32]byte{byte(i)},
			IssuedAt: now.Add(time.Duration(i) * time.Hour), NotBefore: now, NotAfter: now.AddDate(1, 0, 0), Partition: i % 2,
		}
		if c.card != 0 {
			cert.Card = &ca.Card{Serial: c.card, Firmware: fmt.Sprintf("5.7.%d", i), FormFactor: "usb-c-nano"}
		}
		if _, _, err := s.RecordEnrollment(t.Context(), enroll.Enrollment{Issuance: enroll.Issuance{Certificate: cert, CSR: [32]byte{byte(i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RemoveAccount(t.Context(), "carol", audit.Event{Time: now}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	old(t, filepath.Join(dir, "signet.db"), func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("cards")), tx.DeleteBucket([]byte("cards.owners")))
	})
	check := func() {
		t.Helper()
		s := openIn(t, dir)
		defer s.Close()
		for _, want := range []enroll.Card{
			{Serial: 7, State: enroll.CardAssigned, Account: "alice", Firmware: "5.7.5", Holders: []string{"alice", "bob"}, Changed: now.Add(5 * time.Hour), FirstSeen: now},
			{Serial: 8, State: enroll.CardAssigned, Account: "alice", Firmware: "5.7.2", Holders: []string{"alice"}, Changed: now.Add(2 * time.Hour), FirstSeen: now.Add(2 * time.Hour)},
			{Serial: 9, State: enroll.CardInventory, Firmware: "5.7.3", Holders: []string{"carol"}, Changed: now.Add(3 * time.Hour), FirstSeen: now.Add(3 * time.Hour)},
		} {
			want.FormFactor = "usb-c-nano"
			got, err := s.Card(t.Context(), want.Serial)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %+v (%v), want %+v", got, err, want)
			}
		}
		h, err := s.Holding(t.Context(), enroll.Holder{Issuer: oldIssuer, Card: 7, At: now})
		if err != nil || len(h.Certificates) != 3 {
			t.Errorf("card 7 has %d certificates, want 3 (%v)", len(h.Certificates), err)
		}
		h, err = s.Holding(t.Context(), enroll.Holder{Issuer: oldIssuer, Account: "alice", At: now})
		if err != nil || len(h.Cards) != 2 {
			t.Errorf("alice has %d cards, want 2 (%v)", len(h.Cards), err)
		}
		seen := 0
		err = s.Newest(t.Context(), oldIssuer, ca.Serial{}, func(ca.Serial, time.Time) bool { seen++; return true })
		if err != nil || seen != 6 {
			t.Errorf("%d certificates, want 6 (%v)", seen, err)
		}
	}
	check()
	check() // once
	old(t, filepath.Join(dir, "signet.db"), func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("cards.found"), []byte{1})
	})
	check()
}

func old(t *testing.T, path string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}
