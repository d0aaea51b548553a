package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"signet/revocation/crl"
)

// SourceConfig is what to fetch. URLs and CAs must be there.
type SourceConfig struct {
	// URLs each give one CRL in DER or several in PEM: the CA's /crl/bundle.pem,
	// or its /crl/{id}.crl of each level.
	URLs []string
	// CAs are the certificates of every level: of each, a CRL must be found.
	CAs []*x509.Certificate

	// HTTP fetches; nil for a client that gives up on a server that is silent, and
	// follows no redirect to another host.
	HTTP *http.Client
	// MaxBytes bounds what one URL may give; 0 for 128 MiB, which holds the
	// CRL of two million certificates.
	MaxBytes int64
	// Slack is how far the CA's clock may be ahead of this one; 0 for 5 minutes.
	Slack time.Duration

	Logger *slog.Logger     // nil for slog.Default()
	Now    func() time.Time // nil for time.Now
}

// A Source fetches the CRLs of every level of one CA by HTTP and verifies them.
// It is safe for concurrent use and remembers nothing: what is in hand, the
// caller holds.
type Source struct{ SourceConfig }

// NewSource checks the configuration; it fetches nothing.
func NewSource(c SourceConfig) (*Source, error) {
	if len(c.URLs) == 0 || len(c.CAs) == 0 {
		return nil, errors.New("the CRL agent needs a URL and the CA certificates")
	}
	if c.HTTP == nil {
		c.HTTP = newHTTP()
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 128 << 20
	}
	if c.Slack == 0 {
		c.Slack = 5 * time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.CAs = distinct(c.CAs)
	return &Source{c}, nil
}

// Fetch asks every URL and returns the newest CRL of each level: what came, or
// where a URL says that nothing has changed, what is in have. have may be nil, or
// lack levels. Each CRL must be whole, signed by the CA it is for, in force, and no
// older than the one in have, and no level may be missing; otherwise Fetch fails with nil,
// and have is still the best there is. Where nothing has changed it returns have itself.
// A level that the URLs have ceased to give keeps the CRL in have: the error is
// [ErrLacking] then, and the set is one to use.
func (s *Source) Fetch(ctx context.Context, have *Set) (*Set, error) {
	if have != nil && len(have.Lists) != len(s.CAs) {
		have = nil // of another chain
	}
	fetched, answers, err := s.fetchAll(ctx, have)
	if err != nil {
		return nil, err
	}
	lists, err := s.choose(fetched, have)
	if err != nil {
		return nil, err
	}
	next := &Set{Lists: lists, Answers: answers}
	if have.equal(next) {
		next = have
	}
	return next, s.lacking(answers)
}

// Read finds the CRLs in a file, DER of one or PEM of several: each must be
// signed by one of the CAs. It looks at no clock, and levels may be missing.
func (s *Source) Read(r io.Reader) (*Set, error) {
	lists := make([]*crl.List, len(s.CAs))
	err := scan(r, 2*s.MaxBytes*int64(len(s.URLs)), func(der []byte) error {
		_, err := s.take(lists, der)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Set{Lists: lists}, nil
}

// fetchAll returns the newest CRL of each level that came, nil where none did,
// and what each URL gave, or would have given had it changed.
func (s *Source) fetchAll(ctx context.Context, have *Set) ([]*crl.List, map[string]Answer, error) {
	lists, answers := make([]*crl.List, len(s.CAs)), map[string]Answer{}
	for _, url := range s.URLs {
		known := Answer{}
		if have.whole() { // "not modified" gives no list: all must be in hand
			known = have.Answers[url]
		}
		var levels []string
		tag, err := s.get(ctx, url, known.Tag, func(der []byte) error {
			i, err := s.take(lists, der)
			if err == nil {
				levels = append(levels, levelID(s.CAs[i]))
			}
			return err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", url, err)
		}
		answers[url] = known
		if levels != nil { // else nothing has changed
			answers[url] = Answer{Tag: tag, Levels: strings.Join(levels, " ")}
		}
	}
	return lists, answers, nil
}

// lacking is an [ErrLacking] where the answers have no CRL of some level.
func (s *Source) lacking(answers map[string]Answer) error {
	var errs []error
	for _, c := range s.CAs {
		id, given := levelID(c), false
		for _, a := range answers {
			given = given || strings.Contains(a.Levels, id)
		}
		if !given {
			errs = append(errs, fmt.Errorf("CRL of %q: %w", c.Subject, ErrLacking))
		}
	}
	return errors.Join(errs...)
}
