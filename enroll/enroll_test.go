package enroll_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/problem"
	"signet/piv"
	"signet/piv/softcard"
)

func TestEnrollByPassword(t *testing.T) {
	a := newAuthority(t)
	key := catest.Key(t)
	issued := a.enrolled(a.withPassword("alice"), "", wish{key: key})

	cert := must(issued.X509())
	if !cert.PublicKey.(*ecdsa.PublicKey).Equal(key.Public()) {
		t.Error("the certificate is for another key")
	}
	if cert.Subject.CommonName != "Alice Example" {
		t.Errorf("subject %s: want the account's", cert.Subject)
	}
	chain := x509.NewCertPool()
	for _, c := range must(issued.ChainX509()) {
		chain.AddCert(c)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: a.pool(), Intermediates: chain, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if root := must(issued.RootX509()); !root.Equal(a.ca.Root) {
		t.Error("the root is another")
	}
	if issued.CardSerial != 4711 {
		t.Errorf("card serial %d, want 4711", issued.CardSerial)
	}
	stored := must(a.store.Certificate(ctx, issued.Issuer, issued.Serial))
	if !bytes.Equal(stored.DER, cert.Raw) || stored.Account != "alice" || stored.Card.Slot != "9a" {
		t.Errorf("stored: %+v", stored)
	}
	if got := a.log.auditLines(t, issued.Serial.String()); !slices.Equal(got, []string{"begin", "end"}) {
		t.Errorf("audit lines %v, want begin and end", got)
	}
	if strings.Contains(a.log.String(), password) {
		t.Error("the password is in the log")
	}
}

func TestOffer(t *testing.T) {
	a := newAuthority(t)
	offer := must(a.withPassword("alice").Plan(ctx, "", 0))
	if offer.Profile != "user" || offer.Account != "alice" || offer.Issuer != a.ca.Issuer.ID() ||
		!strings.Contains(offer.Subject, "Alice Example") || offer.LifetimeSeconds != 365*24*3600 {
		t.Errorf("offer %+v", offer)
	}
	p := offer.Plan
	if p.Slot != piv.SlotAuthentication || p.PINPolicy != piv.PINOnce || p.TouchPolicy != piv.TouchNever ||
		p.Attestation != enroll.AttestationRequired || p.Algorithms[0] != piv.P256 || p.MinFirmware != (piv.Version{4, 3, 0}) {
		t.Errorf("plan %+v", p)
	}
	if until := time.Until(offer.NonceExpires); until < 14*time.Minute || until > 15*time.Minute {
		t.Errorf("the nonce ends in %s", until)
	}
}

// The submission is refused, each time by the rule named, and nothing is issued.
func TestRefusals(t *testing.T) {
	a := newAuthority(t)
	alice, bob := a.withPassword("alice"), a.withPassword("bob")
	fresh := func() []byte { return must(alice.Plan(ctx, "user", 0)).Nonce }
	spent := fresh()
	must(alice.Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: catest.Key(t), nonce: spent}.csr(t)}))
	bobs := catest.Key(t)
	a.enrolled(bob, "user", wish{key: bobs, device: cards().other})
	otherRoot := must(softcard.NewRoot())
	otherDevice := must(otherRoot.NewDevice(1, softcard.Version{5, 4, 3}))
	rsa1024 := must(rsa.GenerateKey(rand.Reader, 1024))
	mallory := x509.CertificateRequest{Subject: pkix.Name{CommonName: "Mallory"}}

	for _, c := range []struct {
		rule   string
		status int
		csr    []byte
	}{
		{"csr.parse", 400, []byte("no CSR at all")},
		{"csr.parse", 400, wish{key: catest.Key(t)}.csr(t)[1:]},
		{"csr.signature", 422, forged(wish{key: catest.Key(t), nonce: fresh()}.csr(t))},
		{"csr.names", 422, wish{key: catest.Key(t), nonce: fresh(), request: mallory}.csr(t)},
		{"key.size", 422, wish{key: rsa1024, nonce: fresh()}.csr(t)},
		{"key.profile", 422, wish{key: must(ca.GenerateKey("RSA-2048")), nonce: fresh()}.csr(t)},
		{"key.ca", 422, wish{key: a.ca.IntermediateKey, nonce: fresh()}.csr(t)},
		{"key.taken", 409, wish{key: bobs, nonce: fresh()}.csr(t)},
		{"nonce.missing", 422, wish{key: catest.Key(t)}.csr(t)},
		{"nonce.account", 422, wish{key: catest.Key(t), nonce: must(bob.Plan(ctx, "user", 0)).Nonce}.csr(t)},
		{"nonce.account", 422, wish{key: catest.Key(t), nonce: make([]byte, 40)}.csr(t)},
		{"nonce.spent", 409, wish{key: catest.Key(t), nonce: spent}.csr(t)},
		{"attestation.missing", 422, wish{key: catest.Key(t), nonce: fresh(), bare: true}.csr(t)},
		{"attestation.root", 422, wish{key: catest.Key(t), nonce: fresh(), device: otherDevice}.csr(t)},
		{"attestation.key", 422, wish{key: catest.Key(t), nonce: fresh(), foreign: catest.Key(t)}.csr(t)},
		{"attestation.slot", 422, wish{key: catest.Key(t), nonce: fresh(), slot: 0x9e}.csr(t)},
		{"attestation.pin-policy", 422, wish{key: catest.Key(t), nonce: fresh(), pin: softcard.PINNever}.csr(t)},
	} {
		_, err := alice.Submit(ctx, enroll.Request{Profile: "user", CSR: c.csr})
		refused(t, err, c.status, c.rule)
	}

	stale := fresh()
	a.advance(16 * time.Minute)
	_, err := alice.Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: catest.Key(t), nonce: stale}.csr(t)})
	refused(t, err, 422, "nonce.expired")
	if n := len(must(alice.Certificates(ctx))); n != 1 {
		t.Errorf("alice has %d certificates, want the one", n)
	}
}

// forged turns a bit of the CSR's signature.
func forged(csr []byte) []byte {
	csr = bytes.Clone(csr)
	csr[len(csr)-1] ^= 1
	return csr
}

func TestPlanRefusals(t *testing.T) {
	a := newAuthority(t, func(c *enroll.Config) {
		for name, plan := range map[string]enroll.PlanConfig{
			"touch":  {TouchPolicy: "always"},
			"cached": {TouchPolicy: "cached"},
			"new":    {MinFirmware: "5.7.0"},
			"fips":   {FIPS: true},
			"shape":  {FormFactors: []string{"usb-c-nano"}},
			"card":   {CardSerials: []uint32{1, 2}},
			"mine":   {CardSerials: []uint32{4711}, FormFactors: []string{"usb-a-keychain"}},
		} {
			c.Profiles[name] = profile(t, name, plan)
		}
	})
	alice := a.withPassword("alice")
	submit := func(profile string, w wish) error {
		w.key, w.nonce = catest.Key(t), must(alice.Plan(ctx, profile, 0)).Nonce
		_, err := alice.Submit(ctx, enroll.Request{Profile: profile, CSR: w.csr(t)})
		return err
	}
	refused(t, submit("touch", wish{}), 422, "attestation.touch-policy")
	refused(t, submit("touch", wish{touch: softcard.TouchCached}), 422, "attestation.touch-policy")
	refused(t, submit("new", wish{}), 422, "attestation.firmware")
	refused(t, submit("fips", wish{}), 422, "attestation.fips")
	refused(t, submit("shape", wish{}), 422, "attestation.form-factor")
	refused(t, submit("card", wish{}), 422, "attestation.card")
	// What asks for more than the plan is let in.
	for profile, w := range map[string]wish{
		"cached": {touch: softcard.TouchAlways},
		"user":   {touch: softcard.TouchCached, pin: softcard.PINAlways},
		"mine":   {},
	} {
		if err := submit(profile, w); err != nil {
			t.Errorf("%s: %v", profile, err)
		}
	}
}

func TestOptionalAndNoAttestation(t *testing.T) {
	a := newAuthority(t)
	alice := a.withPassword("alice")
	if got := a.enrolled(alice, "either", wish{key: catest.Key(t)}); got.CardSerial != 4711 {
		t.Errorf("either: an attestation that is given is recorded, got card %d", got.CardSerial)
	}
	if got := a.enrolled(alice, "soft", wish{key: catest.Key(t)}); got.CardSerial != 0 {
		t.Errorf("soft: no attestation is looked at, got card %d", got.CardSerial)
	}
	for _, profile := range []string{"either", "soft"} {
		must(alice.Submit(ctx, enroll.Request{Profile: profile, CSR: wish{key: catest.Key(t), bare: true}.csr(t)}))
	}
	_, err := alice.Submit(ctx, enroll.Request{Profile: "either", CSR: wish{key: catest.Key(t)}.csr(t)})
	refused(t, err, 422, "nonce.missing")
	nonce := must(alice.Plan(ctx, "either", 0)).Nonce
	_, err = alice.Submit(ctx, enroll.Request{Profile: "either", CSR: wish{key: catest.Key(t), nonce: nonce, foreign: catest.Key(t)}.csr(t)})
	refused(t, err, 422, "attestation.key")
}

func TestProfiles(t *testing.T) {
	a := newAuthority(t)
	a.add(enroll.NewAccount{Name: "carol", Email: "carol@example.com", Password: password, Profiles: []string{"soft"}})
	carol := a.withPassword("carol")
	if got := must(carol.Plan(ctx, "", 0)).Profile; got != "soft" {
		t.Errorf("the default is %q, want the account's first", got)
	}
	_, err := carol.Plan(ctx, "user", 0)
	refused(t, err, 403, "profile.denied")
	_, err = carol.Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: catest.Key(t)}.csr(t)})
	refused(t, err, 403, "profile.denied")

	soft := a.withCode(a.codeFor("alice", "soft", time.Hour))
	if got := must(soft.Plan(ctx, "", 0)).Profile; got != "soft" {
		t.Errorf("the code is for soft, got %q", got)
	}
	_, err = soft.Plan(ctx, "user", 0)
	refused(t, err, 403, "profile.denied")

	if err := a.enroll.SetPolicy(map[string]*enroll.Profile{"user": profile(t, "user", enroll.PlanConfig{})}, nil); err != nil {
		t.Fatal(err)
	}
	_, err = carol.Plan(ctx, "", 0)
	refused(t, err, 404, "profile.unknown")
}

func TestSameCSRSameCertificate(t *testing.T) {
	a := newAuthority(t)
	for name, client := range map[string]func() *enroll.Client{
		"password": func() *enroll.Client { return a.withPassword("alice") },
		"code":     func() *enroll.Client { return a.withCode(a.code("alice")) },
	} {
		c := client()
		csr := wish{key: catest.Key(t), nonce: must(c.Plan(ctx, "user", 0)).Nonce}.csr(t)
		first := must(c.Submit(ctx, enroll.Request{Profile: "user", CSR: csr}))
		// The nonce's time and the code's are over: the answer was lost long ago.
		a.advance(2 * time.Hour)
		second := must(c.Submit(ctx, enroll.Request{Profile: "user", CSR: csr}))
		if first.Serial != second.Serial || first.Certificate != second.Certificate {
			t.Errorf("%s: the same CSR gave another certificate", name)
		}
	}
	if n := len(must(a.withPassword("alice").Certificates(ctx))); n != 2 {
		t.Errorf("%d certificates, want one for each CSR", n)
	}
}

func TestSameCSRAtOnce(t *testing.T) {
	a := newAuthority(t)
	c := a.withCode(a.code("alice"))
	csr := wish{key: catest.Key(t), nonce: must(c.Plan(ctx, "user", 0)).Nonce}.csr(t)
	serials := make([]ca.Serial, 16)
	var wg sync.WaitGroup
	for i := range serials {
		wg.Go(func() { serials[i] = must(c.Submit(ctx, enroll.Request{Profile: "user", CSR: csr})).Serial })
	}
	wg.Wait()
	if len(slices.Compact(serials)) != 1 {
		t.Errorf("one CSR, several certificates: %v", serials)
	}
}

func TestCodeIsSpentOnce(t *testing.T) {
	a := newAuthority(t)
	code := a.code("alice")
	var csrs [8][]byte
	for i := range csrs {
		csrs[i] = wish{key: catest.Key(t), nonce: must(a.withCode(code).Plan(ctx, "user", 0)).Nonce}.csr(t)
	}
	errs := make([]error, len(csrs))
	var wg sync.WaitGroup
	for i, csr := range csrs {
		wg.Go(func() { _, errs[i] = a.withCode(code).Submit(ctx, enroll.Request{Profile: "user", CSR: csr}) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		refused(t, err, 409, "code.spent")
	}
	if won != 1 {
		t.Errorf("%d used the code, want 1", won)
	}
	_, err := a.withCode(code).Plan(ctx, "user", 0)
	refused(t, err, 409, "code.spent")
	if n := len(must(a.withPassword("alice").Certificates(ctx))); n != 1 {
		t.Errorf("%d certificates, want 1", n)
	}
}

func TestCodes(t *testing.T) {
	a := newAuthority(t)
	code := a.code("alice")
	for _, typed := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "-", " ")} {
		if offer, err := a.withCode(typed).Plan(ctx, "", 0); err != nil || offer.Account != "alice" {
			t.Errorf("%q: %v", typed, err)
		}
	}
	for _, wrong := range []string{"nonsense", strings.Repeat("0", 26), code + "0"} {
		_, err := a.withCode(wrong).Plan(ctx, "", 0)
		refused(t, err, 401, "")
	}
	_, err := a.withCode(code).Certificates(ctx)
	refused(t, err, 403, "credential.kind")

	if _, _, err := a.enroll.Codes().New(ctx, "nobody", "", 0, "@operator"); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("a code for nobody: %v", err)
	}
	if _, _, err := a.enroll.Codes().New(ctx, "alice", "", 31*24*time.Hour, "@operator"); err == nil {
		t.Error("a code for longer than 30 days")
	}
	a.advance(61 * time.Minute)
	_, err = a.withCode(code).Plan(ctx, "", 0)
	refused(t, err, 401, "code.expired")

	other := a.code("alice")
	if err := a.enroll.Accounts().Disable(ctx, "alice", "@operator"); err != nil {
		t.Fatal(err)
	}
	_, err = a.withCode(other).Plan(ctx, "", 0)
	refused(t, err, 403, "account.disabled")
	if err := a.enroll.Accounts().Remove(ctx, "alice", "@operator"); err != nil {
		t.Fatal(err)
	}
	_, err = a.withCode(other).Plan(ctx, "", 0)
	refused(t, err, 401, "")
}

func TestManyAtOnce(t *testing.T) {
	const many = 200
	a := newAuthority(t)
	errs := make([]error, many)
	var wg sync.WaitGroup
	for i := range many {
		c, key := a.withPassword("alice"), catest.Key(t)
		if i%2 == 0 {
			c = a.withCode(a.code("alice"))
		}
		wg.Go(func() {
			offer, err := c.Plan(ctx, "user", 0)
			if err == nil {
				_, err = c.Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: key, nonce: offer.Nonce}.csr(t)})
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	certs := must(a.store.CertificatesOf(ctx, "alice", 2*many))
	serials := map[ca.Serial]bool{}
	for _, c := range certs {
		serials[c.Serial] = true
	}
	if len(certs) != many || len(serials) != many {
		t.Errorf("%d certificates, %d serials, want %d", len(certs), len(serials), many)
	}
}

func TestKeepsCurve(t *testing.T) {
	a := newAuthority(t)
	key := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	a.enrolled(a.withPassword("alice"), "user", wish{key: key})
	_, err := a.withPassword("alice").Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))}.csr(t)})
	var p *problem.Problem
	if !errors.As(err, &p) || p.Status/100 != 4 {
		t.Errorf("P-521: %v", err)
	}
}

// A nonce that is there twice, or is malformed, is none.
func TestNonceTwice(t *testing.T) {
	a := newAuthority(t)
	alice := a.withPassword("alice")
	nonce := must(alice.Plan(ctx, "user", 0)).Nonce
	request := x509.CertificateRequest{ExtraExtensions: []pkix.Extension{
		{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 7}, Value: must(asn1.Marshal([]byte(nonce)))},
	}}
	if _, err := alice.Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: catest.Key(t), nonce: nonce, request: request}.csr(t)}); err == nil {
		t.Error("two nonces were let in")
	}
}
