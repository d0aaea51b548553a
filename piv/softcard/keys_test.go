package softcard_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"testing"
	"time"

	"signet/piv/softcard"
)

// admin is a card with the default management key authenticated.
func admin(t testing.TB, cfg softcard.Config) *softcard.Card {
	t.Helper()
	c := selected(t, cfg)
	alg := "03"
	if cfg.Firmware.AtLeast(softcard.Version{5, 7, 0}) {
		alg = "0A"
	}
	authenticate(t, c, alg, defaultKey)
	return c
}

// tlv encodes with a minimal length.
func tlv(tag byte, parts ...[]byte) []byte {
	value := bytes.Join(parts, nil)
	switch n := len(value); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, value...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, value...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, value...)
	}
}

// use is GENERAL AUTHENTICATE with a slot's key.
func use(alg, slot string, tag byte, data []byte) string {
	return long("0087"+alg+slot, tlv(0x7C, []byte{0x82, 0}, tlv(tag, data)))
}

// response unwraps 7C{82}.
func response(t testing.TB, b []byte) []byte {
	t.Helper()
	for _, tag := range []byte{0x7C, 0x82} {
		if len(b) < 2 || b[0] != tag {
			t.Fatalf("%X instead of %X", b, tag)
		}
		switch b[1] {
		case 0x82:
			b = b[4:]
		case 0x81:
			b = b[3:]
		default:
			b = b[2:]
		}
	}
	return b
}

func TestAlgorithmsOfFirmware(t *testing.T) {
	old := admin(t, softcard.Config{})
	for _, alg := range []string{"05", "16", "E0", "E1", "08", "FF"} {
		want(t, old, "0047009A05AC038001"+alg+"00", "6A80")
	}
	want(t, old, "00F69A9C", "6D00")
	want(t, old, "0047009A08AC0680011 1AA0104", "6A80") // no such PIN policy
	want(t, old, "0047009B05AC0380011100", "6A86")
	want(t, old, "0047009A0100", "6A80")
}

func TestECDSA(t *testing.T) {
	c := admin(t, softcard.Config{})
	digest := bytes.Repeat([]byte{0x5A}, 48)
	for alg, curve := range map[string]elliptic.Curve{"11": elliptic.P256(), "14": elliptic.P384()} {
		size := curve.Params().BitSize / 8
		got := want(t, c, "0047009A05AC038001"+alg+"00", "9000")
		pub, err := ecdsa.ParseUncompressedPublicKey(curve, got[5:])
		if err != nil {
			t.Fatalf("%X: %v", got, err)
		}
		want(t, c, use(alg, "9A", 0x81, digest[:size]), "6982")
		want(t, c, "0020008008"+pin8, "9000")
		sig := response(t, want(t, c, use(alg, "9A", 0x81, digest[:size]), "9000"))
		if !ecdsa.VerifyASN1(pub, digest[:size], sig) {
			t.Errorf("%s: wrong signature", alg)
		}
		want(t, c, use(alg, "9A", 0x81, make([]byte, size+1)), "6A80")
		want(t, c, use(alg, "9A", 0x81, nil), "6A80")
		want(t, c, use("07", "9A", 0x81, digest), "6A86")
		want(t, c, use(alg, "9D", 0x81, digest), "6A80")

		peer, _ := ecdsa.GenerateKey(curve, rand.Reader)
		ours, _ := pub.ECDH()
		private, _ := peer.ECDH()
		secret, _ := private.ECDH(ours)
		shared := response(t, want(t, c, use(alg, "9A", 0x85, private.PublicKey().Bytes()), "9000"))
		if !bytes.Equal(shared, secret) {
			t.Errorf("%s: wrong secret", alg)
		}
		want(t, c, use(alg, "9A", 0x85, make([]byte, 2*size+1)), "6A80")
		want(t, c, "0020FF80", "9000")
	}
}

func TestEdwards(t *testing.T) {
	c := admin(t, softcard.Config{Firmware: softcard.Version{5, 7, 1}})
	pub := want(t, c, "0047009E05AC038001E000", "9000")[5:]
	message := bytes.Repeat([]byte("signet"), 100)
	if sig := response(t, want(t, c, use("E0", "9E", 0x81, message), "9000")); !ed25519.Verify(pub, message, sig) {
		t.Error("wrong signature")
	}
	point := want(t, c, "0047009E05AC038001E100", "9000")[5:]
	ours, err := ecdh.X25519().NewPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	peer, _ := ecdh.X25519().GenerateKey(rand.Reader)
	secret, _ := peer.ECDH(ours)
	if got := response(t, want(t, c, use("E1", "9E", 0x85, peer.PublicKey().Bytes()), "9000")); !bytes.Equal(got, secret) {
		t.Error("wrong secret")
	}
	want(t, c, use("E1", "9E", 0x81, message[:32]), "6A80")
	attested, err := x509.ParseCertificate(want(t, c, "00F99E00000000", "9000"))
	if err != nil {
		t.Fatal(err)
	}
	if spki, _ := x509.MarshalPKIXPublicKey(ours); !bytes.Equal(attested.RawSubjectPublicKeyInfo, spki) {
		t.Error("attested another key")
	}
	object := want(t, c, "00CB3FFF0000055C035FFF01", "9000")
	f9, _ := x509.ParseCertificate(object[8 : len(object)-5])
	checkChain(t, testRoot(t), f9, attested)
}

func TestImportRSA(t *testing.T) {
	c := admin(t, softcard.Config{})
	for alg, bits := range map[string]int{"06": 1024, "07": 2048} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		parts := bytes.Join([][]byte{
			tlv(1, k.Primes[0].Bytes()), tlv(2, k.Primes[1].Bytes()), tlv(3, k.Precomputed.Dp.FillBytes(make([]byte, bits/16))),
			tlv(4, k.Precomputed.Dq.Bytes()), tlv(5, k.Precomputed.Qinv.Bytes()), {0xAA, 1, 1},
		}, nil)
		want(t, c, long("00FE"+alg+"82", parts), "9000")
		m := big.NewInt(4711)
		got := response(t, want(t, c, use(alg, "82", 0x81, m.FillBytes(make([]byte, bits/8))), "9000"))
		if back := new(big.Int).Exp(new(big.Int).SetBytes(got), big.NewInt(int64(k.E)), k.N); back.Cmp(m) != 0 {
			t.Errorf("%d bits: raised to e: %v", bits, back)
		}
		want(t, c, use(alg, "82", 0x81, k.N.Bytes()), "6A80")
		want(t, c, use(alg, "82", 0x81, []byte{1}), "6A80")
		want(t, c, "00F98200", "6A80") // imported: not attested
		meta := want(t, c, "00F70082000000", "9000")
		equal(t, "metadata", meta[:10], "0101"+alg+"02020101030102")
		parts[5] ^= 2
		want(t, c, long("00FE"+alg+"83", parts), "6A80")
	}
}

func TestImportOthers(t *testing.T) {
	c := admin(t, softcard.Config{Firmware: softcard.Version{5, 7, 1}})
	one := make([]byte, 32)
	one[31] = 1
	want(t, c, long("00FE119E", tlv(6, one)), "9000")
	want(t, c, long("00FE119E", tlv(6, []byte{2})), "9000")
	want(t, c, long("00FE119E", tlv(6, make([]byte, 32))), "6A80") // zero
	want(t, c, long("00FE119E", tlv(6, make([]byte, 33))), "6A80")
	want(t, c, long("00FE149E", tlv(6, one)), "9000")
	want(t, c, long("00FEE09E", tlv(7, one)), "9000")
	want(t, c, long("00FEE09E", tlv(8, one)), "6A80")
	want(t, c, long("00FEE19E", tlv(8, one)), "9000")
	want(t, c, long("00FE079E", tlv(1, one)), "6A80")
}

func TestPINPolicies(t *testing.T) {
	c := admin(t, softcard.Config{})
	digest := make([]byte, 32)
	want(t, c, "0047009C05AC0380011100", "9000")
	want(t, c, "0047009E05AC0380011100", "9000")
	want(t, c, use("11", "9E", 0x81, digest), "9000") // never
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, use("11", "9C", 0x81, digest), "9000")
	want(t, c, use("11", "9C", 0x81, digest), "6982") // always
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, "00FD0000", "9000")
	want(t, c, use("11", "9C", 0x81, digest), "6982") // not straight before
}

func TestTouchPolicies(t *testing.T) {
	now := time.Now()
	c := admin(t, softcard.Config{Now: func() time.Time { return now }, TouchTimeout: 30 * time.Millisecond})
	digest := make([]byte, 32)
	want(t, c, "0047009E08AC06800111AB0102", "9000")
	want(t, c, "0047008208AC06800111AB0103", "9000")
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, use("11", "82", 0x81, digest), "9000")
	c.SetTouch(softcard.TouchRefuse)
	want(t, c, use("11", "9E", 0x81, digest), "6982")
	want(t, c, use("11", "82", 0x81, digest), "9000") // cached
	now = now.Add(15 * time.Second)
	want(t, c, use("11", "82", 0x81, digest), "6982")
	c.SetTouch(softcard.TouchWait)
	want(t, c, use("11", "9E", 0x81, digest), "6982") // nobody came
	done := make(chan string)
	go func() {
		resp := c.Transmit(unhex(t, use("11", "9E", 0x81, digest)))
		done <- hex.EncodeToString(resp[len(resp)-2:])
	}()
	if err := c.AwaitTouch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !c.Touch() {
		t.Error("did not wait")
	}
	if sw := <-done; sw != "9000" {
		t.Errorf("touched: %s", sw)
	}
}

func TestMoveKey(t *testing.T) {
	c := admin(t, softcard.Config{Firmware: softcard.Version{5, 7, 1}})
	want(t, c, "00F69C9A", "6A88")
	want(t, c, "0047009A05AC0380011100", "9000")
	before := want(t, c, "00F7009A00", "9000")
	want(t, c, "00F6829A", "9000")
	want(t, c, "00F7009A00", "6A88")
	equal(t, "moved", want(t, c, "00F7008200", "9000"), hex.EncodeToString(before))
	want(t, c, "00F6F982", "6A86")
	want(t, c, "0047009A05AC0380011100", "9000")
	want(t, c, "00F6829A", "6A80") // occupied
	want(t, c, "00F6FF82", "9000")
	want(t, c, "00F7008200", "6A88")
}

func TestAttestationChain(t *testing.T) {
	c := admin(t, softcard.Config{Serial: 300_000_000, FormFactor: 4})
	want(t, c, "0047009508AC06800114AB0103", "9000")
	slot, err := x509.ParseCertificate(want(t, c, "00F99500000000", "9000"))
	if err != nil {
		t.Fatal(err)
	}
	object := want(t, c, "00CB3FFF0000055C035FFF01", "9000")
	f9, err := x509.ParseCertificate(object[8 : len(object)-5])
	if err != nil {
		t.Fatal(err)
	}
	checkChain(t, testRoot(t), f9, slot)
	if slot.Subject.CommonName != "YubiKey PIV Attestation 95" || slot.SerialNumber.BitLen() != 127 {
		t.Errorf("%v, serial number of %d bits", slot.Subject, slot.SerialNumber.BitLen())
	}
	if slot.BasicConstraintsValid || len(slot.Extensions) != 4 || !slot.NotAfter.Equal(f9.NotAfter) {
		t.Errorf("slot certificate: %+v", slot.Extensions)
	}
	for i, value := range []string{"050403", "020411E1A300", "0203", "04"} {
		equal(t, slot.Extensions[i].Id.String(), slot.Extensions[i].Value, value)
	}
	if !f9.IsCA || !f9.MaxPathLenZero || f9.MaxPathLen != 0 {
		t.Error("f9 is not a CA of pathlen 0")
	}
}

func checkChain(t testing.TB, root *softcard.Root, f9, slot *x509.Certificate) {
	t.Helper()
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root.Certificate())
	between.AddCert(f9)
	_, err := slot.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		t.Error(err)
	}
}
