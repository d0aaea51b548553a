//go:build cgo

package ceremony_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/piv"
	"signet/piv/softcard"
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
