package main

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/command"
	"signet/internal/logging"
	"signet/piv"
	"signet/revocation"
)

// A Config is signetd.toml; the file's own comments document each setting. It
// is made by [ParseConfig], which checks it whole.
type Config struct {
	Organisation string `toml:"organisation"`
	DataDir      string `toml:"data_dir"`
	Store        string `toml:"store"`
	PasswordFile string `toml:"password_file"`

	Listen struct {
		HTTPS string `toml:"https"`
		HTTP  string `toml:"http"`
	} `toml:"listen"`
	URLs struct {
		HTTPS string `toml:"https"`
		HTTP  string `toml:"http"`
	} `toml:"urls"`
	TLS struct {
		Hosts       []string `toml:"hosts"`
		Lifetime    duration `toml:"lifetime"`
		Certificate string   `toml:"certificate"`
		Key         string   `toml:"key"`
	} `toml:"tls"`
	Root struct {
		Certificate string `toml:"certificate"`
		CRL         string `toml:"crl"`
	} `toml:"root"`
	Intermediate struct {
		Certificate string `toml:"certificate"`
		Key         string `toml:"key"`
	} `toml:"intermediate"`
	CRL struct {
		Lifetime duration `toml:"lifetime"`
		Overlap  duration `toml:"overlap"`
		// Partitions is how many parts new certificates are spread over; 0 for none.
		Partitions int  `toml:"partitions"`
		Delta      bool `toml:"delta"`
	} `toml:"crl"`
	OCSP        OCSPConfig     `toml:"ocsp"`
	Log         logging.Config `toml:"log"`
	Attestation struct {
		Roots []string `toml:"roots"`
	} `toml:"attestation"`
	Cards struct {
		// TemporaryProfile is what the owner of a lost card may have for a while.
		TemporaryProfile string `toml:"temporary_profile"`
	} `toml:"cards"`
	Profiles map[string]ProfileConfig `toml:"profiles"`

	// What the check made of it.
	profiles         map[string]*enroll.Profile
	attestationRoots []*x509.Certificate
}

// A ProfileConfig is [profiles.NAME] with its companions and its key plan.
type ProfileConfig struct {
	ca.ProfileConfig
	// With are the profiles that are enrolled together with it.
	With []string          `toml:"with"`
	Key  enroll.PlanConfig `toml:"key"`
}

// An OCSPConfig is [ocsp].
type OCSPConfig struct {
	Lifetime       duration `toml:"lifetime"`
	SignerLifetime duration `toml:"signer_lifetime"`
	Memory         size     `toml:"memory"`
}

// memory is as [revocation.Config.OCSPMemory] has it: 0 there is the default.
func (c OCSPConfig) memory() int64 {
	if c.Memory == 0 {
		return -1
	}
	return int64(c.Memory)
}

// defaultConfig is what holds where the file says nothing.
func defaultConfig() *Config {
	c := &Config{Organisation: "Signet", Store: "signet.db"}
	c.Listen.HTTPS, c.Listen.HTTP = ":8443", ":8080"
	c.TLS.Lifetime = duration(90 * day)
	c.Root.Certificate, c.Root.CRL = "root.crt", "root.crl"
	c.Intermediate.Certificate, c.Intermediate.Key = "intermediate.crt", "intermediate.key"
	c.CRL.Lifetime, c.CRL.Overlap = duration(72*time.Hour), duration(48*time.Hour)
	c.OCSP = OCSPConfig{Lifetime: duration(time.Hour), SignerLifetime: duration(7 * day), Memory: 2 << 20}
	c.Log.Format, c.Log.Level = "text", "info"
	c.Cards.TemporaryProfile = defaultTemporary
	return c
}

// path makes a setting's path absolute or relative to the working directory.
func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.DataDir, p)
}

// pivRoots are those whose word on a card is taken: Yubico's and the configured ones.
func (c *Config) pivRoots() *piv.Roots { return piv.NewRoots(c.attestationRoots...) }

// times are those of CRLs and OCSP answers.
func (c *Config) times() revocation.Times {
	return revocation.Times{
		CRLLifetime: time.Duration(c.CRL.Lifetime), CRLOverlap: time.Duration(c.CRL.Overlap),
		OCSPLifetime: time.Duration(c.OCSP.Lifetime),
	}
}

// deltaOf is the URL of the issuer's complete CRL where CRLs shall have deltas.
func (c *Config) deltaOf(issuerID string) string {
	if !c.CRL.Delta {
		return ""
	}
	return ca.URLsAt(c.URLs.HTTP, issuerID).CRL
}

// defaultTemporary is the profile of temporary certificates where the file names none.
const defaultTemporary = "temporary"

// temporaryProfile is the profile of temporary certificates; "" where there is none.
func (c *Config) temporaryProfile() string {
	if c.profiles[c.Cards.TemporaryProfile] == nil {
		return ""
	}
	return c.Cards.TemporaryProfile
}

// temporaryCompanions are the profiles that are enrolled together with that one.
func (c *Config) temporaryCompanions() []string {
	if p := c.profiles[c.temporaryProfile()]; p != nil {
		return p.With
	}
	return nil
}

// key is the intermediate key's URI, its path made right where it is a file.
func (c *Config) key() string {
	if c.keyIsFile() {
		return c.path(c.Intermediate.Key)
	}
	return c.Intermediate.Key
}

// keyIsFile reports whether the intermediate's key is a file, and not in a KMS.
func (c *Config) keyIsFile() bool { return !strings.Contains(c.Intermediate.Key, ":") }

// passwordFile is where the passphrase is; "-" is stdin, "" asks.
func (c *Config) passwordFile() string {
	if c.PasswordFile == "-" {
		return "-"
	}
	return c.path(c.PasswordFile)
}

// socketName is where a running server listens for the operator's commands.
const socketName = "signetd.sock"

func (c *Config) socket() string { return c.path(socketName) }

const day = 24 * time.Hour

// A duration is a length of time in the configuration, in the form that flags have too.
type duration time.Duration

// UnmarshalText reads what [command.Duration] does.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := command.Duration(string(text))
	*d = duration(v)
	return err
}

func (d duration) String() string { return time.Duration(d).String() }

// A size is a number of octets: "512KiB", "64MiB", "2GiB", "0".
type size int64

var sizeUnits = []struct {
	name   string
	octets int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}

// UnmarshalText reads what the type's comment says.
func (s *size) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*s = 0
		return nil
	}
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(digits, 10, 32); err == nil && n > 0 {
			*s = size(n * u.octets)
			return nil
		}
	}
	return fmt.Errorf("%q is no size: \"512KiB\", \"64MiB\", \"2GiB\" or \"0\"", text)
}

func (s size) String() string {
	for _, u := range slices.Backward(sizeUnits) {
		if s != 0 && int64(s)%u.octets == 0 {
			return strconv.FormatInt(int64(s)/u.octets, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
