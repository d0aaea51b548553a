//go:build cgo

package ceremony_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/internal/problem"
	"signet/piv"
	"signet/piv/softcard"
	"signet/piv/yubikey"
	"signet/revocation"
	"signet/store/bolt"
)

// An authority is a CA behind TLS that trusts the cards plugged here.
type authority struct {
	hierarchy *catest.Hierarchy
	enroller  *enroll.Enroller
	store     *bolt.Store
	profiles  map[string]*enroll.Profile
	roots     *piv.Roots
	url       string
	inPlace   bool // the plans have no also_slots

	mu      sync.Mutex
	weather func(next http.Handler, w http.ResponseWriter, r *http.Request) // what befalls submissions; nil for nothing
}

// sharedRoot signs every card's attestation key.
var sharedRoot = sync.OnceValues(softcard.NewRoot)

// newAuthority has the profile user in 9a with the companions named.
func newAuthority(t testing.TB, companions ...string) *authority {
	t.Helper()
	root := must(sharedRoot())
	a := &authority{hierarchy: catest.New(t), store: must(bolt.Open(filepath.Join(t.TempDir(), "signet.db"), nil)),
		roots: piv.NewRoots(root.Certificate())}
	t.Cleanup(func() { _ = a.store.Close() })
	a.profiles = setOf(t, companions...)
	a.enroller = must(enroll.New(enroll.Config{Store: a.store, Issuer: a.hierarchy.Issuer, URLs: a.hierarchy.URLs,
		Serials: a.hierarchy.Serials, Passwords: enroll.PasswordParams{Memory: 8, Time: 1}, Profiles: a.profiles, Roots: a.roots,
		Logger: slog.New(slog.DiscardHandler)}))
	a.serve(t)
	return a
}

// setOf are the profiles user, signing in 9c, encryption in 9d and archive in 82; user has those
// companions.
func setOf(t testing.TB, companions ...string) map[string]*enroll.Profile {
	t.Helper()
	mail := []string{"emailProtection"}
	out := map[string]*enroll.Profile{}
	for name, c := range map[string]struct {
		ca.ProfileConfig
		enroll.PlanConfig
	}{
		"user":       {ca.DefaultProfile(), enroll.PlanConfig{}},
		"signing":    {ca.ProfileConfig{ExtKeyUsages: mail, KeyUsages: []string{"digitalSignature", "contentCommitment"}}, enroll.PlanConfig{Slot: "9c", PINPolicy: "always"}},
		"encryption": {ca.ProfileConfig{ExtKeyUsages: mail, KeyUsages: []string{"keyAgreement"}}, enroll.PlanConfig{Slot: "9d"}},
		"archive":    {ca.ProfileConfig{ExtKeyUsages: mail, KeyUsages: []string{"keyAgreement"}}, enroll.PlanConfig{Slot: "82"}},
	} {
		var with []string
		if name == "user" {
			with = companions
		}
		out[name] = must(enroll.NewProfile(must(ca.NewProfile(name, c.ProfileConfig)), c.PlanConfig, with...))
	}
	return out
}

// wants has the profile user have other companions from now on.
func (a *authority) wants(t testing.TB, companions ...string) {
	t.Helper()
	profiles := setOf(t, companions...)
	for _, p := range profiles {
		if a.inPlace {
			p.Plan.AlsoSlots = nil
		}
	}
	if err := a.enroller.SetPolicy(profiles, a.roots); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) serve(t testing.TB) {
	t.Helper()
	api := a.enroller.Handler()
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", api)
	service := must(revocation.New(revocation.Config{Store: a.store, Issuer: a.hierarchy.Issuer, Logger: slog.New(slog.DiscardHandler)}))
	mux.Handle("/api/v1/certificates/{serial}/revocation", service.SelfHandler(a.enroller.AuthenticateSelf))
	mux.HandleFunc("POST /api/v1/certificates", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		weather := a.weather
		a.mu.Unlock()
		if weather == nil {
			api.ServeHTTP(w, r)
			return
		}
		weather(api, w, r)
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), 0)
	key := catest.Key(t)
	cert := must(a.hierarchy.Issuer.IssueServer(t.Context(), a.hierarchy.Serial(t), key.Public(), []string{"localhost"}, a.hierarchy.URLs, time.Hour, time.Now()))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert,
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.DER, a.hierarchy.Intermediate.Raw}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	a.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// becomes sets what befalls submissions from now on.
func (a *authority) becomes(weather func(http.Handler, http.ResponseWriter, *http.Request)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.weather = weather
}

func (a *authority) client(c enroll.Credentials, cert *tls.Certificate) *enroll.Client {
	pool := x509.NewCertPool()
	pool.AddCert(a.hierarchy.Root)
	return &enroll.Client{BaseURL: a.url, HTTP: enroll.NewHTTPClient(pool, cert), Credentials: c, Attempts: 1}
}

// A holder is a person with an account, a card and a place for the journal.
type holder struct {
	*authority
	account string
	card    *softcard.Card
	person  *person
	dir     string
}

const password = "correct horse battery"

// newHolder adds an account, and plugs a new card in until the test ends.
func (a *authority) newHolder(t *testing.T, fw softcard.Version, account string, serial uint32) *holder {
	t.Helper()
	return a.holderOf(t, softcard.Config{Firmware: fw, Serial: serial}, account)
}

func (a *authority) holderOf(t *testing.T, cfg softcard.Config, account string) *holder {
	t.Helper()
	cfg.Root = must(sharedRoot())
	must(a.enroller.Accounts().Add(t.Context(), enroll.NewAccount{Name: account, FullName: "Some One", Email: account + "@example.com",
		Password: password, Profiles: []string{"user"}}, "@operator"))
	card, pull := plug(t, cfg)
	t.Cleanup(pull)
	return &holder{authority: a, account: account, card: card, person: &person{pin: "271828", puk: "31415926"},
		dir: filepath.Join(t.TempDir(), "state")}
}

// run opens the card for one command.
func (h *holder) run(ctx context.Context, command func(context.Context, ceremony.Config) (*ceremony.Result, error), adjust ...func(*ceremony.Config)) (*ceremony.Result, error) {
	card, err := yubikey.Open(ctx, h.card.Serial())
	if err != nil {
		return nil, err
	}
	defer card.Close()
	cfg := ceremony.Config{Card: card, UI: h.person, Journal: ceremony.Journal{Dir: h.dir}, CA: h.url, Root: h.hierarchy.Root,
		Holder: func(cert tls.Certificate) ceremony.Renewer { return h.client(enroll.Credentials{}, &cert) },
		Code:   func(code string) ceremony.Authority { return h.client(enroll.Credentials{Code: code}, nil) },
	}
	for _, f := range adjust {
		f(&cfg)
	}
	return command(ctx, cfg)
}

func (h *holder) enroll(ctx context.Context, adjust ...func(*ceremony.Config)) (*ceremony.Result, error) {
	return h.run(ctx, ceremony.Enroll, append(adjust, func(c *ceremony.Config) {
		c.Account = h.client(enroll.Credentials{Account: h.account, Password: password}, nil)
	})...)
}

func force(c *ceremony.Config) { c.Force = true }

// renew is "signet renew"; newKey, --new-key.
func (h *holder) renew(ctx context.Context, slot piv.Slot, newKey bool) (*ceremony.Result, error) {
	return h.run(ctx, func(ctx context.Context, c ceremony.Config) (*ceremony.Result, error) {
		return ceremony.Renew(ctx, c, newKey)
	}, func(c *ceremony.Config) { c.Slot = slot })
}

// issued are the account's certificates, by profile.
func (h *holder) issued(t *testing.T) map[string][]enroll.Record {
	t.Helper()
	out := map[string][]enroll.Record{}
	client := h.client(enroll.Credentials{Account: h.account, Password: password}, nil)
	for _, c := range must(client.Certificates(t.Context())) {
		out[c.Profile] = append(out[c.Profile], c)
	}
	return out
}

// mustHold fails unless each slot has that profile's certificate, of the key in it, in
// force; and no other slot has anything.
func (h *holder) mustHold(t *testing.T, slots map[piv.Slot]string) {
	t.Helper()
	good := map[string]bool{}
	for profile, records := range h.issued(t) {
		for _, c := range records {
			if c.Status == enroll.StatusGood {
				good[profile+" "+c.Serial.String()] = true
			}
		}
	}
	card := must(yubikey.Open(t.Context(), h.card.Serial()))
	defer card.Close()
	for _, s := range piv.Slots() {
		profile, wanted := slots[s]
		cert, err := card.Certificate(t.Context(), s)
		key, keyErr := card.Key(t.Context(), s)
		if !wanted {
			if !errors.Is(err, piv.ErrEmpty) || !errors.Is(keyErr, piv.ErrEmpty) {
				t.Errorf("slot %s is in use: %v, %v", s, err, keyErr)
			}
			continue
		}
		if err != nil || keyErr != nil {
			t.Errorf("slot %s: %v, %v", s, err, keyErr)
			continue
		}
		if fmt.Sprint(key.Public) != fmt.Sprint(cert.PublicKey) {
			t.Errorf("slot %s has another key than its certificate's", s)
		}
		if serial, _ := ca.SerialOf(cert.SerialNumber); profile != "" && !good[profile+" "+serial.String()] {
			t.Errorf("slot %s has no certificate of %s that is in force", s, profile)
		}
	}
}

// generated is how many keys the card has made, and said so.
func (h *holder) generated() (n int) {
	for _, e := range h.card.Trace() {
		if e.INS == 0x47 && e.SW == 0x9000 {
			n++
		}
	}
	return n
}

// imported is how many certificates were written to the card.
func (h *holder) imported(t *testing.T) (n int) {
	t.Helper()
	card := must(yubikey.Open(t.Context(), h.card.Serial()))
	defer card.Close()
	for _, s := range piv.Slots() {
		if _, err := card.Certificate(t.Context(), s); !errors.Is(err, piv.ErrEmpty) {
			n++
		}
	}
	return n
}

// newCards returns what plugs in a new card, the same one each time: its attestation key takes
// long to make.
func newCards(t *testing.T, fw softcard.Version) func(t *testing.T) softcard.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "card.json")
	card, pull := plug(t, softcard.Config{Path: path, Firmware: fw, Serial: 1001, Root: must(sharedRoot())})
	serial := card.Serial()
	c := must(yubikey.Open(t.Context(), serial))
	if err := c.UseManagementKey(t.Context(), "123456"); err != nil {
		t.Fatal(err)
	}
	must(c.Generate(t.Context(), piv.SlotAuthentication, piv.KeySpec{Algorithm: piv.P256, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever}))
	must(c.Attest(t.Context(), piv.SlotAuthentication))
	if err := errors.Join(c.Reset(t.Context()), c.Close()); err != nil {
		t.Fatal(err)
	}
	pull()
	state := must(os.ReadFile(path))
	return func(t *testing.T) softcard.Config {
		t.Helper()
		path := filepath.Join(t.TempDir(), "card.json")
		if err := os.WriteFile(path, state, 0o600); err != nil {
			t.Fatal(err)
		}
		return softcard.Config{Path: path}
	}
}

// stranger has another program make a key.
func (h *holder) stranger(t *testing.T, s piv.Slot) {
	t.Helper()
	card := must(yubikey.Open(t.Context(), h.card.Serial()))
	defer card.Close()
	if err := card.UseManagementKey(t.Context(), h.person.pin); err != nil {
		t.Fatal(err)
	}
	must(card.Generate(t.Context(), s, piv.KeySpec{Algorithm: piv.P256, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever}))
}

func refused(err error, rule string) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Rule == rule
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
