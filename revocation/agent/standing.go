package agent

import (
	"fmt"
	"log/slog"
	"time"
)

// A Standing is how a CRL stands, from good to bad.
type Standing int

const (
	OK       Standing = iota
	Warning           // less than a third of its time is left, and less than 30 days; or fetching has failed for a while, or a check or a reload has
	Critical          // less than a tenth of its time is left, and less than 7 days
	Expired           // it has run out: servers refuse everyone
	Missing           // a level has none: servers refuse everyone
)

var standings = [...]string{"ok", "warning", "critical", "expired", "missing"}

func (s Standing) String() string { return standings[s] }

// MarshalText makes the word that String returns.
func (s Standing) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads such a word.
func (s *Standing) UnmarshalText(text []byte) error {
	for i, word := range standings {
		if word == string(text) {
			*s = Standing(i)
			return nil
		}
	}
	return fmt.Errorf("no standing %.20q", text)
}

const (
	maxWarning  = 30 * 24 * time.Hour
	maxCritical = 7 * 24 * time.Hour
)

// Standing is how the level stands at a moment. A level without a number is missing.
func (l Level) Standing(now time.Time) Standing {
	left, life := l.NextUpdate.Sub(now), l.NextUpdate.Sub(l.ThisUpdate)
	switch {
	case l.Number == "":
		return Missing
	case left <= 0:
		return Expired
	case left < min(life/10, maxCritical):
		return Critical
	case left < min(life/3, maxWarning):
		return Warning
	}
	return OK
}

// say is a sentence for a person about a level that is not OK.
func (l Level) say(s Standing, now time.Time) string {
	left := l.NextUpdate.Sub(now)
	if left > 2*time.Minute {
		left = left.Round(time.Minute)
	}
	switch s {
	case Missing:
		return fmt.Sprintf("there is no CRL of %q in place: servers refuse everyone", l.Issuer)
	case Expired:
		return fmt.Sprintf("the CRL of %q has run out: servers refuse everyone", l.Issuer)
	}
	return fmt.Sprintf("the CRL of %q runs out in %s: servers then refuse everyone", l.Issuer, left)
}

// alarm is how loud a standing is, and how often it is said again.
var alarm = [...]struct {
	level slog.Level
	every time.Duration
}{
	OK: {slog.LevelInfo, 0}, Warning: {slog.LevelWarn, 6 * time.Hour}, Critical: {slog.LevelError, time.Hour},
	Expired: {slog.LevelError, 10 * time.Minute}, Missing: {slog.LevelError, 10 * time.Minute},
}
