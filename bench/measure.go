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
type pair struct {
	name         string
	clients      int
	signet, bare []worker
}

// measure takes rounds pairs of measurements, one right after the other, and
// returns the medians of the two and of their ratio.
func (p pair) measure(ctx context.Context, rounds int, span time.Duration) (signet, bare, ratio float64, err error) {
	var ours, theirs, ratios []float64
	for range rounds {
		b, err := throughput(ctx, p.bare, span)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("%s, the bare handler: %w", p.name, err)
		}
		s, err := throughput(ctx, p.signet, span)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("%s: %w", p.name, err)
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
