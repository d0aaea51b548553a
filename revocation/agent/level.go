package agent

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"

	"signet/revocation/crl"
)

// take puts the CRL der into lists at the place of the CA that signed it, unless a
// newer one is there. It returns which that is.
func (s *Source) take(lists []*crl.List, der []byte) (int, error) {
	list, err := crl.Parse(der)
	if err != nil {
		return 0, err
	}
	if err := list.Complete(); err != nil {
		return 0, err
	}
	i, err := s.signerOf(list)
	if err != nil {
		return 0, err
	}
	if lists[i] == nil || list.Number.Cmp(lists[i].Number) > 0 {
		lists[i] = list
	}
	return i, nil
}

// signerOf is the index of the CA that signed list. Several may have one name:
// a CA whose key was changed.
func (s *Source) signerOf(list *crl.List) (int, error) {
	var failed error
	for i, c := range s.CAs {
		err := crl.CheckSignature(list, c)
		if err == nil {
			return i, nil
		}
		if failed == nil || bytes.Equal(list.RawIssuer, c.RawSubject) {
			failed = err
		}
	}
	return 0, failed
}

// choose completes what was fetched by what is in hand. It fails unless all of
// them may be used.
func (s *Source) choose(fetched []*crl.List, have *Set) ([]*crl.List, error) {
	for i, c := range s.CAs {
		list, err := s.accept(fetched[i], have.list(i))
		if err != nil {
			return nil, fmt.Errorf("CRL of %q: %w", c.Subject, err)
		}
		fetched[i] = list
	}
	return fetched, nil
}

// accept holds a CRL against the one in hand and against the clock; either may be nil.
func (s *Source) accept(list, have *crl.List) (*crl.List, error) {
	switch {
	case list == nil && have == nil:
		return nil, ErrMissing
	case list == nil:
		list = have
	case have == nil:
	case list.Number.Cmp(have.Number) < 0 && list.ThisUpdate.After(have.ThisUpdate):
		return nil, fmt.Errorf("%w: number %v made at %s, after %v made at %s", ErrRestored, list.Number,
			list.ThisUpdate.Format(time.RFC3339), have.Number, have.ThisUpdate.Format(time.RFC3339))
	case list.Number.Cmp(have.Number) < 0:
		return nil, fmt.Errorf("%w: number %v after %v", ErrOlder, list.Number, have.Number)
	case list.Number.Cmp(have.Number) == 0 && !bytes.Equal(list.Raw, have.Raw):
		return nil, fmt.Errorf("%w: number %v", ErrConflict, have.Number)
	case list.Number.Cmp(have.Number) == 0:
		list = have // with what was made of it
	}
	return list, crl.CheckFresh(list, s.Now(), s.Slack)
}

// distinct drops certificates of one CA with one key that appear twice: in a
// chain file, or as renewed.
func distinct(cas []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
next:
	for _, c := range cas {
		for _, d := range out {
			if bytes.Equal(c.RawSubject, d.RawSubject) && bytes.Equal(c.RawSubjectPublicKeyInfo, d.RawSubjectPublicKeyInfo) {
				continue next
			}
		}
		out = append(out, c)
	}
	return out
}
