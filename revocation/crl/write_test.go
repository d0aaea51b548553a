package crl_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// encoded are n entries as a store has them.
func encoded(t testing.TB, n int, now time.Time) []byte {
	t.Helper()
	_, entries := template(t, n, now)
	var out []byte
	for _, e := range entries {
		var err error
		if out, err = crl.AppendEntry(out, e); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// inPieces yields entries by so many at a time.
func inPieces(entries []byte, n, by int) crl.Source {
	return func(begin func(int, int64) error, yield func([]byte) error) error {
		if err := begin(n, int64(len(entries))); err != nil {
			return err
		}
		for rest := entries; len(rest) > 0; {
			end := 0
			for i := 0; i < by && end < len(rest); i++ {
				end += 2 + int(rest[end+1])
			}
			if err := yield(rest[:end]); err != nil {
				return err
			}
			rest = rest[end:]
		}
		return nil
	}
}

// TestWriteEveryKind: to the last octet what crypto/x509 makes of the same, from
// entries that come in pieces of any size, into a file.
func TestWriteEveryKind(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	const delta = "http://ca.example/crl/1234.delta.crl"
	freshest := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: append([]byte{0x30, byte(len(idp(delta)))}, idp(delta)...)}
	base, scope := extension(27, []byte{2, 1, 100}), extension(28, idp(point))
	for name, c := range map[string]struct {
		head       crl.Head
		extensions []pkix.Extension
	}{
		"complete":              {crl.Head{}, nil},
		"complete with a delta": {crl.Head{Freshest: delta}, []pkix.Extension{freshest}},
		"partition":             {crl.Head{IDP: point, Freshest: delta}, []pkix.Extension{scope, freshest}},
		"delta":                 {crl.Head{Base: 100}, []pkix.Extension{base}},
		"delta of a partition":  {crl.Head{Base: 100, IDP: point}, []pkix.Extension{base, scope}},
	} {
		for _, algorithm := range []string{"P-256", "P-384", "Ed25519", "RSA-2048"} {
			for n, by := range map[int]int{0: 1, 1: 1, 300: 7, 20_000: 500} {
				name := fmt.Sprintf("%s, %s, %d entries", name, algorithm, n)
				c.head.Number, c.head.ThisUpdate, c.head.NextUpdate = 200, now, now.Add(time.Hour)
				issuer := authorityOf(t, algorithm)
				entries := encoded(t, n, now)
				f, err := os.Create(filepath.Join(t.TempDir(), "crl"))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				written, err := crl.Write(f, issuer.Issuer, c.head, inPieces(entries, n, by))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				der, err := os.ReadFile(f.Name())
				if err != nil || int64(len(der)) != written.Size || written.Entries != n {
					t.Fatalf("%s: %d octets, %+v, %v", name, len(der), written, err)
				}
				got, err := crl.Parse(der)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if err := crl.Check(got, issuer.root, now, 0); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if want := standardOf(t, issuer, c.head, c.extensions, got); !bytes.Equal(got.RawTBS, want) {
					t.Errorf("%s: the to-be-signed octets differ", name)
				}
			}
		}
	}
}

// standardOf is the to-be-signed part that crypto/x509 makes of that head and the
// entries of got.
func standardOf(t *testing.T, issuer *authority, h crl.Head, extensions []pkix.Extension, got *crl.List) []byte {
	t.Helper()
	list := &x509.RevocationList{
		Number: new(big.Int).SetUint64(h.Number), ThisUpdate: h.ThisUpdate, NextUpdate: h.NextUpdate, ExtraExtensions: extensions,
	}
	for r := range got.All() {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: new(big.Int).SetBytes(r.Serial), RevocationTime: r.At, ReasonCode: int(r.Reason),
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer.root, issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.RawTBSRevocationList
}

// TestSignaturesThatDifferInLength: ECDSA's do, and the list's header with them
// where a length's own length changes.
func TestSignaturesThatDifferInLength(t *testing.T) {
	issuer := authorityOf(t, "P-256")
	now := time.Now()
	headers := map[byte]int{}
	const entries = 1225
	der := uniform(t, entries, now)
	// URLs of other lengths bring the list, octet by octet, across 65,535 octets.
	for pad := range 180 {
		for range 4 {
			var out crl.Memory
			h := crl.Head{Number: 1, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Freshest: "http://ca.example/" + strings.Repeat("x", 150+pad)}
			if _, err := crl.Write(&out, issuer.Issuer, h, crl.Encoded(der, entries)); err != nil {
				t.Fatal(err)
			}
			headers[out[1]]++
			list, err := crl.Parse(out)
			if err != nil {
				t.Fatalf("%d octets: %v", len(out), err)
			}
			if err := crl.CheckSignature(list, issuer.root); err != nil {
				t.Errorf("%d octets: %v", len(out), err)
			}
		}
	}
	if headers[0x82] == 0 || headers[0x83] == 0 {
		t.Errorf("the boundary was not met: %v", headers)
	}
}

// uniform are n entries of 53 octets each.
func uniform(t testing.TB, n int, now time.Time) (out []byte) {
	t.Helper()
	for i := range n {
		var err error
		if out, err = crl.AppendEntry(out, crl.Entry{Serial: ca.Serial{1, byte(i >> 16), byte(i >> 8), byte(i)}, At: now, Reason: ca.KeyCompromise}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestWriteRefuses(t *testing.T) {
	now := time.Now()
	three := encoded(t, 3, now)
	gone := errors.New("the store is gone")
	good := crl.Head{Number: 5, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	for name, c := range map[string]struct {
		head   func(*crl.Head)
		source crl.Source
		want   string
	}{
		"fewer entries than announced": {nil, inPieces(three, 4, 1), "announced"},
		"more octets than announced": {nil, func(begin func(int, int64) error, yield func([]byte) error) error {
			return errors.Join(begin(2, int64(len(three))-10), yield(three))
		}, "more entries"},
		"fewer octets than announced": {nil, func(begin func(int, int64) error, yield func([]byte) error) error {
			return errors.Join(begin(3, int64(len(three))+10), yield(three))
		}, "announced"},
		"half an entry": {nil, crl.Encoded(three[:len(three)-1], 3), "malformed"},
		"no beginning":  {nil, func(func(int, int64) error, func([]byte) error) error { return nil }, "announced"},
		"two beginnings": {nil, func(begin func(int, int64) error, _ func([]byte) error) error {
			return errors.Join(begin(0, 0), begin(0, 0))
		}, "twice"},
		"a store that fails": {nil, func(begin func(int, int64) error, yield func([]byte) error) error {
			return errors.Join(begin(3, int64(len(three))), gone)
		}, "gone"},
		"a nextUpdate before thisUpdate": {func(h *crl.Head) { h.NextUpdate = now.Add(-time.Hour) }, crl.Encoded(nil, 0), "nextUpdate"},
		"a delta of a later one":         {func(h *crl.Head) { h.Base = 6 }, crl.Encoded(nil, 0), "later"},
		"a delta's delta":                {func(h *crl.Head) { h.Base, h.Freshest = 4, point }, crl.Encoded(nil, 0), "another delta"},
	} {
		h := good
		if c.head != nil {
			c.head(&h)
		}
		var out crl.Memory
		if _, err := crl.Write(&out, authorityOf(t, "P-256").Issuer, h, c.source); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWriteToAFullDisk fails and leaves no goroutine behind.
func TestWriteToAFullDisk(t *testing.T) {
	now := time.Now()
	full := errors.New("no space left")
	_, err := crl.Write(&fullFile{left: 300 << 10, err: full}, authorityOf(t, "P-256").Issuer,
		crl.Head{Number: 5, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, crl.Encoded(uniform(t, 50_000, now), 50_000))
	if !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

type fullFile struct {
	crl.Memory
	left int64
	err  error
}

func (f *fullFile) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.left {
		return 0, f.err
	}
	return f.Memory.WriteAt(p, off)
}
