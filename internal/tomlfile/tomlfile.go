// Package tomlfile reads configuration files strictly: what stands for no setting
// is an error that names its line.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/BurntSushi/toml"
)

// maxFile bounds a configuration file, in octets.
const maxFile = 256 << 10

// Read reads the file at path, of a size that a configuration may have.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// Decode reads data over the defaults in v. It checks the form alone: TOML, known
// settings, their types.
func Decode(data []byte, v any) error {
	if len(data) > maxFile {
		return fmt.Errorf("the file is longer than %d KiB", maxFile>>10)
	}
	meta, err := toml.NewDecoder(bytes.NewReader(data)).Decode(v)
	var parse toml.ParseError
	if errors.As(err, &parse) && parse.Position.Line > 0 {
		return fmt.Errorf("line %d: %s", parse.Position.Line, parse.Message)
	}
	if err != nil {
		return err
	}
	return errors.Join(unknownKeys(data, meta.Undecoded())...)
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
		if meta, err := toml.Decode(string(data[:end]), &any); err == nil && defines(meta, key) {
			return line
		}
	}
	return 0
}

// defines reports whether the file has the key, in any of the tables of an array too.
func defines(meta toml.MetaData, key toml.Key) bool {
	return slices.ContainsFunc(meta.Keys(), func(k toml.Key) bool { return slices.Equal(k, key) })
}
