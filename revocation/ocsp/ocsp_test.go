package ocsp_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/ocsp"
)

// signer is a delegated responder of h with a key of that algorithm.
func signer(t testing.TB, h *catest.Hierarchy, algorithm string) ocsp.Signer {
	t.Helper()
	key, err := ca.GenerateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := h.Issuer.IssueResponder(context.Background(), h.Serial(t), key.Public(), 24*time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := issued.X509()
	if err != nil {
		t.Fatal(err)
	}
	return ocsp.Signer{Certificate: cert, Key: key}
}

// certID is of issuer's certificate with that serial.
func certID(t testing.TB, issuer *x509.Certificate, serial *big.Int, hash crypto.Hash) ocsp.CertID {
	t.Helper()
	id, err := ocsp.NewCertID(issuer, serial, hash)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func marshal(t testing.TB, r *ocsp.Request) []byte {
	t.Helper()
	der, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestRequestIsWhatOthersMake(t *testing.T) {
	h := catest.New(t)
	cert, err := h.Issue(t, "alice", catest.Key(t), time.Now()).X509()
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		theirs, err := xocsp.CreateRequest(cert, h.Intermediate, &xocsp.RequestOptions{Hash: hash})
		if err != nil {
			t.Fatal(err)
		}
		ours := marshal(t, &ocsp.Request{CertIDs: []ocsp.CertID{certID(t, h.Intermediate, cert.SerialNumber, hash)}})
		if !bytes.Equal(ours, theirs) {
			t.Errorf("%v:\n%x\n%x", hash, ours, theirs)
		}
		parsed, err := ocsp.ParseRequest(theirs)
		if err != nil {
			t.Fatal(err)
		}
		id := parsed.CertIDs[0]
		if id.Serial.Cmp(cert.SerialNumber) != 0 || !id.IssuedBy(h.Intermediate) || id.IssuedBy(h.Root) || parsed.Nonce != nil {
			t.Errorf("%v: read as %+v", hash, parsed)
		}
	}
}

func TestRequestBounds(t *testing.T) {
	h := catest.New(t)
	id := certID(t, h.Intermediate, big.NewInt(7), crypto.SHA1)
	ids := func(n int) (out []ocsp.CertID) {
		for range n {
			out = append(out, id)
		}
		return out
	}
	for name, c := range map[string]struct {
		request ocsp.Request
		good    bool
	}{
		"one":                 {ocsp.Request{CertIDs: ids(1)}, true},
		"none":                {ocsp.Request{}, false},
		"many":                {ocsp.Request{CertIDs: ids(ocsp.MaxCertIDs)}, true},
		"too many":            {ocsp.Request{CertIDs: ids(ocsp.MaxCertIDs + 1)}, false},
		"nonce of one octet":  {ocsp.Request{CertIDs: ids(2), Nonce: make([]byte, 1)}, true},
		"nonce of 32 octets":  {ocsp.Request{CertIDs: ids(2), Nonce: make([]byte, 32)}, true},
		"nonce of 129 octets": {ocsp.Request{CertIDs: ids(2), Nonce: make([]byte, 129)}, false},
		"nonce of no octets":  {ocsp.Request{CertIDs: ids(1), Nonce: []byte{}}, false},
		"many, and 20,000 long": {ocsp.Request{CertIDs: []ocsp.CertID{
			certID(t, h.Intermediate, new(big.Int).Lsh(big.NewInt(1), 160_000), crypto.SHA1)}}, false},
	} {
		der := marshal(t, &c.request)
		got, err := ocsp.ParseRequest(der)
		if c.good != (err == nil) || (err != nil && !errors.Is(err, ocsp.ErrMalformed)) {
			t.Errorf("%s: %v", name, err)
		}
		if c.good && (len(got.CertIDs) != len(c.request.CertIDs) || !bytes.Equal(got.Nonce, c.request.Nonce)) {
			t.Errorf("%s: read as %+v", name, got)
		}
		if _, err := ocsp.ParseRequest(append(der, 0)); err == nil {
			t.Errorf("%s: an octet behind it was let pass", name)
		}
	}
}

func TestResponseIsWhatOthersRead(t *testing.T) {
	h := catest.New(t)
	now := time.Now().Truncate(time.Second)
	at := now.Add(-time.Hour)
	serial := func() *big.Int { return h.Serial(t).Big() }
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048"} {
		s := signer(t, h, algorithm)
		singles := []ocsp.Single{
			{ID: certID(t, h.Intermediate, serial(), crypto.SHA1), Status: ocsp.Good},
			{ID: certID(t, h.Intermediate, serial(), crypto.SHA256), Status: ocsp.Revoked, RevokedAt: at, Reason: ca.KeyCompromise},
			{ID: certID(t, h.Intermediate, serial(), crypto.SHA1), Status: ocsp.Revoked, RevokedAt: at},
			{ID: certID(t, h.Intermediate, serial(), crypto.SHA256), Status: ocsp.Unknown},
		}
		for i := range singles {
			singles[i].ThisUpdate, singles[i].NextUpdate = now, now.Add(time.Hour)
		}
		der, err := ocsp.Create(ocsp.Template{ProducedAt: now, Singles: singles, Nonce: []byte("nonce")}, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range singles {
			got, err := xocsp.ParseResponseForCert(der, &x509.Certificate{SerialNumber: want.ID.Serial}, h.Intermediate)
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			if got.Status != int(want.Status) || got.RevocationReason != int(want.Reason) ||
				!got.RevokedAt.Equal(want.RevokedAt) && want.Status == ocsp.Revoked ||
				!got.ThisUpdate.Equal(now) || !got.NextUpdate.Equal(now.Add(time.Hour)) || !got.ProducedAt.Equal(now) {
				t.Errorf("%s: read as %+v", algorithm, got)
			}
		}
	}
	for _, status := range []ocsp.ErrorStatus{ocsp.MalformedRequest, ocsp.InternalError, ocsp.TryLater, ocsp.Unauthorized} {
		_, err := xocsp.ParseResponse(ocsp.ErrorResponse(status), nil)
		var theirs xocsp.ResponseError
		if !errors.As(err, &theirs) || int(theirs.Status) != int(status) {
			t.Errorf("status %d is read as %v", status, err)
		}
	}
}

// respond answers request as the responder of h would, after change.
func respond(t testing.TB, request []byte, s ocsp.Signer, now time.Time, change func(*ocsp.Template)) []byte {
	t.Helper()
	r, err := ocsp.ParseRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := ocsp.Template{ProducedAt: now, Nonce: r.Nonce}
	for _, id := range r.CertIDs {
		tmpl.Singles = append(tmpl.Singles, ocsp.Single{
			ID: id, Status: ocsp.Revoked, RevokedAt: now, Reason: ca.Superseded, ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		})
	}
	if change != nil {
		change(&tmpl)
	}
	der, err := ocsp.Create(tmpl, s)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestQuery(t *testing.T) {
	h, other := catest.New(t), catest.New(t)
	cert, err := h.Issue(t, "alice", catest.Key(t), time.Now()).X509()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	good := signer(t, h, "P-256")
	leafKey := catest.Key(t)
	leaf, err := h.Issue(t, "mallory", leafKey, now).X509()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		signer ocsp.Signer
		later  time.Duration
		change func(*ocsp.Template)
		want   error
	}{
		"good":                     {signer: good},
		"Ed25519":                  {signer: signer(t, h, "Ed25519")},
		"the CA itself":            {signer: ocsp.Signer{Certificate: h.Intermediate, Key: h.IntermediateKey}},
		"another CA's responder":   {signer: signer(t, other, "P-256"), want: ocsp.ErrSignature},
		"a user's certificate":     {signer: ocsp.Signer{Certificate: leaf, Key: leafKey}, want: ocsp.ErrSignature},
		"not the certificate's":    {signer: ocsp.Signer{Certificate: good.Certificate, Key: leafKey}, want: ocsp.ErrSignature},
		"a signer that has ended":  {signer: good, later: 48 * time.Hour, want: ocsp.ErrSignature},
		"an answer that has ended": {signer: good, later: 2 * time.Hour, want: ocsp.ErrStale},
		"an answer to come":        {signer: good, change: func(c *ocsp.Template) { c.Singles[0].ThisUpdate = now.Add(time.Hour) }, want: ocsp.ErrStale},
		"no nonce":                 {signer: good, change: func(c *ocsp.Template) { c.Nonce = nil }, want: ocsp.ErrNonce},
		"another nonce":            {signer: good, change: func(c *ocsp.Template) { c.Nonce = []byte("yesterday's") }, want: ocsp.ErrNonce},
		"another certificate": {signer: good, change: func(c *ocsp.Template) {
			c.Singles[0].ID = certID(t, h.Intermediate, big.NewInt(1), crypto.SHA256)
		}, want: ocsp.ErrNoAnswer},
	} {
		q, err := ocsp.NewQuery(cert, h.Intermediate)
		if err != nil {
			t.Fatal(err)
		}
		request, err := q.Request()
		if err != nil {
			t.Fatal(err)
		}
		got, err := q.Verify(respond(t, request, c.signer, now, c.change), now.Add(c.later))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if c.want == nil && (got.Status != ocsp.Revoked || got.Reason != ca.Superseded || !got.RevokedAt.Equal(now)) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestAsk(t *testing.T) {
	h := catest.New(t)
	cert, err := h.Issue(t, "alice", catest.Key(t), time.Now()).X509()
	if err != nil {
		t.Fatal(err)
	}
	s := signer(t, h, "P-256")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/busy":
			_, _ = w.Write(ocsp.ErrorResponse(ocsp.TryLater))
		case "/page":
			_, _ = w.Write([]byte("<html>"))
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		default:
			body := new(bytes.Buffer)
			_, _ = body.ReadFrom(r.Body)
			_, _ = w.Write(respond(t, body.Bytes(), s, time.Now(), nil))
		}
	}))
	defer server.Close()
	ask := func(path string) (ocsp.Single, error) {
		q, err := ocsp.NewQuery(cert, h.Intermediate)
		if err != nil {
			t.Fatal(err)
		}
		return q.Ask(context.Background(), server.Client(), server.URL+path)
	}
	if got, err := ask("/"); err != nil || got.Status.String() != "revoked" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ask("/busy"); !errors.Is(err, ocsp.TryLater) {
		t.Errorf("busy: %v", err)
	}
	if _, err := ask("/page"); !errors.Is(err, ocsp.ErrMalformed) {
		t.Errorf("a page: %v", err)
	}
	if _, err := ask("/gone"); err == nil {
		t.Error("404 is taken for an answer")
	}
}
