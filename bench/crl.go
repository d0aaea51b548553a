package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// crls measures CRLs of a million entries: their making, what a revocation costs
// beside them, and when it is on one.
func (b *bench) crls(ctx context.Context, dir string) error {
	if b.only.MatchString("crl making") {
		if err := b.crlMaking(ctx, dir); err != nil {
			return fmt.Errorf("making CRLs: %w", err)
		}
	}
	latency, burst := b.only.MatchString("crl revocation"), b.only.MatchString("crl burst")
	if !latency && !burst {
		return nil
	}
	p, err := b.newRevocationPair(ctx, dir)
	if err != nil {
		return fmt.Errorf("revoking: %w", err)
	}
	defer p.close()
	if latency {
		if err := p.latency(ctx, 40*b.rounds); err != nil {
			return fmt.Errorf("revoking: %w", err)
		}
	}
	if burst {
		if err := p.bursts(ctx, b.rounds); err != nil {
			return fmt.Errorf("a burst of revocations: %w", err)
		}
	}
	return nil
}

// crlMaking has a process of its own make CRLs, since it is its memory that counts.
func (b *bench) crlMaking(ctx context.Context, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "crl-making")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, crlArgument, folder, strconv.Itoa(2*b.rounds+1))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var m crlMaking
	if err := json.Unmarshal(out, &m); err != nil {
		return err
	}
	m.print()
	return os.RemoveAll(folder)
}

func (m *crlMaking) print() {
	fmt.Printf("\na CRL of %d entries, %.1f MB\n%-32s %8s %8s %10s %8s\n", m.Entries, float64(m.Size)/1e6, "", "took", "times", "processor", "times")
	for _, row := range []struct {
		name  string
		spans []span
	}{
		{"SHA-256 and one signature", m.Hash},
		{"signet, from its store to a file", m.Signet},
		{"crypto/x509, from memory", m.X509},
	} {
		var took, processor []time.Duration
		var times, processorTimes []float64
		for i, s := range row.spans {
			took, processor = append(took, s.Took), append(processor, s.Processor)
			times = append(times, float64(s.Took)/float64(m.Hash[i].Took))
			processorTimes = append(processorTimes, float64(s.Processor)/float64(m.Hash[i].Processor))
		}
		const whole = time.Millisecond
		fmt.Printf("%-32s %8s %8.1f %10s %8.1f\n", row.name, median(took).Round(whole), median(times),
			median(processor).Round(whole), median(processorTimes))
	}
	fmt.Printf("signet's resident memory: %.1f MiB more than before, at its peak\n", m.Peak-m.Before)
	fmt.Printf("a store of schema 1 with as many, brought to this one: %s\n", m.Upgrade.Round(time.Millisecond))
}
