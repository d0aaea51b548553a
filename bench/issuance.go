package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/e2e/harness"
	"signet/enroll"
	"signet/internal/audit"
	"signet/store/bolt"
)

// codeCount is how many codes are made beforehand, and so how many
// certificates the runs with codes may issue.
const codeCount = 45_000

// seedCodes makes the codes in the store before the server has it, if they are wanted.
func (b *bench) seedCodes(ctx context.Context) error {
	if !(table{options: b.options}).wanted("code") {
		return nil
	}
	fmt.Printf("making %d enrollment codes …\n", codeCount)
	store, err := bolt.Open(filepath.Join(b.ca.Dir, "signet.db"), nil)
	if err != nil {
		return err
	}
	defer store.Close()
	codes := enroll.NewCodes(store, nil, nil)
	b.codes = make(chan string, codeCount)
	var left atomic.Int64
	left.Store(codeCount)
	group, ctx := errgroup.WithContext(ctx)
	for range 64 {
		group.Go(func() error {
			for left.Add(-1) >= 0 {
				code, _, err := codes.New(ctx, account, "", time.Hour, audit.Operator)
				if err != nil {
					return err
				}
				b.codes <- code
			}
			return nil
		})
	}
	return group.Wait()
}

// issuance measures the three ways to a certificate at each number of clients.
func (b *bench) issuance(ctx context.Context) error {
	t := table{options: b.options}
	if !t.wanted("code", "password", "renewal") {
		return nil
	}
	t.head("issuance, certificates a second (attested keys, the default profile)", "by")
	for _, way := range []struct {
		name string
		make func(context.Context, *harness.Applicant) (worker, error)
	}{
		{"code", b.codeWorker}, {"password", b.passwordWorker}, {"renewal", b.renewalWorker},
	} {
		for _, clients := range clientCounts {
			err := t.row(ctx, way.name, clients, func() (pair, error) { return b.issuancePair(ctx, clients, way.make) })
			if err != nil {
				return err
			}
		}
	}
	return b.printResident()
}

// printResident prints the most memory that signetd has used so far.
func (b *bench) printResident() error {
	mib, err := residentPeak(b.ca.PID())
	if err == nil {
		fmt.Printf("signetd's resident memory at its peak: %.1f MiB\n", mib)
	}
	return err
}

func (b *bench) issuancePair(ctx context.Context, clients int,
	newWorker func(context.Context, *harness.Applicant) (worker, error)) (pair, error) {
	p := b.newPair()
	for _, a := range b.applicants[:clients] {
		ours, err := newWorker(ctx, a)
		if err != nil {
			return p, err
		}
		p.signet.workers = append(p.signet.workers, ours)
		p.bare.workers = append(p.bare.workers, b.bareWorker(a))
	}
	return p, nil
}

// An applicantWorker submits one CSR after another over one connection. Each
// answer brings the nonce for the next.
type applicantWorker struct {
	applicant *harness.Applicant
	http      *http.Client
	url       string
	authorize func(*http.Request) error
	nonce     enroll.Nonce
}

func (w *applicantWorker) work(ctx context.Context) error {
	resp, err := w.submit(ctx)
	if err != nil {
		return err
	}
	return w.keepNonce(resp)
}

func (w *applicantWorker) submit(ctx context.Context) (*http.Response, error) {
	csr, err := w.applicant.CSR(w.nonce)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"csr": harness.PEM(csr)})
	if err != nil {
		return nil, err
	}
	return w.do(ctx, http.MethodPost, w.url, body, http.StatusCreated)
}

func (w *applicantWorker) do(ctx context.Context, method, url string, body []byte, want int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := w.authorize(req); err != nil {
		return nil, err
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	return resp, err
}

func (w *applicantWorker) keepNonce(resp *http.Response) error {
	text := resp.Header.Get("Replay-Nonce")
	if text == "" {
		return errors.New("the answer brought no Replay-Nonce")
	}
	w.nonce = nil
	return w.nonce.UnmarshalText([]byte(text))
}

// newWorker opens the connection and asks for the first nonce.
func (b *bench) newWorker(ctx context.Context, a *harness.Applicant, cert *tls.Certificate,
	authorize func(*http.Request) error) (worker, error) {
	config := &tls.Config{RootCAs: b.ca.Pool()}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	w := &applicantWorker{applicant: a, http: newConnection(config), authorize: authorize,
		url: b.ca.HTTPS + "/api/v1/certificates"}
	resp, err := w.do(ctx, http.MethodGet, b.ca.HTTPS+"/api/v1/profiles/default", nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	return w.work, w.keepNonce(resp)
}

func (b *bench) codeWorker(ctx context.Context, a *harness.Applicant) (worker, error) {
	return b.newWorker(ctx, a, nil, func(r *http.Request) error {
		select {
		case code := <-b.codes:
			r.Header.Set("Authorization", "Signet-Code "+code)
			return nil
		default:
			return errors.New("the codes are used up: measure for a shorter time")
		}
	})
}

func (b *bench) passwordWorker(ctx context.Context, a *harness.Applicant) (worker, error) {
	return b.newWorker(ctx, a, nil, func(r *http.Request) error {
		r.SetBasicAuth(account, password)
		return nil
	})
}

// renewalWorker enrolls once by password, then renews with that certificate.
func (b *bench) renewalWorker(ctx context.Context, a *harness.Applicant) (worker, error) {
	client := b.ca.Client(enroll.Credentials{Account: account, Password: password})
	defer client.HTTP.CloseIdleConnections() // who enrolls is not who is measured
	offer, err := client.Plan(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	csr, err := a.CSR(offer.Nonce)
	if err != nil {
		return nil, err
	}
	issued, err := client.Submit(ctx, enroll.Request{CSR: csr})
	if err != nil {
		return nil, err
	}
	cert, err := issued.X509()
	if err != nil {
		return nil, err
	}
	chain, err := issued.ChainX509()
	if err != nil {
		return nil, err
	}
	held := &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: a.Key, Leaf: cert}
	for _, above := range chain {
		held.Certificate = append(held.Certificate, above.Raw)
	}
	return b.newWorker(ctx, a, held, func(*http.Request) error { return nil })
}

// bareWorker sends the bare handler the same CSRs.
func (b *bench) bareWorker(a *harness.Applicant) worker {
	w := &applicantWorker{
		applicant: a, url: b.bareHTTPS, nonce: make(enroll.Nonce, 40),
		// The bare handler's certificate is one of its own; what is measured is its speed.
		http:      newConnection(&tls.Config{InsecureSkipVerify: true}),
		authorize: func(*http.Request) error { return nil },
	}
	return func(ctx context.Context) error {
		_, err := w.submit(ctx)
		return err
	}
}
