package enroll

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// codeScheme is the scheme of an Authorization header that holds a code.
const codeScheme = "Signet-Code"

// A Method is how an identity was proved.
type Method string

// The methods: HTTP Basic, an enrollment code, a TLS client certificate.
const (
	ByPassword    Method = "password"
	ByCode        Method = "code"
	ByCertificate Method = "certificate"
)

// An Identity is who a request's credentials proved to be.
type Identity struct {
	Account Account
	Method  Method
	// Certificate is the one presented; nil with other methods.
	Certificate *ca.Certificate
	code        *Code // nil with other methods
	// codeRenews is the certificate that an unused code renews; nil where it renews none.
	codeRenews *ca.Certificate
}

// renewed is the certificate that id proved to hold, as renews has it.
func (id *Identity) renewed() *ca.Certificate {
	if id.code != nil {
		return id.codeRenews
	}
	return id.Certificate
}

// renews is the serial of the certificate that id proved to hold, by showing it
// or by the code that it was given for it; nil where id proved none.
func (id *Identity) renews() *ca.Serial {
	switch {
	case id.code != nil:
		return id.code.Renews
	case id.Certificate != nil:
		return &id.Certificate.Serial
	}
	return nil
}

func (id *Identity) defaultProfile(now time.Time) string {
	switch {
	case id.code != nil && id.code.Profile != "":
		return id.code.Profile
	case id.Certificate != nil && id.Account.mayAt(id.Certificate.Profile, now):
		return id.Certificate.Profile
	case len(id.Account.Profiles) > 0:
		return id.Account.Profiles[0]
	}
	return ""
}

// mayStart refuses who could not finish: a spent code is good for nothing but
// the answer that was lost.
func (id *Identity) mayStart() error {
	if id.code != nil && id.code.SpentOn != nil {
		return refuse("code.spent", "the code has been used")
	}
	return nil
}

// Authenticate proves who sends r: by its Authorization header, or by its TLS
// client certificate where there is no such header. It fails with
// [ErrNoCredentials], [ErrCredentials], *[ThrottledError], *[BusyError],
// *[RefusedError] or the store's error. A code that was spent still proves who
// presents it: what it is still good for, Enroll decides.
func (e *Enroller) Authenticate(r *http.Request) (*Identity, error) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		name, password, ok := r.BasicAuth()
		if !ok {
			return nil, ErrNoCredentials
		}
		return e.byPassword(r.Context(), name, password, addressOf(r))
	case strings.EqualFold(scheme, codeScheme):
		return e.byCode(r.Context(), value)
	case scheme == "" && r.TLS != nil && len(r.TLS.PeerCertificates) > 0:
		return e.byCertificate(r.Context(), r.TLS.PeerCertificates[0])
	}
	return nil, ErrNoCredentials
}

// AuthenticateSelf is Authenticate for what an account does with its own
// certificates; officer reports whether it may do so with others' too. A code is
// good for enrolling alone. What it fails with is a *[problem.Problem].
func (e *Enroller) AuthenticateSelf(r *http.Request) (account string, officer bool, err error) {
	id, err := e.Authenticate(r)
	if err == nil {
		err = id.mayManage()
	}
	if err != nil {
		return "", false, e.problemOf(r, err)
	}
	return id.Account.Name, id.Account.Has(RoleOfficer), nil
}

func (id *Identity) mayManage() error {
	if id.Method == ByCode {
		return refuse("credential.kind", "an enrollment code is good for enrolling alone")
	}
	return nil
}

func (e *Enroller) byPassword(ctx context.Context, name, password, address string) (*Identity, error) {
	account, err := e.lookUp(ctx, name)
	if err != nil {
		return nil, err
	}
	stored, asked := "", ""
	if account != nil {
		asked = account.Name
		if !account.Disabled {
			stored = account.PasswordHash
		}
	} else if validName(name) {
		asked = name // unknown, but counted like a known one
	}
	if len(password) > maxPassword {
		password = "" // no password has that length: neither hash nor keep it
	}
	again, err := e.login.check(ctx, asked, stored, password, address)
	if err != nil {
		return nil, err
	}
	if again != "" {
		e.rehash(ctx, account, again)
	}
	return &Identity{Account: *account, Method: ByPassword}, nil
}

// lookUp returns nil where there is no account of that name.
func (e *Enroller) lookUp(ctx context.Context, name string) (*Account, error) {
	if !validName(name) {
		return nil, nil
	}
	account, err := e.store.Account(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading account %s: %w", name, err)
	}
	return &account, nil
}

// rehash stores a password's hash with today's parameters, unless it was changed
// meanwhile. A failure costs nothing: the next login tries again.
func (e *Enroller) rehash(ctx context.Context, account *Account, hash string) {
	changed := errors.New("changed meanwhile")
	event := audit.Event{Time: e.now().UTC(), Actor: audit.Server, Action: "account.rehash", Object: account.Name}
	_, err := e.store.ChangeAccount(ctx, account.Name, func(a *Account) error {
		if a.PasswordHash != account.PasswordHash {
			return changed
		}
		a.PasswordHash = hash
		return nil
	}, event)
	if err != nil && !errors.Is(err, changed) {
		e.logger.WarnContext(ctx, "storing a password's new hash", "account", account.Name, "error", err)
	}
}

// byCode needs no throttle: 128 bits can't be guessed.
func (e *Enroller) byCode(ctx context.Context, text string) (*Identity, error) {
	hash, err := ParseCode(text)
	if err != nil {
		return nil, ErrCredentials
	}
	code, err := e.store.Code(ctx, hash)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrCredentials
	}
	if err != nil {
		return nil, fmt.Errorf("reading a code: %w", err)
	}
	// A spent code outlives its end: the answer may have been lost.
	if code.SpentOn == nil && e.now().After(code.Expires) {
		return nil, refuse("code.expired", "the code ended "+code.Expires.Format(time.RFC3339))
	}
	var renews *ca.Certificate
	if code.SpentOn == nil && code.Renews != nil {
		if renews, err = e.stillStands(ctx, *code.Renews); err != nil {
			return nil, err
		}
	}
	account, err := e.lookUp(ctx, code.Account)
	if err != nil {
		return nil, err
	}
	if account == nil {
		return nil, ErrCredentials
	}
	return e.enabled(&Identity{Account: *account, Method: ByCode, code: &code, codeRenews: renews})
}

// stillStands refuses to renew a certificate that was taken back since its
// holder asked for the code: whoever has the card could go on for ever.
func (e *Enroller) stillStands(ctx context.Context, serial ca.Serial) (*ca.Certificate, error) {
	held, _, err := e.store.Held(ctx, e.issuer.ID(), serial)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, ErrCredentials
	case err != nil:
		return nil, fmt.Errorf("reading certificate %s: %w", serial, err)
	case held.Revoked():
		return nil, refuse("certificate.revoked", "the certificate that this code renews was revoked or is on hold")
	}
	return &held, nil
}

// byCertificate lets in the holder of a certificate in force. The TLS handshake
// proved that they have its key. That this CA issued it is proved by the
// store: it holds every certificate issued, and the bytes must be the same.
func (e *Enroller) byCertificate(ctx context.Context, cert *x509.Certificate) (*Identity, error) {
	serial, ok := ca.SerialOf(cert.SerialNumber)
	if !ok {
		return nil, refuse("certificate.unknown", "the client certificate is not one of this CA")
	}
	held, account, err := e.store.Held(ctx, e.issuer.ID(), serial)
	if errors.Is(err, ErrNotFound) || err == nil && !bytes.Equal(held.DER, cert.Raw) {
		return nil, refuse("certificate.unknown", "the client certificate is not one that this CA has issued to an account")
	}
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s: %w", serial, err)
	}
	if err := inForce(&held, cert, e.now()); err != nil {
		return nil, err
	}
	return e.enabled(&Identity{Account: account, Method: ByCertificate, Certificate: &held})
}

func inForce(held *ca.Certificate, cert *x509.Certificate, now time.Time) error {
	switch status := statusOf(held, now); {
	case status != StatusGood:
		return refusef("certificate."+string(status), "the client certificate is %s", status)
	case now.Before(held.NotBefore):
		return refuse("certificate.expired", "the client certificate is not valid yet")
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth), cert.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse("certificate.usage", "the client certificate is not made for client authentication")
	}
	return nil
}

// enabled refuses a disabled account. Its name and that it is disabled are no
// secret from who holds its code or certificate.
func (e *Enroller) enabled(id *Identity) (*Identity, error) {
	if id.Account.Disabled {
		return nil, refuse("account.disabled", "the account "+id.Account.Name+" is disabled")
	}
	return id, nil
}
