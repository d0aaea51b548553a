package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"signet/internal/dirs"
	"signet/internal/exit"
)

// configName is the configuration's file in the data folder.
const configName = "signetd.toml"

// placeFlags say where the CA is. Every command has them.
func placeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "dir", Usage: "the CA's `FOLDER`", Value: defaultDir()},
		&cli.StringFlag{Name: "config", Usage: "the configuration `FILE` (default: " + configName + " in the folder)"},
	}
}

// passwordFileFlag is where the passphrase of the keys comes from.
func passwordFileFlag() cli.Flag {
	return &cli.StringFlag{Name: "password-file", Usage: "read the passphrase of the keys from `FILE`, or from stdin if it is -"}
}

// defaultDir is /var/lib/signet for root, else the person's own: $XDG_DATA_HOME/signet.
func defaultDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/signet"
	}
	return dirs.Data()
}

// configPath is the configuration file that the flags name.
func configPath(c *cli.Context) string {
	if path := c.String("config"); path != "" {
		return path
	}
	return filepath.Join(c.String("dir"), configName)
}

// config loads the configuration that the flags name, with the flags' settings
// over the file's.
func config(c *cli.Context) (*Config, error) {
	path := configPath(c)
	conf, err := LoadConfig(path, func(conf *Config) { override(conf, c) })
	switch {
	case errors.Is(err, fs.ErrNotExist) && !exists(path):
		return nil, exit.With(exit.NotFound, err, "Make a CA with \"signetd init --dir "+c.String("dir")+"\", or name its folder with --dir.")
	case errors.Is(err, fs.ErrPermission):
		return nil, exit.With(exit.Denied, err, "Only the account that the CA belongs to, and root, may do this.")
	case err != nil:
		return nil, exit.With(exit.Failed, err, "The settings are explained in the file itself.")
	}
	return conf, nil
}

// override puts what flags and environment say over the file's settings.
func override(conf *Config, c *cli.Context) {
	for flag, setting := range map[string]*string{
		"https": &conf.Listen.HTTPS, "http": &conf.Listen.HTTP,
		"log-format": &conf.Log.Format, "log-level": &conf.Log.Level,
	} {
		if c.IsSet(flag) {
			*setting = c.String(flag)
		}
	}
	if c.IsSet("password-file") {
		conf.PasswordFile = absolute(c.String("password-file"))
	}
}

// absolute keeps a flag's path from being taken as relative to the data folder.
func absolute(path string) string {
	if path == "-" || path == "" {
		return path
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
