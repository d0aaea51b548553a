package relying

import (
	"crypto/x509"
	"slices"
	"time"

	"signet/ca"
	"signet/internal/dn"
)

// An explanation is what a person reads: what happened, and what to do.
type explanation struct {
	Title string
	What  string
	Steps []string
}

const day = "2 January 2006, 15:04 MST"

var explanations = map[Reason]explanation{
	Expired: {"Your certificate has expired", "A certificate is good for a limited time, and that of yours is over.",
		[]string{"Plug your YubiKey in and run “signet enroll --force” for a new certificate.", "Then close the browser, open it again, and choose the new one."}},
	NotYetValid: {"Your certificate is not valid yet", "It holds from a later moment on.",
		[]string{"Wait until then. If that moment is past by your own clock, tell the administrator: this server’s clock is wrong."}},
	UnknownIssuer: {"Your certificate is from another CA", "This server does not know who issued it.",
		[]string{"Close the browser, open it again, and choose another certificate when it asks."}},
	WrongUsage: {"Your certificate is not meant for this", "Its issuer did not make it for signing in.",
		[]string{"Close the browser, open it again, and choose another certificate when it asks."}},
	Unknown: {"Your certificate is not known to its CA", "The CA says that it never issued it.",
		[]string{"Tell the administrator: this should not happen."}},
	Malformed: {"Your certificate can’t be read", "What came in its place is no certificate.",
		[]string{"Tell the administrator: the proxy in front of this server may be set up wrongly."}},
	NoName: {"Your certificate lacks a name", "It does not have the kind of name that this server goes by.",
		[]string{"Ask the administrator for a certificate that has it, or choose another one."}},
	Forged: {"This request bears a name that it may not bear", "It has a header that only this server’s proxy may set.",
		[]string{"If you did not do that yourself, look for a browser extension or a proxy that adds headers."}},
	NoCRL:      cannotCheck,
	CRLExpired: cannotCheck,
	NoOCSP:     cannotCheck,
}

var cannotCheck = explanation{"Certificates can’t be checked now", "This server has no fresh news of which certificates are revoked, and lets nobody in until it has. " +
	"That is not the fault of yours.",
	[]string{"Try again in a few minutes.", "If it goes on, tell the administrator."}}

var noCertificate = explanation{"A certificate is needed here", "Your browser sent none.",
	[]string{"Plug your YubiKey in, close the browser, open it again, and choose your certificate when it asks.",
		"If you have no certificate yet, “signet enroll” gets you one."}}

// reasons say in a sentence why somebody took a certificate back.
var reasons = map[ca.Reason]string{
	ca.KeyCompromise:        "Its key may be in other hands.",
	ca.CACompromise:         "A key of the CA may be in other hands.",
	ca.AffiliationChanged:   "Its owner’s place in the organisation has changed.",
	ca.Superseded:           "Another certificate has taken its place.",
	ca.CessationOfOperation: "It is no longer needed.",
	ca.PrivilegeWithdrawn:   "Its owner may no longer use it.",
}

func explain(id Identity) explanation {
	if id.Result != Failed {
		return noCertificate
	}
	if r := id.Revocation; r != nil {
		return explainRevoked(id, r)
	}
	e, ok := explanations[id.Reason]
	if !ok {
		return explanation{Title: "Your certificate is not accepted", What: "This server does not take it."}
	}
	switch {
	case id.Certificate == nil:
	case id.Reason == Expired && !endsBefore(id.Chain, id.Certificate.NotAfter):
		e.What = "It was good until " + id.Certificate.NotAfter.UTC().Format(day) + "."
	case id.Reason == NotYetValid:
		e.What = "It holds from " + id.Certificate.NotBefore.UTC().Format(day) + " on."
	}
	return e
}

// endsBefore reports whether a CA of the chain expires before its leaf, which
// may then not be what has expired.
func endsBefore(chain []*x509.Certificate, t time.Time) bool {
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return c.NotAfter.Before(t) })
}

func explainRevoked(id Identity, r *Revocation) explanation {
	at := r.At.UTC().Format(day)
	if r.Certificate != id.Certificate {
		return explanation{"The CA of your certificate is revoked", "Its own certificate was taken back on " + at + ".",
			[]string{"Ask the administrator for a certificate of another CA."}}
	}
	if id.Reason == OnHold {
		return explanation{"Your certificate is on hold", "It was put on hold on " + at + ".",
			[]string{"Ask the administrator to release it. Until then it opens nothing."}}
	}
	what := "It was taken back on " + at + "."
	if why := reasons[r.Reason]; why != "" {
		what += " " + why
	}
	return explanation{"Your certificate is revoked", what, []string{
		"It can’t be used again. If you may have another one, plug your YubiKey in and run “signet enroll --force”.",
		"If you did not expect this, ask the administrator."}}
}

// facts are what the administrator will ask for. Only what leads to a CA that is
// trusted is shown by name: anyone can write anything into a certificate of his own.
func facts(id Identity) []fact {
	if id.Certificate == nil {
		return nil
	}
	var out []fact
	if id.Chain != nil {
		out = append(out, fact{"Issued to", dn.String(id.Certificate.RawSubject)}, fact{"Issued by", id.Issuer})
	}
	return append(out, fact{"Serial number", id.Serial}, fact{"SHA-256", id.Fingerprint})
}
