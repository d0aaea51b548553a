package ceremony

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"signet/enroll"
	"signet/piv"
)

// check sees to it that what the CA issued is for our key and leads to its root.
func (r *run) check(k *pendingKey, issued *enroll.Issued) (*x509.Certificate, error) {
	cert, err := issued.X509()
	if err != nil {
		return nil, fmt.Errorf("reading the certificate from the CA: %w", err)
	}
	if !bytes.Equal(cert.RawSubjectPublicKeyInfo, k.Public) {
		return nil, &MismatchError{"the CA's certificate is for another key than the card's"}
	}
	if r.Root == nil {
		return cert, nil
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(r.Root)
	chain, err := issued.ChainX509()
	if err != nil {
		return nil, fmt.Errorf("reading the chain from the CA: %w", err)
	}
	for _, c := range chain {
		between.AddCert(c)
	}
	// At the time it begins: this machine's clock may be slow, and that is for
	// those who rely on the certificate to judge.
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between,
		CurrentTime: cert.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, &MismatchError{fmt.Sprintf("the CA's certificate doesn't lead to its root: %v", err)}
	}
	return cert, nil
}

// install puts the certificates on the card, and a key where it is for, if that is elsewhere.
// All are written before each is proved.
func (r *run) install(ctx context.Context) (all []Installed, err error) {
	for _, k := range r.entry.Keys {
		cert, err := r.check(k, k.Issued)
		if err != nil {
			return nil, err
		}
		if k.Into != 0 {
			err = r.swap(ctx, k, cert)
		} else {
			err = r.write(ctx, k, k.Slot, cert)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, Installed{Slot: k.home(), Profile: k.Profile, Certificate: cert, Issued: k.Issued})
	}
	for i, k := range r.entry.Keys {
		if k.Into != 0 {
			continue // it was proved in its place
		}
		if err := r.proveIn(ctx, k, k.Slot, all[i].Certificate); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// write puts a certificate into a slot, and reads it back.
func (r *run) write(ctx context.Context, k *pendingKey, s piv.Slot, cert *x509.Certificate) error {
	r.step(StepImport, k)
	if err := r.Card.SetCertificate(ctx, s, cert); err != nil {
		return err
	}
	back, err := r.Card.Certificate(ctx, s)
	if err != nil {
		return err
	}
	if !back.Equal(cert) {
		return &MismatchError{"the card doesn't give back the certificate that was written"}
	}
	return nil
}

// proveIn has the card prove that the slot's key is the certificate's.
func (r *run) proveIn(ctx context.Context, k *pendingKey, s piv.Slot, cert *x509.Certificate) error {
	r.step(StepProve, k)
	signer, err := r.signer(ctx, s)
	if err != nil {
		return err
	}
	return prove(signer, cert.PublicKey)
}

// prove has the card sign random bytes, and verifies with the certificate's key.
func prove(signer crypto.Signer, pub crypto.PublicKey) error {
	challenge := make([]byte, 32)
	if _, err := rand.Read(challenge); err != nil {
		return err
	}
	digest := sha256.Sum256(challenge)
	var valid bool
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		sig, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return fmt.Errorf("proving the certificate: %w", err)
		}
		valid = ecdsa.VerifyASN1(pub, digest[:], sig)
	case *rsa.PublicKey:
		sig, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return fmt.Errorf("proving the certificate: %w", err)
		}
		valid = rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig) == nil
	case ed25519.PublicKey:
		sig, err := signer.Sign(rand.Reader, challenge, crypto.Hash(0))
		if err != nil {
			return fmt.Errorf("proving the certificate: %w", err)
		}
		valid = ed25519.Verify(pub, challenge, sig)
	}
	if !valid {
		return &MismatchError{"the card's signature isn't one of the certificate's key"}
	}
	return nil
}
