package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"signet/internal/logging"
	"signet/internal/tomlfile"
	"signet/revocation/agent"
)

// A syncConfig is the configuration of "signet crl sync": crl.toml, or what flags say.
// docs/server-operator.md documents each setting.
type syncConfig struct {
	Metrics string         `toml:"metrics"`
	Health  string         `toml:"health"`
	Log     logging.Config `toml:"log"`
	CRLs    []crlConfig    `toml:"crl"`
}

// A crlConfig is one [[crl]]: one CA and one file.
type crlConfig struct {
	Name           string        `toml:"name"`
	URL            stringList    `toml:"url"`
	CAFile         string        `toml:"ca_file"`
	Out            string        `toml:"out"`
	Check          string        `toml:"check"`
	Reload         string        `toml:"reload"`
	CommandTimeout time.Duration `toml:"command_timeout"`
	Poll           time.Duration `toml:"poll"`
	Push           *bool         `toml:"push"`
	MaxBytes       int64         `toml:"max_bytes"`
}

// A stringList is one string or several.
type stringList []string

// UnmarshalTOML takes either.
func (l *stringList) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		*l = stringList{v}
		return nil
	case []any:
		for _, one := range v {
			s, ok := one.(string)
			if !ok {
				return errors.New("it is a string, or an array of strings")
			}
			*l = append(*l, s)
		}
		return nil
	}
	return errors.New("it is a string, or an array of strings")
}

// loadSyncConfig reads and checks the file at path. Names of files in it that
// are not absolute are those in its folder.
func loadSyncConfig(path string) (*syncConfig, error) {
	data, err := tomlfile.Read(path)
	if err != nil {
		return nil, err
	}
	c := &syncConfig{}
	if err := tomlfile.Decode(data, c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	dir := filepath.Dir(path)
	for i := range c.CRLs {
		within(dir, &c.CRLs[i].CAFile, &c.CRLs[i].Out)
	}
	within(dir, &c.Health)
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func within(dir string, names ...*string) {
	for _, name := range names {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	}
}

// maxCRLs bounds the CAs of one agent.
const maxCRLs = 64

func (c *syncConfig) check() error {
	switch {
	case len(c.CRLs) == 0:
		return errors.New("there is no [[crl]]")
	case len(c.CRLs) > maxCRLs:
		return fmt.Errorf("more than %d [[crl]]", maxCRLs)
	}
	if err := c.Log.Check(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.Metrics); c.Metrics != "" && err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	names, outs := map[string]bool{}, map[string]bool{}
	for i := range c.CRLs {
		one := &c.CRLs[i]
		if err := one.check(); err != nil {
			return fmt.Errorf("[[crl]] number %d: %w", i+1, err)
		}
		if names[one.Name] || outs[filepath.Clean(one.Out)] {
			return fmt.Errorf("[[crl]] number %d: another one has its name or its file", i+1)
		}
		names[one.Name], outs[filepath.Clean(one.Out)] = true, true
	}
	return nil
}

// check gives settings their defaults as well.
func (c *crlConfig) check() error {
	switch {
	case len(c.URL) == 0:
		return errors.New("url is missing")
	case c.CAFile == "":
		return errors.New("ca_file is missing")
	case c.Out == "" || c.Out == "-":
		return errors.New("out is missing: a file that is replaced")
	case c.Poll != 0 && c.Poll < time.Second:
		return errors.New("poll is a second at least")
	case c.CommandTimeout < 0 || c.MaxBytes < 0:
		return errors.New("command_timeout and max_bytes are not negative")
	}
	if c.Name == "" {
		c.Name = strings.TrimSuffix(filepath.Base(c.Out), filepath.Ext(c.Out))
	}
	for i, u := range c.URL {
		var err error
		if c.URL[i], err = crlURL(u); err != nil {
			return err
		}
	}
	return nil
}

// crlURL is the URL of a CRL: that of a CA alone means the bundle of all its levels.
func crlURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("url: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("url: %q is no http or https URL", text)
	}
	if u.Path == "" || strings.HasSuffix(u.Path, "/") {
		u = u.JoinPath("crl", "bundle.pem")
	}
	return u.String(), nil
}

// agentConfig reads the CA's certificates.
func (c *crlConfig) agentConfig(logger *slog.Logger) (agent.Config, error) {
	cas, err := readCAs(c.CAFile)
	return agent.Config{
		SourceConfig: agent.SourceConfig{URLs: c.URL, CAs: cas, MaxBytes: c.MaxBytes, Logger: logger},
		Path:         c.Out, Check: c.Check, Reload: c.Reload, CommandTimeout: c.CommandTimeout,
	}, err
}

func (c *crlConfig) keeperConfig() (agent.KeeperConfig, error) {
	k := agent.KeeperConfig{Name: c.Name, Poll: c.Poll}
	if c.Push != nil && !*c.Push {
		return k, nil
	}
	var err error
	k.Events, err = agent.EventsURL(c.URL[0])
	return k, err
}
