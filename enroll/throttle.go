package enroll

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many wrong passwords are let in. Only wrong ones count, and none locks
// an account: a bucket fills up again by itself, and what was attempted while it
// was empty doesn't count (docs/decisions/0009-throttling.md).
const (
	// of one account from one address: 10 at once, then one in 30 seconds
	pairBurst = 10
	pairEvery = 30 * time.Second
	// from one address, of all accounts: 100 at once, then one in 2 seconds
	addressBurst = 100
	addressEvery = 2 * time.Second
	// of one account from all addresses where it hasn't logged in of late: 100
	// at once, then one in 10 seconds
	accountBurst = 100
	accountEvery = 10 * time.Second
	// knownFor is how long an address where an account has logged in is known as such.
	knownFor = 24 * time.Hour
	// maxBuckets bounds each kind's memory: about 200 bytes each.
	maxBuckets = 4096
)

// A throttle counts wrong passwords by account and by address.
type throttle struct {
	now func() time.Time

	mu        sync.Mutex // owns the fields below
	pairs     buckets
	addresses buckets
	accounts  buckets
	known     map[pair]time.Time // until when
}

type pair struct{ account, address string }

func newThrottle(now func() time.Time) *throttle {
	return &throttle{
		now:       now,
		pairs:     newBuckets(pairEvery, pairBurst),
		addresses: newBuckets(addressEvery, addressBurst),
		accounts:  newBuckets(accountEvery, accountBurst),
		known:     make(map[pair]time.Time),
	}
}

// wait is how long it is until a password for account may be tried from
// address; 0 where now.
func (t *throttle) wait(account, address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	p := pair{account, address}
	wait := max(t.pairs.wait(p, now), t.addresses.wait(pair{"", address}, now))
	if until, ok := t.known[p]; !ok || now.After(until) {
		wait = max(wait, t.accounts.wait(pair{account, ""}, now))
	}
	return wait
}

// failed counts a wrong password.
func (t *throttle) failed(account, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	p := pair{account, address}
	t.pairs.take(p, now)
	t.addresses.take(pair{"", address}, now)
	if until, ok := t.known[p]; !ok || now.After(until) {
		t.accounts.take(pair{account, ""}, now)
	}
}

// succeeded makes address known for account: from there, no flood from
// elsewhere keeps its owner out.
func (t *throttle) succeeded(account, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.known {
		if len(t.known) < maxBuckets {
			break
		}
		delete(t.known, p)
	}
	t.known[pair{account, address}] = t.now().Add(knownFor)
}

// A buckets is token buckets by key, of which it keeps maxBuckets.
type buckets struct {
	limit rate.Limit
	burst int
	byKey map[pair]*rate.Limiter
}

func newBuckets(every time.Duration, burst int) buckets {
	return buckets{limit: rate.Every(every), burst: burst, byKey: make(map[pair]*rate.Limiter)}
}

func (b *buckets) wait(key pair, now time.Time) time.Duration {
	l, ok := b.byKey[key]
	if !ok {
		return 0
	}
	missing := 1 - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(b.limit) * float64(time.Second))
}

// take takes a token, also one that isn't there: what was let in at the same
// time is paid for later.
func (b *buckets) take(key pair, now time.Time) {
	l, ok := b.byKey[key]
	if !ok {
		b.makeRoom(now)
		l = rate.NewLimiter(b.limit, b.burst)
		b.byKey[key] = l
	}
	l.ReserveN(now, 1)
}

// makeRoom drops the fullest of a few buckets where there are too many: with it
// the least is forgotten.
func (b *buckets) makeRoom(now time.Time) {
	if len(b.byKey) < maxBuckets {
		return
	}
	var fullest pair
	most, seen := -1e9, 0
	for key, l := range b.byKey { // a random start
		if tokens := l.TokensAt(now); tokens > most {
			fullest, most = key, tokens
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(b.byKey, fullest)
}

// addressOf is who a request came from, as the throttle counts: an IPv4
// address, or the /64 of an IPv6 one, of which one host has as many as it likes.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		network, _ := ip.Prefix(64) // 64 is no more than an IPv6 address has
		return network.String()
	}
	return ip.String()
}
