package agent

import (
	"maps"
	"signet/revocation/crl"
	"slices"
	"strings"
	"time"
)

// A Set is the CRLs of every level of one CA, verified to be signed by it. It
// never changes: whoever has one may read it at any time.
type Set struct {
	// Lists are in the order of [Source.CAs]. In what [Source.Fetch] returns there is
	// one of each; [Source.Read] leaves nil where it found none.
	Lists []*crl.List
	// Tags are the entity tags that the URLs gave with them.
	Tags map[string]string
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

// equal is Same, entity tags and all.
func (s *Set) equal(t *Set) bool { return s.Same(t) && s != nil && maps.Equal(s.Tags, t.Tags) }

// withTags is the same set with those entity tags.
func (s *Set) withTags(tags map[string]string) *Set {
	if s == nil {
		return nil
	}
	return &Set{Lists: s.Lists, Tags: tags}
}

// numbers are the CRL numbers, for a log.
func (s *Set) numbers() string {
	var all []string
	for _, l := range s.Lists {
		all = append(all, l.Number.String())
	}
	return strings.Join(all, " ")
}
