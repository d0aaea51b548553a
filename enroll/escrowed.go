package enroll

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/internal/audit"
)

// A Kept is one sealed PUK in the store.
type Kept struct {
	ID     string    `json:"id"` // SealedPUK.ID
	Sealed SealedPUK `json:"sealed"`
	At     time.Time `json:"at"`
}

// An Escrowed is what the CA keeps of one card's PUK for one account. The card has
// the current one, unless a client was cut off between telling the CA and telling
// the card: then it may have a pending one.
type Escrowed struct {
	Card    uint32 `json:"card"`
	Account string `json:"account"`
	Current *Kept  `json:"current,omitempty"` // nil before one was confirmed
	Pending []Kept `json:"pending,omitempty"` // the oldest first
	// Proven is when the card was last proved, by an attestation, to be the
	// account's; zero before that, and once another's key was attested on it.
	Proven time.Time `json:"proven,omitzero"`
	// Released is when the PUK was given out that is still the card's; zero where
	// none was.
	Released time.Time `json:"released,omitzero"`
	// Request is the last request for a release, 0 for none; Asked when the last
	// ones were made, as many as [RequestLimit.Count].
	Request uint64      `json:"request,omitempty"`
	Asked   []time.Time `json:"asked,omitempty"`
}

// Candidates are the PUKs that the card may have, the likeliest first.
func (e *Escrowed) Candidates() (out []Kept) {
	if e.Current != nil {
		out = append(out, *e.Current)
	}
	for _, k := range slices.Backward(e.Pending) {
		out = append(out, k)
	}
	return out
}

// maxPending is how many PUKs may be pending for one card; with one more, the
// oldest is forgotten. A card gives three tries of its PUK, so that no client can
// get on for as long as that with the oldest still in force.
const maxPending = 8

// Add adds a pending PUK, unless it is there. For engines of [EscrowStore].
func (e *Escrowed) Add(k Kept) (added bool) {
	same := func(o Kept) bool { return o.ID == k.ID }
	if e.Current != nil && same(*e.Current) || slices.ContainsFunc(e.Pending, same) {
		return false
	}
	e.Pending = append(e.Pending, k)
	if over := len(e.Pending) - maxPending; over > 0 {
		e.Pending = slices.Delete(e.Pending, 0, over)
	}
	return true
}

// Confirm makes the last of ids the current PUK; the others named stay pending, and
// those not named go, the former current one with them. It reports whether that
// changed anything, and fails with [ErrNotFound] where the last is not there. For
// engines of [EscrowStore].
func (e *Escrowed) Confirm(ids []string) (changed bool, err error) {
	if len(ids) == 0 {
		return false, ErrNotFound
	}
	last, others := ids[len(ids)-1], ids[:len(ids)-1]
	if e.Current != nil && e.Current.ID == last && len(e.Pending) == 0 {
		return false, nil
	}
	var current *Kept
	var pending []Kept
	for _, k := range slices.Backward(e.Candidates()) { // the oldest first
		switch {
		case k.ID == last:
			current = &k
		case slices.Contains(others, k.ID):
			pending = append(pending, k)
		}
	}
	if current == nil {
		return false, ErrNotFound
	}
	e.Current, e.Pending, e.Released = current, pending, time.Time{}
	return true, nil
}

// A PUKState is where a request for a PUK stands.
type PUKState string

// The states. An open or approved request whose time is over is expired.
const (
	PUKOpen     PUKState = "open"
	PUKApproved PUKState = "approved"
	PUKDenied   PUKState = "denied"
	PUKTaken    PUKState = "taken"
	PUKExpired  PUKState = "expired"
)

// A PUKRequest is an account's request to be given the PUK of its card, and what
// became of it.
type PUKRequest struct {
	Number  uint64    `json:"number"` // from 1
	Card    uint32    `json:"card"`
	Account string    `json:"account"`
	Reason  string    `json:"reason,omitempty"`
	State   PUKState  `json:"state"`
	Created time.Time `json:"created"`
	// Expires is until when an open one can be approved, or an approved one taken.
	Expires time.Time `json:"expires"`
	Decided time.Time `json:"decided,omitzero"`
	By      string    `json:"by,omitempty"` // who approved or denied
	Taken   time.Time `json:"taken,omitzero"`
}

// At is r as it stands at that time.
func (r PUKRequest) At(now time.Time) PUKRequest {
	if r.Alive() && !now.Before(r.Expires) {
		r.State = PUKExpired
	}
	return r
}

// Alive reports whether the request is open or approved.
func (r PUKRequest) Alive() bool { return r.State == PUKOpen || r.State == PUKApproved }

// Ended is since when the request is of no more use than to be read.
func (r PUKRequest) Ended() time.Time {
	switch r.State {
	case PUKDenied:
		return r.Decided
	case PUKTaken:
		return r.Taken
	}
	return r.Expires
}

// Digest is what a code that the request was made with is spent on.
func (r PUKRequest) Digest() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "signet puk request %d", r.Number))
}

// A RequestLimit is how many requests for one card may be made within a time.
type RequestLimit struct {
	Count  int
	Within time.Duration
}

// MayAsk drops from Asked what is past, and reports whether one more may be asked for. For
// engines of [EscrowStore].
func (e *Escrowed) MayAsk(now time.Time, limit RequestLimit) bool {
	e.Asked = slices.DeleteFunc(e.Asked, func(t time.Time) bool { return now.Sub(t) >= limit.Within })
	return len(e.Asked) < limit.Count
}

// A PUKDecision is what an officer says of a request.
type PUKDecision struct {
	Approve bool
	By      string
	At      time.Time
	Expires time.Time // until when an approved one can be taken
}

// Decide does that to r, or reports that r is not open. For engines of [EscrowStore].
func (d PUKDecision) Decide(r *PUKRequest) bool {
	if r.At(d.At).State != PUKOpen {
		return false
	}
	r.State, r.By, r.Decided = PUKDenied, d.By, d.At
	if d.Approve {
		r.State, r.Expires = PUKApproved, d.Expires
	}
	return true
}

// What an [EscrowStore] answers beside success and [ErrNotFound].
var (
	// ErrTooOften is a bound that was reached: of requests, or of cards never proved.
	ErrTooOften = errors.New("too many, or too often")
	// ErrNotOpen is a request that was decided before, or has expired.
	ErrNotOpen = errors.New("the request is not open")
	// ErrNotApproved is a PUK that is not there to be taken: its request is still open,
	// denied, expired, or the PUK was taken before.
	ErrNotApproved = errors.New("the request is not approved, or the PUK was taken")
)

// MaxUnproven is for how many cards that were never attested as its own the CA keeps
// PUKs for an account: serial numbers are cheap.
const MaxUnproven = 32

// KeepPUKRequests is how long requests can be read after they have ended; what
// became of them is in the log for good.
const KeepPUKRequests = 24 * time.Hour

// An EscrowStore keeps sealed PUKs and the requests for them, by the rules of [Store].
type EscrowStore interface {
	// Escrowed returns what is kept for the account's card, or ErrNotFound.
	Escrowed(ctx context.Context, card uint32, account string) (Escrowed, error)
	// EscrowedFor returns what is kept for the card, by account.
	EscrowedFor(ctx context.Context, card uint32) ([]Escrowed, error)
	// AddPUK adds a pending PUK by [Escrowed.Add]; one that is there already changes
	// nothing. ErrNotFound where the account isn't there; ErrTooOften where it is a
	// first one for the card, and unproven cards are [MaxUnproven].
	AddPUK(ctx context.Context, card uint32, account string, k Kept, e audit.Event) (Escrowed, error)
	// ConfirmPUK does [Escrowed.Confirm]. ErrNotFound also where nothing is kept.
	ConfirmPUK(ctx context.Context, card uint32, account string, ids []string, e audit.Event) (Escrowed, error)

	// AddPUKRequest stores r as open, with a number of its own, which also goes into
	// the event's details as "request", and returns it. Where the account's last
	// request for the card is still alive at r.Created, that one is returned, and fresh
	// is false. code, if any, is spent on the one returned, by [PUKRequest.Digest], or
	// was so before; else it fails as an enrollment would: ErrNotFound, ErrCodeSpent.
	// ErrNotFound also where no PUK is kept for the card, or it is not proven;
	// ErrCardLost, ErrCardRetired and ErrCardAssigned by what the card is;
	// ErrTooOften by [Escrowed.MayAsk].
	AddPUKRequest(ctx context.Context, r PUKRequest, code *[32]byte, limit RequestLimit, e audit.Event) (out PUKRequest, fresh bool, err error)
	// PUKRequest returns the request with that number, or ErrNotFound.
	PUKRequest(ctx context.Context, number uint64) (PUKRequest, error)
	// PUKRequests returns all requests that are kept, by number. [Store.Forget] deletes
	// them some time after they have ended.
	PUKRequests(ctx context.Context) ([]PUKRequest, error)
	// DecidePUKRequest does [PUKDecision.Decide]: ErrNotFound; ErrNotOpen, with the request
	// as it stands.
	DecidePUKRequest(ctx context.Context, number uint64, d PUKDecision, e audit.Event) (PUKRequest, error)
	// TakePUK makes an approved request that has not expired by then a taken one, marks
	// the card's PUK as released, and returns what is kept: of two at once, one gets
	// it. ErrNotFound; ErrNotApproved; ErrCardLost, ErrCardRetired and ErrCardAssigned.
	TakePUK(ctx context.Context, number uint64, then time.Time, e audit.Event) (Escrowed, error)
	// TakePUKs has choose look at the card, whose State is "" where nothing is known of it, and
	// at what is kept for it, by account; marks what choose returns as released, and returns
	// that. It fails with what choose fails with, and with ErrNotFound where nothing is kept.
	// choose may run more than once, and its last run counts; it must not call the store.
	TakePUKs(ctx context.Context, card uint32, then time.Time, choose func(Card, []Escrowed) ([]Escrowed, audit.Event, error)) ([]Escrowed, error)
}
