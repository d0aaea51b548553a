package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/ca"
	"signet/revocation/crl"
)

// burst is how many certificates are revoked at once, by how many clients.
const (
	burst        = 1000
	burstClients = 8
	pause        = 20 * time.Millisecond // between revocations one by one
	// quiet is for how long no CRL may have come before the next measurement.
	quiet = 1500 * time.Millisecond
)

// A revocationPair is one CA with a million revoked certificates and one with none.
type revocationPair struct{ full, empty *revokingCA }

func (b *bench) newRevocationPair(ctx context.Context, dir string) (p *revocationPair, err error) {
	p = &revocationPair{}
	if p.full, err = b.newRevokingCA(ctx, dir, "crl-full", true); err == nil {
		p.empty, err = b.newRevokingCA(ctx, dir, "crl-empty", false)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *revocationPair) close() {
	for _, c := range []*revokingCA{p.full, p.empty} {
		if c != nil {
			c.close()
		}
	}
}

// latency revokes certificates one by one, in turns here and there, with a pause
// after each: so they take long enough for CRLs to be made meanwhile, and written.
func (p *revocationPair) latency(ctx context.Context, n int) error {
	for _, c := range []*revokingCA{p.full, p.empty} {
		if err := c.enroll(ctx, n+1); err != nil {
			return err
		}
		if _, err := c.revokeNext(ctx); err != nil { // the first opens the connection
			return err
		}
	}
	var full, empty []time.Duration
	var ratios []float64
	for i := range n {
		with, without, err := p.both(ctx, i%2 == 0)
		if err != nil {
			return err
		}
		time.Sleep(pause)
		full, empty = append(full, with), append(empty, without)
		ratios = append(ratios, float64(with)/float64(without))
	}
	const whole = 10 * time.Microsecond
	fmt.Printf("\na revocation over HTTPS, until it is answered (%d each; the median of the ratios is %.2f)\n%-12s %10s %10s\n",
		n, median(ratios), "revoked", "median", "95 %")
	for i, times := range [][]time.Duration{full, empty} {
		name := []string{fmt.Sprint(million), "few"}[i]
		half := median(times) // sorts them
		fmt.Printf("%-12s %10s %10s\n", name, half.Round(whole), times[len(times)*95/100].Round(whole))
	}
	return nil
}

// both revokes one certificate here and one there. Whichever comes first finds caches cold.
func (p *revocationPair) both(ctx context.Context, fullFirst bool) (with, without time.Duration, err error) {
	if fullFirst {
		with, err = p.full.revokeNext(ctx)
	}
	if err == nil {
		without, err = p.empty.revokeNext(ctx)
	}
	if err == nil && !fullFirst {
		with, err = p.full.revokeNext(ctx)
	}
	return with, without, err
}

// bursts measures how long after its answer a revocation is on a CRL that is served.
func (p *revocationPair) bursts(ctx context.Context, rounds int) error {
	fmt.Printf("\nfrom the answer of a revocation until its CRL is served, and how many CRLs a burst of %d makes\n%-12s %10s %10s %10s %8s\n",
		burst, "revoked", "one", "burst", "took", "CRLs")
	for _, c := range []struct {
		*revokingCA
		name string
	}{{p.full, fmt.Sprint(million)}, {p.empty, "few"}} {
		if err := c.enroll(ctx, rounds+rounds*burst); err != nil {
			return err
		}
		var ones, bursts, took []time.Duration
		var crls []int
		for range rounds {
			one, err := c.burst(ctx, 1, 1)
			if err != nil {
				return err
			}
			many, err := c.burst(ctx, burst, burstClients)
			if err != nil {
				return err
			}
			ones, bursts, took = append(ones, one.served), append(bursts, many.served), append(took, many.took)
			crls = append(crls, many.crls)
		}
		const whole = time.Millisecond
		fmt.Printf("%-12s %10s %10s %10s %8d\n", c.name, median(ones).Round(whole), median(bursts).Round(whole),
			median(took).Round(whole), median(crls))
	}
	mib, err := residentPeak(p.full.PID())
	if err == nil {
		fmt.Printf("resident memory of the signetd with %d, at its peak: %.1f MiB\n", million, mib)
	}
	return err
}

// A burstResult is what became of a burst.
type burstResult struct {
	took   time.Duration // until the last was answered
	served time.Duration // from then on until a CRL with all of them is served
	crls   int
}

// burst revokes n certificates and waits for their CRL.
func (c *revokingCA) burst(ctx context.Context, n, clients int) (r burstResult, err error) {
	if err := c.awaitQuiet(ctx); err != nil {
		return r, err
	}
	before, err := c.signed()
	if err != nil {
		return r, err
	}
	start := time.Now()
	serials := make([]ca.Serial, n)
	work := make(chan int, n)
	for i := range n {
		work <- i
	}
	close(work)
	group, within := errgroup.WithContext(ctx)
	for range clients {
		group.Go(func() error {
			for i := range work {
				serials[i] = <-c.left
				if _, err := c.revoke(within, serials[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return r, err
	}
	answered := time.Now()
	r.took = answered.Sub(start)
	served, err := c.awaitCRL(ctx, serials)
	if err != nil {
		return r, err
	}
	r.served = max(0, served.Sub(answered))
	after, err := c.signed()
	r.crls = after - before
	return r, err
}

// awaitQuiet waits until no CRL has come for a while.
func (c *revokingCA) awaitQuiet(ctx context.Context) error {
	for {
		select {
		case _, ok := <-c.events:
			if !ok {
				return c.broken()
			}
		case <-time.After(quiet):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitCRL returns when the first CRL was served that is known to have all of the
// serials. Each is fetched that can be: of those that came while one was fetched, the last.
func (c *revokingCA) awaitCRL(ctx context.Context, serials []ca.Serial) (time.Time, error) {
	told := map[string]time.Time{}
	for {
		select {
		case e, ok := <-c.events:
			if !ok {
				return e.at, c.broken()
			}
			told[e.number] = e.at
		case <-time.After(10 * time.Second):
			return time.Time{}, fmt.Errorf("no CRL has all %d certificates", len(serials))
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
		list, err := c.fetch(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if !hasAll(list, serials) {
			continue
		}
		if at, ok := told[list.Number.String()]; ok {
			return at, nil
		}
	}
}

func hasAll(list *crl.List, serials []ca.Serial) bool {
	return !slices.ContainsFunc(serials, func(s ca.Serial) bool {
		_, found := list.Find(s.Big())
		return !found
	})
}

// signed is how many CRLs the server has signed, by its log.
func (c *revokingCA) signed() (n int, err error) {
	text, err := c.log()
	for line := range strings.Lines(text) {
		if strings.Contains(line, "crl.sign") && strings.Contains(line, "stage=end") {
			n++
		}
	}
	return n, err
}
