package ceremony

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"signet/enroll"
	"signet/internal/atomicfile"
	"signet/piv"
)

// A Journal keeps what a run has done to a card, in a file of its own for each
// card, 0600 in a folder 0700. It holds no PIN, PUK or password, but it may hold
// a renewal's one-time code.
//
// Two runs at one card must not meet in it: whoever starts one sees to that.
type Journal struct {
	Dir string // $XDG_STATE_HOME/signet
}

// maxEntry bounds a journal file, in bytes.
const maxEntry = 1 << 20

// entryVersion is the form of [entry]. What was written by [firstVersion] is taken up too;
// another is none of ours.
const (
	firstVersion = 1 // it had one key
	entryVersion = 2
)

// An entry is one card's pending work. What is not done yet is empty.
type entry struct {
	Version int       `json:"version"`
	CA      string    `json:"ca"`
	Card    uint32    `json:"card"`
	Started time.Time `json:"started"`

	// PUKTried counts, each time before, how often the factory's PUK was presented;
	// PUKSettled is set once the card has answered. PINSet is set once the
	// factory's PIN is gone.
	PUKTried   int  `json:"puk_tries,omitempty"`
	PUKSettled bool `json:"puk_settled,omitempty"`
	PINSet     bool `json:"pin_set,omitempty"`

	// PUK is what is under way with PUKs that the CA keeps.
	PUK keptPUK `json:"puk,omitzero"`

	// Ticket is a renewal's, good for one key in place of one that may be
	// destroyed by now.
	Ticket *enroll.Ticket `json:"ticket,omitempty"`
	// Replaces is the key that a new one takes the place of, as SubjectPublicKeyInfo: the
	// CA shall revoke its certificates once the new one's is on the card.
	Replaces []byte `json:"replaces,omitempty"`

	// Keys are those in the making, certified all at once or not at all; none before.
	Keys []*pendingKey `json:"keys,omitempty"`
	// Profile is the one that the CA was asked for. Keys may be of its companions alone.
	Profile string `json:"profile,omitempty"`
	// By is the slot whose certificate the CA knows the holder by; 0 for an account
	// or a code.
	By piv.Slot `json:"known_by,omitempty"`

	// Key is the one key of [firstVersion].
	Key *pendingKey `json:"key,omitempty"`
}

// idle reports whether nothing in e waits for another run.
func (e *entry) idle() bool {
	return len(e.Keys) == 0 && e.Ticket == nil && len(e.PUK.Presented) == 0 && len(e.PUK.Absent) == 0
}

// enrolled drops what is done once certificates are on the card. What is known of PUKs that it
// hasn't stays.
func (e *entry) enrolled() {
	*e = entry{Version: e.Version, CA: e.CA, Card: e.Card, Started: e.Started, PUK: keptPUK{Absent: e.PUK.Absent}}
}

// forget drops the keys in the making. A renewal's ticket stays.
func (e *entry) forget() { e.Keys, e.Profile, e.By = nil, "", 0 }

// update makes an entry of [firstVersion] one of ours.
func (e *entry) update() {
	if e.Key != nil {
		e.Keys, e.Profile, e.Key = []*pendingKey{e.Key}, e.Key.Profile, nil
	}
	e.Version = entryVersion
}

func (j Journal) path(card uint32) string {
	return filepath.Join(j.Dir, fmt.Sprintf("card-%d.json", card))
}

// load reads the card's entry; a new one where there is none, or where it is
// of another CA or can't be read: then a key that it told of is taken for a
// stranger's, and kept. What it knows of the card's PUK and PIN holds for any CA.
// A set-up is of no CA, and takes what there is as it is.
func (j Journal) load(ca string, card uint32) (*entry, error) {
	fresh := &entry{Version: entryVersion, CA: ca, Card: card, Started: time.Now().UTC()}
	f, err := os.Open(j.path(card))
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is pending: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() > maxEntry {
		return fresh, err
	}
	var e entry
	if json.NewDecoder(f).Decode(&e) != nil || e.Version < firstVersion || e.Version > entryVersion || e.Card != card || slices.Contains(e.Keys, nil) {
		return fresh, nil
	}
	e.update()
	if ca != "" && e.CA != ca {
		fresh.PUKTried, fresh.PUKSettled, fresh.PINSet = e.PUKTried, e.PUKSettled, e.PINSet
		return fresh, nil
	}
	return &e, nil
}

// save puts e on disk before it returns.
func (j Journal) save(e *entry) error {
	if err := os.MkdirAll(j.Dir, 0o700); err != nil {
		return fmt.Errorf("writing what is pending: %w", err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing what is pending: %w", err)
	}
	return atomicfile.Write(j.path(e.Card), data, 0o600)
}

// done forgets the card's entry.
func (j Journal) done(card uint32) error {
	err := os.Remove(j.path(card))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Forget drops what is pending for a card: it was reset.
func (j Journal) Forget(card uint32) error { return j.done(card) }

// Pending reports whether a key or certificate in the making waits for the next run: one for
// that slot, or one that goes with its certificate.
func (j Journal) Pending(ca string, card uint32, slot piv.Slot) bool {
	e, err := j.load(ca, card)
	if err != nil || len(e.Keys) == 0 || e.Keys[0].Refused {
		return false
	}
	return e.By == slot || slices.ContainsFunc(e.Keys, func(k *pendingKey) bool { return k.home() == slot })
}
