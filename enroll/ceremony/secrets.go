package ceremony

import (
	"context"
	"errors"
	"strings"
)

// What a card leaves the factory with (Yubico, "PIV application: default values").
const (
	factoryPIN = "123456"
	factoryPUK = "12345678"
)

// CheckPIN refuses a new PIN that is too short, too long or too easy:
// *[SecretError]. SP 800-73-4, Part 2, Section 2.4.3 wants 6 to 8 characters.
func CheckPIN(pin string) error { return checkSecret("new PIN", pin) }

// CheckPUK is CheckPIN for a PUK, which must not be the PIN either.
func CheckPUK(puk, pin string) error {
	if err := checkSecret("new PUK", puk); err != nil {
		return err
	}
	if puk == pin {
		return &SecretError{"new PUK", "must not be the PIN: whoever saw the one would have the other"}
	}
	return nil
}

// CheckLength refuses what can be no card's PIN or PUK, so that no try is spent
// on it: *[SecretError].
func CheckLength(what, s string) error {
	if bad := !ascii(s); bad && (len(s) < 6 || len(s) > 8) {
		return &SecretError{what, "must have 6 to 8 characters, " + goodCharacters}
	}
	if len(s) < 6 || len(s) > 8 {
		return &SecretError{what, "must have 6 to 8 characters"}
	}
	return nil
}

func checkSecret(what, s string) error {
	if err := CheckLength(what, s); err != nil {
		return err
	}
	if !ascii(s) || strings.Contains(s, " ") {
		return &SecretError{what, "must be " + goodCharacters}
	}
	if trivial(s) {
		return &SecretError{what, "is among the first that anyone would try"}
	}
	return nil
}

// goodCharacters are those that every program types alike: a card counts octets.
const goodCharacters = "digits, or letters without accents, no spaces"

// ascii reports whether there are only printable characters of ASCII.
func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c > 0x7e })
}

// trivial is one character again and again, or characters that follow one
// another up or down, the factory's secrets among them, or two or three that repeat.
func trivial(s string) bool {
	for _, step := range []int{0, 1, -1} {
		run := true
		for i := 1; i < len(s); i++ {
			run = run && int(s[i])-int(s[i-1]) == step
		}
		if run {
			return true
		}
	}
	for n := 2; n <= 3; n++ {
		if strings.Repeat(s[:n], 4)[:len(s)] == s {
			return true
		}
	}
	return strings.HasPrefix("1234567890", s) || strings.HasPrefix("0987654321", s)
}

// askNew asks until the answer passes the check.
func askNew(ctx context.Context, ask func(context.Context, error) (string, error), check func(string) error) (string, error) {
	var refused error
	for {
		s, err := ask(ctx, refused)
		if err != nil {
			return "", err
		}
		if refused = check(s); refused == nil {
			return s, nil
		}
		if !errors.As(refused, new(*SecretError)) {
			return "", refused
		}
	}
}
