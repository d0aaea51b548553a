package crl

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Parse reads the DER of one CRL with a CRL number and a nextUpdate, and
// nothing behind it. It keeps der, and reads each entry once. It refuses what it
// could not obey: indirect CRLs, those for some reasons only, and unknown critical
// extensions of list or entries ([ErrUnsupported]). It verifies nothing: see
// [Check], and [List.Complete] where only a complete list will do.
func Parse(der []byte) (*List, error) {
	l := &List{Raw: der}
	p, err := split(der)
	if err == nil {
		l.RawTBS, l.RawIssuer, l.entries = p.tbs, p.issuer, p.entries
		err = l.readHead(p)
	}
	if err == nil {
		l.Entries, err = countEntries(l.entries, l.Base != nil)
	}
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, ErrUnsupported):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
}

// parts are those of a CertificateList (RFC 5280, Section 5.1), each but entries
// with its header.
type parts struct {
	tbs                  []byte
	before               []byte // of the TBSCertList's content: all before revokedCertificates
	issuer, entries      []byte
	extensions           []byte
	algorithm, signature []byte
}

var errDER = errors.New("it is no DER of one")

func split(der []byte) (p parts, err error) {
	if len(der) > math.MaxUint32 {
		return p, errors.New("it has more than 4 GiB")
	}
	input := cryptobyte.String(der)
	var list, algorithm, signature, tbs cryptobyte.String
	if !input.ReadASN1(&list, asn1.SEQUENCE) {
		return p, errDER
	}
	if !input.Empty() {
		return p, fmt.Errorf("%d octets follow it", len(input))
	}
	var whole cryptobyte.String
	if !list.ReadASN1Element(&whole, asn1.SEQUENCE) ||
		!list.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
		!list.ReadASN1Element(&signature, asn1.BIT_STRING) || !list.Empty() {
		return p, errDER
	}
	p.tbs, p.algorithm, p.signature = whole, algorithm, signature
	if !whole.ReadASN1(&tbs, asn1.SEQUENCE) {
		return p, errDER
	}
	return p, p.splitTBS(tbs)
}

func (p *parts) splitTBS(tbs cryptobyte.String) error {
	rest, err := p.readBefore(tbs)
	if err != nil {
		return err
	}
	var extensions cryptobyte.String
	if rest.PeekASN1Tag(asn1.SEQUENCE) {
		var entries cryptobyte.String
		if !rest.ReadASN1(&entries, asn1.SEQUENCE) {
			return errDER
		}
		p.entries = entries
	}
	context0 := asn1.Tag(0).ContextSpecific().Constructed()
	if rest.PeekASN1Tag(context0) && !rest.ReadASN1Element(&extensions, context0) || !rest.Empty() {
		return errDER
	}
	p.extensions = extensions
	return nil
}

// readHead has crypto/x509 read all but the entries, of which it would make a
// million objects: the list without them is one, too.
func (l *List) readHead(p parts) error {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(p.before)
			b.AddBytes(p.extensions)
		})
		b.AddBytes(p.algorithm)
		b.AddBytes(p.signature)
	})
	der, err := b.Bytes()
	if err != nil {
		return err
	}
	if l.head, err = x509.ParseRevocationList(der); err != nil {
		return err
	}
	l.Issuer, l.Number, l.Signature = l.head.Issuer, l.head.Number, l.head.Signature
	l.ThisUpdate, l.NextUpdate = l.head.ThisUpdate, l.head.NextUpdate
	if l.Number == nil || l.Number.Sign() < 0 { // RFC 5280, Section 5.2.3
		return errors.New("it has no CRL number")
	}
	return l.readExtensions()
}

// readExtensions reads those that crypto/x509 leaves.
func (l *List) readExtensions() (err error) {
	var seen []string
	for _, e := range l.head.Extensions {
		oid := e.Id.String()
		if slices.Contains(seen, oid) { // RFC 5280, Section 4.2
			return fmt.Errorf("it has extension %s twice", oid)
		}
		seen = append(seen, oid)
		switch {
		case e.Id.Equal(oidIDP):
			l.IDP, err = readIDP(e.Value)
		case e.Id.Equal(oidDeltaIndicator):
			l.Base, err = readNumber(e.Value)
		case e.Id.Equal(oidFreshestCRL):
			l.Freshest, err = readFreshest(e.Value)
		case e.Id.Equal(oidCRLNumber), e.Id.Equal(oidAuthorityKeyID): // crypto/x509 has read them
		case e.Critical:
			// RFC 5280, Section 5.2: "the application MUST NOT use that CRL".
			return fmt.Errorf("%w: it has the critical extension %s", ErrUnsupported, oid)
		}
		if err != nil {
			return err
		}
	}
	if l.Base != nil && l.Base.Cmp(l.Number) > 0 {
		return fmt.Errorf("it is number %v, a delta of the later %v", l.Number, l.Base)
	}
	return nil
}
