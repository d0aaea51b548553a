package softcard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
)

const (
	maxClients   = 200
	maxHandles   = 200 // of one client
	maxSocketLen = 107 // of sun_path, less its final zero

	maxReaderEvents = 1<<15 - 1
)

// ErrSocketPath says that a path is too long for a unix socket.
var ErrSocketPath = errors.New("the path of a unix socket must be shorter than 108 bytes")

// PCSC stands in for pcscd: it serves cards to programs that use libpcsclite,
// which find it by PCSCLITE_CSOCK_NAME.
type PCSC struct {
	path string
	ln   net.Listener

	mu         sync.Mutex // guards all below, and the readers and handles
	readers    [maxReaders]*reader
	clients    map[*client]struct{}
	contexts   map[uint32]*client
	waiting    map[*client]struct{} // for a change of the readers' states
	lastHandle int32
	dumped     [maxReaders]readerState // last
	events     uint32                  // of readers that came and went
}

// ListenPCSC opens the socket. A socket that a dead process left is replaced.
func ListenPCSC(socketPath string, cards ...*Card) (*PCSC, error) {
	ln, err := listenUnix(socketPath)
	if err != nil {
		return nil, fmt.Errorf("opening the PC/SC socket: %w", err)
	}
	p := newPCSC()
	p.path, p.ln = socketPath, ln
	for _, c := range cards {
		if _, err := p.Add(c); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

func newPCSC() *PCSC {
	return &PCSC{
		clients: map[*client]struct{}{}, contexts: map[uint32]*client{}, waiting: map[*client]struct{}{}, events: 1,
	}
}

// listenUnix opens a socket for this user only.
func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocketLen {
		return nil, fmt.Errorf("%w: %s has %d", ErrSocketPath, path, len(path))
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s: a process listens there already", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		os.Remove(path)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return ln, os.Chmod(path, 0o600)
}

// SocketPath is the value for PCSCLITE_CSOCK_NAME.
func (p *PCSC) SocketPath() string { return p.path }

// Add gives a card a reader, and tells the reader's name.
func (p *PCSC) Add(c *Card) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.readers[:], nil)
	if i < 0 {
		return "", fmt.Errorf("PC/SC has no more than %d readers", maxReaders)
	}
	r := &reader{card: c, name: fmt.Sprintf("Yubico YubiKey CCID %02X 00", i)}
	r.stop = c.onChange(p.changed)
	p.readers[i] = r
	go p.changed()
	return r.name, nil
}

// Remove takes a card's reader away; programs that use the card find it
// removed.
func (p *PCSC) Remove(c *Card) {
	c.Unplug()
	p.mu.Lock()
	for i, r := range p.readers {
		if r != nil && r.card == c {
			r.stop()
			p.readers[i] = nil
		}
	}
	p.mu.Unlock()
	p.changed()
}

// Serve answers programs until ctx ends or Close is called; commands that wait
// for a touch are then given up. It returns when all clients are gone.
func (p *PCSC) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { p.Close() })
	defer stop()
	var all sync.WaitGroup
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			cancel()
			p.hangUp()
			all.Wait()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("serving PC/SC: %w", err)
		}
		if c := p.admit(conn); c != nil {
			all.Go(func() { c.serve(ctx) })
		}
	}
}

// Close ends Serve, and removes the socket.
func (p *PCSC) Close() error {
	err := p.ln.Close()
	p.hangUp()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// admit makes a client of a connection, unless there are too many.
func (p *PCSC) admit(conn net.Conn) *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.clients) >= maxClients {
		conn.Close()
		return nil
	}
	c := &client{pcsc: p, conn: conn, handles: map[int32]*handle{}}
	p.clients[c] = struct{}{}
	return c
}

func (p *PCSC) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.clients {
		c.conn.Close()
	}
}

// states is the dump of all readers. The caller holds p.mu.
func (p *PCSC) states() [maxReaders]readerState {
	var all [maxReaders]readerState
	for i, r := range p.readers {
		if r != nil {
			all[i] = r.state()
		}
		if last := p.dumped[i]; all[i].Name != last.Name || all[i].Events != last.Events {
			p.events = p.events%maxReaderEvents + 1
		}
	}
	p.dumped = all
	return all
}

// find gives the reader of a name. The caller holds p.mu.
func (p *PCSC) find(name string) *reader {
	for _, r := range p.readers {
		if r != nil && r.name == name {
			return r
		}
	}
	return nil
}

// changed wakes the clients that wait for a change of the readers' states.
func (p *PCSC) changed() {
	p.mu.Lock()
	p.states() // so that each reader notices
	waiting := p.waiting
	p.waiting = map[*client]struct{}{}
	p.mu.Unlock()
	for c := range waiting {
		c.write(waitMsg{RV: scardOK}, nil)
	}
}

// stopWaiting says whether the client was still waiting.
func (p *PCSC) stopWaiting(c *client) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, was := p.waiting[c]
	delete(p.waiting, c)
	return was
}
