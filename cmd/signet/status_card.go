package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/enroll/ceremony"
	"signet/internal/exit"
	"signet/piv"
)

// A cardStatus is what is known of all certificates on a card.
type cardStatus struct {
	Card         piv.Info  `json:"card"`
	Certificates []*status `json:"certificates"`
	// Left are certificates for keys that others have replaced, still to be revoked.
	Left []ca.Serial `json:"not_superseded,omitempty"`
}

// statusOfCard looks at every slot.
func statusOfCard(c *cli.Context, expiring time.Duration) error {
	card, err := openCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	all := &cardStatus{Card: card.Info()}
	if all.Left, err = supersedeLeft(c, card); err != nil {
		return err
	}
	if all.Certificates, err = readStatuses(c.Context, card); err != nil {
		return err
	}
	verdicts := make(map[*status]error)
	for _, s := range all.Certificates {
		if verdicts[s] = s.judge(c.Context, expiring); s.Status == "" {
			return verdicts[s] // nothing was found out
		}
	}
	for s, err := range verdicts {
		verdicts[s] = all.byOther(s, err)
	}
	all.leaveOutStrangers()
	if err := report(c, all, func() { all.print(c) }); err != nil {
		return err
	}
	return all.verdict(verdicts)
}

// readStatuses fails where there is none in any.
func readStatuses(ctx context.Context, card piv.Card) (all []*status, err error) {
	var unreadable error
	for _, slot := range piv.Slots() {
		s := &status{}
		err := s.read(ctx, card, slot)
		switch {
		case err == nil:
			all = append(all, s)
		case errors.Is(err, piv.ErrEmpty):
		case errors.Is(err, piv.ErrRemoved), errors.Is(err, piv.ErrOtherCard), ctx.Err() != nil:
			return nil, err
		default:
			unreadable = fmt.Errorf("slot %s of card %d: %w", slot, card.Info().Serial, err)
		}
	}
	switch {
	case len(all) > 0:
		return all, nil
	case unreadable != nil:
		return nil, unreadable
	}
	return nil, noneOn(ctx, card)
}

// noneOn says what a card without any certificate has: nothing, or keys alone.
func noneOn(ctx context.Context, card piv.Card) error {
	what, keys := fmt.Sprintf("card %d", card.Info().Serial), []string{}
	for _, slot := range piv.Slots() {
		_, err := card.Key(ctx, slot)
		switch {
		case err == nil:
			keys = append(keys, slot.String())
		case errors.Is(err, piv.ErrRemoved), errors.Is(err, piv.ErrOtherCard), ctx.Err() != nil:
			return err
		}
	}
	if len(keys) == 0 {
		return noCertificate(what)
	}
	return exit.With(exit.NotFound, fmt.Errorf("%s has no certificate, only keys: in slot %s", what, strings.Join(keys, ", ")),
		"If an enrollment was ended halfway, run it again: signet enroll. For new keys in the place of these: signet enroll --force.")
}

// leaveOutStrangers: certificates of CAs that were never met are shown only where there
// is nothing else.
func (a *cardStatus) leaveOutStrangers() {
	ours := slices.DeleteFunc(slices.Clone(a.Certificates), func(s *status) bool { return s.Status == "untrusted" })
	if len(ours) > 0 {
		a.Certificates = ours
	}
}

// byOther has the hint name what the holder of a set's main certificate can do about another
// of it, without touching the others.
func (a *cardStatus) byOther(s *status, err error) error {
	main := func(m *status) bool {
		return m.Status == "good" && m.CA == s.CA && ceremony.SignsIn(m.cert)
	}
	if err == nil || ceremony.SignsIn(s.cert) || !slices.ContainsFunc(a.Certificates, main) {
		return err
	}
	switch s.Status {
	case "revoked":
		return exit.With(exit.CodeOf(err), err, "Ask the CA's officers why; for another key and certificate in its place: signet renew --new-key --slot "+s.Slot+".")
	case "expired":
		return exit.With(exit.CodeOf(err), err, "Get another for the same key: signet renew --slot "+s.Slot+".")
	}
	return err
}

// verdict is the worst, and says of which slot where there are several.
func (a *cardStatus) verdict(of map[*status]error) error {
	var worst error
	for _, s := range a.Certificates {
		err := of[s]
		if err == nil {
			continue
		}
		if len(a.Certificates) > 1 {
			err = exit.With(exit.CodeOf(err), fmt.Errorf("slot %s: %w", s.Slot, err), exit.HintOf(err))
		}
		if worst == nil || gravity(err) > gravity(worst) {
			worst = err
		}
	}
	return worst
}

// gravity orders the exit codes that a certificate can have.
func gravity(err error) int {
	return slices.Index([]int{exit.Expiring, exit.Unreachable, exit.Denied}, exit.CodeOf(err))
}

func (a *cardStatus) print(c *cli.Context) {
	if len(a.Certificates) == 1 {
		a.Certificates[0].print(c)
		return
	}
	printf(c, "Card %d:\n", a.Card.Serial)
	t := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "slot\tstatus\tuntil\tleft\tserial\tsubject")
	for _, s := range a.Certificates {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Slot, s.Status, s.NotAfter.Local().Format(time.DateOnly),
			left(s.NotAfter, time.Now()), s.Serial, s.Subject)
	}
	_ = t.Flush() // as with any other output, an error is nobody's to hear of
}
