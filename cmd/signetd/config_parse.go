package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// maxConfig bounds the configuration file, in octets.
const maxConfig = 256 << 10

// LoadConfig reads and checks the configuration file at path; what override
// does to it (flags, the environment) comes before the check. Its errors name
// the file and, where there is one, the line.
func LoadConfig(path string, override func(*Config)) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	c, err := decodeConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if dir := filepath.Dir(path); c.DataDir == "" {
		c.DataDir = dir
	} else if !filepath.IsAbs(c.DataDir) {
		c.DataDir = filepath.Join(dir, c.DataDir)
	}
	if override != nil {
		override(c)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// decodeConfig reads data over the defaults. It checks the form alone: TOML,
// known settings, their types.
func decodeConfig(data []byte) (*Config, error) {
	if len(data) > maxConfig {
		return nil, fmt.Errorf("the file is longer than %d KiB", maxConfig>>10)
	}
	c := defaultConfig()
	meta, err := toml.NewDecoder(bytes.NewReader(data)).Decode(c)
	var parse toml.ParseError
	if errors.As(err, &parse) && parse.Position.Line > 0 {
		return nil, fmt.Errorf("line %d: %s", parse.Position.Line, parse.Message)
	}
	if err != nil {
		return nil, err
	}
	return c, errors.Join(unknownKeys(data, meta.Undecoded())...)
}

// maxUnknown is how many unknown settings are named: finding their lines takes time.
const maxUnknown = 10

// unknownKeys names the keys that stand for no setting. Those of an unknown table
// are unknown too: its own line is enough.
func unknownKeys(data []byte, keys []toml.Key) (errs []error) {
	all := make(map[string]bool, len(keys))
	for _, key := range keys {
		all[key.String()] = true
	}
	for _, key := range keys {
		if len(key) > 1 && all[key[:len(key)-1].String()] {
			continue
		}
		if len(errs) == maxUnknown {
			return append(errs, errors.New("and more unknown settings"))
		}
		errs = append(errs, unknownKey(data, key))
	}
	return errs
}

func unknownKey(data []byte, key toml.Key) error {
	if line := lineOf(data, key); line > 0 {
		return fmt.Errorf("line %d: unknown setting %q", line, key)
	}
	return fmt.Errorf("unknown setting %q", key)
}

// lineOf finds the line that defines key, 0 where it can't tell. The TOML
// library doesn't say where a key stood, so the file is parsed up to each line
// that has the key's last part in it: the first part of the file that defines
// the key ends with its line.
func lineOf(data []byte, key toml.Key) int {
	last := []byte(key[len(key)-1])
	for line, end := 1, 0; end < len(data); line++ {
		start := end
		if n := bytes.IndexByte(data[start:], '\n'); n >= 0 {
			end = start + n + 1
		} else {
			end = len(data)
		}
		if !bytes.Contains(data[start:end], last) {
			continue
		}
		var any map[string]any
		if meta, err := toml.Decode(string(data[:end]), &any); err == nil && meta.IsDefined(key...) {
			return line
		}
	}
	return 0
}
