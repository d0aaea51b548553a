package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"text/template"
)

//go:embed signetd.toml
var configTemplate string

// newConfig is what "signetd init" knows of the configuration it writes.
type newConfig struct {
	Organisation      string
	PasswordFile      string
	HTTPS, HTTP       string   // listen addresses
	URLHTTPS, URLHTTP string   // how they are reached
	Hosts             []string // that the TLS certificate holds for
}

// newConfigFor makes it from the flags: the first host is the one in URLs, and
// localhost is always good for a try on the same machine.
func newConfigFor(organisation, passwordFile, https, http string, hosts []string) newConfig {
	n := newConfig{Organisation: organisation, PasswordFile: passwordFile, HTTPS: https, HTTP: http}
	n.URLHTTPS = urlOf("https", hosts[0], https, "443")
	n.URLHTTP = urlOf("http", hosts[0], http, "80")
	seen := map[string]bool{}
	for _, h := range append(hosts, "localhost", "127.0.0.1", "::1") {
		if !seen[h] {
			n.Hosts = append(n.Hosts, h)
		}
		seen[h] = true
	}
	return n
}

// urlOf is the address of a listener from outside.
func urlOf(scheme, host, listen, standard string) string {
	_, port, _ := net.SplitHostPort(listen)
	if port == standard || port == "" {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// render makes the file, each setting commented.
func (n newConfig) render() ([]byte, error) {
	t, err := template.New("signetd.toml").Delims("<%", "%>").
		Funcs(template.FuncMap{"toml": tomlString, "list": tomlList}).Parse(configTemplate)
	if err != nil {
		return nil, fmt.Errorf("reading the template of signetd.toml: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, n); err != nil {
		return nil, fmt.Errorf("writing signetd.toml: %w", err)
	}
	return b.Bytes(), nil
}

// tomlString is s as a TOML basic string: JSON's form, but that TOML wants
// DEL escaped too.
func tomlString(s string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return "", err
	}
	return strings.ReplaceAll(strings.TrimSpace(b.String()), "\x7f", `\u007f`), nil
}

func tomlList(all []string) (string, error) {
	quoted := make([]string, len(all))
	for i, s := range all {
		q, err := tomlString(s)
		if err != nil {
			return "", err
		}
		quoted[i] = q
	}
	return "[" + strings.Join(quoted, ", ") + "]", nil
}
