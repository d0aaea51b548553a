package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"signet/ca"
	"signet/revocation"
	"signet/revocation/crl"
	"signet/store/bolt"
)

// crlArgument makes this program the process that makes CRLs of a million entries.
const crlArgument = "make-crls"

// A crlMaking is what came of it: of Signet, Hash and X509 one in each round.
type crlMaking struct {
	Entries            int
	Size               int64
	Upgrade            time.Duration // of the store, once
	Signet, Hash, X509 []span
	Before, Peak       float64 // MiB resident, before the CRLs are made and at most while they are
}

// A span is how long something took, and how much processor time.
type span struct{ Took, Processor time.Duration }

// begin returns what ends a span.
func begin() (end func() span) {
	start, before := time.Now(), ownProcessorTime()
	return func() span { return span{time.Since(start), ownProcessorTime() - before} }
}

// ownProcessorTime is what this process has used so far.
func ownProcessorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it knows itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// makeCRLs makes a store with a million revoked certificates in a folder, and of it
// CRLs in as many rounds, and prints a crlMaking.
func makeCRLs(ctx context.Context, dir string, rounds int) error {
	m, err := newCRLMaker(dir)
	if err != nil {
		return err
	}
	defer m.store.Close()
	if err := m.measureMemory(ctx); err != nil {
		return err
	}
	der, err := os.ReadFile(m.file)
	if err != nil {
		return err
	}
	for range rounds {
		if err := m.round(ctx, der); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(m.crlMaking)
}

// A crlMaker is a publisher as signetd has it, on a store of its own.
type crlMaker struct {
	crlMaking
	issuer    *ca.Issuer
	store     *bolt.Store
	publisher *revocation.Publisher
	file      string // of the CRL
	key       *ecdsa.PrivateKey
}

func newCRLMaker(dir string) (*crlMaker, error) {
	h, err := ca.NewHierarchy(ca.SetupConfig{
		Name: "Benchmark", RootAlgorithm: "P-256", IntermediateAlgorithm: "P-256",
		RootSerial: ca.Serial{1, 1}, IntermediateSerial: ca.Serial{1, 2}, URL: "http://ca.example",
	})
	if err != nil {
		return nil, err
	}
	m := &crlMaker{}
	if m.issuer, err = h.Issuer(); err != nil {
		return nil, err
	}
	logger := slog.New(slog.DiscardHandler)
	path := filepath.Join(dir, "signet.db")
	if m.store, err = bolt.Open(path, &bolt.Options{Logger: logger}); err != nil {
		return nil, err
	}
	if err := m.store.Close(); err != nil {
		return nil, err
	}
	if err := seedRevoked(dir, m.issuer.ID()); err != nil {
		return nil, err
	}
	start := time.Now()
	if m.store, err = bolt.Open(path, &bolt.Options{Logger: logger}); err != nil {
		return nil, err
	}
	m.Upgrade = time.Since(start)
	service, err := revocation.New(revocation.Config{Store: m.store, Issuer: m.issuer, CRLDir: dir, Logger: logger})
	if err != nil {
		return nil, err
	}
	m.publisher, m.file = service.Publisher, filepath.Join(dir, m.issuer.ID()+".crl")
	m.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return m, err
}

// measureMemory makes two CRLs, so that one takes the place of another, and finds the
// most memory that was resident meanwhile.
func (m *crlMaker) measureMemory(ctx context.Context) error {
	runtime.GC()
	debug.FreeOSMemory()
	// proc_pid_clear_refs(5): 5 sets the peak back to what is resident now.
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return err
	}
	var err error
	if m.Before, err = residentPeak(os.Getpid()); err != nil {
		return err
	}
	for range 2 {
		if _, err := m.make(ctx); err != nil {
			return err
		}
	}
	if m.Peak, err = residentPeak(os.Getpid()); err != nil {
		return err
	}
	list := m.publisher.Current(m.issuer.ID())
	if m.Entries, m.Size = list.Entries, list.Size; m.Entries != million {
		return fmt.Errorf("the CRL has %d entries", m.Entries)
	}
	return nil
}

// make has the publisher make a CRL, and returns what it took until that was in force;
// then it waits until it is on disk too, which must not slow the next one.
func (m *crlMaker) make(ctx context.Context) (took span, err error) {
	before, err := os.Stat(m.file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return took, err
	}
	last := m.publisher.Current(m.issuer.ID())
	failed := make(chan error, 1)
	end := begin()
	go func() { failed <- m.publisher.Refresh(ctx) }()
	for m.publisher.Current(m.issuer.ID()) == last && len(failed) == 0 {
		time.Sleep(200 * time.Microsecond)
	}
	took = end()
	if err := <-failed; err != nil {
		return took, err
	}
	for {
		if now, err := os.Stat(m.file); err == nil && (before == nil || !os.SameFile(before, now)) {
			return took, nil
		}
		select {
		case <-ctx.Done():
			return took, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// round takes the three right after one another.
func (m *crlMaker) round(ctx context.Context, der []byte) error {
	end := begin()
	if err := m.hash(der); err != nil {
		return err
	}
	m.Hash = append(m.Hash, end())
	took, err := m.make(ctx)
	if err != nil {
		return err
	}
	m.Signet = append(m.Signet, took)
	return m.byX509(der)
}

// hash is the least that a CRL of so many octets costs: SHA-256, and one signature.
func (m *crlMaker) hash(der []byte) error {
	digest := sha256.Sum256(der)
	_, err := ecdsa.SignASN1(rand.Reader, m.key, digest[:])
	return err
}

// byX509 has crypto/x509 make the same CRL, from entries that are ready in memory.
func (m *crlMaker) byX509(der []byte) error {
	list, err := crl.Parse(der)
	if err != nil {
		return err
	}
	t := &x509.RevocationList{Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate}
	for e := range list.All() {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: new(big.Int).SetBytes(e.Serial), RevocationTime: e.At, ReasonCode: int(e.Reason),
		})
	}
	issuer := *m.issuer.Certificate()
	issuer.PublicKey = m.key.Public()
	runtime.GC()
	end := begin()
	theirs, err := x509.CreateRevocationList(rand.Reader, t, &issuer, m.key)
	if err != nil {
		return err
	}
	m.X509 = append(m.X509, end())
	runtime.GC() // its garbage is not the next one's
	same, err := crl.Parse(theirs)
	if err == nil && !bytes.Equal(same.RawTBS, list.RawTBS) {
		err = errors.New("crypto/x509 would sign other bytes")
	}
	return err
}

// serveCRLMaker is the child process: its arguments are a folder and the number of rounds.
func serveCRLMaker(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%s wants a folder and a number", crlArgument)
	}
	rounds, err := strconv.Atoi(strings.TrimSpace(args[1]))
	if err != nil {
		return err
	}
	return makeCRLs(context.Background(), args[0], rounds)
}
