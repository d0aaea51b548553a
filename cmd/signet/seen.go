package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"signet/internal/atomicfile"
)

// A sighting is a certificate of a CA's that was on a card when the card was last looked
// at. It tells when to renew while the card is in a drawer. Nothing in it is secret.
type sighting struct {
	Card   uint32 `json:"card"`
	Slot   string `json:"slot"`
	CA     string `json:"ca"`
	Serial string `json:"serial"`
	// With is the slot whose certificate it is renewed together with; "" for none.
	With      string    `json:"with,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// maxSightings bounds the file, in bytes and in entries: the oldest go.
const (
	maxSeenFile  = 1 << 20
	maxSightings = 1000
)

func seenPath() string { return filepath.Join(stateDir(), "certificates.json") }

// loadSeen is what was seen; nothing where that can't be read: it will be seen again.
func loadSeen() (all []sighting) {
	info, err := os.Stat(seenPath())
	if err != nil || info.Size() > maxSeenFile {
		return nil
	}
	data, err := os.ReadFile(seenPath())
	if err != nil || json.NewDecoder(bytes.NewReader(data)).Decode(&all) != nil {
		return nil
	}
	return all
}

// see remembers what a slot holds now, if that is news.
func see(s sighting) error {
	all := loadSeen()
	if slices.Contains(all, s) {
		return nil
	}
	all = slices.DeleteFunc(all, func(o sighting) bool { return o.Card == s.Card && o.Slot == s.Slot })
	all = append(all, s)
	return saveSeen(all[max(0, len(all)-maxSightings):])
}

// forgetSeen drops a card that was made as new.
func forgetSeen(card uint32) error {
	all := loadSeen()
	rest := slices.DeleteFunc(slices.Clone(all), func(o sighting) bool { return o.Card == card })
	if len(rest) == len(all) {
		return nil
	}
	return saveSeen(rest)
}

func saveSeen(all []sighting) error {
	if err := os.MkdirAll(stateDir(), 0o700); err != nil {
		return fmt.Errorf("remembering what is on the card: %w", err)
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(seenPath(), append(data, '\n'), 0o600)
}
