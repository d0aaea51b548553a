package enroll_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/enroll"
	"signet/internal/problem"
)

// attempt sends one request with a password straight to the handler.
func (a *authority) attempt(account, password, from string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/api/v1/profiles/default", nil)
	r.SetBasicAuth(account, password)
	r.RemoteAddr = from + ":1234"
	w := httptest.NewRecorder()
	a.enroll.Handler().ServeHTTP(w, r)
	return w
}

// A stranger must not learn who has an account: the answer is the same to the
// byte, and so is the work, counted rather than timed.
func TestNobodyLooksLikeAWrongPassword(t *testing.T) {
	a := newAuthority(t)
	a.add(enroll.NewAccount{Name: "carol"}) // no password
	a.add(enroll.NewAccount{Name: "dora", Password: password})
	if err := a.enroll.Accounts().Disable(ctx, "dora", "@operator"); err != nil {
		t.Fatal(err)
	}
	want := a.attempt("alice", "wrong password", "192.0.2.1")
	if want.Code != 401 || !strings.Contains(want.Header().Get("WWW-Authenticate"), `Basic realm="Signet", charset="UTF-8"`) {
		t.Fatalf("%d %v", want.Code, want.Header())
	}
	for _, who := range []struct{ account, password string }{
		{"alice", "another wrong one"}, {"nobody", password}, {"carol", ""}, {"carol", password},
		{"dora", password}, {"No Name!", password}, {"", password}, {"alice", strings.Repeat("x", 5000)},
	} {
		before := enroll.Computed(a.enroll)
		got := a.attempt(who.account, who.password, "192.0.2.1")
		if n := enroll.Computed(a.enroll) - before; n != 1 {
			t.Errorf("%s: %d hashes computed, want 1 like for a wrong password", who.account, n)
		}
		if got.Code != want.Code || got.Body.String() != want.Body.String() {
			t.Errorf("%s: %d %s", who.account, got.Code, got.Body)
		}
	}
}

func TestAThousandPasswords(t *testing.T) {
	a := newAuthority(t)
	before := enroll.Computed(a.enroll)
	codes := map[int]int{}
	for i := range 1000 {
		w := a.attempt("alice", "guess "+strconv.Itoa(i), "192.0.2.1")
		codes[w.Code]++
		if w.Code == 429 {
			if s, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || s < 1 || s > 60 {
				t.Fatalf("Retry-After %q", w.Header().Get("Retry-After"))
			}
		}
	}
	if codes[401] != 10 || codes[429] != 990 {
		t.Errorf("answers %v, want 10 of 401 and then 429", codes)
	}
	if n := enroll.Computed(a.enroll) - before; n != 10 {
		t.Errorf("%d hashes computed, want 10", n)
	}
	// The right one waits there, but not elsewhere, and not forever.
	if w := a.attempt("alice", password, "192.0.2.1"); w.Code != 429 {
		t.Errorf("the right password at the same address: %d", w.Code)
	}
	if w := a.attempt("alice", password, "192.0.2.2"); w.Code != 200 {
		t.Errorf("the right password at another address: %d", w.Code)
	}
	a.advance(31 * time.Second)
	if w := a.attempt("alice", password, "192.0.2.1"); w.Code != 200 {
		t.Errorf("the right password after waiting: %d", w.Code)
	}
	// A code is no password: it isn't held up.
	if _, err := a.withCode(a.code("alice")).Plan(ctx, "", 0); err != nil {
		t.Error(err)
	}
}

// What one attempt lets through is the same when a thousand come at once.
func TestAThousandPasswordsAtOnce(t *testing.T) {
	a := newAuthority(t, func(c *enroll.Config) { c.Passwords.Waiting = 2000 })
	before := enroll.Computed(a.enroll)
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() { a.attempt("alice", "guess "+strconv.Itoa(i), "192.0.2.1") })
	}
	wg.Wait()
	if n := enroll.Computed(a.enroll) - before; n > 12 {
		t.Errorf("%d hashes computed, want 10 and no more than were under way", n)
	}
}

func TestBusy(t *testing.T) {
	a := newAuthority(t, func(c *enroll.Config) {
		c.Passwords = enroll.PasswordParams{Memory: 64 << 10, Time: 2, AtOnce: 1, Waiting: 1}
	})
	codes := make([]*httptest.ResponseRecorder, 8)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() { codes[i] = a.attempt("user"+strconv.Itoa(i), password, "192.0.2.1") })
	}
	wg.Wait()
	busy := 0
	for _, w := range codes {
		if w.Code == 503 {
			busy++
			if w.Header().Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
		}
	}
	if busy == 0 {
		t.Error("8 at once where 2 fit: none was sent away")
	}
}

// A right password computes argon2 once in five minutes, not on each request.
func TestPasswordIsRemembered(t *testing.T) {
	a := newAuthority(t)
	work := func(do func()) int64 {
		before := enroll.Computed(a.enroll)
		do()
		return enroll.Computed(a.enroll) - before
	}
	login := func() { a.attempt("alice", password, "192.0.2.1") }
	if n := work(func() { login(); login(); login() }); n != 1 {
		t.Errorf("three logins: %d hashes, want 1", n)
	}
	a.advance(6 * time.Minute)
	if n := work(login); n != 1 {
		t.Errorf("after six minutes: %d hashes, want 1", n)
	}
	if err := a.enroll.Accounts().SetPassword(ctx, "alice", "another password", "@operator"); err != nil {
		t.Fatal(err)
	}
	if w := a.attempt("alice", password, "192.0.2.1"); w.Code != 401 {
		t.Errorf("the old password after a change: %d", w.Code)
	}
	if w := a.attempt("alice", "another password", "192.0.2.1"); w.Code != 200 {
		t.Errorf("the new password: %d", w.Code)
	}
	if err := a.enroll.Accounts().Disable(ctx, "alice", "@operator"); err != nil {
		t.Fatal(err)
	}
	if w := a.attempt("alice", "another password", "192.0.2.1"); w.Code != 401 {
		t.Errorf("a disabled account, a minute after a login: %d", w.Code)
	}
}

func TestRehash(t *testing.T) {
	a := newAuthority(t)
	old := must(a.enroll.Accounts().Get(ctx, "alice")).PasswordHash
	dearer := enroll.PasswordParams{Memory: 16, Time: 2}
	e := must(enroll.New(enroll.Config{
		Store: a.store, Issuer: a.ca.Issuer, Passwords: dearer,
		Profiles: map[string]*enroll.Profile{"user": profile(t, "user", enroll.PlanConfig{})},
	}))
	a.enroll = e
	if w := a.attempt("alice", password, "192.0.2.1"); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	now := must(e.Accounts().Get(ctx, "alice")).PasswordHash
	if now == old || !strings.HasPrefix(now, "$argon2id$v=19$m=16,t=2,p=1$") {
		t.Errorf("the hash is %q, want today's parameters", now)
	}
	if w := a.attempt("alice", password, "192.0.2.1"); w.Code != 200 {
		t.Errorf("after the change: %d", w.Code)
	}
}

func TestNoCredentials(t *testing.T) {
	a := newAuthority(t)
	for _, header := range []string{"", "Bearer x", "Basic", "Basic !!!", "Basic " + base64.StdEncoding.EncodeToString([]byte("no colon")), "Signet-Code"} {
		r := httptest.NewRequest("GET", "/api/v1/certificates", nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		w := httptest.NewRecorder()
		a.enroll.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized || len(w.Header().Values("WWW-Authenticate")) != 2 ||
			w.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%q: %d %v", header, w.Code, w.Header())
		}
	}
	_, err := a.client(enroll.Credentials{}, nil).Certificates(ctx)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Status != 401 {
		t.Error(err)
	}
}
