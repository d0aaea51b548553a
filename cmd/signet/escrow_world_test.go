//go:build cgo

package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"signet/enroll"
	"signet/internal/audit"
	"signet/piv/softcard"
)

func newEscrowKey() (*enroll.EscrowKey, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return enroll.NewEscrowKey(key)
}

// keptPUKs are those that the CA keeps for alice's card, opened, the current one first.
func (w *world) keptPUKs(serial uint32) (puks []string, err error) {
	kept, err := w.store.Escrowed(context.Background(), serial, "alice")
	if errors.Is(err, enroll.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, k := range kept.Candidates() {
		puk, err := w.escrow.Open(serial, k.Sealed)
		if err != nil {
			return nil, err
		}
		puks = append(puks, puk)
	}
	return puks, nil
}

// takesPUK reports whether the card has that PUK: it is changed to itself.
func takesPUK(card *softcard.Card, puk string) bool {
	card.PowerCycle()
	card.Transmit([]byte("\x00\xa4\x04\x00\x05\xa0\x00\x00\x03\x08"))
	padded := puk + strings.Repeat("\xff", 8-len(puk))
	answer := card.Transmit([]byte("\x00\x24\x00\x81\x10" + padded + padded))
	return len(answer) >= 2 && answer[len(answer)-2] == 0x90
}

// known reports whether somebody knows the card's PUK: the CA, or it is the factory's.
func (w *world) known(card *softcard.Card) (bool, error) {
	puks, err := w.keptPUKs(card.Serial())
	if err != nil {
		return false, err
	}
	// A wrong one spends a try, but a right one gives them all back.
	if len(puks) > 2 {
		return false, fmt.Errorf("the CA keeps %d PUKs of one card: too many to try", len(puks))
	}
	return slices.ContainsFunc(puks, func(puk string) bool { return takesPUK(card, puk) }) ||
		len(puks) < 2 && takesPUK(card, "12345678"), nil
}

// cmdPUK is about alice's card 1001:
//
//	puk kept              the card has the PUK that the CA keeps, and the CA no other one
//	puk remember          remember it
//	puk ended             the remembered one is not the card's any more (spends a try)
//	puk approve|deny      an officer decides on the open request, once there is one
//	puk approving         an officer approves whatever is asked from now on
//	puk newkey            the escrow key is another one from now on
//	puk nowhere FILE…     the remembered one is in none of those files
func cmdPUK(ts *testscript.TestScript, _ bool, args []string) {
	w := current(ts)
	card := w.cards[0]
	if args[0] == "newkey" {
		var err error
		w.escrow, err = newEscrowKey()
		ts.Check(err)
		w.config.Escrow = w.escrow
		ts.Check(w.startEnroller())
		return
	}
	if args[0] == "approving" {
		stop := make(chan struct{})
		go w.approveUntil(stop)
		ts.Defer(func() { close(stop) })
		return
	}
	puks, err := w.keptPUKs(card.Serial())
	ts.Check(err)
	switch args[0] {
	case "kept":
		if len(puks) != 1 || !takesPUK(card, puks[0]) {
			ts.Fatalf("the CA keeps %d PUKs, and the card doesn't take the first", len(puks))
		}
	case "remember":
		w.oldPUK = puks[0]
	case "ended":
		if takesPUK(card, w.oldPUK) {
			ts.Fatalf("the card still takes the PUK that was released")
		}
	case "approve", "deny":
		ts.Check(w.decide(args[0] == "approve"))
	case "nowhere":
		for _, name := range args[1:] {
			if strings.Contains(ts.ReadFile(name), w.oldPUK) {
				ts.Fatalf("the PUK is in %s", name)
			}
		}
	default:
		ts.Fatalf("no %q", args[0])
	}
}

// approveUntil has an officer approve whatever is asked until stop is closed.
func (w *world) approveUntil(stop <-chan struct{}) {
	ctx, officer := context.Background(), w.enroller.Escrow()
	for {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		all, err := officer.Requests(ctx)
		for _, r := range all {
			if err == nil && r.State == enroll.PUKOpen {
				_, err = officer.Approve(ctx, r.Number, audit.Operator)
			}
		}
	}
}

// decide waits for an open request and decides.
func (w *world) decide(approve bool) error {
	ctx, officer := context.Background(), w.enroller.Escrow()
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		all, err := officer.Requests(ctx)
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.State != enroll.PUKOpen {
				continue
			}
			if approve {
				_, err = officer.Approve(ctx, r.Number, audit.Operator)
			} else {
				_, err = officer.Deny(ctx, r.Number, audit.Operator)
			}
			return err
		}
	}
	return errors.New("nobody asked for a PUK")
}
