package main

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"signet/internal/exit"
	"signet/internal/tomlfile"
)

func TestSyncConfig(t *testing.T) {
	r := newHost(t)
	good := "[[crl]]\nurl = \"http://ca.example\"\nca_file = \"chain.pem\"\nout = \"crl.pem\"\n"
	for name, c := range map[string][2]string{
		"nothing":         {"", "no [[crl]]"},
		"unknown":         {"metric = 1\n" + good, "line 1: unknown setting"},
		"unknown in crl":  {good + "\n\nretry = 3\n", "line 7: unknown setting"},
		"no TOML":         {good + "out", "line 5"},
		"no URL":          {"[[crl]]\nca_file = \"x\"\nout = \"y\"\n", "number 1: url is missing"},
		"no http":         {strings.Replace(good, "http:", "ftp:", 1), "no http or https"},
		"a number":        {strings.Replace(good, "\"http://ca.example\"", "7", 1), "string"},
		"no CA":           {strings.Replace(good, "ca_file", "#", 1), "ca_file is missing"},
		"stdout":          {strings.Replace(good, "crl.pem", "", 1) + "", ""},
		"poll too often":  {good + "poll = \"10ms\"\n", "poll is"},
		"one file twice":  {good + good + "name = \"x\"\n", "number 2"},
		"a log level":     {good + "[log]\nlevel = \"loud\"\n", "log.level"},
		"a metrics place": {"metrics = \"here\"\n" + good, "metrics"},
	} {
		r.write("crl.toml", c[0])
		if code, said := r.signet("crl", "sync", "--config", r.path("crl.toml")); code != exit.Usage && code != exit.Failed || !strings.Contains(said, c[1]) {
			t.Errorf("%s: %d %s", name, code, said)
		}
	}
	if code, said := r.signet("crl", "sync", "--config", "x", "--url", "y"); code != exit.Usage {
		t.Errorf("%d %s", code, said)
	}
	if code, said := r.signet("crl", "sync"); code != exit.Usage || !strings.Contains(said, "url is missing") {
		t.Errorf("%d %s", code, said)
	}
	if code, said := r.signet("crl", "sync", "--url", "http://x", "--ca-file", r.path("none"), "--out", r.path("out")); code != exit.NotFound {
		t.Errorf("%d %s", code, said)
	}
}

// The guide's example has every setting, and nothing else.
func TestSyncGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/server-operator.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(text)
	if example == nil {
		t.Fatal("the guide has no example")
	}
	var c syncConfig
	if err := tomlfile.Decode(example[1], &c); err != nil {
		t.Fatal(err)
	}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	for _, v := range []reflect.Value{reflect.ValueOf(c), reflect.ValueOf(c.CRLs[0])} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("the guide does not have %s", v.Type().Field(i).Tag.Get("toml"))
			}
		}
	}
}
