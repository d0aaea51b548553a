package enroll

import (
	"strings"
	"testing"
)

func TestAccountNames(t *testing.T) {
	for _, good := range []string{"alice", "a", "0day", "a.b_c-d", strings.Repeat("a", 64)} {
		if err := checkName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "Alice", ".a", "-a", "_a", "a b", "a\n", "@operator", "é", "a/b", strings.Repeat("a", 65)} {
		if checkName(bad) == nil {
			t.Errorf("%q was let in", bad)
		}
	}
}

func TestFullNames(t *testing.T) {
	for _, good := range []string{"Alice Example", "Ян Гус", "王小明", "O'Brien, Jr.", strings.Repeat("é", 64)} {
		if err := checkFullName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", " Alice", "Alice ", "Al\nice", "Al\x00ice", "Al\u202eice", "bad\xff", strings.Repeat("é", 65)} {
		if checkFullName(bad) == nil {
			t.Errorf("%q was let in", bad)
		}
	}
}

func TestEmails(t *testing.T) {
	for _, good := range []string{"alice@example.com", "a.b+c@sub.example.co.uk", "o'brien@example.com", "root@localhost"} {
		if err := checkEmail(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "alice", "@example.com", "alice@", "Alice <alice@example.com>", "a b@example.com",
		`"a b"@example.com`, "alice@exam_ple.com", "alice@-example.com", "alice@example..com", "alice@[192.0.2.1]",
		"ålice@example.com", "alice@exämple.com", "alice@example.com\n", "a@b@example.com", ".a@example.com", "a..b@example.com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("a.", 130) + "com"} {
		if checkEmail(bad) == nil {
			t.Errorf("%q was let in", bad)
		}
	}
}
