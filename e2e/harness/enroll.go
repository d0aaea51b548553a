package harness

import (
	"context"
	"crypto/tls"
	"hash/crc32"

	"signet/ca"
	"signet/enroll"
	"signet/piv/softcard"
)

// AddUser makes an account that enrolls by code.
func (c *CA) AddUser(ctx context.Context, name string) error {
	_, err := c.Signetd(ctx, "user", "add", name, "--name", name, "--email", name+"@example.com", "--no-password")
	return err
}

// Enroll gets an account a certificate with a one-time code, as from a card of its own.
func (c *CA) Enroll(ctx context.Context, account string) (*tls.Certificate, error) {
	var made struct{ Code string }
	if err := c.SignetdJSON(ctx, &made, "code", "new", account); err != nil {
		return nil, err
	}
	// A card is one account's.
	device, err := c.Cards.NewDevice(crc32.ChecksumIEEE([]byte(account))|1, softcard.Version{5, 7, 1})
	if err != nil {
		return nil, err
	}
	applicant, err := NewApplicant(device)
	if err != nil {
		return nil, err
	}
	client := c.Client(enroll.Credentials{Code: made.Code})
	offer, err := client.Plan(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	csr, err := applicant.CSR(offer.Nonce)
	if err != nil {
		return nil, err
	}
	issued, err := client.Submit(ctx, enroll.Request{CSR: csr})
	if err != nil {
		return nil, err
	}
	leaf, err := issued.X509()
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: applicant.Key, Leaf: leaf}, nil
}

// Revoke takes a certificate back, for good.
func (c *CA) Revoke(ctx context.Context, cert *tls.Certificate, reason ca.Reason) error {
	_, err := c.Signetd(ctx, "cert", "revoke", "--reason", reason.String(), SerialOf(cert.Leaf))
	return err
}
