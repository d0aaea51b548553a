package main

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/enroll/ceremony"
	"signet/internal/dn"
	"signet/piv"
)

// An enrolled is the outcome of enroll and renew in JSON.
type enrolled struct {
	Card piv.Info `json:"card"`
	installed
	With       []installed `json:"with,omitempty"` // the companions' certificates
	Resumed    bool        `json:"resumed"`
	Secured    bool        `json:"secured"`
	Superseded []ca.Serial `json:"superseded,omitempty"`     // of keys that were replaced, revoked
	Left       []ca.Serial `json:"not_superseded,omitempty"` // of such keys, and still to be revoked
	Kept       []string    `json:"kept,omitempty"`           // the slots where keys that were replaced are now
	Missing    []missing   `json:"missing,omitempty"`        // keys that the profile has and the card hasn't
	Renewed    bool        `json:"renewed,omitempty"`
	companion  bool        // the first is one of another's
}

// An installed is one certificate on the card.
type installed struct {
	Slot        string    `json:"slot"`
	Profile     string    `json:"profile"`
	Subject     string    `json:"subject"`
	Serial      string    `json:"serial"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Certificate string    `json:"certificate"` // PEM
	Chain       []string  `json:"chain"`       // PEM
	x509        *x509.Certificate
}

// A missing is a key that the card hasn't.
type missing struct {
	Profile string `json:"profile"`
	Slot    string `json:"slot"`
	State   string `json:"state,omitempty"` // why, where the slot holds something: held, revoked, old key, stranger
}

func installedOf(i ceremony.Installed) installed {
	return installed{Slot: i.Slot.String(), Profile: i.Profile, Subject: dn.String(i.Certificate.RawSubject),
		Serial: i.Issued.Serial.String(), NotBefore: i.Certificate.NotBefore, NotAfter: i.Certificate.NotAfter,
		Certificate: i.Issued.Certificate, Chain: i.Issued.Chain, x509: i.Certificate}
}

func (n *connection) reportRenewed(c *cli.Context, r *ceremony.Result) error {
	return n.reportEnrolled(c, r, true)
}

func (n *connection) reportEnrolled(c *cli.Context, r *ceremony.Result, renewed bool) error {
	out := enrolled{Card: r.Card, installed: installedOf(r.Installed), Resumed: r.Resumed, Secured: r.Secured,
		Renewed: renewed, companion: r.Main != r.Installed.Slot, Superseded: r.Superseded, Left: r.Left}
	for _, i := range r.With {
		out.With = append(out.With, installedOf(i))
	}
	for _, m := range r.Missing {
		out.Missing = append(out.Missing, missing{m.Profile, m.Slot.String(), string(m.State)})
	}
	for _, k := range r.Kept {
		out.Kept = append(out.Kept, k.Slot.String())
	}
	// What was done is done: it isn't spoiled by a disk that is full.
	if err := n.sawInstalled(r); err != nil {
		fmt.Fprintf(c.App.ErrWriter, "signet: warning: %v\n", err)
	}
	return report(c, out, func() { out.print(c) })
}

func (e *enrolled) print(c *cli.Context) {
	for _, i := range append([]installed{e.installed}, e.With...) {
		printf(c, "Certificate in slot %s of card %d:\n", i.Slot, e.Card.Serial)
		if len(e.With) > 0 || e.companion {
			printf(c, "  profile  %s\n", i.Profile)
		}
		describe(c.App.Writer, i.x509)
	}
	for _, serial := range e.Superseded {
		printf(c, "Revoked as superseded, since its key is replaced: %s\n", serial)
	}
	for _, slot := range e.Kept {
		printf(c, "The old key is in slot %s, to read what was encrypted to it.\n", slot)
	}
}
