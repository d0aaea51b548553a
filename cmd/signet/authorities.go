package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crypto/x509"

	"signet/enroll"
	"signet/internal/atomicfile"
	"signet/internal/certfile"
	"signet/internal/exit"
)

// An authority is a CA that was met: its root was checked against the
// fingerprint once, and is what its TLS certificate must lead to since.
type authority struct {
	URL         string `json:"url"`
	Fingerprint string `json:"fingerprint"` // SHA-256 of the root, hex
	Root        string `json:"root"`        // PEM
	// User is the account used last.
	User string `json:"user,omitempty"`
}

// authorities is $XDG_CONFIG_HOME/signet/authorities.json: those met, the one used
// last first.
type authorities struct {
	path string
	all  []authority
}

// maxAuthorities bounds the file, in bytes.
const maxAuthorities = 1 << 20

func loadAuthorities() (*authorities, error) {
	a := &authorities{path: filepath.Join(configDir(), "authorities.json")}
	info, err := os.Stat(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil && info.Size() > maxAuthorities {
		err = errors.New("it is too large")
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(a.path)
	}
	if err == nil {
		in := json.NewDecoder(bytes.NewReader(data))
		in.DisallowUnknownFields()
		err = in.Decode(&a.all)
	}
	if err != nil && data != nil {
		return nil, exit.With(exit.Failed, fmt.Errorf("reading %s: %w", a.path, err),
			"Delete it, and give the CA's fingerprint once more: --ca URL --fingerprint HEX.")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", a.path, err)
	}
	return a, nil
}

// use puts au first and saves, if that is news: the folder may be one to be read only.
func (a *authorities) use(au authority) error {
	if len(a.all) > 0 && a.all[0] == au {
		return nil
	}
	a.all = slices.DeleteFunc(a.all, func(o authority) bool { return o.URL == au.URL })
	a.all = append([]authority{au}, a.all...)
	return a.save()
}

func (a *authorities) forget(url string) (bool, error) {
	n := len(a.all)
	a.all = slices.DeleteFunc(a.all, func(o authority) bool { return o.URL == url })
	if len(a.all) == n {
		return false, nil
	}
	return true, a.save()
}

func (a *authorities) save() error {
	if err := os.MkdirAll(filepath.Dir(a.path), 0o700); err != nil {
		return err
	}
	data, err := json.MarshalIndent(a.all, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(a.path, append(data, '\n'), 0o600)
}

// find is the CA at that URL, or the one used last for "".
func (a *authorities) find(url string) (authority, bool) {
	for _, au := range a.all {
		if url == "" || au.URL == url {
			return au, true
		}
	}
	return authority{}, false
}

// root is the CA's root, parsed.
func (au authority) root() (*x509.Certificate, error) {
	certs, err := certfile.Parse([]byte(au.Root))
	if err != nil {
		return nil, fmt.Errorf("reading the root remembered of %s: %w", au.URL, err)
	}
	return certs[0], nil
}

// sameFingerprint refuses a fingerprint that isn't the one remembered.
func (au authority) sameFingerprint(given string) error {
	want, err := enroll.ParseFingerprint(au.Fingerprint)
	if err != nil {
		return err
	}
	got, err := enroll.ParseFingerprint(given)
	if err != nil {
		return exit.With(exit.Usage, err, "The administrator has it from \"signetd init\".")
	}
	if got != want {
		return exit.With(exit.Denied, fmt.Errorf("%s is remembered with another root: %s", au.URL, au.Fingerprint),
			"If the CA was set up anew, forget the old one: signet ca forget "+au.URL)
	}
	return nil
}

// canonical is a CA's URL without what doesn't distinguish it.
func canonical(raw string) (string, error) {
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", exit.With(exit.Usage, fmt.Errorf("%q is no CA's URL", raw), "It looks like https://ca.example:8443.")
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/"), nil
}
