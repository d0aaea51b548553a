package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signet/enroll"
)

func rendered(t testing.TB) string {
	t.Helper()
	text, err := newConfigFor(`Ada "&" <Søns>`, "/pass", ":8443", ":80", []string{"ca.example"}).render()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), configName)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(path, nil)
}

func TestTheTemplateIsARightConfiguration(t *testing.T) {
	c, err := load(t, rendered(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.Organisation != `Ada "&" <Søns>` || c.URLs.HTTPS != "https://ca.example:8443" || c.URLs.HTTP != "http://ca.example" ||
		c.PasswordFile != "/pass" || !slices.Equal(c.TLS.Hosts, []string{"ca.example", "localhost", "127.0.0.1", "::1"}) {
		t.Errorf("%+v", c)
	}
	if p := c.profiles["user"]; p == nil || p.Lifetime() != 365*day || p.Plan.Slot.String() != "9a" {
		t.Errorf("the profile user is %+v", p)
	}
	if c.path("x") != filepath.Join(c.DataDir, "x") || c.path("/x") != "/x" || c.passwordFile() != "/pass" {
		t.Error("paths are not relative to the data folder")
	}
}

// Every commented setting shows its default: with the comments off, nothing changes.
func TestTheTemplateShowsTheDefaults(t *testing.T) {
	var lines []string
	for line := range strings.Lines(rendered(t)) {
		if strings.HasPrefix(line, "#[") {
			break // whole profiles in comments are examples
		}
		if s, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(s, " ") && strings.Contains(s, " = ") &&
			!strings.Contains(s, "example") && !strings.HasPrefix(s, "roots") && !strings.HasPrefix(s, "certificate = \"/") && !strings.HasPrefix(s, "key = \"/") {
			line = s
		}
		lines = append(lines, line)
	}
	c, err := decodeConfig([]byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	d := defaultConfig()
	if c.Store != d.Store || c.TLS.Lifetime != d.TLS.Lifetime || c.Root != d.Root || c.Intermediate != d.Intermediate ||
		c.CRL != d.CRL || c.OCSP != d.OCSP || c.Log != d.Log {
		t.Errorf("the template shows %+v\nthe defaults are %+v", c, d)
	}
}

func TestUnknownSettingsAreNamedWithTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"store = \"x\"\nstroe = \"y\"":                            `line 2: unknown setting "stroe"`,
		"[crl]\nlifetime = \"3h\"\n\n[crl.x]\ny = 1":              `line 4: unknown setting "crl.x"`,
		"[log]\nformat = \"\"\"\nlevle\n\"\"\"\nlevle = \"info\"": `line 5: unknown setting "log.levle"`,
		"[profiles.user]\nkey_algorithms = [\n\"P-256\"]\nslot=1": `line 4: unknown setting "profiles.user.slot"`,
		"tls = { hosts = [\"a\"], names = [\"b\"] }":              `line 1: unknown setting "tls.names"`,
		"\"\\u0061bc\" = 1":                                       `unknown setting "abc"`,
		"[crl]\nlifetime = \"3 fortnights\"":                      `line 2: "3 fortnights" is no duration`,
		"[crl]\nlifetime = 3":                                     "line 2",
		"[crl":                                                    "line 1",
		"[listen]\nhttps = 8443":                                  "https",
	} {
		if _, err := decodeConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestCheckNamesEverySettingThatIsWrong(t *testing.T) {
	good := rendered(t)
	for change, want := range map[[2]string]string{
		{`https = ":8443"`, `https = "8443"`}:                                "listen.https",
		{`https = "https://ca.example:8443"`, `https = "http://ca.example"`}: "urls.https",
		{`http = "http://ca.example"`, `http = "http://ca.example/pki"`}:     "urls.http",
		{`hosts = ["ca.example"`, `hosts = ["ca example"`}:                   "tls.hosts",
		{`#lifetime = "90d"`, `lifetime = "9000d"`}:                          "tls.lifetime",
		{`#overlap = "48h"`, `overlap = "72h"`}:                              "crl.overlap",
		{`#format = "text"`, `format = "xml"`}:                               "log.format",
		{`#level = "info"`, `level = "info+1"`}:                              "log.level",
		{`#roots = [`, `roots = [`}:                                          "attestation.roots",
		{`#key = "/etc/ssl`, `key = "/etc/ssl`}:                              "tls.certificate and tls.key",
		{`#store = "signet.db"`, `store = ""`}:                               "store is empty",
		{`min_firmware = "4.3.0"`, `min_firmware = "four"`}:                  "profiles.user",
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("the template has no %s", change[0])
		}
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %s", change[1], err, want)
		}
	}
}

func TestASizeHasAUnit(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "512KiB": 512 << 10, "2MiB": 2 << 20, "3GiB": 3 << 30, "1MB": -1, "1024": -1, "": -1, "-1MiB": -1, "0MiB": -1, "1.5MiB": -1, "9999999999GiB": -1,
	} {
		var s size
		if err := s.UnmarshalText([]byte(text)); (err != nil) != (want < 0) || err == nil && (s != want || s.String() != text) {
			t.Errorf("%q is %s, %v", text, s, err)
		}
	}
	c, err := load(t, strings.Replace(rendered(t), `#memory = "2MiB"`, `memory = "0"`, 1))
	if err != nil || c.OCSP.memory() >= 0 || defaultConfig().OCSP.memory() != 2<<20 {
		t.Errorf("none: %v, %v", c, err)
	}
}

// FuzzConfig: whatever the file holds, reading it ends, and what passes the check
// has all that a server is made of.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(rendered(f)))
	f.Add([]byte(withExamples(f)))
	f.Add([]byte(strings.ReplaceAll(withExamples(f), "\"signing\"", "\"user\"")))
	f.Add([]byte("[crl]\nlifetime = \"1d\"\nx = 1\n[x.y]\n"))
	f.Add([]byte("tls = { hosts = [\"a\"], b = 1 }\n[[profiles]]\n"))
	f.Add([]byte("profiles.user.key.slot = \"9c\"\n\"\\u0061\" = 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeConfig(data)
		if err != nil {
			return
		}
		c.Attestation.Roots, c.DataDir = nil, t.TempDir() // no files of this machine
		if c.check() != nil {
			return
		}
		if len(c.profiles) == 0 || len(c.profiles) != len(c.Profiles) || c.CRL.Overlap >= c.CRL.Lifetime || c.URLs.HTTP == "" {
			t.Errorf("%q passed the check as %+v", data, c)
		}
		for _, p := range c.profiles {
			for _, name := range p.With {
				if with := c.profiles[name]; with == nil || len(with.With) > 0 || with.Plan.Slot == p.Plan.Slot || with.Plan.Attestation != enroll.AttestationRequired {
					t.Errorf("%q passed the check: %s goes with %s", data, name, p.Name())
				}
			}
		}
	})
}

// withExamples is the template with the examples at its end in force, and what they say of the
// profile "user".
func withExamples(t testing.TB) string {
	t.Helper()
	var lines []string
	example := false
	for line := range strings.Lines(rendered(t)) {
		example = example || strings.HasPrefix(line, "#[profiles.")
		switch {
		case strings.HasPrefix(line, "#with = "):
			line = "with = [\"signing\", \"encryption\"]\n"
		case example && !strings.HasPrefix(line, "# "):
			line = strings.TrimPrefix(line, "#")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

func TestTheTemplatesExamples(t *testing.T) {
	c, err := load(t, withExamples(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.profiles) != 4 || len(c.profiles["user"].With) != 2 || c.temporaryProfile() != "temporary" {
		t.Errorf("profiles %v", c.profiles)
	}
}
