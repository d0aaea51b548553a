package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"reflect"
	"time"

	"signet/internal/atomicfile"
	"signet/internal/exit"
	"signet/revocation/agent"
)

// A health writes what the keepers know to a file, for "signet crl status" and others.
type health struct {
	path    string // "" for none
	version string
	keepers []*agent.Keeper
	logger  *slog.Logger
}

// A healthReport is the content of the file.
type healthReport struct {
	Written  time.Time      `json:"written"` // at least each healthEvery while the agent runs
	PID      int            `json:"pid"`
	Version  string         `json:"version"`
	Standing agent.Standing `json:"standing"` // the worst of all
	CRLs     []agent.Status `json:"crls"`
}

const (
	healthEvery = 30 * time.Second
	// healthStale is the age from which on the report is that of an agent that is gone.
	healthStale = 3 * time.Minute
)

// prepare finds the file that path leads to, before anything is written.
func (h *health) prepare() (err error) {
	if h.path == "" {
		return nil
	}
	h.path, err = atomicfile.Target(h.path)
	if errors.Is(err, atomicfile.ErrNotFile) {
		return exit.With(exit.Failed, err, "Name a file: it is replaced, or made in a folder that is there.")
	}
	if err != nil {
		return exit.With(exit.Failed, err, "Check that its folder is there and may be entered.")
	}
	return nil
}

// tidy deletes what an agent has left that was killed. The CRLs' locks are held by now.
func (h *health) tidy() {
	if h.path != "" {
		atomicfile.Tidy(h.path)
	}
}

func (h *health) report() healthReport {
	r := healthReport{Written: time.Now().UTC().Truncate(time.Second), PID: os.Getpid(), Version: h.version}
	for _, k := range h.keepers {
		s := k.Status()
		r.CRLs = append(r.CRLs, s)
		r.Standing = max(r.Standing, s.Standing)
	}
	return r
}

// run writes the file whenever something has changed, until ctx ends.
func (h *health) run(ctx context.Context) error {
	if h.path == "" {
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	failed := false
	for last := (healthReport{}); ; {
		if r := h.report(); !reflect.DeepEqual(r.CRLs, last.CRLs) || r.Written.Sub(last.Written) >= healthEvery {
			err := h.write(r)
			if err != nil && !failed {
				h.logger.Error("the health file can't be written", "error", err)
			}
			last, failed = r, err != nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (h *health) write(r healthReport) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(h.path, append(data, '\n'), 0o644)
}
