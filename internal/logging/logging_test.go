package logging

import (
	"log/slog"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, good := range []Config{{}, {"text", "info"}, {"json", "debug"}, {"", "WARN"}} {
		if err := good.Check(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []string{"xml", "JSON"} {
		if err := (Config{Format: bad}).Check(); err == nil || !strings.Contains(err.Error(), "log.format") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []string{"loud", "info+1", "8"} {
		c := Config{Level: bad}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), "log.level") || c.Threshold() != slog.LevelInfo {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestLogger(t *testing.T) {
	for c, want := range map[Config]string{{}: "level=WARN msg=b\n", {Format: "json", Level: "warn"}: `"level":"WARN","msg":"b"}` + "\n"} {
		var out strings.Builder
		l := c.Logger(&out, slog.LevelWarn)
		l.Info("a")
		l.Warn("b")
		if got := out.String(); !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if (Config{Level: "error"}).Threshold() != slog.LevelError {
		t.Error("error is not error")
	}
}
