package relying

import (
	"crypto/x509"
	"slices"
	"time"

	"signet/ca"
	"signet/internal/dn"
)

// An explanation is what a person reads. What is between `backticks` is to be typed.
type explanation struct {
	Mark     string // the page's colour: "missing", "late", "refused", "unsure"
	Title    string
	What     string   // in a sentence or two
	Happened string   // how it may have come to this; "" where that is plain
	Steps    []string // what to do
	Admin    string   // for the administrator
}

const day = "2 January 2006, 15:04 MST"

// A browser does not ask again while it runs.
const (
	closeAll = "Close all windows of this browser before you try again: it goes on showing the same certificate until then."
	another  = "If you have another certificate, choose that one when the browser asks."
	anew     = "Otherwise plug in your card and run `signet enroll --force`, with your password or a one-time code of your administrator’s."
)

var explanations = map[Reason]explanation{
	Expired: {"late", "Your certificate has expired", "The time for which it was issued is over. Nobody was let in.",
		"Certificates hold for a limited time and are renewed before it ends; `signet status` shows until when. Yours was not renewed in time, and can’t be any more.",
		[]string{closeAll, "If you have a newer certificate, choose that one when the browser asks.", anew},
		"if it should still be in force, compare this server’s clock with the CA’s."},
	NotYetValid: {"late", "Your certificate is not valid yet", "It holds from a later moment on. Nobody was let in.", "",
		[]string{"Wait until then.", "If that moment is past by your own clock, tell the administrator of this site."},
		"compare this server’s clock with the CA’s."},
	UnknownIssuer: {"unsure", "Your certificate is from another CA", "This server does not know who issued it. Nobody was let in.",
		"Another organisation issued it, or you made it yourself: this server takes certificates of its own organisation’s CA.",
		[]string{closeAll, "Choose another certificate when the browser asks: the one on your card."},
		"the certificate leads to none of the CA certificates that this server trusts."},
	WrongUsage: {"unsure", "Your certificate is not meant for this", "Its issuer did not make it for signing in. Nobody was let in.", "",
		[]string{closeAll, "Choose another certificate when the browser asks: the one on your card."},
		"its extended key usage lacks client authentication."},
	Unknown: {"refused", "Your certificate is not known to its CA", "The CA says that it never issued it. Nobody was let in.", "",
		[]string{"Tell the administrator of this site: this should not happen."},
		"the CA’s OCSP responder answers “unknown”. It may have been restored from an old copy, or its key may be in other hands."},
	Malformed: {"unsure", "Your certificate can’t be read", "What came in its place is no certificate. Nobody was let in.", "",
		[]string{"Tell the administrator of this site."},
		"the proxy in front of this server may be set up wrongly."},
	NoName: {"unsure", "Your certificate lacks a name", "It does not have the kind of name that this server goes by. Nobody was let in.", "",
		[]string{closeAll, another, "Otherwise ask your administrator for a certificate that has it."},
		"the setting that says which name is the user’s asks for one that the certificate’s profile does not give."},
	Forged: {"refused", "This request bears a name that it may not bear", "It has a header that only this server’s proxy may set. Nobody was let in.", "",
		[]string{"If you did not do that yourself, look for a browser extension or a proxy that adds headers."},
		"the log names the header."},
	NoCRL:      cannotCheck,
	CRLExpired: cannotCheck,
	NoOCSP:     cannotCheck,
}

var (
	noCertificate = explanation{"missing", "A certificate is needed here", "You are let in with the certificate on your card, and your browser showed none.",
		"The card was not plugged in when the page was opened, you chose “Cancel” when the browser asked which certificate to show, or this browser has not been set up for your card.",
		[]string{"Plug in your card.", "Close all windows of this browser, open it and come back to this page.",
			"When the browser asks, choose your certificate and type the card’s PIN.",
			"No certificate yet? Run `signet enroll`, with your password or a one-time code of your administrator’s."},
		"no client certificate was sent."}
	cannotCheck = explanation{"unsure", "Certificates can’t be checked now", "This server can’t tell whether your certificate is revoked, so it let nobody in. That is not the fault of yours.",
		"Its news of revoked certificates is missing or too old. While that is so, it lets nobody in by certificate, rather than somebody it should not.",
		[]string{"Try again in a few minutes.", "If it goes on, tell the administrator of this site."},
		"see whether what fetches the CRLs here (`signet crl`, `signet gate`) reaches the CA, and whether the CA runs."}
	isRevoked = explanation{"refused", "Your certificate is revoked", "It has been taken back and opens nothing any more. Nobody was let in.",
		"You or your administrator took it back: because the card was lost, because you have a newer certificate, or because your account was closed.",
		[]string{closeAll, "If you have a newer certificate, choose that one when the browser asks.",
			anew + " A revoked certificate can’t be renewed.",
			"If you know of no reason, tell your administrator now: somebody may have reported your card."},
		"the certificate’s serial number is on the CA’s list of revoked certificates (CRL). `signetd cert show SERIAL` says when and why."}
	isOnHold = explanation{"late", "Your certificate is on hold", "Until it is released it opens nothing. Nobody was let in.",
		"Your administrator, or you, put it on hold: because the card can’t be found, for example.",
		[]string{"Ask your administrator to release it.", closeAll},
		"`signetd cert release SERIAL` ends it."}
	caIsRevoked = explanation{"refused", "The CA of your certificate is revoked", "The certificate of the CA that issued yours has been taken back. Nobody was let in.", "",
		[]string{"Ask your administrator for a certificate of another CA."},
		"it is on the CRL of the level above."}
	notAccepted = explanation{"refused", "Your certificate is not accepted", "This site can’t tell by it who you are. Nobody was let in.",
		"It is revoked, it has expired, or another organisation issued it.",
		[]string{closeAll, "If you have several certificates, choose another one when the browser asks.",
			"Run `signet status`: it says whether the certificate on your card is in force.",
			"If it is not, run `signet enroll --force`, with your password or a one-time code of your administrator’s."},
		"this server’s log says why."}
)

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
		return notAccepted
	}
	switch {
	case id.Certificate == nil:
	case id.Reason == Expired && !endsBefore(id.Chain, id.Certificate.NotAfter):
		e.What += " It was good until " + id.Certificate.NotAfter.UTC().Format(day) + "."
	case id.Reason == NotYetValid:
		e.What += " It holds from " + id.Certificate.NotBefore.UTC().Format(day) + " on."
	}
	return e
}

// endsBefore reports whether a CA of the chain expires before its leaf, which
// may then not be what has expired.
func endsBefore(chain []*x509.Certificate, t time.Time) bool {
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return c.NotAfter.Before(t) })
}

// explainRevoked says when, and why where that is known.
func explainRevoked(id Identity, r *Revocation) explanation {
	e, done := isRevoked, "taken back"
	switch {
	case r.Certificate != id.Certificate:
		e = caIsRevoked
	case id.Reason == OnHold:
		e, done = isOnHold, "put on hold"
	}
	e.What += " It was " + done + " on " + r.At.UTC().Format(day) + "."
	if why := reasons[r.Reason]; why != "" && e.Title == isRevoked.Title {
		e.What += " " + why
	}
	return e
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
