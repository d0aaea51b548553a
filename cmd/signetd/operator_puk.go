package main

import (
	"context"
	"time"

	"signet/enroll"
)

// pukNumber is the input of operations on one request for a PUK.
type pukNumber struct {
	Number uint64 `json:"number"`
}

// pukCard is the input of operations on one card's PUK.
type pukCard struct {
	Card uint32 `json:"card"`
}

// pukTaking is the input of puk.take; Key is the ID of the escrow key that is to open it.
type pukTaking struct {
	Card         uint32 `json:"card"`
	Reason       string `json:"reason,omitempty"`
	Key          string `json:"key"`
	DespiteState bool   `json:"despite_state,omitempty"`
}

// keptPUK is what is kept of a card's PUK, as the operator sees it: not the PUK,
// nor what it is sealed in.
type keptPUK struct {
	Card     uint32             `json:"card"`
	Account  string             `json:"account"`
	Current  *sealing           `json:"current,omitempty"`
	Pending  []sealing          `json:"pending"`
	Proven   time.Time          `json:"proven,omitzero"`
	Released time.Time          `json:"released,omitzero"`
	Request  *enroll.PUKRequest `json:"request,omitempty"` // the last one, if it is still to be read
}

// sealing is one sealed PUK: when it came, and the ID of the key it is sealed to.
type sealing struct {
	ID  string    `json:"id"`
	Key string    `json:"key"`
	At  time.Time `json:"at"`
}

func sealingOf(k enroll.Kept) sealing { return sealing{k.ID, k.Sealed.KeyID(), k.At} }

func keptOf(e enroll.Escrowed) keptPUK {
	out := keptPUK{Card: e.Card, Account: e.Account, Pending: []sealing{}, Proven: e.Proven, Released: e.Released}
	if e.Current != nil {
		current := sealingOf(*e.Current)
		out.Current = &current
	}
	for _, k := range e.Pending {
		out.Pending = append(out.Pending, sealingOf(k))
	}
	return out
}

func (o *operator) listPUKRequests(ctx context.Context, _ none) ([]enroll.PUKRequest, error) {
	all, err := o.escrow.Requests(ctx)
	if all == nil {
		all = []enroll.PUKRequest{}
	}
	return all, err
}

func (o *operator) approvePUK(ctx context.Context, in pukNumber) (enroll.PUKRequest, error) {
	return o.escrow.Approve(ctx, in.Number, actorOf(ctx))
}

func (o *operator) denyPUK(ctx context.Context, in pukNumber) (enroll.PUKRequest, error) {
	return o.escrow.Deny(ctx, in.Number, actorOf(ctx))
}

func (o *operator) showPUK(ctx context.Context, in pukCard) ([]keptPUK, error) {
	all, err := o.escrow.Kept(ctx, in.Card)
	if err != nil {
		return nil, err
	}
	requests, err := o.escrow.Requests(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]keptPUK, len(all))
	for i, e := range all {
		out[i] = keptOf(e)
		for _, r := range requests {
			if r.Number == e.Request {
				out[i].Request = &r
			}
		}
	}
	return out, nil
}

func (o *operator) takePUK(ctx context.Context, in pukTaking) ([]enroll.Escrowed, error) {
	return o.escrow.Take(ctx, enroll.Taking{Card: in.Card, Reason: in.Reason, By: actorOf(ctx), Key: in.Key, DespiteState: in.DespiteState})
}
