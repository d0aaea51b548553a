package crl_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// idp is an IssuingDistributionPoint of that URL.
func idp(url string) []byte {
	uri := append([]byte{0x86, byte(len(url))}, url...)
	for _, tag := range []byte{0xa0, 0xa0, 0x30} {
		uri = append([]byte{tag, byte(len(uri))}, uri...)
	}
	return uri
}

// made is what crypto/x509 makes of a list that change has changed.
func made(t testing.TB, change func(*x509.RevocationList)) []byte {
	t.Helper()
	issuer, now := authorityOf(t, "P-256"), time.Now()
	list := &x509.RevocationList{Number: big.NewInt(300), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	change(list)
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer.root, issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func with(extensions ...pkix.Extension) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.ExtraExtensions = append(l.ExtraExtensions, extensions...) }
}

// entry has an entry with that extension.
func entry(e pkix.Extension) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: big.NewInt(77), RevocationTime: l.ThisUpdate, ExtraExtensions: []pkix.Extension{e},
		})
	}
}

// withReason has an entry with that reason.
func withReason(reason int) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: big.NewInt(78), RevocationTime: l.ThisUpdate, ReasonCode: reason,
		})
	}
}

func both(a, b func(*x509.RevocationList)) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { a(l); b(l) }
}

const point = "http://ca.example/crl/1234/1.crl"

func TestParseTellsKindsApart(t *testing.T) {
	freshest := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: append([]byte{0x30, byte(len(idp(point)))}, idp(point)...)}
	base, scope := extension(27, []byte{2, 1, 100}), extension(28, idp(point))
	removed := withReason(8)
	for name, c := range map[string]struct {
		change   func(*x509.RevocationList)
		idp      bool
		base     int64
		freshest bool
	}{
		"complete":                 {with(), false, 0, false},
		"complete with a delta":    {with(freshest), false, 0, true},
		"delta":                    {both(with(base), removed), false, 100, false},
		"partition":                {with(scope, freshest), true, 0, true},
		"delta of a partition":     {with(scope, base), true, 100, false},
		"unknown and not critical": {with(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}), false, 0, false},
	} {
		list, err := crl.Parse(made(t, c.change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if (list.IDP != nil) != c.idp || c.idp && list.IDP[0] != point {
			t.Errorf("%s: IDP %q", name, list.IDP)
		}
		if (list.Freshest != nil) != c.freshest || c.freshest && list.Freshest[0] != point {
			t.Errorf("%s: FreshestCRL %q", name, list.Freshest)
		}
		if (list.Base != nil) != (c.base != 0) || c.base != 0 && list.Base.Int64() != c.base {
			t.Errorf("%s: base %v", name, list.Base)
		}
		if complete := list.Complete() == nil; complete != (!c.idp && c.base == 0) {
			t.Errorf("%s: complete: %v", name, list.Complete())
		}
		if err := crl.Check(list, authorityOf(t, "P-256").root, time.Now(), time.Minute); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*x509.RevocationList)
		want   error
	}{
		"an unknown critical extension":    {with(extension(99, []byte{5, 0})), crl.ErrUnsupported},
		"an indirect CRL":                  {with(extension(28, []byte{0x30, 3, 0x84, 1, 0xff})), crl.ErrUnsupported},
		"users alone":                      {with(extension(28, []byte{0x30, 3, 0x81, 1, 0xff})), crl.ErrUnsupported},
		"some reasons alone":               {with(extension(28, []byte{0x30, 4, 0x83, 2, 6, 64})), crl.ErrUnsupported},
		"another's certificate":            {entry(extension(29, []byte{0x30, 0})), crl.ErrUnsupported},
		"an empty IDP":                     {with(extension(28, []byte{0x30, 0})), crl.ErrMalformed},
		"an IDP and more":                  {with(extension(28, append(idp(point), 0))), crl.ErrMalformed},
		"a delta of a later one":           {with(extension(27, []byte{2, 2, 3, 0})), crl.ErrMalformed},
		"a base that is no number":         {with(extension(27, []byte{5, 0})), crl.ErrMalformed},
		"a base twice":                     {with(extension(27, []byte{2, 1, 1}), extension(27, []byte{2, 1, 2})), crl.ErrMalformed},
		"removeFromCRL in a complete one":  {withReason(8), crl.ErrMalformed},
		"removeFromCRL in a partition":     {both(with(extension(28, idp(point))), withReason(8)), crl.ErrMalformed},
		"a reason that there is not":       {withReason(7), crl.ErrMalformed},
		"a reason that there is not, more": {withReason(11), crl.ErrMalformed},
	} {
		if _, err := crl.Parse(made(t, c.change)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestFind: also in a list of another CA, whose serials have any length and no order.
func TestFind(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	serials := []string{"5", "80", "ff00ff00", "1", "7fffffffffffffffffffffffffffffffffffffff", "100", "0"}
	list, err := crl.Parse(made(t, func(l *x509.RevocationList) {
		for i, s := range serials {
			n, _ := new(big.Int).SetString(s, 16)
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
				SerialNumber: n, RevocationTime: now.Add(-time.Duration(i) * time.Hour), ReasonCode: i % 6,
			})
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range serials {
		n, _ := new(big.Int).SetString(s, 16)
		r, ok := list.Find(n)
		if !ok || !r.At.Equal(now.Add(-time.Duration(i)*time.Hour)) || r.Reason != ca.Reason(i%6) || new(big.Int).SetBytes(r.Serial).Cmp(n) != 0 {
			t.Errorf("%s: %+v, %v", s, r, ok)
		}
	}
	for _, n := range []int64{2, 127, 129, 255, 0xff00ff} {
		if r, ok := list.Find(big.NewInt(n)); ok {
			t.Errorf("%d is there: %+v", n, r)
		}
	}
	empty, err := crl.Parse(made(t, with()))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := empty.Find(big.NewInt(1)); ok {
		t.Error("found in a list of none")
	}
}

// FuzzParse: what crypto/x509 refuses is refused, and what is taken says the same.
func FuzzParse(f *testing.F) {
	tmpl, _ := template(f, 4, time.Now())
	der, err := crl.Create(authorityOf(f, "P-256").Issuer, tmpl)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(made(f, with(extension(27, []byte{2, 1, 100}), extension(28, idp(point)))))
	f.Add(made(f, entry(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 24}, Value: []byte("\x18\x0f20200101000000Z")})))
	f.Add(made(f, with(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: append([]byte{0x30, byte(len(idp(point)))}, idp(point)...)})))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := crl.Parse(data)
		if err != nil {
			return
		}
		want, err := x509.ParseRevocationList(data)
		if err != nil {
			t.Fatalf("taken, and crypto/x509 says: %v", err)
		}
		if !bytes.Equal(list.RawTBS, want.RawTBSRevocationList) || list.Entries != len(want.RevokedCertificateEntries) ||
			!list.ThisUpdate.Equal(want.ThisUpdate) || list.Number.Cmp(want.Number) != 0 {
			t.Fatal("it is another list than crypto/x509 reads")
		}
		i := 0
		for r := range list.All() {
			e := want.RevokedCertificateEntries[i]
			if !e.RevocationTime.Equal(r.At) || e.ReasonCode != int(r.Reason) {
				t.Fatalf("entry %d is %+v, and crypto/x509 reads %+v", i, r, e)
			}
			if e.SerialNumber.Sign() >= 0 {
				if _, ok := list.Find(e.SerialNumber); !ok {
					t.Fatalf("entry %d is not found", i)
				}
			}
			i++
		}
	})
}
