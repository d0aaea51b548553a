// Package storetest is the suite that every engine of package store passes. It
// knows an engine through [store.Store] alone and tests what the contracts
// there say.
//
// An engine's test calls [Run], and [RunReopen] where the same data can be
// opened twice. What only one engine can get wrong (its files, its locks, its
// flushes) is tested beside it.
package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
	"signet/store"
)

// Run tests the engine. open returns an empty store that open's t closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"Accounts", testAccounts},
		{"AccountExists", testAccountExists},
		{"AccountNotFound", testAccountNotFound},
		{"ChangeAccount", testChangeAccount},
		{"ChangeAccountRefused", testChangeAccountRefused},
		{"ChangeAccountAtOnce", testChangeAccountAtOnce},
		{"RemoveAccount", testRemoveAccount},
		{"Codes", testCodes},
		{"CodeRefused", testCodeRefused},
		{"Secrets", testSecrets},
		{"Serials", testSerials},
		{"Enrollment", testEnrollment},
		{"EnrollmentAgain", testEnrollmentAgain},
		{"EnrollmentOfABlockedKey", testBlockedKey},
		{"EnrollmentThatRenews", testRenewal},
		{"EnrollmentRefused", testEnrollmentRefused},
		{"EnrollmentWithoutNonce", testEnrollmentWithoutNonce},
		{"CodeSpentAtOnce", testCodeSpentAtOnce},
		{"NonceSpentAtOnce", testNonceSpentAtOnce},
		{"CSRAtOnce", testCSRAtOnce},
		{"KeyTakenAtOnce", testKeyTakenAtOnce},
		{"EnrollmentsAtOnce", testEnrollmentsAtOnce},
		{"Set", testSet},
		{"SetMixed", testSetMixed},
		{"SetRefused", testSetRefused},
		{"SetsAtOnce", testSetsAtOnce},
		{"Forget", testForget},
		{"CertificatesOf", testCertificatesOf},
		{"Held", testHeld},
		{"OnHold", testOnHold},
		{"RecordCertificate", testRecordCertificate},
		{"Certificates", testCertificates},
		{"CertificatesOfOneState", testCertificatesOfOneState},
		{"Newest", testNewest},
		{"Revoke", testRevoke},
		{"RevokeAtOnce", testRevokeAtOnce},
		{"Hold", testHold},
		{"RevokeAll", testRevokeAll},
		{"RevokeAllStopped", testRevokeAllStopped},
		{"ReleaseAll", testReleaseAll},
		{"RevokedEntries", testRevokedEntries},
		{"HoldAgainAtOnce", testHoldAgainAtOnce},
		{"ChangesForgotten", testChangesForgotten},
		{"RevisionAtOnce", testRevisionAtOnce},
		{"Partitions", testPartitions},
		{"EntriesLeave", testEntriesLeave},
		{"CRLNumbers", testCRLNumbers},
		{"Cards", testCards},
		{"CardsRenewal", testCardsRenewal},
		{"CardAtOnce", testCardAtOnce},
		{"AddCards", testAddCards},
		{"Allowance", testAllowance},
		{"Holding", testHolding},
		{"ChangeHolding", testChangeHolding},
		{"Escrow", testEscrow},
		{"EscrowRefused", testEscrowRefused},
		{"EscrowProven", testEscrowProven},
		{"PUKRequests", testPUKRequests},
		{"PUKRequestsBounded", testPUKRequestsBounded},
		{"PUKRequestByCode", testPUKRequestByCode},
		{"PUKOfALostCard", testPUKOfALostCard},
		{"PUKOfARemovedAccount", testPUKOfARemovedAccount},
		{"PUKDecidedAtOnce", testPUKDecidedAtOnce},
		{"PUKTakenAtOnce", testPUKTakenAtOnce},
		{"PUKTakenWithoutRequest", testPUKTakenWithoutRequest},
		{"Events", testEvents},
		{"EventsAtOnce", testEventsAtOnce},
		{"CancelledContext", testCancelledContext},
		{"Ping", testPing},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newFixture(t, open(t))) })
	}
}

// Two issuers, the first before the second in every order.
const (
	issuerA = "0123456789abcdef"
	issuerB = "fedcba9876543210"
)

// A fixture is a store under test and what makes things to put into it.
type fixture struct {
	store.Store
	ctx   context.Context
	count atomic.Uint64
	now   time.Time // whole seconds: engines may keep no more than microseconds
}

func newFixture(t *testing.T, s store.Store) *fixture {
	t.Helper()
	return &fixture{Store: s, ctx: t.Context(), now: time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)}
}

// unique is another digest at each call.
func (f *fixture) unique() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "unique %d", f.count.Add(1)))
}

func (f *fixture) serial() (s ca.Serial) {
	u := f.unique()
	copy(s[:], u[:])
	s[0] = 0x01 + s[0]%0x7f
	return s
}

func (f *fixture) event(action, object string) audit.Event {
	return audit.Event{Time: f.now, Actor: audit.Operator, Action: action, Object: object, Detail: map[string]string{"why": "tëst"}}
}

// account adds an account with that name.
func (f *fixture) account(t *testing.T, name string) enroll.Account {
	t.Helper()
	a := enroll.Account{
		Name: name, FullName: "Ünï " + name, Email: name + "@example.org", Created: f.now,
		Roles: []enroll.Role{enroll.RoleUser, enroll.RoleOfficer}, Profiles: []string{"user", "admin"},
		PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
	}
	must(t, f.AddAccount(f.ctx, a, f.event("account.add", name)))
	return a
}

// code adds a code for the account.
func (f *fixture) code(t *testing.T, account string) enroll.Code {
	t.Helper()
	c := enroll.Code{Hash: f.unique(), Account: account, Profile: "user", Created: f.now, Expires: f.now.Add(time.Hour), By: audit.Operator}
	must(t, f.AddCode(f.ctx, c, f.event("code.add", account)))
	return c
}

// enrollment is one that nothing is in the way of.
func (f *fixture) enrollment(account string) enroll.Enrollment {
	return enroll.Enrollment{Issuance: f.issuance(account), Nonce: f.unique(), NonceExpires: f.now.Add(15 * time.Minute)}
}

func (f *fixture) issuance(account string) enroll.Issuance {
	c := f.certificate(account)
	return enroll.Issuance{Certificate: c, CSR: f.unique(), Event: f.event("certificate.issue", c.Serial.String())}
}

// certificate is one of issuerA with a card.
func (f *fixture) certificate(account string) ca.Certificate {
	serial := f.serial()
	return ca.Certificate{
		Issuer: issuerA, Serial: serial, DER: append([]byte{0x30, 0}, serial[:]...), Account: account, Profile: "user",
		Subject: "CN=Ünï " + account, KeyID: f.unique(), IssuedAt: f.now, NotBefore: f.now, NotAfter: f.now.AddDate(1, 0, 0),
		Card: &ca.Card{
			Serial: 4_000_000_001, Firmware: "5.7.1", Slot: "9a", PINPolicy: "once", TouchPolicy: "never",
			FormFactor: "usb-c-keychain", FIPS: true, Root: "CN=Ünï Root", Attestation: [][]byte{{0x30, 1, 2}, {0x30, 3}},
		},
	}
}

// enrolled enrolls and returns what is stored now.
func (f *fixture) enrolled(t *testing.T, e enroll.Enrollment) ca.Certificate {
	t.Helper()
	certs, recorded, err := f.RecordEnrollment(f.ctx, e)
	must(t, err)
	if !recorded || len(certs) != 1+len(e.With) {
		t.Fatalf("enrollment of %s: recorded %v, %d certificates", e.Certificate.Serial, recorded, len(certs))
	}
	return certs[0]
}

// events are all that are stored.
func (f *fixture) events(t *testing.T) (all []audit.Event) {
	t.Helper()
	must(t, f.Events(f.ctx, 0, func(e audit.Event) bool { all = append(all, e); return true }))
	return all
}

// unchanged runs do, which must fail with want and store no event.
func (f *fixture) unchanged(t *testing.T, want error, do func() error) {
	t.Helper()
	before := len(f.events(t))
	fails(t, do(), want)
	if after := len(f.events(t)); after != before {
		t.Errorf("failing with %v, it stored %d events", want, after-before)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}
