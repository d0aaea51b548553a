package main

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
	"signet/internal/dn"
)

// importedProfile is the profile of certificates that came by cert.import: no profile of the
// configuration, so that nothing is issued on their account.
const importedProfile = "@imported"

// newCert is the input of cert.import.
type newCert struct {
	DER     []byte `json:"der"`
	Account string `json:"account,omitempty"` // "" for nobody's
}

// importedCerts is its outcome.
type importedCerts struct {
	Added        int           `json:"added"`
	Known        int           `json:"known"`
	Certificates []certificate `json:"certificates"` // those added
}

// importCertificate records a certificate that the issuer signed and the store has no
// record of, so that it can be revoked, and OCSP knows it.
func (o *operator) importCertificate(ctx context.Context, in newCert) (importedCerts, error) {
	none := importedCerts{Certificates: []certificate{}}
	if in.Account != "" {
		if _, err := o.accounts.Get(ctx, in.Account); err != nil {
			return none, err
		}
	}
	record, err := o.ownCertificate(ctx, in.DER)
	if err != nil {
		return none, err
	}
	record.Account = in.Account
	e := audit.Event{Time: time.Now().UTC(), Actor: actorOf(ctx), Action: "certificate.import", Object: record.Serial.String()}
	if in.Account != "" {
		e.Detail = map[string]string{"account": in.Account}
	}
	switch err := o.store.RecordCertificate(ctx, record, e); {
	case errors.Is(err, enroll.ErrExists):
		none.Known = 1
		return none, nil
	case err != nil:
		return none, err
	}
	audit.Log(ctx, o.logger, "end", e)
	return importedCerts{Added: 1, Certificates: []certificate{certificateOf(record, time.Now())}}, nil
}

// ownCertificate is what is recorded of a certificate that the issuer signed.
func (o *operator) ownCertificate(ctx context.Context, der []byte) (c ca.Certificate, err error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return c, badInputf("this is no certificate: %w", err)
	}
	if err := cert.CheckSignatureFrom(o.chain[0]); err != nil {
		return c, badInputf("the certificate of %s is not signed by this CA's intermediate: %w", dn.String(cert.RawSubject), err)
	}
	serial, ok := ca.SerialOf(cert.SerialNumber)
	if !ok {
		return c, badInputf("the serial number %x is none of Signet's", cert.SerialNumber)
	}
	c = ca.Certificate{
		Issuer: o.issuer, Serial: serial, DER: der, Profile: importedProfile, Subject: dn.String(cert.RawSubject),
		KeyID: ca.KeyIDOf(cert.RawSubjectPublicKeyInfo), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, IssuedAt: cert.NotBefore,
	}
	partitions, err := o.store.Partitions(ctx, o.issuer)
	for _, p := range partitions {
		if len(cert.CRLDistributionPoints) > 0 && cert.CRLDistributionPoints[0] == p.URL {
			c.Partition = p.Number
		}
	}
	return c, err
}
