package enroll

import (
	"crypto/sha256"
	"strings"
	"testing"
)

func TestCodeText(t *testing.T) {
	secret := [codeBytes]byte{0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xff}
	text := formatCode(secret)
	for _, typed := range []string{text, strings.ToLower(text), " " + strings.ReplaceAll(text, "-", "") + "\n",
		strings.NewReplacer("0", "o", "1", "l").Replace(text)} {
		if hash, err := ParseCode(typed); err != nil || hash != sha256.Sum256(secret[:]) {
			t.Errorf("%q: %v", typed, err)
		}
	}
	if len(strings.ReplaceAll(text, "-", "")) != 26 || strings.ContainsAny(text, "ILOU") {
		t.Errorf("%q", text)
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add(formatCode([codeBytes]byte{}))
	f.Add("abcde-fghjk")
	f.Add(strings.Repeat("U", 26))
	f.Fuzz(func(t *testing.T, s string) {
		hash, err := ParseCode(s)
		if err == nil && hash == [32]byte{} {
			t.Errorf("%q has no hash", s)
		}
		if again, _ := ParseCode(strings.ToLower(s)); err == nil && again != hash {
			t.Errorf("%q: case matters", s)
		}
	})
}
