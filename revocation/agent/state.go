package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"os"

	"signet/internal/atomicfile"
)

// A state is what the file beside Path remembers.
type state struct {
	// File is the SHA-256 of the file that the rest is about: when somebody else
	// has changed it, nothing is known of it.
	File    string            `json:"file"`
	Answers map[string]Answer `json:"answers,omitempty"` // by URL
	// Applied is the SHA-256 of the commands that were run with success after the
	// file was put in place; "" for none.
	Applied string `json:"applied,omitempty"`
}

func (s state) equal(t state) bool {
	return s.File == t.File && s.Applied == t.Applied && maps.Equal(s.Answers, t.Answers)
}

func (f *File) statePath() string { return f.Path + ".state" }

// maxState bounds the state file: a tag for each URL.
const maxState = 1 << 20

// readState believes what it reads only if it is about the file in place. A file
// before is of use only to a swap that such a state tells of.
func (f *File) readState() {
	if s, ok := f.storedState(); ok && s.File == f.inPlace.digest {
		f.state = s
		return
	}
	// No matter: everything is fetched, and the commands run once more.
	_ = os.Remove(f.beforePath())
}

func (f *File) storedState() (s state, ok bool) {
	file, err := os.Open(f.statePath())
	if err != nil {
		return s, false
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxState))
	return s, err == nil && json.Unmarshal(data, &s) == nil
}

// saveState writes s if it is news.
func (f *File) saveState(s state) {
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

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
