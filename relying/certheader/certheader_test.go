package certheader_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/ca/catest"
	"signet/relying/certheader"
)

func certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	h := catest.New(t)
	c, err := h.Issue(t, "alice", catest.Key(t), time.Now()).X509()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forms are a certificate as the proxies write it, with the format that each is in.
func forms(c *x509.Certificate) map[string]struct {
	format certheader.Format
	value  string
} {
	der := base64.StdEncoding.EncodeToString(c.Raw)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	// ngx_escape_uri(NGX_ESCAPE_URI_COMPONENT) leaves letters, digits and -._~ alone.
	escaped := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	return map[string]struct {
		format certheader.Format
		value  string
	}{
		"nginx":      {certheader.PEM, escaped},
		"apache":     {certheader.PEM, strings.TrimSpace(strings.ReplaceAll(text, "\n", " "))},
		"caddy":      {certheader.DER, der},
		"traefik 3":  {certheader.DER, der + "," + der},
		"traefik 2":  {certheader.DER, url.QueryEscape(der + "," + der)},
		"RFC 9440":   {certheader.RFC9440, certheader.Encode(c)},
		"unpadded":   {certheader.RFC9440, ":" + strings.TrimRight(der, "=") + ":"},
		"with space": {certheader.DER, " " + der + "\t"},
	}
}

func TestParse(t *testing.T) {
	c := certificate(t)
	for name, form := range forms(c) {
		for _, f := range []certheader.Format{certheader.PEM, certheader.DER, certheader.RFC9440, certheader.Auto} {
			got, err := certheader.Parse([]string{form.value}, f)
			switch fits := f == form.format || f == certheader.Auto; {
			case fits && (err != nil || !got.Equal(c)):
				t.Errorf("%s as %s: %v", name, f, err)
			case !fits && !errors.Is(err, certheader.ErrMalformed):
				t.Errorf("%s as %s: %v, want ErrMalformed", name, f, err)
			}
		}
	}
}

func TestThereIsNone(t *testing.T) {
	for _, values := range [][]string{nil, {}, {""}, {"  "}, {"(null)"}, {"{http.request.tls.client.certificate_der_base64}"}} {
		if c, err := certheader.Parse(values, certheader.Auto); c != nil || err != nil {
			t.Errorf("%q: %v, %v", values, c, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	c := certificate(t)
	good := certheader.Encode(c)
	der := base64.StdEncoding.EncodeToString(c.Raw)
	for name, values := range map[string][]string{
		"twice":           {good, good},
		"one and empty":   {good, ""},
		"two in one":      {good + ", " + good},
		"cut":             {good[:len(good)-20]},
		"no end":          {strings.TrimSuffix(good, ":")},
		"parameter":       {good + ";a=b"},
		"cut base64":      {der[:40]},
		"bad escape":      {"%zz" + der},
		"text":            {"hello"},
		"big":             {strings.Repeat("A", certheader.MaxValue+1)},
		"another PEM":     {"-----BEGIN PUBLIC KEY----- " + der + " -----END PUBLIC KEY-----"},
		"two PEM":         {"-----BEGIN CERTIFICATE-----" + der + "-----END CERTIFICATE----------BEGIN CERTIFICATE-----" + der + "-----END CERTIFICATE-----"},
		"octets behind":   {base64.StdEncoding.EncodeToString(append(bytes.Clone(c.Raw), 0))},
		"line feed":       {":" + der[:8] + "\n" + der[8:] + ":"},
		"url-safe base64": {":" + strings.Repeat("-_", 40) + ":"},
	} {
		if got, err := certheader.Parse(values, certheader.Auto); got != nil || !errors.Is(err, certheader.ErrMalformed) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, f := range []string{"auto", "pem", "der", "rfc9440"} {
		if got, err := certheader.ParseFormat(f); err != nil || string(got) != f {
			t.Errorf("%s: %v", f, err)
		}
	}
	if _, err := certheader.ParseFormat("xfcc"); err == nil {
		t.Error("an unknown format is taken")
	}
}

func TestEncodeChain(t *testing.T) {
	h := catest.New(t)
	if got := certheader.EncodeChain(nil); got != "" {
		t.Errorf("%q", got)
	}
	got := certheader.EncodeChain([]*x509.Certificate{h.Intermediate, h.Root})
	if got != certheader.Encode(h.Intermediate)+", "+certheader.Encode(h.Root) {
		t.Errorf("%q", got)
	}
}

// FuzzParse: whatever a header holds, a certificate comes out that is in it, or an error.
func FuzzParse(f *testing.F) {
	c := certificate(f)
	for _, form := range forms(c) {
		f.Add(form.value, string(form.format))
		f.Add(form.value[:len(form.value)/2], string(certheader.Auto))
	}
	f.Add(":::", "rfc9440")
	f.Add("-----BEGIN CERTIFICATE----------END CERTIFICATE-----", "pem")
	f.Add("%2D%2D", "auto")
	f.Fuzz(func(t *testing.T, value, format string) {
		got, err := certheader.Parse([]string{value}, certheader.Format(format))
		if err != nil {
			if got != nil || !errors.Is(err, certheader.ErrMalformed) {
				t.Fatalf("%v, %v", got, err)
			}
			return
		}
		if got == nil {
			if v := strings.Trim(value, " \t"); v != "" && v != "(null)" && !strings.HasPrefix(v, "{http.request.tls.client.") {
				t.Fatal("a value is taken for none")
			}
			return
		}
		again, err := certheader.Parse([]string{certheader.Encode(got)}, certheader.Auto)
		if err != nil || !again.Equal(got) {
			t.Fatalf("what was read is not read again: %v", err)
		}
	})
}
