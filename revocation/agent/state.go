package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"slices"

	"signet/internal/atomicfile"
)

// A state is what the file beside Path remembers.
type state struct {
	// File is the SHA-256 of the file that the rest is about: when somebody else
	// has changed it, nothing is known of it.
	File string            `json:"file"`
	Tags map[string]string `json:"etags,omitempty"` // by URL
	// Applied is the SHA-256 of the command that was run with success after the
	// file was put in place; "" for none.
	Applied string `json:"applied,omitempty"`
}

func (s state) equal(t state) bool {
	return s.File == t.File && s.Applied == t.Applied && maps.Equal(s.Tags, t.Tags)
}

func (f *fetch) statePath() string { return f.Path + ".state" }

// readState believes what it reads only if it is about the file in place. Entity
// tags are of use only where that has every level: "not modified" gives none.
func (f *fetch) readState() {
	data, err := os.ReadFile(f.statePath())
	if err != nil {
		return // no matter: everything is fetched, and the command run once more
	}
	var s state
	if json.Unmarshal(data, &s) != nil || s.File != digest(f.inPlace.data) {
		return
	}
	if slices.Contains(f.inPlace.lists, nil) {
		s.Tags = nil
	}
	f.state = s
}

// saveState writes s if it is news.
func (f *fetch) saveState(s state) {
	if s.equal(f.state) {
		return
	}
	f.state = s
	data, err := json.Marshal(s)
	if err == nil {
		err = atomicfile.Write(f.statePath(), append(data, '\n'), 0o644)
	}
	if err != nil {
		f.warn("the agent's state can't be kept: %v", err)
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
