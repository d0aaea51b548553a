package main

import (
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

// throughput runs the workers side by side for span and returns how many
// requests a second they had answered. The first failure ends it.
func throughput(ctx context.Context, workers []worker, span time.Duration) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for _, work := range workers {
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
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}

// A pair is what is measured against what.
type pair struct{ signet, bare []worker }

// A table prints what pairs come to, as they do.
type table struct {
	options
	kind string // what the pairs are of, for options.only
}

// head begins the table.
func (t table) head(title, first string) {
	fmt.Printf("\n%s\n%-10s %7s %10s %10s %8s\n", title, first, "clients", "signet", "bare", "ratio")
}

// row measures the pair that make makes and prints it.
func (t table) row(ctx context.Context, name string, clients int, make func() (pair, error)) error {
	if !t.only.MatchString(fmt.Sprintf("%s%s %d", t.kind, name, clients)) {
		return nil
	}
	p, err := make()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	signet, bare, ratio, err := p.measure(ctx, t.rounds, t.span)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("%-10s %7d %10.0f %10.0f %7.0f%%\n", name, clients, signet, bare, 100*ratio)
	return nil
}

// measure takes rounds pairs of measurements, one right after the other, and
// returns the medians of the two and of their ratio.
func (p pair) measure(ctx context.Context, rounds int, span time.Duration) (signet, bare, ratio float64, err error) {
	var ours, theirs, ratios []float64
	for range rounds {
		b, err := throughput(ctx, p.bare, span)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("the bare handler: %w", err)
		}
		s, err := throughput(ctx, p.signet, span)
		if err != nil {
			return 0, 0, 0, err
		}
		ours, theirs, ratios = append(ours, s), append(theirs, b), append(ratios, s/b)
	}
	return median(ours), median(theirs), median(ratios), nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
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
