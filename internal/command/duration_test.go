package command

import (
	"testing"
	"time"
)

func TestADurationIsPositiveAndMayBeInDays(t *testing.T) {
	for s, want := range map[string]time.Duration{"365d": 365 * 24 * time.Hour, "90m": 90 * time.Minute, "-1d": 0, "0d": 0, "0s": 0, "d": 0, "-3h": 0, "99999999d": 0, "": 0} {
		if got, err := Duration(s); got != want || (err == nil) != (want > 0) {
			t.Errorf("Duration(%q) = %s, %v", s, got, err)
		}
	}
}
