package agent_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"regexp"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/crl"
)

// The root takes the intermediate back: the agent brings its CRL to nginx, which refuses
// a certificate below that nobody has revoked.
func TestNginxRefusesAllBelowARevokedIntermediate(t *testing.T) {
	s := newSource(t)
	conf := s.nginx()
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	address := "https://" + string(regexp.MustCompile(`listen (\S+)`).FindSubmatch(text)[1])
	key := catest.Key(t)
	alice := tls.Certificate{Certificate: [][]byte{s.Issue(t, "alice", key, s.now).DER, s.Intermediate.Raw}, PrivateKey: key}
	if status := s.visit(address, alice); status == 0 || status == http.StatusBadRequest {
		t.Fatalf("nginx refuses alice before: %d", status)
	}

	s.bundle(s.list(s.Issuer, 11), s.rootListOf(4, s.Intermediate))
	if r := s.mustFetch(); !r.Changed || !r.CommandRun {
		t.Fatalf("%+v", r)
	}
	// "nginx -s reload" only asks for it.
	for end := time.Now().Add(20 * time.Second); s.visit(address, alice) != http.StatusBadRequest; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nginx still lets alice in")
		}
	}
}

// visit is the status of an answer over a new connection; nginx says 400 where the
// certificate is not good.
func (s *source) visit(address string, cert tls.Certificate) int {
	s.Helper()
	roots := s.Pool()
	roots.AddCert(s.Intermediate) // this nginx sends its own certificate alone
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}}}
	resp, err := client.Get(address)
	if err != nil {
		s.Logf("while it reloads: %v", err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// rootListOf is a CRL of the root that names cert.
func (s *source) rootListOf(number uint64, cert *x509.Certificate) []byte {
	s.Helper()
	serial, _ := ca.SerialOf(cert.SerialNumber)
	der, err := crl.Create(s.RootIssuer, crl.Template{
		Number: number, ThisUpdate: s.now.Add(-time.Hour), NextUpdate: s.now.Add(9 * time.Hour),
		Entries: func(yield func(crl.Entry) bool) error {
			yield(crl.Entry{Serial: serial, At: s.now, Reason: ca.CACompromise})
			return nil
		},
	})
	if err != nil {
		s.Fatal(err)
	}
	return der
}
