package piv

import "testing"

func TestParse(t *testing.T) {
	for _, s := range []string{"9a", "9c", "9d", "9e", "82", "95"} {
		if slot, err := ParseSlot(s); err != nil || slot.String() != s {
			t.Errorf("slot %s: %v, %v", s, slot, err)
		}
	}
	for _, s := range []string{"", "9", "9b", "f9", "81", "96", "9a ", "+9a", "0x9a", "19a"} {
		if slot, err := ParseSlot(s); err == nil {
			t.Errorf("slot %q: %v", s, slot)
		}
	}
	for _, s := range []string{"never", "once", "always"} {
		if p, err := ParsePINPolicy(s); err != nil || p.String() != s {
			t.Errorf("PIN policy %s: %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"never", "always", "cached"} {
		if p, err := ParseTouchPolicy(s); err != nil || p.String() != s {
			t.Errorf("touch policy %s: %v, %v", s, p, err)
		}
	}
	if _, err := ParsePINPolicy("cached"); err == nil {
		t.Error("PIN policy cached")
	}
	if _, err := ParseTouchPolicy("once"); err == nil {
		t.Error("touch policy once")
	}
}

func TestVersion(t *testing.T) {
	for _, s := range []string{"", "5", "5.7", "5.7.1.2", "5.7.256", "5.7.x", "05.7.1", " 5.7.1"} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("%q: %v", s, v)
		}
	}
	var v Version
	if err := v.UnmarshalText([]byte("5.7.1")); err != nil || v != (Version{5, 7, 1}) {
		t.Errorf("%v, %v", v, err)
	}
	if !(Version{5, 4, 3}).Less(v) || v.Less(v) || v.Less(Version{4, 9, 9}) {
		t.Error("order")
	}
}
