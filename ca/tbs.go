package ca

import (
	"encoding/asn1"
	"math/bits"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// tbs is the TBSCertificate of t (RFC 5280, Section 4.1), octet for octet as
// x509.CreateCertificate builds it, which by its reflection takes ten times as
// long. Nothing here is trusted: [Issuer.check] reads the result anew.
func (i *Issuer) tbs(t *terms) ([]byte, error) {
	algorithm, err := i.algorithm.Marshal()
	if err != nil {
		return nil, err
	}
	extensions, err := i.extensions(t)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, 1024))
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) }) // version 3
		b.AddASN1BigInt(t.serial.Big())
		b.AddBytes(algorithm)
		b.AddBytes(i.cert.RawSubject)
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, t.notBefore)
			addTime(b, t.notAfter)
		})
		b.AddBytes(t.subject)
		b.AddBytes(t.spki)
		b.AddASN1(explicit(3), func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range extensions {
					e.add(b)
				}
			})
		})
	})
	return b.Bytes()
}

// addTime: RFC 5280, Section 4.1.2.5, two digits for the year through 2049.
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// An extension is one of a certificate that is being built.
type extension struct {
	oid      asn1.ObjectIdentifier
	critical bool
	value    func(*cryptobyte.Builder)
}

func (e extension) add(b *cryptobyte.Builder) {
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(e.oid)
		if e.critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(casn1.OCTET_STRING, e.value)
	})
}

// extensions are those of t, critical where RFC 5280, Section 4.2.1 would have it so.
func (i *Issuer) extensions(t *terms) ([]extension, error) {
	subject, err := subjectKeyID(t.spki)
	if err != nil {
		return nil, err
	}
	out := make([]extension, 0, 9+len(t.extensions))
	add := func(present bool, oid asn1.ObjectIdentifier, critical bool, value func(*cryptobyte.Builder)) {
		if present {
			out = append(out, extension{oid, critical, value})
		}
	}
	add(true, oidKeyUsage, true, t.addKeyUsage)
	add(len(t.usages) > 0, oidExtKeyUsage, false, t.addUsages)
	add(true, oidBasicConstraints, true, t.addBasicConstraints)
	add(true, oidSubjectKeyID, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(subject) })
	add(i.signsAnother(t), oidAuthorityKeyID, false, i.addKeyID)
	add(t.urls.OCSP != "" || t.urls.CAIssuers != "", oidAuthorityInfo, false, t.addAuthorityInfo)
	add(t.urls.CRL != "", oidCRLDistribution, false, t.addDistributionPoint)
	for _, e := range t.extensions {
		add(true, e.Id, e.Critical, func(b *cryptobyte.Builder) { b.AddBytes(e.Value) })
	}
	if len(t.sans) == 0 {
		return out, nil
	}
	names, err := marshalAltNames(t.sans)
	add(true, oidSAN, t.subjectIsEmpty(), func(b *cryptobyte.Builder) { b.AddBytes(names) })
	return out, err
}

// signsAnother: RFC 5280, Section 4.2.1.1, a root may leave out who signed it.
func (i *Issuer) signsAnother(t *terms) bool { return string(i.cert.RawSubject) != string(t.subject) }

// addKeyUsage: a BIT STRING of named bits ends with the last that is set (X.690,
// Section 11.2.2), and x509.KeyUsage has them the other way round.
func (t *terms) addKeyUsage(b *cryptobyte.Builder) {
	named := bits.Reverse16(uint16(t.keyUsage))
	octets := []byte{byte(named >> 8), byte(named)}
	if octets[1] == 0 {
		octets = octets[:1]
	}
	b.AddASN1(casn1.BIT_STRING, func(b *cryptobyte.Builder) {
		b.AddUint8(uint8(bits.TrailingZeros8(octets[len(octets)-1])))
		b.AddBytes(octets)
	})
}

func (t *terms) addUsages(b *cryptobyte.Builder) {
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, oid := range t.usages {
			b.AddASN1ObjectIdentifier(oid)
		}
	})
}

func (t *terms) addBasicConstraints(b *cryptobyte.Builder) {
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if !t.ca {
			return
		}
		b.AddASN1Boolean(true)
		if t.pathLen >= 0 {
			b.AddASN1Int64(int64(t.pathLen))
		}
	})
}

func (i *Issuer) addKeyID(b *cryptobyte.Builder) {
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(i.cert.SubjectKeyId) })
	})
}

var (
	oidOCSP      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidCAIssuers = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
)

// addAuthorityInfo: RFC 5280, Section 4.2.2.1.
func (t *terms) addAuthorityInfo(b *cryptobyte.Builder) {
	access := func(method asn1.ObjectIdentifier, url string) {
		if url == "" {
			return
		}
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(method)
			addURL(b, url)
		})
	}
	b.AddASN1(casn1.SEQUENCE, func(inner *cryptobyte.Builder) {
		b = inner
		access(oidOCSP, t.urls.OCSP)
		access(oidCAIssuers, t.urls.CAIssuers)
	})
}

// addDistributionPoint: RFC 5280, Section 4.2.1.13, one point of one full name.
func (t *terms) addDistributionPoint(b *cryptobyte.Builder) {
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
				b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { addURL(b, t.urls.CRL) })
			})
		})
	})
}

// addURL adds a GeneralName that is a URI.
func addURL(b *cryptobyte.Builder, url string) {
	b.AddASN1(casn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(url)) })
}

func explicit(tag uint8) casn1.Tag { return casn1.Tag(tag).ContextSpecific().Constructed() }

// certificate is tbs with its signature (RFC 5280, Section 4.1).
func (i *Issuer) certificate(tbs, signature []byte) ([]byte, error) {
	algorithm, err := i.algorithm.Marshal()
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(algorithm)+len(signature)+16))
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}
