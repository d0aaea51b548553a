package ca_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
)

var alice = ca.Person{Name: "alice", FullName: "Alice Example", Email: "alice@example.com"}

func TestDefaultProfile(t *testing.T) {
	p := catest.Profile(t)
	subject, sans, err := p.Describe(alice)
	if err != nil {
		t.Fatal(err)
	}
	if subject != "UID=alice,CN=Alice Example" || strings.Join(sans, " ") != "email:alice@example.com" {
		t.Errorf("Describe: %s, %v", subject, sans)
	}
	if p.Lifetime() != 365*24*time.Hour || strings.Join(p.KeyAlgorithms(), " ") != "P-256 P-384" {
		t.Errorf("lifetime %v, algorithms %v", p.Lifetime(), p.KeyAlgorithms())
	}
	subject, sans, err = p.Describe(ca.Person{Name: "bob"})
	if subject != "UID=bob,CN=bob" || len(sans) != 0 || err != nil {
		t.Errorf("Describe without full name and e-mail: %s, %v, %v", subject, sans, err)
	}
}

func TestEmptyProfileIsTheDefaultWithoutNames(t *testing.T) {
	p, err := ca.NewProfile("x", ca.ProfileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, sans, _ := p.Describe(alice); len(sans) != 0 {
		t.Errorf("names from nowhere: %v", sans)
	}
}

func TestSubjects(t *testing.T) {
	for _, test := range []struct{ template, fullName, want string }{
		{"CN={{.FullName}}", "Alice", "CN=Alice"},
		{"CN={{.FullName}},O=Example\\, Inc.,C=DE", "Alice", `CN=Alice,O=Example\, Inc.,C=DE`},
		{" cn = {{.FullName}} , o = Example ", "Alice", "CN=Alice,O=Example"},
		{"UID={{.Name}}+CN={{.FullName}},DC=example,DC=com", "Alice", "CN=Alice+UID=alice,DC=example,DC=com"},
		{`CN={{printf "%s, %s" .FullName .Name}}`, "A", `CN=A\, alice`},
		{`CN={{if .Email}}{{.FullName}}{{else}}x=y\,z{{end}}`, "A", "CN=A"},
		{`O=M\C3\BCller`, "", "O=Müller"},
		{`O=\#1 \+ \"best\"`, "", `O=\#1 \+ \"best\"`},
		{"emailAddress={{.Email}}", "", "emailAddress=alice@example.com"},
		// What stands in an account is a value, whatever it looks like.
		{"CN={{.FullName}},O=Example", "Eve,O=Other", `CN=Eve\,O\=Other,O=Example`},
		{"CN={{.FullName}}", "Eve+UID=root", `CN=Eve\+UID\=root`},
		{"CN={{.FullName}}", `Eve\,O=Other`, `CN=Eve\\\,O\=Other`},
		{"CN={{.FullName}}", "{{.Email}}", "CN={{.Email}}"},
		{"CN={{.FullName}}", "#04024869", `CN=\#04024869`},
	} {
		p, err := ca.NewProfile("p", ca.ProfileConfig{Subject: test.template})
		if err != nil {
			t.Errorf("%s: %v", test.template, err)
			continue
		}
		person := alice
		person.FullName = test.fullName
		got, _, err := p.Describe(person)
		want := strings.ReplaceAll(test.want, `\=`, "=") // RFC 4514 lets '=' stand
		if got != want || err != nil {
			t.Errorf("%s with %q: %s, %v; want %s", test.template, test.fullName, got, err, want)
		}
	}
}

func TestNamesThatCannotStand(t *testing.T) {
	profile := func(c ca.ProfileConfig) *ca.Profile {
		p, err := ca.NewProfile("p", c)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	cn := profile(ca.ProfileConfig{Subject: "CN={{.FullName}}", SANs: []string{"email"}})
	upn := profile(ca.ProfileConfig{Subject: "CN=x", SANs: []string{"upn"}, UPNDomain: "example.com"})
	sid := profile(ca.ProfileConfig{Subject: "CN=x", SID: true})
	for _, test := range []struct {
		profile *ca.Profile
		person  ca.Person
		rule    string
	}{
		{cn, ca.Person{}, "name.empty"},
		{cn, ca.Person{FullName: "  "}, "name.empty"},
		{cn, ca.Person{FullName: strings.Repeat("ü", 65)}, "name.length"},
		{cn, ca.Person{FullName: "a\x00b"}, "name.characters"},
		{cn, ca.Person{FullName: "a\nb"}, "name.characters"},
		{cn, ca.Person{FullName: "\xff"}, "name.characters"},
		{cn, ca.Person{FullName: "abc\u202ecba"}, "name.characters"},
		{cn, ca.Person{FullName: "a", Email: "not an address"}, "name.email"},
		{cn, ca.Person{FullName: "a", Email: "Alice <alice@example.com>"}, "name.email"},
		{cn, ca.Person{FullName: "a", Email: "ålice@example.com"}, "name.email"},
		{upn, ca.Person{Name: "a@b"}, "name.upn"},
		{upn, ca.Person{}, "name.upn"},
		{sid, ca.Person{}, "name.sid"},
		{sid, ca.Person{SID: "S-1-5-21-1, or not"}, "name.sid"},
	} {
		_, _, err := test.profile.Describe(test.person)
		var refused *ca.NameError
		if !errors.As(err, &refused) || refused.Rule != test.rule {
			t.Errorf("%+v: %v; want %s", test.person, err, test.rule)
		}
	}
}

func TestProfilesRefused(t *testing.T) {
	for name, c := range map[string]ca.ProfileConfig{
		"no attribute":     {Subject: "{{.FullName}}"},
		"unknown type":     {Subject: "XY={{.Name}}"},
		"unknown field":    {Subject: "CN={{.Password}}"},
		"broken template":  {Subject: "CN={{.Name"},
		"quotes":           {Subject: `O="Example, Inc."`},
		"hex value":        {Subject: "CN=#04024869"},
		"bad escape":       {Subject: `CN=a\zz`},
		"empty RDN":        {Subject: "CN=a,,O=b"},
		"country":          {Subject: "CN={{.Name}},C=Germany"},
		"san":              {SANs: []string{"dns"}},
		"upn alone":        {SANs: []string{"upn"}},
		"domain alone":     {UPNDomain: "example.com"},
		"usage":            {ExtKeyUsages: []string{"clientauth"}},
		"usage twice":      {ExtKeyUsages: []string{"clientAuth", "1.3.6.1.5.5.7.3.2"}},
		"OCSP signing":     {ExtKeyUsages: []string{"1.3.6.1.5.5.7.3.9"}},
		"any usage":        {ExtKeyUsages: []string{"2.5.29.37.0"}},
		"server":           {ExtKeyUsages: []string{"1.3.6.1.5.5.7.3.1"}},
		"OID":              {ExtKeyUsages: []string{"9.1.2"}},
		"lifetime":         {Lifetime: "1 year"},
		"negative":         {Lifetime: "-1h"},
		"too long":         {Lifetime: "5000d"},
		"huge":             {Lifetime: "99999999999d"},
		"key algorithm":    {KeyAlgorithms: []string{"P-521"}},
		"key algorithm 2K": {KeyAlgorithms: []string{"RSA-1024"}},
	} {
		if _, err := ca.NewProfile("p", c); err == nil {
			t.Errorf("%s: accepted", name)
		} else if !strings.HasPrefix(err.Error(), `profile "p": `) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "A", "a b", "../x", "@server"} {
		if _, err := ca.NewProfile(name, ca.DefaultProfile()); err == nil {
			t.Errorf("the name %q: accepted", name)
		}
	}
}
