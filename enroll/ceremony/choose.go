package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"signet/enroll"
	"signet/piv"
)

// choose makes the members' keys of this card: which algorithm, of those that both can. It
// shows their plans first, and refuses what the CA would refuse.
func (r *run) choose(ctx context.Context, profile string, members []member) error {
	r.wants, r.tries = nil, Tries{members[0].plan.PINTries, members[0].plan.PUKTries}
	r.entry.Keys, r.entry.Profile = nil, profile
	refused := distinct(members)
	for i, m := range members {
		asked := piv.Algorithm("")
		if i == 0 {
			asked = r.Algorithm
		}
		algorithm, err := r.algorithm(ctx, m, asked)
		if algorithm != "" {
			r.show(m, algorithm, err)
		}
		if err != nil && refused == nil {
			refused = err
			if len(members) > 1 {
				refused = fmt.Errorf("profile %s: %w", m.profile, err)
			}
		}
		r.entry.Keys = append(r.entry.Keys, &pendingKey{Profile: m.profile, Slot: m.plan.Slot, Algorithm: algorithm,
			PIN: m.plan.PINPolicy, Touch: m.plan.TouchPolicy})
	}
	if refused != nil {
		r.entry.forget()
	}
	return refused
}

// distinct refuses two keys for one slot: the second would destroy the first.
func distinct(members []member) error {
	for i, m := range members {
		if slices.ContainsFunc(members[:i], func(other member) bool { return other.plan.Slot == m.plan.Slot }) {
			return &PlanError{Reason: fmt.Sprintf("the CA wants two keys in slot %s", m.plan.Slot)}
		}
	}
	return nil
}

// show tells the person what the CA wants. Where nothing is done, the preview does.
func (r *run) show(m member, a piv.Algorithm, refused error) {
	wants := planInWords(m.plan, a)
	note := "the CA wants for profile "
	if len(r.wants) > 0 {
		note = "and with it, for profile "
	}
	r.wants = append(r.wants, Wanted{Profile: m.profile, Wants: wants})
	if !r.dry || refused != nil {
		r.UI.Note(note + m.profile + ": " + wants)
	}
}

// algorithm is asked, or the first that profile and card can. With an error it is "" or
// the preferred one.
func (r *run) algorithm(ctx context.Context, m member, asked piv.Algorithm) (piv.Algorithm, error) {
	wanted := m.plan.Algorithms
	if asked != "" {
		if !slices.Contains(wanted, asked) {
			return "", &AlgorithmError{Profile: m.profile, Asked: asked, Allowed: wanted}
		}
		wanted = []piv.Algorithm{asked}
	}
	firmware := r.Card.Info().Firmware
	able := slices.DeleteFunc(slices.Clone(wanted), func(a piv.Algorithm) bool { return !can(firmware, a) })
	if len(able) == 0 {
		return "", r.unable(ctx, m.plan, wanted)
	}
	return r.pick(ctx, m.plan, able)
}

// unable is why the card makes no such key, and what else the CA has against it.
func (r *run) unable(ctx context.Context, plan *enroll.Plan, wanted []piv.Algorithm) error {
	var words []string
	for _, a := range wanted {
		words = append(words, string(a))
	}
	e := &PlanError{Rule: "key.profile", Reason: fmt.Sprintf("a card of firmware %s makes no %s keys", r.Card.Info().Firmware, strings.Join(words, " or ")),
		Hint: "Use a card with newer firmware, or ask an administrator which other kinds of key the profile may take."}
	var also *PlanError
	if err := r.judge(ctx, plan, wanted[0]); errors.As(err, &also) {
		e.Reason += "; also " + also.Error()
	} else if err != nil {
		return err
	}
	return e
}

// pick takes the first algorithm that the CA will take of this card: an advisory may be about
// one kind of key alone. Where it takes none, the error is of the preferred one.
func (r *run) pick(ctx context.Context, plan *enroll.Plan, able []piv.Algorithm) (piv.Algorithm, error) {
	var first error
	for _, a := range able {
		err := r.judge(ctx, plan, a)
		if err == nil {
			return a, nil
		}
		if first == nil {
			first = err
		}
	}
	return able[0], first
}

// can reports whether a firmware makes keys of an algorithm: 5.7 brought
// larger RSA and Ed25519; 4.2.0 to 4.3.4 make RSA keys that can be broken (ROCA).
func can(fw piv.Version, a piv.Algorithm) bool {
	switch a {
	case piv.P256:
		return true
	case piv.P384:
		return !fw.Less(piv.Version{4, 0, 0})
	case piv.RSA2048:
		return fw.Less(piv.Version{4, 2, 0}) || !fw.Less(piv.Version{4, 3, 5})
	}
	return !fw.Less(piv.Version{5, 7, 0})
}
