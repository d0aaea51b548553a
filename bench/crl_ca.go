package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/ca"
	"signet/e2e/harness"
	"signet/enroll"
	"signet/piv/softcard"
	"signet/revocation/crl"
)

// A revokingCA is a CA whose certificates are revoked.
type revokingCA struct {
	*harness.CA
	issuer     string
	applicants []*harness.Applicant
	https      *http.Client
	events     chan announced
	stop       context.CancelFunc
	left       chan ca.Serial // certificates to be revoked
}

// An announced CRL is one that the server told of: it is served from then on.
type announced struct {
	number string
	at     time.Time
}

// newRevokingCA makes one in a folder of dir, with a million revoked or none, and starts it.
func (b *bench) newRevokingCA(ctx context.Context, dir, name string, full bool) (*revokingCA, error) {
	folder := filepath.Join(dir, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	h, err := harness.New(ctx, b.bin, folder, nil)
	if err != nil {
		return nil, err
	}
	c := &revokingCA{CA: h, events: make(chan announced, 1000), left: make(chan ca.Serial, 100_000)}
	passwordFile := filepath.Join(dir, "password")
	if _, err := c.Signetd(ctx, "user", "add", account, "--name", "Alice Example", "--email", "alice@example.com",
		"--password-file", passwordFile); err != nil {
		return nil, err
	}
	if c.issuer, err = issuerOf(c.CA); err != nil {
		return nil, err
	}
	if full {
		if err := seedRevoked(c.Dir, c.issuer); err != nil {
			return nil, err
		}
	}
	for i := range burstClients {
		device, err := c.Cards.NewDevice(uint32(1000+i), softcard.Version{5, 7, 1})
		if err != nil {
			return nil, err
		}
		a, err := harness.NewApplicant(device)
		if err != nil {
			return nil, err
		}
		c.applicants = append(c.applicants, a)
	}
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	c.https = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: c.Pool()}, MaxIdleConnsPerHost: burstClients,
	}}
	return c, c.follow(ctx)
}

func (c *revokingCA) close() {
	if c.stop != nil {
		c.stop()
	}
	_ = c.Stop()
}

func issuerOf(h *harness.CA) (string, error) {
	text, err := os.ReadFile(filepath.Join(h.Dir, "intermediate.crt"))
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errors.New("intermediate.crt holds no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	return ca.IssuerID(cert), nil
}

func (c *revokingCA) log() (string, error) {
	text, err := os.ReadFile(c.LogPath())
	return string(text), err
}

// follow listens to the server's events until stop is called.
func (c *revokingCA) follow(ctx context.Context) error {
	ctx, c.stop = context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.HTTP+"/crl/events", nil)
	if err != nil {
		return err
	}
	resp, err := new(http.Client).Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /crl/events: %s", resp.Status)
	}
	go func() {
		defer close(c.events)
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			var e struct{ Issuer, Number string }
			data, ok := strings.CutPrefix(lines.Text(), "data:")
			if ok && json.Unmarshal([]byte(data), &e) == nil && e.Issuer == c.issuer {
				c.events <- announced{e.Number, time.Now()}
			}
		}
	}()
	return nil
}

func (c *revokingCA) broken() error { return errors.New("the stream of events broke off") }

// enroll makes n certificates to be revoked.
func (c *revokingCA) enroll(ctx context.Context, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	var left atomic.Int64
	left.Store(int64(n))
	for _, a := range c.applicants {
		group.Go(func() error {
			client := c.Client(enroll.Credentials{Account: account, Password: password})
			for left.Add(-1) >= 0 {
				offer, err := client.Plan(ctx, "", 0)
				if err != nil {
					return err
				}
				csr, err := a.CSR(offer.Nonce)
				if err != nil {
					return err
				}
				issued, err := client.Submit(ctx, enroll.Request{CSR: csr})
				if err != nil {
					return err
				}
				c.left <- issued.Serial
			}
			return nil
		})
	}
	return group.Wait()
}

func (c *revokingCA) revokeNext(ctx context.Context) (time.Duration, error) {
	return c.revoke(ctx, <-c.left)
}

// revoke revokes a certificate and returns how long that took.
func (c *revokingCA) revoke(ctx context.Context, serial ca.Serial) (time.Duration, error) {
	url := c.HTTPS + "/api/v1/certificates/" + serial.String() + "/revocation"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(`{"reason":"superseded"}`)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(account, password)
	start := time.Now()
	resp, err := c.https.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("POST %s: %s: %s", url, resp.Status, text)
	}
	return time.Since(start), err
}

// fetch gets the CRL that is in force.
func (c *revokingCA) fetch(ctx context.Context) (*crl.List, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.HTTP+"/crl/"+c.issuer+".crl", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	der, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET /crl: %s", resp.Status)
	}
	return crl.Parse(der)
}
