// Package logging is the section [log] that every configuration file has.
package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// A Config is [log]. The zero value is text, from info on.
type Config struct {
	Format string `toml:"format"` // "text" or "json"
	Level  string `toml:"level"`  // "debug", "info", "warn" or "error"
}

// Check names what is wrong with it, all at once.
func (c Config) Check() error {
	var format error
	if c.Format != "" && c.Format != "text" && c.Format != "json" {
		format = fmt.Errorf("log.format is %q: \"text\" or \"json\"", c.Format)
	}
	_, level := c.level()
	return errors.Join(format, level)
}

// Threshold is the level from which on things are logged; info where Check fails.
func (c Config) Threshold() slog.Level {
	l, _ := c.level()
	return l
}

// Logger writes to w in the configured form, from that level on.
func (c Config) Logger(w io.Writer, from slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: from}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// level takes the four names alone: "info+1" is a mistake.
func (c Config) level() (slog.Level, error) {
	if c.Level == "" {
		return slog.LevelInfo, nil
	}
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		var named slog.Level
		if named.UnmarshalText([]byte(c.Level)) == nil && named == l {
			return l, nil
		}
	}
	return slog.LevelInfo, fmt.Errorf("log.level is %q: \"debug\", \"info\", \"warn\" or \"error\"", c.Level)
}
