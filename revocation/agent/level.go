package agent

import (
	"bytes"
	"crypto/x509"
	"fmt"

	"signet/revocation/crl"
)

// parse reads the CRLs in data. Each must be signed by one of our CAs.
func (f *fetch) parse(data []byte) ([]*crl.List, error) {
	ders, err := crl.Split(data)
	if err != nil {
		return nil, err
	}
	var lists []*crl.List
	for _, der := range ders {
		list, err := crl.Parse(der)
		if err != nil {
			return nil, err
		}
		if err := list.Complete(); err != nil {
			return nil, err
		}
		if _, err := f.signerOf(list); err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	return lists, nil
}

// signerOf is the index of the CA that signed list. Several may have one name:
// a CA whose key was changed.
func (f *fetch) signerOf(list *crl.List) (int, error) {
	var failed error
	for i, c := range f.CAs {
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

// choose picks the CRL of each CA, in their order: the newest that came, or else
// the one in place. It fails unless all of them may be used.
func (f *fetch) choose(fetched []*crl.List) ([]*crl.List, error) {
	chosen, err := f.newest(fetched)
	if err != nil {
		return nil, err
	}
	for i, c := range f.CAs {
		if err := f.accept(chosen, i); err != nil {
			return nil, fmt.Errorf("CRL of %q: %w", c.Subject, err)
		}
	}
	return chosen, nil
}

// newest picks by CRL number; nil for a CA of which none came.
func (f *fetch) newest(lists []*crl.List) ([]*crl.List, error) {
	chosen := make([]*crl.List, len(f.CAs))
	for _, l := range lists {
		i, err := f.signerOf(l)
		if err != nil {
			return nil, err
		}
		if chosen[i] == nil || l.Number.Cmp(chosen[i].Number) > 0 {
			chosen[i] = l
		}
	}
	return chosen, nil
}

// accept holds the i-th CRL against the one in place and against the clock.
func (f *fetch) accept(chosen []*crl.List, i int) error {
	old := f.inPlace.list(i)
	switch {
	case chosen[i] == nil && old == nil:
		return ErrMissing
	case chosen[i] == nil:
		chosen[i] = old
	case old == nil:
	case chosen[i].Number.Cmp(old.Number) < 0:
		return fmt.Errorf("%w: number %v after %v", ErrOlder, chosen[i].Number, old.Number)
	case chosen[i].Number.Cmp(old.Number) == 0 && !bytes.Equal(chosen[i].Raw, old.Raw):
		return fmt.Errorf("%w: number %v", ErrConflict, old.Number)
	}
	return crl.CheckFresh(chosen[i], f.now, f.Slack)
}

func encode(lists []*crl.List) []byte {
	ders := make([][]byte, 0, len(lists))
	for _, l := range lists {
		ders = append(ders, l.Raw)
	}
	return crl.EncodePEM(ders...)
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
