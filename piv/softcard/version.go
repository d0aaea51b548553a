package softcard

import (
	"bytes"
	"fmt"
)

// Version is a firmware version: major, minor, patch.
type Version [3]byte

// ParseVersion reads "5.7.1".
func ParseVersion(s string) (Version, error) {
	var v Version
	var rest string
	n, _ := fmt.Sscanf(s, "%d.%d.%d%s", &v[0], &v[1], &v[2], &rest)
	if n != 3 {
		return Version{}, fmt.Errorf("firmware version %q is not of the form 5.7.1", s)
	}
	return v, nil
}

// String gives "5.7.1".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// AtLeast says whether v is the version w or a later one.
func (v Version) AtLeast(w Version) bool { return bytes.Compare(v[:], w[:]) >= 0 }
