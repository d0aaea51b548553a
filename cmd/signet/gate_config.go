package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"signet/internal/logging"
	"signet/internal/tomlfile"
	"signet/relying"
	"signet/relying/certheader"
	"signet/relying/gate"
)

// A gateConfig is the configuration of "signet gate": gate.toml, or what flags
// say. docs/commands.md documents each setting.
type gateConfig struct {
	Listen     string         `toml:"listen"`
	SocketMode string         `toml:"socket_mode"`
	Metrics    string         `toml:"metrics"`
	Mode       string         `toml:"mode"`
	Header     string         `toml:"header"`
	Format     string         `toml:"format"`
	UserHeader string         `toml:"user_header"`
	UserFrom   string         `toml:"user_from"`
	FailOpen   bool           `toml:"fail_open"`
	State      string         `toml:"state"`
	Poll       time.Duration  `toml:"poll"`
	Log        logging.Config `toml:"log"`
	OCSP       struct {
		Use     string        `toml:"use"`
		URL     string        `toml:"url"`
		Nonce   bool          `toml:"nonce"`
		Timeout time.Duration `toml:"timeout"`
		MaxAge  time.Duration `toml:"max_age"`
	} `toml:"ocsp"`
	Page struct {
		Service string `toml:"service"`
		Enroll  string `toml:"enroll"`
		Contact string `toml:"contact"`
	} `toml:"page"`
	CAs []gateCA `toml:"ca"`
}

// A gateCA is one [[ca]].
type gateCA struct {
	URL    stringList `toml:"url"`
	CAFile string     `toml:"ca_file"`
}

// maxGateCAs bounds the CAs of one gate.
const maxGateCAs = 64

// readGateConfig reads the file, or makes the same of the flags.
func readGateConfig(c *cli.Context) (*gateConfig, error) {
	conf := &gateConfig{}
	if path := c.String("config"); path != "" {
		for _, f := range c.Command.Flags {
			if name := f.Names()[0]; c.IsSet(name) && !slices.Contains([]string{"config", "json", "log-format", "log-level"}, name) {
				return nil, fmt.Errorf("--%s can't be given with --config", name)
			}
		}
		if err := conf.load(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	} else {
		conf.fromFlags(c)
	}
	if c.IsSet("log-format") {
		conf.Log.Format = c.String("log-format")
	} else if c.Bool("json") {
		conf.Log.Format = "json"
	}
	if c.IsSet("log-level") {
		conf.Log.Level = c.String("log-level")
	}
	return conf, conf.check()
}

// load reads the file at path. Names of files in it that are not absolute are
// those in its folder.
func (c *gateConfig) load(path string) error {
	data, err := tomlfile.Read(path)
	if err != nil {
		return err
	}
	if err := tomlfile.Decode(data, c); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	within(dir, &c.State)
	for i := range c.CAs {
		within(dir, &c.CAs[i].CAFile)
	}
	return nil
}

func (c *gateConfig) fromFlags(f *cli.Context) {
	for name, setting := range map[string]*string{
		"listen": &c.Listen, "socket-mode": &c.SocketMode, "metrics": &c.Metrics, "mode": &c.Mode, "header": &c.Header, "format": &c.Format,
		"user-header": &c.UserHeader, "user-from": &c.UserFrom, "ocsp": &c.OCSP.Use, "state": &c.State,
		"service": &c.Page.Service, "enroll": &c.Page.Enroll, "contact": &c.Page.Contact,
	} {
		*setting = f.String(name)
	}
	c.FailOpen, c.Poll = f.Bool("fail-open"), f.Duration("poll")
	if f.IsSet("url") || f.IsSet("ca-file") {
		c.CAs = []gateCA{{URL: f.StringSlice("url"), CAFile: f.String("ca-file")}}
	}
}

// check gives settings their defaults as well. What the packages below check is not here.
func (c *gateConfig) check() error {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:9180"
	}
	switch {
	case len(c.CAs) == 0:
		return errors.New("no CA is named: --url and --ca-file, or [[ca]]")
	case len(c.CAs) > maxGateCAs:
		return fmt.Errorf("more than %d [[ca]]", maxGateCAs)
	case !slices.Contains([]string{"", "required", "optional"}, c.Mode):
		return fmt.Errorf("mode: %q is neither required nor optional", c.Mode)
	case c.Poll != 0 && c.Poll < time.Second:
		return errors.New("poll is a second at least")
	case c.OCSP.Timeout < 0 || c.OCSP.MaxAge < 0:
		return errors.New("ocsp: times are not negative")
	}
	if _, err := c.socketMode(); err != nil {
		return err
	}
	if err := c.Log.Check(); err != nil {
		return err
	}
	for _, address := range []string{c.Listen, c.Metrics} {
		if _, _, err := net.SplitHostPort(address); err != nil && address != "" && !strings.HasPrefix(address, "unix:") {
			return fmt.Errorf("%q is no address to listen at: %w", address, err)
		}
	}
	for i, one := range c.CAs {
		if len(one.URL) == 0 || one.CAFile == "" {
			return fmt.Errorf("CA number %d: url or ca_file is missing", i+1)
		}
	}
	return nil
}

// socketMode is who may connect to a socket: owner and group, the proxy's, where
// nothing is said. Whoever connects can ask what a certificate is worth.
func (c *gateConfig) socketMode() (fs.FileMode, error) {
	if c.SocketMode == "" {
		return 0o660, nil
	}
	mode, err := strconv.ParseUint(c.SocketMode, 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o600 != 0o600 {
		return 0, fmt.Errorf("socket_mode: %q is not one of 0600, 0660 and 0666", c.SocketMode)
	}
	return fs.FileMode(mode), nil
}

func (c *gateConfig) checker(logger *slog.Logger) (*relying.Checker, error) {
	conf := relying.Config{
		Dir: c.State, FailOpen: c.FailOpen, Every: c.Poll, Logger: logger,
		OCSP: relying.OCSP{
			Use: relying.OCSPUse(c.OCSP.Use), URL: c.OCSP.URL, Nonce: c.OCSP.Nonce,
			Timeout: c.OCSP.Timeout, MaxAge: c.OCSP.MaxAge,
		},
	}
	for _, one := range c.CAs {
		certs, err := relying.ReadCertificates(one.CAFile)
		if err != nil {
			return nil, err
		}
		conf.Authorities = append(conf.Authorities, one.authority(certs))
	}
	return relying.New(conf)
}

func (c *gateConfig) gateConfig(checker *relying.Checker, logger *slog.Logger) gate.Config {
	return gate.Config{
		Checker: checker, Header: c.Header, Format: certheader.Format(c.Format), Optional: c.Mode == "optional",
		UserHeader: c.UserHeader, User: gate.User(c.UserFrom), Logger: logger,
		Page: relying.Page{Service: c.Page.Service, Enroll: c.Page.Enroll, Contact: c.Page.Contact},
	}
}
