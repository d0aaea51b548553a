//go:build cgo

package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/atomicfile"
	"signet/piv"
	"signet/piv/softcard"
	"signet/revocation"
	"signet/store/bolt"
)

const password = "correct horse battery"

// A world is all that a person at a desk has to do with: a CA behind TLS, with its
// CRL and OCSP on plain HTTP, and cards in a PC/SC service of their own.
type world struct {
	store    *bolt.Store
	enroller *enroll.Enroller
	ca       *ca.Hierarchy
	issuer   string // its ID
	tls      *httptest.Server
	url      string // of the CA
	plainURL string
	cards    []*softcard.Card
	pcsc     *softcard.PCSC
	dir      string

	// weather is what befalls requests that hand a CSR in.
	weather atomic.Value // of string
	kill    atomic.Pointer[os.Process]

	roots    *piv.Roots
	profiles map[string]*enroll.Profile

	escrow *enroll.EscrowKey // nil where the CA has none
	config enroll.Config     // the enroller's
	api    atomic.Value      // of http.HandlerFunc: the enroller's
	oldPUK string            // that a script remembers

	// before, where set, gets each call about PUKs and what would serve it.
	before atomic.Value // of func(http.Handler, http.ResponseWriter, *http.Request)

	next **world // that a script has gone on to
}

// What may befall the request that hands a CSR in.
const (
	fair     = "fair"
	gone     = "gone"      // the connection breaks before the CA sees it
	lost     = "lost"      // the CA issues, and the answer is lost
	killNow  = "kill"      // the client is killed, and the CA never sees it
	killThen = "kill-then" // the client is killed once the CA has issued
	deaf     = "deaf"      // nothing befalls those, but the CA takes no word to revoke
)

// A plan is the profile's.
type plan struct {
	enroll.PlanConfig
	algorithms []string // nil for the default
	keyless    bool     // the CA has no escrow key
	stranger   bool     // the CA doesn't trust the cards' root
	with       []string // companions of the profile user
}

// sharedRoot signs every card's attestation key. RSA takes its time: one is made for all.
var sharedRoot = sync.OnceValues(softcard.NewRoot)

// newWorld makes a world with one card, whose firmware is fw. plan is the
// profile's key plan. It ends with the cleanup given.
func newWorld(cleanup func(func()), fw softcard.Version, plan plan) (*world, error) {
	dir, err := os.MkdirTemp("", "signet") // short: a unix socket's path is
	if err != nil {
		return nil, err
	}
	cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{dir: dir}
	w.weather.Store(fair)
	for _, step := range []func(func(func())) error{w.openStore, func(c func(func())) error { return w.serve(c, plan) }, w.listenPCSC} {
		if err := step(cleanup); err != nil {
			return nil, err
		}
	}
	return w, w.addCard(softcard.Config{Serial: 1001, Firmware: fw})
}

func (w *world) openStore(cleanup func(func())) (err error) {
	if w.store, err = bolt.Open(filepath.Join(w.dir, "signet.db"), nil); err == nil {
		cleanup(func() { _ = w.store.Close() })
	}
	return err
}

func (w *world) serve(cleanup func(func()), plan plan) error {
	var plain http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { plain.ServeHTTP(rw, r) }))
	cleanup(server.Close)
	w.plainURL = server.URL
	issuer, serials, err := w.hierarchy()
	if err != nil {
		return err
	}
	w.issuer = issuer.ID()
	if err := w.newEnroller(issuer, serials, plan); err != nil {
		return err
	}
	service, err := w.newRevocation(cleanup, issuer, serials)
	if err != nil {
		return err
	}
	plain = service.Handler(nil)
	return w.serveTLS(cleanup, issuer, serials, service)
}

func (w *world) hierarchy() (*ca.Issuer, *ca.SerialSource, error) {
	ctx := context.Background()
	serials := ca.NewSerialSource(w.store)
	first, err := serials.Next(ctx)
	if err != nil {
		return nil, nil, err
	}
	second, err := serials.Next(ctx)
	if err != nil {
		return nil, nil, err
	}
	w.ca, err = ca.NewHierarchy(ca.SetupConfig{Name: "Test", RootAlgorithm: "P-256", RootSerial: first, IntermediateSerial: second, URL: w.plainURL})
	if err != nil {
		return nil, nil, err
	}
	issuer, err := w.ca.Issuer()
	return issuer, serials, err
}

func (w *world) newEnroller(issuer *ca.Issuer, serials *ca.SerialSource, plan plan) error {
	root, err := sharedRoot()
	if err != nil {
		return err
	}
	config := ca.DefaultProfile()
	if plan.algorithms != nil {
		config.KeyAlgorithms = plan.algorithms
	}
	base, err := ca.NewProfile("user", config)
	if err != nil {
		return err
	}
	profile, err := enroll.NewProfile(base, plan.PlanConfig, plan.with...)
	if err != nil {
		return err
	}
	w.roots = piv.NewRoots(root.Certificate())
	if plan.stranger {
		w.roots = piv.NewRoots()
	}
	if w.profiles, err = companions(); err != nil {
		return err
	}
	w.profiles["user"] = profile
	if !plan.keyless {
		if w.escrow, err = newEscrowKey(); err != nil {
			return err
		}
	}
	w.config = enroll.Config{
		Escrow: w.escrow,
		Store:  w.store, Issuer: issuer, Serials: serials, URLs: ca.URLsAt(w.plainURL, issuer.ID()),
		Passwords: enroll.PasswordParams{Memory: 8, Time: 1},
		Profiles:  w.profiles, Roots: w.roots,
	}
	if err := w.startEnroller(); err != nil {
		return err
	}
	for _, name := range []string{"alice", "bob"} {
		if _, err := w.enroller.Accounts().Add(context.Background(), enroll.NewAccount{Name: name, FullName: name + " Example",
			Email: name + "@example.com", Password: password, Profiles: []string{"user"}}, "@operator"); err != nil {
			return err
		}
	}
	return nil
}

// startEnroller has an enroller with w.config serve from now on.
func (w *world) startEnroller() (err error) {
	if w.enroller, err = enroll.New(w.config); err == nil {
		w.api.Store(http.HandlerFunc(w.enroller.Handler().ServeHTTP))
	}
	return err
}

func (w *world) newRevocation(cleanup func(func()), issuer *ca.Issuer, serials *ca.SerialSource) (*revocation.Service, error) {
	root, err := w.ca.RootIssuer()
	if err != nil {
		return nil, err
	}
	list, err := revocation.RootCRL(root, 1, time.Now(), 24*time.Hour, nil)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(w.dir, "root.crl")
	if err := atomicfile.Write(path, list, 0o600); err != nil {
		return nil, err
	}
	service, err := revocation.New(revocation.Config{
		Store: w.store, Issuer: issuer, RootCRL: path, Logger: slog.New(slog.DiscardHandler),
		IssueResponder: func(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error) {
			serial, err := serials.Next(ctx)
			if err != nil {
				return nil, err
			}
			cert, err := issuer.IssueResponder(ctx, serial, pub, 24*time.Hour, time.Now())
			if err != nil {
				return nil, err
			}
			return cert.X509()
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = service.Run(ctx) }()
	cleanup(func() { cancel(); <-done })
	for start := time.Now(); service.Publisher.Check() != nil || service.Responder.Check() != nil; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			return nil, errors.Join(service.Publisher.Check(), service.Responder.Check())
		}
	}
	return service, nil
}

func (w *world) serveTLS(cleanup func(func()), issuer *ca.Issuer, serials *ca.SerialSource, service *revocation.Service) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := serials.Next(context.Background())
	if err != nil {
		return err
	}
	cert, err := issuer.IssueServer(context.Background(), serial, key.Public(), []string{"127.0.0.1"}, ca.URLsAt(w.plainURL, issuer.ID()), time.Hour, time.Now())
	if err != nil {
		return err
	}
	w.tls = httptest.NewUnstartedServer(w.handler(service))
	w.tls.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), 0)
	w.tls.TLS = &tls.Config{ClientAuth: tls.RequestClientCert,
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.DER, w.ca.Intermediate.Raw}, PrivateKey: key}}}
	w.tls.StartTLS()
	cleanup(w.tls.Close)
	w.url = w.tls.URL
	return nil
}

func (w *world) handler(service *revocation.Service) http.Handler {
	mux := http.NewServeMux()
	api := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.api.Load().(http.HandlerFunc)(rw, r) })
	mux.Handle("/api/v1/", api)
	mux.HandleFunc("/api/v1/cards/", func(rw http.ResponseWriter, r *http.Request) {
		if do, ok := w.before.Load().(func(http.Handler, http.ResponseWriter, *http.Request)); ok {
			do(api, rw, r)
			return
		}
		api.ServeHTTP(rw, r)
	})
	self := service.SelfHandler(func(r *http.Request) (string, bool, error) { return w.enroller.AuthenticateSelf(r) })
	mux.HandleFunc("/api/v1/certificates/{serial}/revocation", func(rw http.ResponseWriter, r *http.Request) {
		if w.weather.Load() == deaf {
			panic(http.ErrAbortHandler)
		}
		self.ServeHTTP(rw, r)
	})
	mux.Handle("/roots.pem", service.Handler(nil))
	mux.HandleFunc("POST /api/v1/certificates", func(rw http.ResponseWriter, r *http.Request) {
		switch w.weather.Load() {
		case gone:
			panic(http.ErrAbortHandler)
		case lost:
			api.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case killNow:
			_ = w.kill.Load().Kill()
			panic(http.ErrAbortHandler)
		case killThen:
			api.ServeHTTP(httptest.NewRecorder(), r)
			_ = w.kill.Load().Kill()
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(rw, r)
	})
	return mux
}

func (w *world) listenPCSC(cleanup func(func())) (err error) {
	if w.pcsc, err = softcard.ListenPCSC(filepath.Join(w.dir, "pcsc")); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.pcsc.Serve(ctx) }()
	cleanup(func() { cancel(); <-done })
	return nil
}

func (w *world) addCard(cfg softcard.Config) error {
	root, err := sharedRoot()
	if err != nil {
		return err
	}
	cfg.Root = root
	if cfg.TouchTimeout == 0 {
		cfg.TouchTimeout = 100 * time.Millisecond
	}
	card, err := softcard.Open(cfg)
	if err != nil {
		return err
	}
	w.cards = append(w.cards, card)
	_, err = w.pcsc.Add(card)
	return err
}

// env is what a program at that desk is told by.
func (w *world) env() []string {
	return []string{
		"PCSCLITE_CSOCK_NAME=" + w.pcsc.SocketPath(),
		"CA=" + w.url, "FINGERPRINT=" + enroll.Fingerprint(w.ca.Root),
		"PLAIN=" + w.plainURL,
		"XDG_CONFIG_HOME=" + filepath.Join(w.dir, "config"),
		"XDG_STATE_HOME=" + filepath.Join(w.dir, "state"),
		"HOME=" + w.dir,
	}
}

// issued is how many certificates accounts were given.
func (w *world) issued() (n int, err error) {
	err = w.store.Certificates(context.Background(), revocation.Filter{Leaf: true}, func(ca.Certificate) bool { n++; return true })
	return n, err
}

// generated is how many keys the first card has made.
func (w *world) generated() (n int) {
	for _, e := range w.cards[0].Trace() {
		if e.INS == 0x47 && e.SW == 0x9000 {
			n++
		}
	}
	return n
}

// report has an officer say that a card is lost, or was found.
func (w *world) report(serial uint32, lost bool) (err error) {
	holdings := enroll.NewHoldings(enroll.HoldingsConfig{Store: w.store, Issuer: w.issuer})
	if lost {
		_, err = holdings.Lose(context.Background(), serial, enroll.Loss{}, "@operator", false)
	} else {
		_, err = holdings.Find(context.Background(), serial, "", "@operator", false)
	}
	return err
}
