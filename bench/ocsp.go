package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"

	xocsp "golang.org/x/crypto/ocsp"

	"signet/enroll"
	"signet/revocation/ocsp"
)

// ocsp measures answers without and with a nonce beside a bare answer of as many bytes.
func (b *bench) ocsp(ctx context.Context) error {
	leaf, issuer, err := b.oneCertificate(ctx)
	if err != nil {
		return err
	}
	t := table{options: b.options, kind: "ocsp "}
	t.head("OCSP over plain HTTP, answers a second", "nonce")
	for _, kind := range []struct {
		name    string
		request func(leaf, issuer *x509.Certificate) ([]byte, error)
	}{{"without", withoutNonce}, {"with", withNonce}} {
		request, err := kind.request(leaf, issuer)
		if err != nil {
			return err
		}
		for _, clients := range clientCounts {
			err := t.row(ctx, kind.name, clients, func() (pair, error) { return b.ocspPair(ctx, clients, request) })
			if err != nil {
				return err
			}
		}
	}
	return b.printResident()
}

func withoutNonce(leaf, issuer *x509.Certificate) ([]byte, error) {
	return xocsp.CreateRequest(leaf, issuer, nil)
}

func withNonce(leaf, issuer *x509.Certificate) ([]byte, error) {
	q, err := ocsp.NewQuery(leaf, issuer)
	if err != nil {
		return nil, err
	}
	return q.Request()
}

func (b *bench) ocspPair(ctx context.Context, clients int, request []byte) (pair, error) {
	p := b.newPair()
	answer, err := post(ctx, http.DefaultClient, b.ca.HTTP+"/ocsp", request)
	if err != nil {
		return p, err
	}
	same := fmt.Sprintf("%s/%d", b.bareHTTP, len(answer))
	for range clients {
		p.signet.workers = append(p.signet.workers, postWorker(b.ca.HTTP+"/ocsp", request))
		p.bare.workers = append(p.bare.workers, postWorker(same, request))
	}
	return p, nil
}

func postWorker(url string, body []byte) worker {
	client := newConnection(nil)
	return func(ctx context.Context) error {
		_, err := post(ctx, client, url, body)
		return err
	}
}

func post(ctx context.Context, client *http.Client, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", ocsp.RequestType)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("POST %s: %s", url, resp.Status)
	}
	return answer, err
}

// oneCertificate is one of those issued before, and its issuer's.
func (b *bench) oneCertificate(ctx context.Context) (leaf, issuer *x509.Certificate, err error) {
	client := b.ca.Client(enroll.Credentials{Account: account, Password: password})
	offer, err := client.Plan(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	csr, err := b.applicants[0].CSR(offer.Nonce)
	if err != nil {
		return nil, nil, err
	}
	issued, err := client.Submit(ctx, "", csr)
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
