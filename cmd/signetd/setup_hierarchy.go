package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/atomicfile"
	"signet/internal/audit"
	"signet/internal/certfile"
	"signet/internal/exit"
)

// The hierarchy is made as a whole in a folder beside, the stage, and moved into
// place from there. The stage counts once it holds the file "complete"; one
// without is what an interrupted run left, and nothing has come of it.
const stageComplete = "complete"

func (s *setup) stage() string { return filepath.Join(s.dir, ".init") }

// hierarchy makes root and intermediate, unless they are there.
func (s *setup) hierarchy(ctx context.Context) error {
	if exists(filepath.Join(s.stage(), stageComplete)) {
		return s.unstage(ctx)
	}
	if err := os.RemoveAll(s.stage()); err != nil {
		return err
	}
	if fresh, err := s.fresh(); err != nil || !fresh {
		return err
	}
	if err := s.makeStage(ctx); err != nil {
		return err
	}
	return s.unstage(ctx)
}

// fresh reports whether nothing of a hierarchy is there. It fails where only a
// part is.
func (s *setup) fresh() (bool, error) {
	c := s.conf
	parts := []string{c.path(c.Root.Certificate), c.path(c.Intermediate.Certificate)}
	if c.keyIsFile() {
		parts = append(parts, c.key())
	}
	var there, missing []string
	for _, p := range parts {
		if exists(p) {
			there = append(there, p)
		} else {
			missing = append(missing, p)
		}
	}
	switch {
	case len(missing) == 0:
		return false, nil
	case len(there) > 0 || exists(filepath.Join(s.dir, rootFolder, "root.key")):
		return false, exit.With(exit.Failed, fmt.Errorf("this CA has lost %s", strings.Join(missing, " and ")),
			"Restore it from a backup. To begin a new CA, take another folder.")
	case !c.keyIsFile():
		return false, exit.With(exit.Failed, errors.New("init makes keys in files, and intermediate.key names another place"),
			"Put the certificates of the key there into root.certificate and intermediate.certificate.")
	}
	return true, nil
}

func (s *setup) makeStage(ctx context.Context) error {
	passphrase, err := s.secret(true)
	if err != nil {
		return err
	}
	h, err := s.newHierarchy(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.stage(), rootFolder), 0o700); err != nil {
		return err
	}
	if err := errors.Join(
		ca.SaveKey(s.staged("root/root.key"), h.RootKey, passphrase),
		ca.SaveKey(s.staged("intermediate.key"), h.IntermediateKey, passphrase),
		writeCertificate(s.staged("root/root.crt"), h.Root),
		writeCertificate(s.staged("root.crt"), h.Root),
		writeCertificate(s.staged("intermediate.crt"), h.Intermediate),
		atomicfile.SyncDir(s.staged(rootFolder)), atomicfile.SyncDir(s.stage()),
	); err != nil {
		return err
	}
	if err := s.record(ctx, h.Records); err != nil {
		return err
	}
	return errors.Join(writeSynced(s.staged(stageComplete), nil, 0o600), atomicfile.SyncDir(s.stage()))
}

func (s *setup) staged(name string) string { return filepath.Join(s.stage(), name) }

func (s *setup) newHierarchy(ctx context.Context) (*ca.Hierarchy, error) {
	c := ca.SetupConfig{
		Name: s.name, RootAlgorithm: s.rootAlgorithm, IntermediateAlgorithm: s.algorithm, URL: s.conf.URLs.HTTP, Now: s.now(),
	}
	var err error
	if c.RootSerial, err = s.serials.Next(ctx); err != nil {
		return nil, err
	}
	if c.IntermediateSerial, err = s.serials.Next(ctx); err != nil {
		return nil, err
	}
	h, err := ca.NewHierarchy(c)
	if err != nil {
		return nil, exit.With(exit.Usage, err, "Try \"signetd init --help\".")
	}
	return h, nil
}

// record keeps the CA's own certificates in the store.
func (s *setup) record(ctx context.Context, all []*ca.Certificate) error {
	for _, cert := range all {
		e := audit.Event{Time: s.now().UTC(), Actor: operatorNamed(ownLogin()), Action: "ca.create", Object: cert.Serial.String()}
		if err := s.store.RecordCertificate(ctx, *cert, e); err != nil && !errors.Is(err, enroll.ErrExists) {
			return err
		}
	}
	return nil
}

// unstage moves what is still in the stage to its place: the intermediate's
// certificate last, since with it the CA counts as made.
func (s *setup) unstage(context.Context) error {
	folder := filepath.Join(s.dir, rootFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	c := s.conf
	for _, move := range [][2]string{
		{"root/root.key", filepath.Join(folder, "root.key")},
		{"root/root.crt", filepath.Join(folder, "root.crt")},
		{"root.crt", c.path(c.Root.Certificate)},
		{"intermediate.key", c.key()},
		{"intermediate.crt", c.path(c.Intermediate.Certificate)},
	} {
		if from := s.staged(move[0]); exists(from) {
			if err := s.settle(from, move[1]); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(s.stage())
}

// rootCRL makes the root's first CRL: without one, a server that checks every
// level refuses everyone.
func (s *setup) rootCRL(ctx context.Context) error {
	path := s.conf.path(s.conf.Root.CRL)
	if exists(path) {
		return nil
	}
	root, err := s.openRoot(ctx)
	if err != nil {
		return err
	}
	der, err := signRootCRL(root, nil, rootCRLLifetime, s.now())
	if err != nil {
		return err
	}
	return s.place(path, der, 0o644)
}

func (s *setup) openRoot(ctx context.Context) (*ca.Issuer, error) {
	folder := filepath.Join(s.dir, rootFolder)
	if !exists(folder) {
		return nil, exit.With(exit.Failed, errors.New("the root's CRL is missing, and its key is not here"),
			"Bring the root's folder back for a moment, and run init again.")
	}
	passphrase, err := s.secret(false)
	if err != nil {
		return nil, err
	}
	return openRootFolder(ctx, folder, passphrase)
}

// serverCertificate makes the server's TLS key and certificate.
func (s *setup) serverCertificate(ctx context.Context) error {
	c := s.conf
	if c.TLS.Certificate != "" {
		return nil
	}
	return s.leaf(ctx, serverKey, serverCert, "server.issue", func(i *ca.Issuer, pub crypto.PublicKey, serial ca.Serial, now time.Time) (*ca.Certificate, error) {
		return i.IssueServer(ctx, serial, pub, c.TLS.Hosts, ca.URLsAt(c.URLs.HTTP, i.ID()), time.Duration(c.TLS.Lifetime), now)
	})
}

// ocspSigner makes the delegated OCSP signer.
func (s *setup) ocspSigner(ctx context.Context) error {
	lifetime := time.Duration(s.conf.OCSP.SignerLifetime)
	return s.leaf(ctx, ocspKey, ocspCert, "ocsp-signer.issue", func(i *ca.Issuer, pub crypto.PublicKey, serial ca.Serial, now time.Time) (*ca.Certificate, error) {
		return i.IssueResponder(ctx, serial, pub, lifetime, now)
	})
}

// leaf makes a P-256 key and the certificate that issue makes for it, or what of
// them is missing.
func (s *setup) leaf(ctx context.Context, keyName, certName, action string,
	issue func(*ca.Issuer, crypto.PublicKey, ca.Serial, time.Time) (*ca.Certificate, error)) error {
	keyPath, certPath := s.conf.path(keyName), s.conf.path(certName)
	if exists(keyPath) && exists(certPath) {
		return nil
	}
	passphrase, err := s.secret(false)
	if err != nil {
		return err
	}
	signer, err := openKey(ctx, s.conf.key(), passphrase)
	if err != nil {
		return err
	}
	issuer, err := newIssuer(s.conf, signer)
	if err != nil {
		return err
	}
	key, err := s.leafKey(ctx, keyPath, passphrase)
	if err != nil {
		return err
	}
	p := parts{store: s.store, issuer: issuer, serials: s.serials, logger: quiet}
	cert, err := p.own(ctx, action, func(serial ca.Serial, now time.Time) (*ca.Certificate, error) {
		return issue(issuer, key.Public(), serial, now)
	})
	if err != nil {
		return err
	}
	return s.place(certPath, encodeChain(cert, issuer.Chain()), 0o644)
}

func (s *setup) leafKey(ctx context.Context, path string, passphrase []byte) (crypto.Signer, error) {
	if exists(path) {
		return openKey(ctx, path, passphrase)
	}
	key, err := ca.GenerateKey("P-256")
	if err != nil {
		return nil, err
	}
	if err := ca.SaveKey(path, key, passphrase); err != nil {
		return nil, err
	}
	s.note(path)
	return key, nil
}

func writeCertificate(path string, cert *x509.Certificate) error {
	return writeSynced(path, encodeChain(cert, nil), 0o644)
}

// encodeChain is cert and what is above it, PEM.
func encodeChain(cert *x509.Certificate, above []*x509.Certificate) []byte {
	return certfile.Encode(append([][]byte{cert.Raw}, rawOf(above)...)...)
}
