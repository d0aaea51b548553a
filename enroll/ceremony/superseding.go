package ceremony

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"signet/ca"
	"signet/internal/atomicfile"
	"signet/piv"
)

// A superseding is what is left to do when new certificates are on a card: those of the keys
// that they replace are to be revoked. It is on disk until that is done, since what was
// replaced is of use to nobody but a thief of its certificate's good name.
type superseding struct {
	CA   string   `json:"ca"`
	Card uint32   `json:"card"`
	Slot piv.Slot `json:"slot"` // whose certificate, now in force, the CA may know the holder by

	// Replaced are keys that have others in their place, as SubjectPublicKeyInfo, wherever they are now.
	Replaced [][]byte `json:"replaced,omitempty"`
	// Destroyed are keys that were in slots where others were made.
	Destroyed [][]byte `json:"destroyed,omitempty"`
	// Made are the keys of an enrollment. Certificates for the same profile or slot of this
	// card whose keys it hasn't any more are of one that was reset since.
	Made []Missing `json:"made,omitempty"`
	// New are those keys, which the card has.
	New [][]byte `json:"new,omitempty"`

	// Serials are the certificates that are known to be left.
	Serials []ca.Serial `json:"serials,omitempty"`
}

// keys reports whether it is about keys that were there; else it is about what the CA may know.
func (s *superseding) keys() bool { return len(s.Replaced)+len(s.Destroyed) > 0 }

func (j Journal) supersedingPath(card uint32) string {
	return filepath.Join(j.Dir, fmt.Sprintf("superseding-%d.json", card))
}

// superseding is what is left to be revoked for the card; none where it can't be read.
func (j Journal) superseding(card uint32) (all []superseding, err error) {
	path := j.supersedingPath(card)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || info.Size() > maxEntry {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading what is to be revoked: %w", err)
	}
	if json.Unmarshal(data, &all) != nil {
		return nil, nil
	}
	return all, nil
}

// saveSuperseding puts it on disk before it returns.
func (j Journal) saveSuperseding(card uint32, all []superseding) error {
	if len(all) == 0 {
		err := os.Remove(j.supersedingPath(card))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := os.MkdirAll(j.Dir, 0o700); err != nil {
		return fmt.Errorf("writing what is to be revoked: %w", err)
	}
	data, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("writing what is to be revoked: %w", err)
	}
	return atomicfile.Write(j.supersedingPath(card), data, 0o600)
}

// A Left is the certificates of one CA that are still to be revoked as superseded.
type Left struct {
	CA      string
	Serials []ca.Serial // those that are known by number
}

// Left is what earlier runs have left to be revoked for keys that were on the card.
func (j Journal) Left(card uint32) (all []Left, err error) {
	pending, err := j.superseding(card)
	for _, s := range pending {
		if !s.keys() {
			continue
		}
		i := slices.IndexFunc(all, func(l Left) bool { return l.CA == s.CA })
		if i < 0 {
			i, all = len(all), append(all, Left{CA: s.CA})
		}
		all[i].Serials = append(all[i].Serials, s.Serials...)
	}
	return all, err
}

func contains(all [][]byte, one []byte) bool {
	return slices.ContainsFunc(all, func(other []byte) bool { return bytes.Equal(other, one) })
}
