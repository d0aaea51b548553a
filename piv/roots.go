package piv

import (
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"fmt"
	"sync"
	"time"

	"signet/internal/certfile"
)

// The certificates that Yubico publishes; roots/README.md says where they are from.
//
//go:embed roots/*.pem
var published embed.FS

// u2fRoot is the SHA-256 of "Yubico U2F Root CA Serial 457200631". It isn't
// shipped, but it signed the f9 certificates of some YubiKey 4, and an
// administrator may add it.
var u2fRoot = [32]byte{
	0x0f, 0xa1, 0x38, 0x6f, 0x80, 0xeb, 0x87, 0x13, 0x26, 0x3a, 0xe5, 0xc1, 0xd8, 0x4d, 0xeb, 0x45,
	0x5b, 0xdf, 0x08, 0xae, 0xa5, 0x0a, 0xb0, 0x55, 0x03, 0xce, 0xfe, 0xe8, 0x2b, 0x09, 0x2d, 0x42,
}

// Roots are the authorities whose word on a card is taken. They are safe for
// concurrent use.
type Roots struct {
	anchors       *x509.CertPool
	intermediates *x509.CertPool
	// issuers are the CAs that may sign a card's f9 certificate, by the
	// SHA-256 of their DER; true for Yubico's own.
	issuers map[[32]byte]bool

	mu    sync.Mutex // owns cards
	cards map[[32]byte]*verifiedCard
}

// A verifiedCard is a card's certificate whose chain held when it was first
// seen. A busy server sees the same card's again, and RSA takes its time.
type verifiedCard struct {
	cert  *x509.Certificate
	chain []*x509.Certificate // from cert to the root
	root  string
	until time.Time // the earliest notAfter of the chain
	since time.Time // the latest notBefore
}

// maxCards bounds the memory of verified cards: about 4 KB each.
const maxCards = 1024

// NewRoots trusts Yubico's two roots, and each of extra as a root of its own,
// whether it is self-signed or not.
func NewRoots(extra ...*x509.Certificate) *Roots {
	r := &Roots{
		anchors:       x509.NewCertPool(),
		intermediates: x509.NewCertPool(),
		issuers:       map[[32]byte]bool{u2fRoot: true},
		cards:         map[[32]byte]*verifiedCard{},
	}
	old := mustRead("roots/yubico-piv-ca-1.pem")
	r.anchors.AddCert(old[0])
	r.issuers[sha256.Sum256(old[0].Raw)] = true
	r.anchors.AddCert(mustRead("roots/yubico-ca-1.pem")[0])
	for _, c := range mustRead("roots/yubico-piv-intermediates.pem") {
		r.intermediates.AddCert(c)
		// The upper intermediates sign FIDO's and OpenPGP's CAs too: only the
		// three below them, whose path length is 1, sign PIV cards.
		if c.MaxPathLen == 1 {
			r.issuers[sha256.Sum256(c.Raw)] = true
		}
	}
	for _, c := range extra {
		r.anchors.AddCert(c)
		if id := sha256.Sum256(c.Raw); !r.issuers[id] {
			r.issuers[id] = false
		}
	}
	return r
}

// IsYubicoRoot reports whether c is one of Yubico's two roots.
func IsYubicoRoot(c *x509.Certificate) bool {
	return c.Equal(mustRead("roots/yubico-piv-ca-1.pem")[0]) || c.Equal(mustRead("roots/yubico-ca-1.pem")[0])
}

// mustRead reads the certificates of an embedded file, which a test has read before.
func mustRead(name string) []*x509.Certificate {
	data, err := published.ReadFile(name)
	if err != nil {
		panic(err)
	}
	certs, err := certfile.Parse(data)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return certs
}
