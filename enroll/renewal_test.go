package enroll_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/audit"
)

func TestRenewSameKey(t *testing.T) {
	a := newAuthority(t)
	key := catest.Key(t)
	first := a.enrolled(a.withPassword("alice"), "", wish{key: key})
	c := a.withCertificate(first, key)

	second := a.enrolled(c, "", wish{key: key})
	if second.Serial == first.Serial {
		t.Error("the renewal gave the same certificate")
	}
	// The attestation on file proves the same of the same key.
	third := a.enrolled(c, "", wish{key: key, bare: true})
	if third.CardSerial != 4711 {
		t.Errorf("card %d, want the one on file", third.CardSerial)
	}
	// It proves nothing of another key.
	_, err := c.Submit(ctx, enroll.Request{CSR: wish{key: catest.Key(t), bare: true, nonce: must(c.Plan(ctx, "", 0)).Nonce}.csr(t)})
	refused(t, err, 422, "attestation.missing")
}

func TestRenewNewKey(t *testing.T) {
	a := newAuthority(t)
	key := catest.Key(t)
	first := a.enrolled(a.withPassword("alice"), "either", wish{key: key})
	ticket := must(a.withCertificate(first, key).RenewalCode(ctx))
	if ticket.Profile != "either" || time.Until(ticket.Expires) > time.Hour {
		t.Errorf("ticket %+v: want the certificate's profile and an hour", ticket)
	}
	// The old key is gone; the ticket is enough, and once.
	c := a.withCode(ticket.Code)
	second := a.enrolled(c, "", wish{key: catest.Key(t)})
	if must(second.X509()).Subject.CommonName != "Alice Example" {
		t.Error("the new certificate is not alice's")
	}
	_, err := c.Plan(ctx, "", 0)
	refused(t, err, 409, "code.spent")
	// Only a certificate gets a ticket.
	_, err = a.withPassword("alice").RenewalCode(ctx)
	refused(t, err, 403, "credential.kind")
}

// A stolen card's holder may have asked for tickets before the card's
// certificate was taken back: they are good for nothing then, and so is its key.
func TestTicketsAndKeyEndWithTheCertificate(t *testing.T) {
	a := newAuthority(t)
	key := catest.Key(t)
	first := a.enrolled(a.withPassword("alice"), "", wish{key: key})
	holder := a.withCertificate(first, key)
	asked, open := must(holder.RenewalCode(ctx)), must(holder.RenewalCode(ctx))
	nonce := must(a.withCode(asked.Code).Plan(ctx, "", 0)).Nonce
	a.take(first, ca.KeyCompromise)

	_, err := a.withCode(open.Code).Plan(ctx, "", 0)
	refused(t, err, 401, "certificate.revoked")
	_, err = a.withCode(asked.Code).Submit(ctx, enroll.Request{CSR: wish{key: catest.Key(t), nonce: nonce}.csr(t)})
	refused(t, err, 401, "certificate.revoked")
	c := a.withPassword("alice")
	_, err = c.Submit(ctx, enroll.Request{CSR: wish{key: key, nonce: must(c.Plan(ctx, "", 0)).Nonce}.csr(t)})
	refused(t, err, 422, "key.blocked")
}

// take revokes a certificate behind the server's back.
func (a *authority) take(issued *enroll.Issued, reason ca.Reason) {
	a.t.Helper()
	r := ca.Revocation{At: time.Now().UTC(), Reason: reason, By: audit.Operator}
	e := audit.Event{Time: r.At, Actor: audit.Operator, Action: "certificate.revoke"}
	if err := a.store.Revoke(ctx, issued.Issuer, issued.Serial, r, e); err != nil {
		a.t.Fatal(err)
	}
}

func TestCertificateNotInForce(t *testing.T) {
	a := newAuthority(t)
	key := catest.Key(t)
	enrolled := func() *enroll.Issued { return a.enrolled(a.withPassword("alice"), "", wish{key: key}) }
	refusedBy := func(rule string, issued *enroll.Issued) {
		t.Helper()
		_, err := a.withCertificate(issued, key).RenewalCode(ctx)
		status := 401
		if rule == "account.disabled" {
			status = 403
		}
		refused(t, err, status, rule)
	}
	held, revoked, good := enrolled(), enrolled(), enrolled()
	a.take(held, ca.CertificateHold)
	a.take(revoked, ca.Superseded)
	refusedBy("certificate.held", held)
	refusedBy("certificate.revoked", revoked)

	records := must(a.withCertificate(good, key).Certificates(ctx))
	statuses := map[enroll.Status]int{}
	for _, r := range records {
		statuses[r.Status]++
	}
	if statuses[enroll.StatusGood] != 1 || statuses[enroll.StatusHeld] != 1 || statuses[enroll.StatusRevoked] != 1 {
		t.Errorf("statuses %v, want one of each", statuses)
	}

	if err := a.enroll.Accounts().Disable(ctx, "alice", "@operator"); err != nil {
		t.Fatal(err)
	}
	refusedBy("account.disabled", good)
	if err := a.enroll.Accounts().Enable(ctx, "alice", "@operator"); err != nil {
		t.Fatal(err)
	}
	a.advance(366 * 24 * time.Hour)
	refusedBy("certificate.expired", good)
}

// A certificate that this issuer signed but the store doesn't hold is nobody's:
// so are another CA's, a TLS server's, and a forged one with a known serial.
func TestCertificateUnknown(t *testing.T) {
	a := newAuthority(t)
	key := catest.Key(t)
	known := a.enrolled(a.withPassword("alice"), "", wish{key: key})
	other := catest.New(t)
	for name, c := range map[string]struct {
		der []byte
		key crypto.Signer
	}{
		"not in the store": {a.ca.Issue(t, "alice", key, time.Now()).DER, key},
		"another CA's":     {other.Issue(t, "alice", key, time.Now()).DER, key},
		"a server's":       {a.serverCertificate().Certificate[0], key},
		"known serial":     {forgedSerial(t, other, known.Serial, key), key},
	} {
		r := httptest.NewRequest("GET", "/api/v1/certificates", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{must(x509.ParseCertificate(c.der))}}
		r.Header.Set("X-Request-Id", "request-1")
		_, _, err := a.enroll.AuthenticateSelf(r)
		if err == nil {
			t.Fatalf("%s: let in", name)
		}
		refused(t, err, 401, "certificate.unknown")
	}
}

func forgedSerial(t *testing.T, by *catest.Hierarchy, serial ca.Serial, key crypto.Signer) []byte {
	t.Helper()
	request := ca.Request{Person: ca.Person{Name: "alice", FullName: "Alice"}, Serial: serial}
	der := wish{key: key, bare: true}.csr(t)
	request.CSR = must(x509.ParseCertificateRequest(der))
	return must(by.Issuer.Issue(ctx, catest.Profile(t), request, by.URLs, time.Now())).DER
}

func TestOneSeesOnesOwn(t *testing.T) {
	a := newAuthority(t)
	alices := a.enrolled(a.withPassword("alice"), "", wish{key: catest.Key(t)})
	if r := must(a.withPassword("alice").Certificate(ctx, alices.Serial)); r.Status != enroll.StatusGood || r.CardSerial != 4711 || r.Slot != "9a" {
		t.Errorf("record %+v", r)
	}
	_, err := a.withPassword("bob").Certificate(ctx, alices.Serial)
	refused(t, err, 404, "")
	if n := len(must(a.withPassword("bob").Certificates(ctx))); n != 0 {
		t.Errorf("bob sees %d certificates", n)
	}
}

func TestAuthenticateSelf(t *testing.T) {
	a := newAuthority(t)
	a.add(enroll.NewAccount{Name: "olga", Password: password, Roles: []enroll.Role{enroll.RoleUser, enroll.RoleOfficer}})
	for name, officer := range map[string]bool{"alice": false, "olga": true} {
		r := httptest.NewRequest("POST", "/", nil)
		r.SetBasicAuth(name, password)
		account, is, err := a.enroll.AuthenticateSelf(r)
		if err != nil || account != name || is != officer {
			t.Errorf("%s: %q, officer %t, %v", name, account, is, err)
		}
	}
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("X-Request-Id", "request-1")
	r.Header.Set("Authorization", "Signet-Code "+a.code("alice"))
	_, _, err := a.enroll.AuthenticateSelf(r)
	refused(t, err, 403, "credential.kind")
}
