// Package certheader reads and writes client certificates in HTTP headers, in
// which a reverse proxy that ends TLS hands them on.
//
// A certificate is public: who sends one has proved nothing. A header is therefore
// worth something only where the proxy puts it there and overwrites what the
// client sent, and [Parse] takes the values of one header, of which there must be
// one. Never look for a certificate in several headers: of those that the proxy
// does not set, the client's pass.
package certheader

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrMalformed is a header that holds no certificate as its format has it.
var ErrMalformed = errors.New("the header holds no certificate")

// A Format is how a certificate is written in a header.
type Format string

// The formats.
const (
	// Auto tells the formats below from one another by how the value begins.
	Auto Format = "auto"
	// PEM, percent-encoded as in nginx's $ssl_client_escaped_cert, or with blanks in
	// the place of line feeds, as Apache's mod_headers writes SSL_CLIENT_CERT.
	PEM Format = "pem"
	// DER in base64: Caddy's {http.request.tls.client.certificate_der_base64},
	// HAProxy's ssl_c_der,base64, and Traefik's X-Forwarded-Tls-Client-Cert, which
	// may be percent-encoded, and has the chain behind commas.
	DER Format = "der"
	// RFC9440 is the Client-Cert of RFC 9440: base64 between colons.
	RFC9440 Format = "rfc9440"
)

// ParseFormat reads a format's name.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case Auto, PEM, DER, RFC9440:
		return f, nil
	}
	return "", fmt.Errorf("%q is no format of a certificate in a header; one of auto, pem, der, rfc9440", s)
}

// MaxValue bounds a header's value, in octets. The largest certificates of
// clients have 3 KiB; a chain of them may follow.
const MaxValue = 64 << 10

// Parse reads the certificate in a header's values; nil without an error where
// there is none, or an empty one. Chains are passed over. Errors are [ErrMalformed].
func Parse(values []string, f Format) (*x509.Certificate, error) {
	if len(values) > 1 {
		return nil, fmt.Errorf("%w: it is there %d times", ErrMalformed, len(values))
	}
	if len(values) == 0 {
		return nil, nil
	}
	value := strings.Trim(values[0], " \t")
	if isNone(value) {
		return nil, nil
	}
	if len(value) > MaxValue {
		return nil, fmt.Errorf("%w: it has more than %d octets", ErrMalformed, MaxValue)
	}
	if f == Auto || f == "" {
		f = detect(value)
	}
	der, err := decode(value, f)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return cert, nil
}

// isNone reports whether value is what a proxy writes where there is no
// certificate: nothing, in Caddy the placeholder as it stands in its
// configuration, in Apache the word of C for a null pointer.
func isNone(value string) bool {
	return value == "" || value == "(null)" ||
		strings.HasPrefix(value, "{http.request.tls.client.") && strings.HasSuffix(value, "}")
}

// detect goes by the first characters: base64 begins with neither a colon nor a dash.
func detect(value string) Format {
	switch {
	case strings.HasPrefix(value, ":"):
		return RFC9440
	case strings.HasPrefix(value, "--"), strings.HasPrefix(strings.ToUpper(value), "%2D%2D"):
		return PEM
	}
	return DER
}

func decode(value string, f Format) ([]byte, error) {
	switch f {
	case PEM:
		return decodePEM(value)
	case RFC9440:
		return decodeByteSequence(value)
	case DER:
		return decodeDER(value)
	}
	return nil, fmt.Errorf("%q is no format", f)
}

const (
	begin = "-----BEGIN CERTIFICATE-----" // RFC 7468, Section 5
	end   = "-----END CERTIFICATE-----"
)

// decodePEM reads one block. encoding/pem wants line feeds, which a header can't have.
func decodePEM(value string) ([]byte, error) {
	text, err := unescape(value)
	if err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(text), begin)
	if !ok {
		return nil, errors.New("the PEM does not begin as a certificate")
	}
	if text, ok = strings.CutSuffix(text, end); !ok {
		return nil, errors.New("the PEM does not end as one certificate")
	}
	text = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, text)
	return decodeBase64(text)
}

// decodeDER takes the first of several behind commas.
func decodeDER(value string) ([]byte, error) {
	text, err := unescape(value)
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(text, ",")
	return decodeBase64(strings.Trim(first, " \t"))
}

// unescape takes percent-encoding off. A plus stays one: it is base64's.
func unescape(value string) (string, error) {
	if !strings.Contains(value, "%") {
		return value, nil
	}
	return url.PathUnescape(value)
}

// decodeByteSequence reads RFC 8941, Section 3.3.5, without parameters, of which
// RFC 9440 has none.
func decodeByteSequence(value string) ([]byte, error) {
	text, ok := strings.CutPrefix(value, ":")
	if !ok {
		return nil, errors.New("a byte sequence begins with a colon")
	}
	if text, ok = strings.CutSuffix(text, ":"); !ok {
		return nil, errors.New("a byte sequence ends with a colon")
	}
	// RFC 8941, Section 4.2.7: "parsers SHOULD NOT fail [...] when = padding is not present".
	if n := len(text) % 4; n > 1 && !strings.Contains(text, "=") {
		text += strings.Repeat("=", 4-n)
	}
	return decodeBase64(text)
}

// decodeBase64 refuses what has line feeds in it, which the library lets pass.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("it has line feeds")
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// Encode is the value of Client-Cert (RFC 9440, Section 2.2).
func Encode(cert *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(cert.Raw) + ":"
}

// EncodeChain is the value of Client-Cert-Chain (RFC 9440, Section 2.3): a list,
// without the certificate itself. "" for none.
func EncodeChain(chain []*x509.Certificate) string {
	var items []string
	for _, c := range chain {
		items = append(items, Encode(c))
	}
	return strings.Join(items, ", ")
}
