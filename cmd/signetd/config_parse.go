package main

import (
	"fmt"
	"path/filepath"

	"signet/internal/tomlfile"
)

// LoadConfig reads and checks the configuration file at path; what override
// does to it (flags, the environment) comes before the check. Its errors name
// the file and, where there is one, the line.
func LoadConfig(path string, override func(*Config)) (*Config, error) {
	data, err := tomlfile.Read(path)
	if err != nil {
		return nil, err
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
	c := defaultConfig()
	return c, tomlfile.Decode(data, c)
}
