package enroll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"signet/internal/audit"
)

// How long a request for a PUK waits for an officer, how long the PUK can be taken
// after that, and how many requests may be made for one card.
const (
	pukRequestTTL = 8 * time.Hour
	pukReleaseTTL = 10 * time.Minute
	maxPUKReason  = 200 // characters
)

var pukRequestLimit = RequestLimit{Count: 5, Within: 24 * time.Hour}

// An Escrow keeps cards' PUKs, sealed, and gives them out at an officer's word. It
// opens a PUK only when it gives it out.
type Escrow struct {
	store  EscrowStore
	key    *EscrowKey // nil where the CA has none: then nothing is sealed or given out
	logger *slog.Logger
	now    func() time.Time
}

// NewEscrow makes the service on store; key may be nil, and logger and now too.
func NewEscrow(store EscrowStore, key *EscrowKey, logger *slog.Logger, now func() time.Time) *Escrow {
	return &Escrow{store: store, key: key, logger: orDiscard(logger), now: orNow(now)}
}

// errNoEscrow is a CA without its escrow key.
func errNoEscrow() error {
	return refuse("escrow.unavailable", "the CA's escrow key is missing or can't be opened")
}

// errNotKept says the same of a card that is another's as of one that is nobody's.
func errNotKept(card uint32) error {
	return refusef("escrow.none", "this CA keeps no PUK of card %d for this account", card)
}

// public is the key that seals, or a refusal where there is none.
func (x *Escrow) public() (*EscrowPublic, error) {
	if x.key == nil {
		return nil, errNoEscrow()
	}
	return x.key.Public(), nil
}

// confirmed reports whether the PUK that the account's card has is kept.
func (x *Escrow) confirmed(ctx context.Context, card uint32, account string) (bool, error) {
	kept, err := x.store.Escrowed(ctx, card, account)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking the card's PUK up: %w", err)
	}
	return x.opens(kept.Current), nil
}

// opens reports whether the CA could open it. With another escrow key than it was sealed
// to, it is lost, and the card is to get another PUK; without any, that may come back.
func (x *Escrow) opens(k *Kept) bool {
	return k != nil && (x.key == nil || k.Sealed.KeyID() == x.key.Public().ID())
}

// put keeps a PUK that the account is about to set on the card.
func (x *Escrow) put(ctx context.Context, card uint32, account string, sealed SealedPUK) (Escrowed, error) {
	if x.key == nil {
		return Escrowed{}, errNoEscrow()
	}
	if string(sealed.keyID()) != string(x.key.Public().id()) {
		return Escrowed{}, refuse("escrow.key", "the PUK is sealed to another key than this CA's")
	}
	k := Kept{ID: sealed.ID(), Sealed: sealed, At: x.now().UTC()}
	e := x.event(account, "puk.put", card, "id", k.ID)
	kept, err := x.store.AddPUK(ctx, card, account, k, e)
	switch {
	case errors.Is(err, ErrNotFound):
		return Escrowed{}, ErrCredentials // the account is gone
	case errors.Is(err, ErrTooOften):
		return Escrowed{}, refusef("escrow.limit", "PUKs of %d cards are kept for %s on which nothing was ever enrolled", MaxUnproven, account)
	case err != nil:
		return Escrowed{}, fmt.Errorf("keeping a PUK: %w", err)
	}
	if n := len(kept.Pending); n > 0 && kept.Pending[n-1].ID == k.ID && kept.Pending[n-1].At.Equal(k.At) { // not one that was there
		x.tell(ctx, e)
	}
	return kept, nil
}

// confirm records that the card has the last of the PUKs named, or one of the others.
func (x *Escrow) confirm(ctx context.Context, card uint32, account string, ids []string) (Escrowed, error) {
	before, err := x.store.Escrowed(ctx, card, account)
	e := x.event(account, "puk.confirm", card, "id", strings.Join(ids, " "))
	var kept Escrowed
	if err == nil {
		kept, err = x.store.ConfirmPUK(ctx, card, account, ids, e)
	}
	if errors.Is(err, ErrNotFound) {
		return Escrowed{}, errNotKept(card)
	}
	if err != nil {
		return Escrowed{}, fmt.Errorf("confirming a PUK: %w", err)
	}
	if changed, _ := before.Confirm(ids); changed {
		x.tell(ctx, e)
	}
	return kept, nil
}

// request asks an officer for the PUK, or returns the request that is under way.
func (x *Escrow) request(ctx context.Context, id *Identity, card uint32, reason string) (PUKRequest, error) {
	// Nobody is asked for what can't be given.
	if x.key == nil {
		return PUKRequest{}, errNoEscrow()
	}
	kept, err := x.store.Escrowed(ctx, card, id.Account.Name)
	if err == nil && kept.Current != nil && !x.opens(kept.Current) {
		return PUKRequest{}, refusef("escrow.unavailable", "the PUK of card %d: %v", card, ErrEscrowKey)
	}
	now := x.now().UTC()
	r := PUKRequest{Card: card, Account: id.Account.Name, Reason: reason, Created: now, Expires: now.Add(pukRequestTTL)}
	var code *[32]byte
	if id.code != nil {
		code = &id.code.Hash
	}
	e := x.event(r.Account, "puk.request", card, "method", string(id.Method))
	r, fresh, err := x.store.AddPUKRequest(ctx, r, code, pukRequestLimit, e)
	switch {
	case errors.Is(err, ErrNotFound):
		return PUKRequest{}, errNotKept(card)
	case errors.Is(err, ErrCodeSpent):
		return PUKRequest{}, refuse("code.spent", "the code has been used")
	case errors.Is(err, ErrTooOften):
		return PUKRequest{}, refusef("escrow.limit", "the PUK of card %d was asked for %d times in a day", card, pukRequestLimit.Count)
	case isCardRefused(err):
		return PUKRequest{}, refusedByStore(err)
	case err != nil:
		return PUKRequest{}, fmt.Errorf("asking for a PUK: %w", err)
	}
	if fresh {
		e.Detail["request"] = strconv.FormatUint(r.Number, 10)
		x.tell(ctx, e)
	}
	return r.At(now), nil
}

func isCardRefused(err error) bool {
	return errors.Is(err, ErrCardLost) || errors.Is(err, ErrCardRetired) || errors.Is(err, ErrCardAssigned)
}

func checkPUKReason(s string) error {
	if utf8.RuneCountInString(s) > maxPUKReason || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return &formError{fmt.Sprintf("reason has at most %d printable characters", maxPUKReason)}
	}
	return nil
}

// requested is one of the account's own requests for the card.
func (x *Escrow) requested(ctx context.Context, account string, card uint32, number uint64) (PUKRequest, error) {
	r, err := x.store.PUKRequest(ctx, number)
	if err == nil && (r.Account != account || r.Card != card) {
		err = ErrNotFound
	}
	if err != nil {
		return PUKRequest{}, fmt.Errorf("request %d: %w", number, err)
	}
	return r.At(x.now()), nil
}

// release gives the PUK out, once. Whether it can be opened is found out before.
func (x *Escrow) release(ctx context.Context, account string, card uint32, number uint64) (*ReleasedPUK, error) {
	r, err := x.requested(ctx, account, card, number)
	if err != nil {
		return nil, err
	}
	if r.State != PUKApproved {
		return nil, errNotReleased(r)
	}
	kept, err := x.store.Escrowed(ctx, card, account)
	if err != nil {
		return nil, fmt.Errorf("looking the card's PUK up: %w", err)
	}
	if _, err := x.open(&kept); err != nil {
		return nil, err
	}
	e := x.event(account, "puk.release", card, "request", strconv.FormatUint(number, 10))
	e.Detail["approved_by"] = r.By
	audit.Log(ctx, x.logger, "begin", e)
	// From here on the PUK is given out, whether or not the client is still there.
	if kept, err = x.store.TakePUK(context.WithoutCancel(ctx), number, x.now().UTC(), e); err != nil {
		audit.Log(ctx, x.logger, "failed", e)
		if errors.Is(err, ErrNotApproved) {
			return nil, refuse("escrow.taken", "the PUK was given out for this request already")
		}
		if isCardRefused(err) {
			return nil, refusedByStore(err)
		}
		return nil, fmt.Errorf("giving a PUK out: %w", err)
	}
	audit.Log(ctx, x.logger, "end", e)
	return x.open(&kept)
}

func errNotReleased(r PUKRequest) error {
	switch r.State {
	case PUKOpen:
		return refusef("escrow.waiting", "no officer has approved request %d yet", r.Number)
	case PUKDenied:
		return refusef("escrow.denied", "request %d was denied", r.Number)
	case PUKTaken:
		return refusef("escrow.taken", "the PUK was given out for request %d already", r.Number)
	}
	return refusef("escrow.expired", "the time of request %d is over", r.Number)
}

// open opens all that the card may have, the likeliest first. It fails where it can't open the one
// that the card has by all that is known: with others alone, tries would be lost. Where none
// was ever confirmed, any will do.
func (x *Escrow) open(kept *Escrowed) (*ReleasedPUK, error) {
	if x.key == nil {
		return nil, errNoEscrow()
	}
	out := &ReleasedPUK{Card: kept.Card, EscrowKey: x.key.Public().Bytes()}
	failed := errors.New("none is kept")
	for _, k := range kept.Candidates() {
		puk, err := x.key.Open(kept.Card, k.Sealed)
		if err != nil {
			x.logger.Warn("a PUK can't be opened", "card", kept.Card, "id", k.ID, "error", err)
			if kept.Current != nil && k.ID == kept.Current.ID {
				return nil, refusef("escrow.unavailable", "the PUK of card %d: %v", kept.Card, err)
			}
			failed = err
			continue
		}
		out.PUKs = append(out.PUKs, PUK{ID: k.ID, PUK: puk})
	}
	if len(out.PUKs) == 0 {
		return nil, refusef("escrow.unavailable", "%v", failed)
	}
	return out, nil
}

// tell has the log hear of what is stored.
func (x *Escrow) tell(ctx context.Context, e audit.Event) { audit.Log(ctx, x.logger, "end", e) }

// event is an audit event about a card's PUK.
func (x *Escrow) event(actor, action string, card uint32, detail ...string) audit.Event {
	e := audit.Event{Time: x.now().UTC(), Actor: actor, Action: action, Object: strconv.FormatUint(uint64(card), 10),
		Detail: map[string]string{}}
	for i := 0; i+1 < len(detail); i += 2 {
		e.Detail[detail[i]] = detail[i+1]
	}
	return e
}
