package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"signet/internal/atomicfile"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/revocation/agent"
)

func crlStatusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show which CRLs are in place and until when, for people and monitoring",
		Description: "It reads the agent's health file, or a CRL file as a server does. It exits with 0 where all is\n" +
			fmt.Sprintf("well, %d for a warning, %d where a CRL has run out, %d where one is missing.", exit.Warning, exit.Expired, exit.Missing),
		Flags: flags(command.JSON(),
			&cli.StringFlag{Name: "health", Usage: "the health `FILE` of \"signet crl sync\""},
			&cli.StringFlag{Name: "out", Usage: "the CRL `FILE` that the server reads"},
			&cli.StringFlag{Name: "ca-file", Usage: "the certificates of every level that --out must have a CRL of, in `FILE` (PEM)"}),
		Action: runCRLStatus,
	}
}

func runCRLStatus(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	var r *healthReport
	var err error
	health, out, caFile := c.String("health"), c.String("out"), c.String("ca-file")
	switch {
	case health != "" && out == "" && caFile == "":
		r, err = readHealth(health)
	case health == "" && out != "" && caFile != "":
		r, err = inspect(out, caFile)
	default:
		return command.Usage(c, "either --health, or --out and --ca-file")
	}
	if err != nil {
		return err
	}
	if err := report(c, r, func() { printHealth(c, r) }); err != nil {
		return err
	}
	return r.verdict(time.Now())
}

// maxHealth bounds a health file: that of maxCRLs takes a fraction of it.
const maxHealth = 4 << 20

func readHealth(path string) (*healthReport, error) {
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, exit.With(exit.Missing, fmt.Errorf("there is no health report: %w", err), "Start the agent, with --health or \"health\" in its configuration.")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &healthReport{}
	if err := json.NewDecoder(io.LimitReader(f, maxHealth)).Decode(r); err != nil {
		return nil, fmt.Errorf("%s is no health report: %w", path, err)
	}
	now := time.Now()
	for i := range r.CRLs { // what was said then may have become worse
		r.CRLs[i].Standing = max(r.CRLs[i].Standing, worst(r.CRLs[i].Levels, now))
		r.Standing = max(r.Standing, r.CRLs[i].Standing)
	}
	if now.Sub(r.Written) > healthStale {
		r.Standing = max(r.Standing, agent.Warning)
	}
	return r, nil
}

// openRegular opens no FIFO, which would wait for ever.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Regular(path, info); err != nil {
		return nil, err
	}
	return os.Open(path)
}

func worst(levels []agent.Level, now time.Time) (w agent.Standing) {
	for _, l := range levels {
		w = max(w, l.Standing(now))
	}
	return w
}

// inspect reads the CRL file as its server does.
func inspect(path, caFile string) (*healthReport, error) {
	cas, err := readCAs(caFile)
	if err != nil {
		return nil, err
	}
	levels, err := readLevels(path, cas)
	s := agent.Status{Name: path, Path: path, Levels: levels}
	if err != nil {
		s.Error = err.Error()
	}
	now := time.Now()
	s.Standing = worst(levels, now)
	for _, l := range levels {
		if s.NextUpdate.IsZero() || l.NextUpdate.Before(s.NextUpdate) {
			s.NextUpdate = l.NextUpdate
		}
	}
	return &healthReport{Written: now.UTC(), Standing: s.Standing, CRLs: []agent.Status{s}}, nil
}

// readLevels are all levels, those without a CRL too.
func readLevels(path string, cas []*x509.Certificate) ([]agent.Level, error) {
	source, err := agent.NewSource(agent.SourceConfig{URLs: []string{"file:"}, CAs: cas})
	if err != nil {
		return nil, err
	}
	f, err := openRegular(path)
	if err != nil {
		return (*agent.Set)(nil).Levels(source.CAs), err
	}
	defer f.Close()
	set, err := source.Read(f)
	return set.Levels(source.CAs), err
}

func printHealth(c *cli.Context, r *healthReport) {
	for _, s := range r.CRLs {
		printf(c, "%s: %s", s.Path, s.Standing)
		if !s.NextUpdate.IsZero() {
			printf(c, ", good until %s", s.NextUpdate.UTC().Format(time.RFC3339))
		}
		printf(c, "\n")
		for _, l := range s.Levels {
			if l.Number == "" {
				printf(c, "  %s: none\n", l.Issuer)
				continue
			}
			printf(c, "  %s: number %s, %d revoked, until %s\n", l.Issuer, l.Number, l.Entries, l.NextUpdate.UTC().Format(time.RFC3339))
		}
		if s.Error != "" {
			printf(c, "  %s\n", s.Error)
		}
		if s.Hint != "" {
			printf(c, "  %s\n", s.Hint)
		}
		if !s.LastSuccess.IsZero() {
			printf(c, "  last up to date %s\n", s.LastSuccess.UTC().Format(time.RFC3339))
		}
	}
}

// verdict is the exit code for monitoring.
func (r *healthReport) verdict(now time.Time) error {
	switch {
	case r.Standing == agent.Missing:
		return exit.With(exit.Missing, errors.New("a level has no CRL in place"), "Servers that check every level refuse everyone: see what the agent says.")
	case r.Standing == agent.Expired:
		return exit.With(exit.Expired, errors.New("a CRL has run out"), "Servers that check it refuse everyone: see what the agent says, and whether the CA publishes.")
	case now.Sub(r.Written) > healthStale:
		return exit.With(exit.Warning, fmt.Errorf("the agent has not reported since %s", r.Written.Format(time.RFC3339)), "See whether it runs.")
	case r.Standing != agent.OK:
		return exit.With(exit.Warning, errors.New("a CRL nears its end, or could not be brought up to date"), "See what the agent says, and whether the CA can be reached.")
	}
	return nil
}
