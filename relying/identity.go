package relying

import (
	"context"
	"crypto/x509"
	"time"

	"signet/ca"
)

// A Result is what became of a check, in the words that nginx has for it.
type Result string

// The results.
const (
	None    Result = "NONE"    // there was no certificate
	Success Result = "SUCCESS" // a good one
	Failed  Result = "FAILED"  // one that doesn't do: see [Reason]
)

// A Reason is why a certificate doesn't do. It is a word for programs.
type Reason string

// The reasons. The last three are not the visitor's fault: nobody can say at the
// moment whether the certificate is revoked ([Reason.Ours]).
const (
	Revoked       Reason = "revoked"
	OnHold        Reason = "on-hold" // revoked, but perhaps not for good
	Expired       Reason = "expired"
	NotYetValid   Reason = "not-yet-valid"
	UnknownIssuer Reason = "unknown-issuer" // no chain to the CAs that are trusted
	WrongUsage    Reason = "wrong-usage"    // not a certificate for clients
	Unknown       Reason = "unknown"        // its issuer says that it never issued it
	Malformed     Reason = "malformed"      // not a certificate
	NoName        Reason = "no-name"        // it lacks the name that is asked for
	Forged        Reason = "forged-header"  // the request bears a header that only a proxy may set

	NoCRL      Reason = "no-crl"      // a level's CRL was never fetched
	CRLExpired Reason = "crl-expired" // a level's CRL has run out
	NoOCSP     Reason = "no-ocsp"     // the OCSP responder gives no answer to believe
)

// Ours reports whether the server can't check, whatever the certificate.
func (r Reason) Ours() bool { return r == NoCRL || r == CRLExpired || r == NoOCSP }

// An Identity is who came, by the certificate whose key they proved to have.
type Identity struct {
	Result Result
	// Reason is why, where Result is [Failed]; Detail says it in a sentence for a log.
	Reason Reason
	Detail string

	// Names are whose certificate it is. They are empty unless Result is
	// [Success], so that who forgets to look at Result lets nobody in; what a
	// certificate says that failed, [NamesOf] reads.
	Names

	// The rest is there for every certificate, good or not.

	Serial      string // hexadecimal, lower-case: 40 digits for Signet's
	Issuer      string // its name as RFC 4514 has it
	Fingerprint string // SHA-256 of the certificate, hexadecimal, lower-case
	Certificate *x509.Certificate
	// Chain leads from the certificate to its root, which is the last; nil where there is none.
	Chain []*x509.Certificate
	// Revocation is there where Reason is [Revoked] or [OnHold].
	Revocation *Revocation
	// Unchecked marks a [Success] of which nobody could say whether it is revoked:
	// [Config.FailOpen] let it in.
	Unchecked bool
}

// A Revocation says when and why a certificate was revoked, and which: the
// visitor's own, or a CA's above it.
type Revocation struct {
	At          time.Time
	Reason      ca.Reason // [ca.Unspecified] where no reason was given
	Certificate *x509.Certificate
}

// OK reports whether the certificate is a good one.
func (i Identity) OK() bool { return i.Result == Success }

// String is "SUCCESS", "NONE", or "FAILED:" and the reason, as in nginx's
// $ssl_client_verify.
func (i Identity) String() string {
	if i.Result == Failed {
		return string(Failed) + ":" + string(i.Reason)
	}
	if i.Result == "" {
		return string(None)
	}
	return string(i.Result)
}

type contextKey struct{}

// NewContext returns ctx with the identity in it, where [FromContext] finds it.
func NewContext(ctx context.Context, i Identity) context.Context {
	return context.WithValue(ctx, contextKey{}, i)
}

// FromContext is the identity that [Checker.Handler] put into a request's
// context; one with the result [None] where there is none.
func FromContext(ctx context.Context) Identity {
	if i, ok := ctx.Value(contextKey{}).(Identity); ok {
		return i
	}
	return Identity{Result: None}
}
