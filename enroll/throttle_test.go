package enroll

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestThrottleByAddress(t *testing.T) {
	now := time.Now()
	th := newThrottle(func() time.Time { return now })
	// Each account once, all from one address.
	for i := range addressBurst {
		if wait := th.wait(fmt.Sprint("user", i), "192.0.2.1"); wait != 0 {
			t.Fatalf("attempt %d waits %s", i, wait)
		}
		th.failed(fmt.Sprint("user", i), "192.0.2.1")
	}
	if th.wait("someone", "192.0.2.1") == 0 {
		t.Error("an address may try passwords without end")
	}
	if th.wait("someone", "192.0.2.2") != 0 {
		t.Error("another address is held up for it")
	}
	now = now.Add(addressEvery)
	if wait := th.wait("someone", "192.0.2.1"); wait != 0 {
		t.Errorf("after its time it still waits %s", wait)
	}
}

// Whoever floods one account from everywhere holds up strangers, but not its
// owner where they have logged in before.
func TestThrottleByAccount(t *testing.T) {
	now := time.Now()
	th := newThrottle(func() time.Time { return now })
	th.succeeded("alice", "198.51.100.1")
	for i := range accountBurst {
		th.failed("alice", fmt.Sprint("192.0.2.", i))
	}
	if th.wait("alice", "203.0.113.1") == 0 {
		t.Error("an account's password may be tried from everywhere without end")
	}
	if wait := th.wait("alice", "198.51.100.1"); wait != 0 {
		t.Errorf("the owner waits %s", wait)
	}
	if th.wait("bob", "203.0.113.1") != 0 {
		t.Error("another account is held up for it")
	}
	now = now.Add(accountEvery)
	if wait := th.wait("alice", "203.0.113.1"); wait != 0 {
		t.Errorf("after its time it still waits %s", wait)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	now := time.Now()
	th := newThrottle(func() time.Time { return now })
	for range pairBurst {
		th.failed("alice", "192.0.2.1")
	}
	for i := range 3 * maxBuckets {
		th.failed(fmt.Sprint("user", i), fmt.Sprint("address", i))
		th.succeeded(fmt.Sprint("user", i), fmt.Sprint("address", i))
	}
	for name, n := range map[string]int{"pairs": len(th.pairs.byKey), "addresses": len(th.addresses.byKey),
		"accounts": len(th.accounts.byKey), "known": len(th.known)} {
		if n > maxBuckets {
			t.Errorf("%d %s, at most %d", n, name, maxBuckets)
		}
	}
	// Those that have tried most are forgotten last.
	if th.wait("alice", "192.0.2.1") == 0 {
		t.Error("a flood of others makes an emptied bucket forgotten")
	}
}

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64", "[fe80::1%eth0]:80": "fe80::/64", "@": "", "": "",
	} {
		if got := addressOf(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}
