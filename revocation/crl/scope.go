package crl

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidIDP            = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidDeltaIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidFreshestCRL    = asn1.ObjectIdentifier{2, 5, 29, 46}
)

// The tags in distribution points.
var (
	tagPoint    = casn1.Tag(0).ContextSpecific().Constructed()
	tagFullName = casn1.Tag(0).ContextSpecific().Constructed()
	tagURI      = casn1.Tag(6).ContextSpecific()
)

// readIDP reads an IssuingDistributionPoint (RFC 5280, Section 5.2.5) that holds
// URLs and nothing else.
func readIDP(value []byte) ([]string, error) {
	input := cryptobyte.String(value)
	var idp cryptobyte.String
	if !input.ReadASN1(&idp, casn1.SEQUENCE) || !input.Empty() || idp.Empty() {
		return nil, errors.New("its IssuingDistributionPoint is malformed")
	}
	urls, err := readPoint(&idp)
	if err != nil {
		return nil, err
	}
	if !idp.Empty() || len(urls) == 0 {
		// Only users, only CAs, only some reasons, other issuers' too, or attribute certificates.
		return nil, fmt.Errorf("%w: its IssuingDistributionPoint is more than a URL", ErrUnsupported)
	}
	return urls, nil
}

// readPoint reads a DistributionPointName off from, if there is one, and
// returns its URLs.
func readPoint(from *cryptobyte.String) ([]string, error) {
	var point, names cryptobyte.String
	if !from.PeekASN1Tag(tagPoint) {
		return nil, nil
	}
	if !from.ReadASN1(&point, tagPoint) {
		return nil, errors.New("a distribution point is malformed")
	}
	if !point.PeekASN1Tag(tagFullName) {
		return nil, fmt.Errorf("%w: a distribution point that is no URL", ErrUnsupported)
	}
	if !point.ReadASN1(&names, tagFullName) || !point.Empty() {
		return nil, errors.New("a distribution point is malformed")
	}
	var urls []string
	for !names.Empty() {
		var name cryptobyte.String
		var tag casn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return nil, errors.New("a distribution point is malformed")
		}
		if tag == tagURI {
			urls = append(urls, string(name))
		}
	}
	return urls, nil
}

// readFreshest reads the URLs of a FreshestCRL (RFC 5280, Section 5.2.6), which are
// but a hint: points that are no URL are passed over.
func readFreshest(value []byte) ([]string, error) {
	input := cryptobyte.String(value)
	var points, point cryptobyte.String
	if !input.ReadASN1(&points, casn1.SEQUENCE) || !input.Empty() {
		return nil, errors.New("its FreshestCRL is malformed")
	}
	var urls []string
	for !points.Empty() {
		if !points.ReadASN1(&point, casn1.SEQUENCE) {
			return nil, errors.New("its FreshestCRL is malformed")
		}
		found, err := readPoint(&point)
		if err != nil && !errors.Is(err, ErrUnsupported) {
			return nil, err
		}
		urls = append(urls, found...)
	}
	return urls, nil
}

// readNumber reads a BaseCRLNumber (RFC 5280, Section 5.2.4).
func readNumber(value []byte) (*big.Int, error) {
	input := cryptobyte.String(value)
	n := new(big.Int)
	if !input.ReadASN1Integer(n) || !input.Empty() || n.Sign() < 0 {
		return nil, errors.New("its BaseCRLNumber is malformed")
	}
	return n, nil
}
