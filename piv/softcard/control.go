package softcard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The verbs of a ControlRequest.
const (
	DoStatus    = "status"
	DoTouch     = "touch"      // touches a card that waits, once it waits
	DoTouchMode = "touch-mode" // Mode
	DoUnplug    = "unplug"
	DoPlug      = "plug"
	DoInject    = "inject" // Fault
	DoClear     = "clear"  // disarms faults
	DoHold      = "hold"
	DoRelease   = "release"
	DoTrace     = "trace"
)

const (
	maxControlLine = 1 << 16
	maxTouchWait   = time.Minute
)

// ControlRequest is one line of JSON over the control socket.
type ControlRequest struct {
	Do     string        `json:"do"`
	Serial uint32        `json:"serial,omitempty"` // 0: the only card
	Mode   TouchMode     `json:"mode,omitempty"`
	Wait   time.Duration `json:"wait,omitempty"` // for DoTouch, at most a minute
	Fault  Fault         `json:"fault,omitzero"`
}

// CardStatus is what DoStatus tells of a card.
type CardStatus struct {
	Serial   uint32    `json:"serial"`
	Firmware string    `json:"firmware"`
	Plugged  bool      `json:"plugged"`
	Held     bool      `json:"held"`
	Touch    TouchMode `json:"touch"`
	Waiting  bool      `json:"waiting"` // for a touch
	APDUs    int       `json:"apdus"`
}

// ControlResponse is the line that comes back. Error is empty if all went
// well.
type ControlResponse struct {
	Error string       `json:"error,omitempty"`
	Cards []CardStatus `json:"cards,omitempty"`
	Trace []Exchange   `json:"trace,omitempty"`
}

// Control is a socket by which other processes play with cards.
type Control struct {
	ln    net.Listener
	cards []identified
}

// identified keeps the serial number at hand: asking the card for it would
// wait for an APDU that is under way.
type identified struct {
	*Card
	serial   uint32
	firmware Version
}

// ListenControl opens a control socket for these cards.
func ListenControl(socketPath string, cards ...*Card) (*Control, error) {
	ln, err := listenUnix(socketPath)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	s := &Control{ln: ln}
	for _, c := range cards {
		s.cards = append(s.cards, identified{c, c.Serial(), c.Firmware()})
	}
	return s, nil
}

// Serve answers until ctx ends.
func (s *Control) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.ln.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for {
		conn, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serving control: %w", err)
		}
		all.Go(func() { s.answer(ctx, conn) })
	}
}

// answer serves one connection, which is one request.
func (s *Control) answer(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetReadDeadline(time.Now().Add(writeTimeout))
	line, err := bufio.NewReader(io.LimitReader(conn, maxControlLine)).ReadBytes('\n')
	if err != nil {
		return
	}
	resp := s.handle(ctx, line)
	conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	json.NewEncoder(conn).Encode(resp)
}

func (s *Control) handle(ctx context.Context, line []byte) ControlResponse {
	var req ControlRequest
	err := json.Unmarshal(line, &req)
	if err != nil {
		return ControlResponse{Error: err.Error()}
	}
	if req.Do == DoStatus && req.Serial == 0 {
		return s.status(s.cards)
	}
	c, err := s.find(req.Serial)
	if err != nil {
		return ControlResponse{Error: err.Error()}
	}
	switch req.Do {
	case DoStatus:
		return s.status([]identified{c})
	case DoTrace:
		return ControlResponse{Trace: c.Trace()}
	}
	if err := req.apply(ctx, c.Card); err != nil {
		return ControlResponse{Error: err.Error()}
	}
	return ControlResponse{}
}

// find gives the card of a serial number; zero will do for an only one.
func (s *Control) find(serial uint32) (identified, error) {
	if serial == 0 && len(s.cards) == 1 {
		return s.cards[0], nil
	}
	for _, c := range s.cards {
		if serial != 0 && c.serial == serial {
			return c, nil
		}
	}
	if serial == 0 {
		return identified{}, fmt.Errorf("there are %d cards: say which by its serial number", len(s.cards))
	}
	return identified{}, fmt.Errorf("there is no card %d", serial)
}

func (s *Control) status(cards []identified) ControlResponse {
	var r ControlResponse
	for _, c := range cards {
		p := c.presence()
		r.Cards = append(r.Cards, CardStatus{
			Serial: c.serial, Firmware: c.firmware.String(), Plugged: p.plugged, Held: p.held,
			Touch: c.TouchMode(), Waiting: c.Waiting(), APDUs: c.Count(),
		})
	}
	return r
}

// apply does to a card what a request says.
func (r ControlRequest) apply(ctx context.Context, c *Card) error {
	switch r.Do {
	case DoTouch:
		return touchWithin(ctx, c, min(r.Wait, maxTouchWait))
	case DoTouchMode:
		if r.Mode != TouchAuto && r.Mode != TouchWait && r.Mode != TouchRefuse {
			return fmt.Errorf("there is no touch mode %q", r.Mode)
		}
		c.SetTouch(r.Mode)
	case DoUnplug:
		c.Unplug()
	case DoPlug:
		c.Plug()
	case DoInject:
		c.Inject(r.Fault)
	case DoClear:
		c.ClearFaults()
	case DoHold:
		c.Hold()
	case DoRelease:
		c.Release()
	default:
		return fmt.Errorf("there is nothing called %q to do", r.Do)
	}
	return nil
}

// touchWithin waits for the card to want a touch, and touches it.
func touchWithin(ctx context.Context, c *Card, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for !c.Touch() {
		if err := c.AwaitTouch(ctx); err != nil {
			return errors.New("the card does not wait for a touch")
		}
	}
	return nil
}
