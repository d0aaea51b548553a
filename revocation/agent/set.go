package agent

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"signet/revocation/crl"
)

// A Set is the CRLs of every level of one CA, verified to be signed by it. It
// never changes: whoever has one may read it at any time.
type Set struct {
	// Lists are in the order of [Source.CAs]. In what [Source.Fetch] returns there is
	// one of each; [Source.Read] leaves nil where it found none.
	Lists []*crl.List
	// Answers are what the URLs gave them with.
	Answers map[string]Answer
}

// An Answer is what a URL gave, of which it may say the next time that nothing has changed.
type Answer struct {
	Tag    string `json:"tag"`    // the entity tag
	Levels string `json:"levels"` // whose CRLs were in it: of each CA a number of its own, in hexadecimal
}

// levelID stands for a CA and its key in an [Answer].
func levelID(c *x509.Certificate) string {
	sum := sha256.Sum256(append(slices.Clip(c.RawSubject), c.RawSubjectPublicKeyInfo...))
	return hex.EncodeToString(sum[:8])
}

// NextUpdate is when the first of them runs out; zero where a level is missing.
func (s *Set) NextUpdate() (first time.Time) {
	if s == nil {
		return time.Time{}
	}
	for _, l := range s.Lists {
		if l == nil {
			return time.Time{}
		}
		if first.IsZero() || l.NextUpdate.Before(first) {
			first = l.NextUpdate
		}
	}
	return first
}

// Same reports whether both have the same CRLs, whatever their entity tags.
func (s *Set) Same(t *Set) bool {
	if s == nil || t == nil {
		return s == t
	}
	return slices.Equal(s.Lists, t.Lists)
}

// whole reports whether no level is missing.
func (s *Set) whole() bool { return s != nil && !slices.Contains(s.Lists, nil) }

func (s *Set) list(i int) *crl.List {
	if s == nil || i >= len(s.Lists) {
		return nil
	}
	return s.Lists[i]
}

// equal is Same, answers and all.
func (s *Set) equal(t *Set) bool { return s.Same(t) && s != nil && maps.Equal(s.Answers, t.Answers) }

// withAnswers is the same set, from those answers.
func (s *Set) withAnswers(answers map[string]Answer) *Set {
	if s == nil {
		return nil
	}
	return &Set{Lists: s.Lists, Answers: answers}
}

// numbers are the CRL numbers, for a log.
func (s *Set) numbers() string {
	var all []string
	for _, l := range s.Lists {
		all = append(all, l.Number.String())
	}
	return strings.Join(all, " ")
}
