package softcard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxStateFile bounds a state file: 24 keys and 64 objects are far below.
const maxStateFile = 4 << 20

// state is all that a card keeps without power. It is the JSON of the file.
type state struct {
	Serial     uint32            `json:"serial"`
	Firmware   Version           `json:"firmware"`
	FormFactor byte              `json:"formFactor"`
	PIN        secret            `json:"pin"`
	PUK        secret            `json:"puk"`
	Management managementKey     `json:"managementKey"`
	Keys       map[slotID]*key   `json:"keys"`
	Objects    map[object][]byte `json:"objects"`
}

// newState is a card as it leaves the factory.
func newState(cfg Config) *state {
	st := &state{Serial: cfg.Serial, Firmware: cfg.Firmware, FormFactor: cfg.FormFactor}
	if st.Serial == 0 {
		st.Serial = randomSerial()
	}
	if st.Firmware == (Version{}) {
		st.Firmware = Version{5, 4, 3}
	}
	if st.FormFactor == 0 {
		st.FormFactor = 0x01
	}
	st.factoryReset()
	return st
}

// factoryReset forgets everything but who the card is and its attestation.
func (st *state) factoryReset() {
	keys, objects := map[slotID]*key{}, map[object][]byte{}
	if k := st.Keys[slotAttestation]; k != nil {
		keys[slotAttestation] = k
	}
	if cert := st.Objects[objectAttestation]; cert != nil {
		objects[objectAttestation] = cert
	}
	st.Keys, st.Objects = keys, objects
	st.PIN, st.PUK = newSecret(defaultPIN, defaultTries), newSecret(defaultPUK, defaultTries)
	st.Management = defaultManagementKey(st.Firmware)
}

// agrees says where a card differs from what the configuration asks for.
func (st *state) agrees(cfg Config) error {
	switch {
	case cfg.Serial != 0 && cfg.Serial != st.Serial:
		return fmt.Errorf("the file holds the card %d, not %d", st.Serial, cfg.Serial)
	case cfg.Firmware != (Version{}) && cfg.Firmware != st.Firmware:
		return fmt.Errorf("the file holds a card of firmware %s, not %s", st.Firmware, cfg.Firmware)
	case cfg.FormFactor != 0 && cfg.FormFactor != st.FormFactor:
		return fmt.Errorf("the file holds a card of form factor %02x, not %02x", st.FormFactor, cfg.FormFactor)
	}
	return nil
}

// load takes the card from its file, or makes one and its file.
func (c *Card) load() error {
	if c.cfg.Firmware != (Version{}) && !c.cfg.Firmware.AtLeast(Version{5, 0, 0}) {
		return fmt.Errorf("firmware %s: this card is written after 5.0 and later", c.cfg.Firmware)
	}
	if c.cfg.Path == "" {
		c.st = newState(c.cfg)
		return nil
	}
	unlock, err := lockFile(c.cfg.Path + ".lock")
	if err != nil {
		return err
	}
	c.unlock = unlock
	if err := c.loadFile(); err != nil {
		return errors.Join(err, unlock())
	}
	return nil
}

func (c *Card) loadFile() error {
	b, err := readBounded(c.cfg.Path, maxStateFile)
	if errors.Is(err, fs.ErrNotExist) {
		c.st = newState(c.cfg)
		return c.save()
	}
	if err != nil {
		return err
	}
	st, err := decodeState(b)
	if err != nil {
		return fmt.Errorf("%s: %w", c.cfg.Path, err)
	}
	c.st, c.saved = st, b
	return st.agrees(c.cfg)
}

func decodeState(b []byte) (*state, error) {
	st := &state{}
	if err := json.Unmarshal(b, st); err != nil {
		return nil, fmt.Errorf("reading a card's state: %w", err)
	}
	if st.Keys == nil {
		st.Keys = map[slotID]*key{}
	}
	if st.Objects == nil {
		st.Objects = map[object][]byte{}
	}
	return st, st.check()
}

// check refuses a file that would make the card stumble later.
func (st *state) check() error {
	if _, err := st.Management.block(); err != nil {
		return fmt.Errorf("management key: %w", err)
	}
	for slot, k := range st.Keys {
		if k == nil || k.private == nil {
			return fmt.Errorf("slot %s: no key", slot)
		}
	}
	return nil
}

// save writes the state if it has changed. If that fails, the card goes back
// to what the file says: it must not promise what it has not kept.
func (c *Card) save() error {
	if c.cfg.Path == "" {
		return nil
	}
	b, err := json.MarshalIndent(c.st, "", "  ")
	if err == nil && !bytes.Equal(b, c.saved) {
		err = writeAtomically(c.cfg.Path, b)
	}
	if err != nil {
		if st, bad := decodeState(c.saved); bad == nil {
			c.st = st
		}
		return fmt.Errorf("saving the card: %w", err)
	}
	c.saved = b
	return nil
}

// keep saves the state and answers a, or says that the memory failed.
func (c *Card) keep(a answer) answer {
	if err := c.save(); err != nil {
		return status(swMemory)
	}
	return a
}

// writeAtomically replaces a file so that a reader, or a crash, finds either
// the old or the new one. It is 0600.
func writeAtomically(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, err
}
