package softcard

import (
	"context"
	"errors"
	"time"
)

// powerDown is how long pcscd leaves an unused card its power.
const powerDown = 5 * time.Second

// reader is one card as PC/SC sees it. The PCSC's mutex guards it.
type reader struct {
	name      string
	card      *Card
	stop      func() // ends the watch on the card
	plugs     int    // of the card, when last looked at
	users     int
	exclusive bool
	owner     *handle // of the transaction, or of exclusive use
	depth     int     // of nested transactions
	resets    int
	events    uint32
	idleSince time.Time
}

// handle is what SCardConnect gives out.
type handle struct {
	id     int32
	reader *reader
	plugs  int // of the card when it was made: another plugging, another card
	resets int // that its owner knows of
	share  uint32
}

// look notices that the card was pulled out, be it only for a moment: all
// handles are then of a card that is gone.
func (r *reader) look() presence {
	p := r.card.presence()
	if p.plugs != r.plugs || !p.plugged {
		r.users, r.exclusive, r.owner, r.depth = 0, false, nil, 0
	}
	if p.plugs != r.plugs {
		r.plugs = p.plugs
		r.events++
		r.idleSince = time.Time{}
	}
	return p
}

// state is what clients read about the reader; without a card it is empty, as
// a YubiKey takes its reader along.
func (r *reader) state() readerState {
	p := r.look()
	if !p.plugged {
		return readerState{}
	}
	s := readerState{Events: r.events, State: readerReady, Sharing: int32(r.users), Protocol: protocolT1}
	if r.exclusive || p.held {
		s.Sharing = -1
	}
	copy(s.Name[:readerNameSize-1], r.name)
	s.ATRLength = uint32(copy(s.ATR[:], r.card.ATR()))
	return s
}

// connect is SCardConnect.
func (r *reader) connect(share uint32) (*handle, scardCode) {
	p := r.look()
	switch {
	case !p.plugged:
		return nil, scardUnknownReader
	case share == 0 || share > shareDirect:
		return nil, scardInvalidValue
	case p.held || r.exclusive || share == shareExclusive && r.users > 0:
		return nil, scardSharingViolation
	}
	if r.users == 0 && !r.idleSince.IsZero() && time.Since(r.idleSince) > powerDown {
		r.card.PowerCycle()
	}
	h := &handle{reader: r, plugs: p.plugs, resets: r.resets, share: share}
	r.users++
	if share == shareExclusive {
		r.exclusive, r.owner, r.depth = true, h, 1
	}
	return h, scardOK
}

// check says whether a handle can be used now.
func (h *handle) check() scardCode {
	r := h.reader
	p := r.look()
	switch {
	case !p.plugged || h.plugs != p.plugs:
		return scardRemoved
	case p.held || r.owner != nil && r.owner != h:
		return scardSharingViolation
	case h.resets != r.resets:
		return scardReset
	}
	return scardOK
}

// current says whether the card of the handle is still the one that is in.
func (h *handle) current() bool {
	p := h.reader.look()
	return p.plugged && h.plugs == p.plugs
}

func (h *handle) begin() scardCode {
	if rv := h.check(); rv != scardOK {
		return rv
	}
	h.reader.owner = h
	h.reader.depth++
	return scardOK
}

func (h *handle) end(disposition uint32) scardCode {
	rv := h.check()
	if rv != scardOK {
		return rv
	}
	if h.reader.owner != h {
		return scardNotTransacted
	}
	if disposition != leaveCard {
		h.reset()
	}
	h.unlock()
	return scardOK
}

// unlock ends one transaction. Exclusive use counts as an outer one.
func (h *handle) unlock() {
	r := h.reader
	floor := 0
	if r.exclusive {
		floor = 1
	}
	if r.depth > floor {
		r.depth--
	}
	if r.depth == 0 {
		r.owner = nil
	}
}

// reset powers the card down and up; the other handles will hear of it.
func (h *handle) reset() {
	h.reader.card.PowerCycle()
	h.reader.resets++
	h.resets = h.reader.resets
}

// reconnect is SCardReconnect: it acknowledges a reset, and can change how
// the card is shared.
func (h *handle) reconnect(share, initialization uint32) scardCode {
	rv := h.check()
	if rv != scardOK && rv != scardReset {
		return rv
	}
	r := h.reader
	switch {
	case share == 0 || share > shareDirect:
		return scardInvalidValue
	case share == shareExclusive && r.users > 1:
		return scardSharingViolation
	}
	if wasExclusive := r.exclusive; share == shareExclusive && !wasExclusive {
		r.exclusive, r.owner, r.depth = true, h, r.depth+1
	} else if share != shareExclusive && wasExclusive {
		r.exclusive = false
		h.unlock()
	}
	h.share, h.resets = share, r.resets
	if initialization != leaveCard {
		h.reset()
	}
	return scardOK
}

// disconnect is SCardDisconnect.
func (h *handle) disconnect(disposition uint32) {
	if !h.current() {
		return
	}
	r := h.reader
	locked := r.owner != nil && r.owner != h
	if r.owner == h {
		r.owner, r.depth, r.exclusive = nil, 0, false
	}
	if disposition != leaveCard && !locked {
		h.reset()
	}
	r.users = max(r.users-1, 0)
	r.idleSince = time.Now()
}

// abandon is what becomes of a handle whose program died: like pcscd, the card
// is reset if it was in the middle of a transaction.
func (h *handle) abandon() {
	if h.current() && h.reader.owner == h {
		h.disconnect(leaveCard + 1)
		return
	}
	h.disconnect(leaveCard)
}

// exchange passes an APDU on. It runs without the PCSC's mutex.
func (h *handle) exchange(ctx context.Context, apdu []byte) ([]byte, scardCode) {
	resp, err := h.reader.card.Exchange(ctx, apdu)
	switch {
	case err == nil:
		return resp, scardOK
	case errors.Is(err, ErrUnplugged):
		return nil, scardRemoved
	}
	return nil, scardNotTransacted
}
