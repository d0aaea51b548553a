package bolt_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
	"signet/store/bolt"
)

// A load enrolls from several goroutines into one store.
type load struct {
	store    *bolt.Store
	serials  *ca.SerialSource
	accounts int
	next     atomic.Int64
	der      []byte
}

// newLoad makes a load for as many accounts.
func newLoad(ctx context.Context, s *bolt.Store, accounts int) (*load, error) {
	l := &load{store: s, serials: ca.NewSerialSource(s), accounts: accounts, der: make([]byte, 900)}
	rand.Read(l.der)
	for i := range l.accounts {
		err := s.AddAccount(ctx, enroll.Account{Name: fmt.Sprintf("user%d", i)}, audit.Event{Action: "account.add"})
		if err != nil && !errors.Is(err, enroll.ErrExists) {
			return nil, err
		}
	}
	return l, nil
}

// enrollment is the next one: a new key, CSR and nonce.
func (l *load) enrollment(ctx context.Context) (enroll.Enrollment, error) {
	serial, err := l.serials.Next(ctx)
	if err != nil {
		return enroll.Enrollment{}, err
	}
	n := l.next.Add(1)
	unique := sha256.Sum256(append(serial[:], strconv.Itoa(int(n))...))
	now := time.Now().UTC()
	person := binary.BigEndian.Uint32(unique[:]) % uint32(l.accounts)
	account, card := fmt.Sprintf("user%d", person), person+1 // everybody has one
	return enroll.Enrollment{
		Issuance: enroll.Issuance{Certificate: ca.Certificate{
			Issuer: "0123456789abcdef", Serial: serial, DER: l.der, Account: account, Profile: "user",
			Subject: "CN=" + account, KeyID: unique, NotBefore: now, NotAfter: now.AddDate(1, 0, 0), IssuedAt: now,
			Card: &ca.Card{
				Serial: card, Firmware: "5.7.1", Slot: "9a", PINPolicy: "once", TouchPolicy: "never",
				Attestation: [][]byte{l.der[:600], l.der[:700]},
			},
		}, CSR: unique, Event: audit.Event{Time: now, Actor: account, Action: "certificate.issue", Object: serial.String()}},
		Card:  &enroll.Card{Serial: card, Firmware: "5.7.1", FormFactor: "usb-c-nano"},
		Nonce: unique, NonceExpires: now.Add(15 * time.Minute),
	}, nil
}

// run enrolls n times from that many goroutines.
func (l *load) run(ctx context.Context, writers, n int, each func(ca.Serial)) error {
	var left atomic.Int64
	left.Store(int64(n))
	failed := make(chan error, writers)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				e, err := l.enrollment(ctx)
				if err == nil {
					_, _, err = l.store.RecordEnrollment(ctx, e)
				}
				if err != nil {
					failed <- err
					return
				}
				if each != nil {
					each(e.Certificate.Serial)
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}
