package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A worker is one client with one connection; each call is one request.
type worker func(ctx context.Context) error

// A side is one of the two that are measured against each other: its clients, and
// the process that serves them.
type side struct {
	workers []worker
	pid     int
}

// A speed is what a measurement came to.
type speed struct {
	rate float64       // requests answered a second
	cost time.Duration // of the server's processor time, for each
}

// run runs the workers side by side for span. The first failure ends it.
func (s side) run(ctx context.Context, span time.Duration) (speed, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	before, err := processorTime(s.pid)
	if err != nil {
		return speed{}, err
	}
	var done atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for _, work := range s.workers {
		all.Go(func() {
			for time.Since(start) < span && ctx.Err() == nil {
				if err := work(ctx); err != nil {
					cancel(err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return speed{}, err
	}
	after, err := processorTime(s.pid)
	n := max(done.Load(), 1)
	return speed{float64(n) / took.Seconds(), (after - before) / time.Duration(n)}, err
}

// A pair is what is measured against what.
type pair struct{ signet, bare side }

// A table prints what pairs come to, as they do.
type table struct {
	options
	kind string // what the pairs are of, for options.only
}

// head begins the table.
func (t table) head(title, first string) {
	fmt.Printf("\n%s, and processor time for each\n%-10s %7s %10s %10s %8s %10s %10s\n",
		title, first, "clients", "signet", "bare", "ratio", "signet", "bare")
}

// wanted reports whether any of the rows of those names is to be measured.
func (t table) wanted(names ...string) bool {
	for _, name := range names {
		for _, clients := range clientCounts {
			if t.only.MatchString(t.rowName(name, clients)) {
				return true
			}
		}
	}
	return false
}

func (t table) rowName(name string, clients int) string {
	return fmt.Sprintf("%s%s %d", t.kind, name, clients)
}

// row measures the pair that make makes and prints it.
func (t table) row(ctx context.Context, name string, clients int, make func() (pair, error)) error {
	if !t.only.MatchString(t.rowName(name, clients)) {
		return nil
	}
	p, err := make()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r, err := p.measure(ctx, t.rounds, t.span)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	const whole = time.Microsecond
	fmt.Printf("%-10s %7d %10.0f %10.0f %7.0f%% %10s %10s\n", name, clients, r.signet.rate, r.bare.rate, 100*r.ratio,
		r.signet.cost.Round(whole), r.bare.cost.Round(whole))
	return nil
}

// A result is the medians of a pair's measurements, and of the ratio of the two rates.
type result struct {
	signet, bare speed
	ratio        float64
}

// measure takes rounds pairs of measurements, one right after the other.
func (p pair) measure(ctx context.Context, rounds int, span time.Duration) (result, error) {
	var ours, theirs []speed
	var ratios []float64
	for range rounds {
		b, err := p.bare.run(ctx, span)
		if err != nil {
			return result{}, fmt.Errorf("the bare handler: %w", err)
		}
		s, err := p.signet.run(ctx, span)
		if err != nil {
			return result{}, err
		}
		ours, theirs, ratios = append(ours, s), append(theirs, b), append(ratios, s.rate/b.rate)
	}
	return result{medians(ours), medians(theirs), median(ratios)}, nil
}

func medians(all []speed) speed {
	var rates []float64
	var costs []time.Duration
	for _, s := range all {
		rates, costs = append(rates, s.rate), append(costs, s.cost)
	}
	return speed{median(rates), median(costs)}
}

func median[T cmp.Ordered](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}

// tick is the unit of times in /proc, the same on all of Linux's architectures
// that Go runs on: USER_HZ is 100.
const tick = time.Second / 100

// processorTime is what the process has used so far, in user mode and in the
// kernel (proc_pid_stat(5), fields 14 and 15).
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in parentheses, which may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return time.Duration(user+system) * tick, nil
}

// residentPeak is the most memory that the process has had resident, in MiB,
// as Linux counts it (proc_pid_status(5), VmHWM).
func residentPeak(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmHWM", pid)
}
