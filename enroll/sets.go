package enroll

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"signet/piv"
)

// MaxMembers is how many certificates one enrollment has at most, the main one included.
const MaxMembers = 8

// CheckSets checks that each profile's companions can be enrolled together with it: they
// are there and have none of their own, each has a slot of its own, and all must prove
// that their keys are on a card, since only that proves that they are on one. Its error
// names every profile and field that is wrong.
func CheckSets(profiles map[string]*Profile) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		for _, err := range checkSet(profiles, profiles[name]) {
			errs = append(errs, fmt.Errorf("profiles.%s: with: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func checkSet(profiles map[string]*Profile, main *Profile) (errs []error) {
	if len(main.With) == 0 {
		return nil
	}
	if len(main.With) >= MaxMembers {
		return []error{fmt.Errorf("%d companions: a card is enrolled for %d certificates at most", len(main.With), MaxMembers)}
	}
	if main.Plan.Attestation != AttestationRequired {
		errs = append(errs, fmt.Errorf("it needs attestation = \"required\" under [profiles.%s.key]", main.Name()))
	}
	if !main.SignsIn() {
		errs = append(errs, errors.New("it needs \"clientAuth\" among its ext_key_usages: its certificate is what the CA knows the holder by when the set is renewed"))
	}
	members := []*Profile{main}
	for i, name := range main.With {
		p := profiles[name]
		switch {
		case name == main.Name():
			errs = append(errs, errors.New("a profile is no companion of itself"))
		case slices.Contains(main.With[:i], name):
			errs = append(errs, fmt.Errorf("%q is there twice", name))
		case p == nil:
			errs = append(errs, fmt.Errorf("there is no [profiles.%s]", name))
		case len(p.With) > 0:
			errs = append(errs, fmt.Errorf("%q has companions of its own", name))
		default:
			errs = append(errs, checkCompanion(main, p)...)
			members = append(members, p)
		}
	}
	if !someCard(members) {
		errs = append(errs, errors.New("no card is let in by all of them: see their card_serials, denied_serials and form_factors"))
	}
	return append(errs, checkSlots(members)...)
}

// someCard reports whether some card may be one that all of them let in.
func someCard(members []*Profile) bool {
	var shapes []byte // nil for all
	var cards []uint32
	for _, p := range members {
		if some := p.Plan.FormFactors; len(some) > 0 {
			if shapes = common(shapes, some); len(shapes) == 0 {
				return false
			}
		}
		if some := p.Plan.Devices.allowed; len(some) > 0 {
			if cards = common(cards, some); len(cards) == 0 {
				return false
			}
		}
	}
	denied := func(serial uint32) bool {
		return slices.ContainsFunc(members, func(p *Profile) bool { return has(p.Plan.Devices.denied, serial) })
	}
	return len(cards) == 0 || slices.ContainsFunc(cards, func(serial uint32) bool { return !denied(serial) })
}

// common are those of some that are in all as well; some where all is nil. Those of
// card serial numbers are in order.
func common[T cmp.Ordered](all, some []T) []T {
	if all == nil {
		return some
	}
	if !slices.IsSorted(some) {
		some = slices.Sorted(slices.Values(some))
	}
	return slices.DeleteFunc(slices.Clone(all), func(one T) bool {
		_, found := slices.BinarySearch(some, one)
		return !found
	})
}

// checkCompanion wants what belongs to the card to be said by the main profile alone.
func checkCompanion(main, p *Profile) (errs []error) {
	refuse := func(refused bool, field string, wanted any) {
		if refused {
			errs = append(errs, fmt.Errorf("[profiles.%s.key] %s: leave it out, or have it as [profiles.%s.key]: %v",
				p.Name(), field, main.Name(), wanted))
		}
	}
	if p.Plan.Attestation != AttestationRequired {
		errs = append(errs, fmt.Errorf("%q needs attestation = \"required\"", p.Name()))
	}
	refuse(p.Plan.PINTries != 0 && p.Plan.PINTries != main.Plan.PINTries, "pin_tries", main.Plan.PINTries)
	refuse(p.Plan.PUKTries != 0 && p.Plan.PUKTries != main.Plan.PUKTries, "puk_tries", main.Plan.PUKTries)
	refuse(p.Plan.PUKEscrow && !main.Plan.PUKEscrow, "puk_escrow", main.Plan.PUKEscrow)
	return errs
}

// checkSlots wants each key to be told from the others by its slot: also_slots may be
// shared, since a renewal uses one of them for as long as it lasts.
func checkSlots(members []*Profile) (errs []error) {
	for i, p := range members {
		for _, other := range members[:i] {
			if p.Plan.Slot == other.Plan.Slot {
				errs = append(errs, fmt.Errorf("%q and %q have the same slot, %s", other.Name(), p.Name(), p.Plan.Slot))
			}
		}
		for _, other := range members {
			if other != p && slices.Contains(other.Plan.AlsoSlots, p.Plan.Slot) {
				errs = append(errs, fmt.Errorf("the slot of %q, %s, is one of the also_slots of %q, which are %s: give it others, or none",
					p.Name(), p.Plan.Slot, other.Name(), slotNames(other.Plan.AlsoSlots)))
			}
		}
	}
	return errs
}

func slotNames(slots []piv.Slot) string {
	var names []string
	for _, s := range slots {
		names = append(names, s.String())
	}
	return strings.Join(names, ", ")
}
