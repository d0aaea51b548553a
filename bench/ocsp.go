package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"

	xocsp "golang.org/x/crypto/ocsp"

	"signet/enroll"
	"signet/revocation/ocsp"
)

// ocsp measures answers by GET and by POST, and with a nonce, beside a bare answer of
// as many bytes to the same request.
func (b *bench) ocsp(ctx context.Context) error {
	t := table{options: b.options, kind: "ocsp "}
	if !t.wanted("get", "post", "nonce") {
		return nil
	}
	leaf, issuer, err := b.oneCertificate(ctx)
	if err != nil {
		return err
	}
	short, err := xocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		return err
	}
	nonce, err := withNonce(leaf, issuer)
	if err != nil {
		return err
	}
	t.head("OCSP over plain HTTP, answers a second", "request")
	for _, kind := range []question{
		{"get", http.MethodGet, "/" + base64.StdEncoding.EncodeToString(short), nil},
		{"post", http.MethodPost, "", short},
		{"nonce", http.MethodPost, "", nonce},
	} {
		for _, clients := range clientCounts {
			err := t.row(ctx, kind.name, clients, func() (pair, error) { return b.ocspPair(ctx, clients, kind) })
			if err != nil {
				return err
			}
		}
	}
	return b.printResident()
}

func withNonce(leaf, issuer *x509.Certificate) ([]byte, error) {
	q, err := ocsp.NewQuery(leaf, issuer)
	if err != nil {
		return nil, err
	}
	return q.Request()
}

// A question is a request as it is sent: what follows the address, and the body.
type question struct {
	name, method, path string
	body               []byte
}

func (b *bench) ocspPair(ctx context.Context, clients int, q question) (pair, error) {
	p := b.newPair()
	answer, err := q.ask(ctx, http.DefaultClient, b.ca.HTTP+"/ocsp")
	if err != nil {
		return p, err
	}
	same := fmt.Sprintf("%s/%d", b.bareHTTP, len(answer))
	for range clients {
		p.signet.workers = append(p.signet.workers, q.worker(b.ca.HTTP+"/ocsp"))
		p.bare.workers = append(p.bare.workers, q.worker(same))
	}
	return p, nil
}

func (q question) worker(url string) worker {
	client := newConnection(nil)
	return func(ctx context.Context) error {
		_, err := q.ask(ctx, client, url)
		return err
	}
}

func (q question) ask(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, url+q.path, bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	if q.body != nil {
		req.Header.Set("Content-Type", ocsp.RequestType)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", q.method, url, resp.Status)
	}
	return answer, err
}

// oneCertificate is one of those issued before, and its issuer's.
func (b *bench) oneCertificate(ctx context.Context) (leaf, issuer *x509.Certificate, err error) {
	client := b.ca.Client(enroll.Credentials{Account: account, Password: password})
	offer, err := client.Plan(ctx, "", 0)
	if err != nil {
		return nil, nil, err
	}
	csr, err := b.applicants[0].CSR(offer.Nonce)
	if err != nil {
		return nil, nil, err
	}
	issued, err := client.Submit(ctx, enroll.Request{CSR: csr})
	if err != nil {
		return nil, nil, err
	}
	if leaf, err = issued.X509(); err != nil {
		return nil, nil, err
	}
	chain, err := issued.ChainX509()
	if err != nil {
		return nil, nil, err
	}
	return leaf, chain[0], nil
}
