package enroll

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPasswordHashText(t *testing.T) {
	h, err := newHasher(PasswordParams{Memory: 16, Time: 2, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	text, err := h.hash(context.Background(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePasswordHash(text)
	if err != nil || p.String() != text || h.outdated(p) {
		t.Fatalf("%q: %v", text, err)
	}
	// é is one character or two; the password is the same.
	accented := h.make("caf\u00e9 au lait")
	if p, _ := parsePasswordHash(accented); !h.matches("cafe\u0301 au lait", p) {
		t.Error("the same text in another normal form is another password")
	}
	if !h.matches("correct horse", p) || h.matches("Correct horse", p) {
		t.Error("the hash is of another password")
	}
}

// The reference implementation's own: argon2 -id -t 2 -m 16 -p 1, "password", "somesalt"
// (https://github.com/P-H-C/phc-winner-argon2, src/test.c).
func TestPasswordHashOfOthers(t *testing.T) {
	h, err := newHasher(PasswordParams{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePasswordHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if err != nil {
		t.Fatal(err)
	}
	if !h.matches("password", p) || !h.outdated(p) {
		t.Error("the reference's hash of \"password\" does not match")
	}
}

var badHashes = []string{
	"", "$", "$2b$12$abcdefghijklmnopqrstuv", "$argon2i$v=19$m=16,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"$argon2id$v=16$m=16,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"$argon2id$v=19$m=16,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"$argon2id$v=19$m=16,t=2,p=257$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"$argon2id$v=19$m=016,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"$argon2id$v=19$m=16,t=2,p=1$c29t$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$CTFh",
	"$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm\r5c8y7cJHAph8ArZWb2GRPPc",
	"$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc$",
}

func TestPasswordHashRefused(t *testing.T) {
	for _, s := range badHashes {
		if _, err := parsePasswordHash(s); err == nil {
			t.Errorf("%q was let in", s)
		}
	}
}

func FuzzPasswordHash(f *testing.F) {
	for _, s := range append(badHashes, "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePasswordHash(s)
		if err != nil {
			return
		}
		if h.String() != s {
			t.Errorf("%q is read as %q", s, h)
		}
		if h.memory > maxMemory || h.time > maxTime || h.threads > maxThreads {
			t.Errorf("%q is beyond the bounds", s)
		}
	})
}

func TestPasswordRules(t *testing.T) {
	for _, bad := range []string{"", "short", "seven77", strings.Repeat("x", 1025), "with\nbreak", "bad \xff utf8", "Alice.Example"} {
		if checkPassword("alice.example", bad) == nil {
			t.Errorf("%.20q was let in", bad)
		}
	}
	for _, good := range []string{"eight888", "пароль из слов", strings.Repeat("x", 1024)} {
		if err := checkPassword("alice", good); err != nil {
			t.Errorf("%.20q: %v", good, err)
		}
	}
}

func TestHasherTakesTurns(t *testing.T) {
	h, err := newHasher(PasswordParams{Memory: 8, Time: 1, AtOnce: 2, Waiting: 3})
	if err != nil {
		t.Fatal(err)
	}
	first, err := h.enter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.enter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := h.enter(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a third computes: %v", err)
			}
		})
	}
	for len(h.queue) < 5 {
		time.Sleep(time.Millisecond)
	}
	var busy *BusyError
	if _, err := h.enter(context.Background()); !errors.As(err, &busy) {
		t.Errorf("a fourth waits: %v", err)
	}
	cancel()
	wg.Wait()
	first()
	second()
	if leave, err := h.enter(context.Background()); err != nil || len(h.queue) != 1 {
		t.Errorf("%d in the queue, %v", len(h.queue), err)
	} else {
		leave()
	}
}

func TestVerifiedSetIsBounded(t *testing.T) {
	now := time.Now()
	v := newVerifiedSet(func() time.Time { return now })
	last := [32]byte{}
	for i := range 3 * maxVerified {
		last = v.mark("alice", "hash", strings.Repeat("x", i))
		v.add(last)
	}
	if len(v.until) > maxVerified || !v.has(last) {
		t.Errorf("%d entries, at most %d", len(v.until), maxVerified)
	}
	now = now.Add(verifiedFor)
	if v.has(last) {
		t.Error("an entry outlives its time")
	}
	// Where one part ends and the next begins is part of the mark.
	if v.mark("ab", "c", "d") == v.mark("a", "bc", "d") {
		t.Error("two accounts have one mark")
	}
	if v.mark("a", "", "d") == newVerifiedSet(time.Now).mark("a", "", "d") {
		t.Error("two processes have one mark")
	}
}
