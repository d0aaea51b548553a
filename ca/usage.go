package ca

import (
	"encoding/asn1"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

var (
	oidServerAuth      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	oidEmailProtection = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 4}
	oidOCSPSigning     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}
	oidSmartcardLogon  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
	oidAnyUsage        = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
)

// usageNames are the extended key usages that a profile can name; others it
// gives as OIDs.
var usageNames = map[string]asn1.ObjectIdentifier{
	"clientAuth":      oidClientAuth,
	"emailProtection": oidEmailProtection,
	"smartcardLogon":  oidSmartcardLogon,
	"codeSigning":     {1, 3, 6, 1, 5, 5, 7, 3, 3},
	"ipsecIKE":        {1, 3, 6, 1, 5, 5, 7, 3, 17}, // RFC 4945
	"secureShell":     {1, 3, 6, 1, 5, 5, 7, 3, 21}, // id-kp-secureShellClient, RFC 6187
	"documentSigning": {1, 3, 6, 1, 5, 5, 7, 3, 36}, // RFC 9336
	"pkinitClient":    {1, 3, 6, 1, 5, 2, 3, 4},     // RFC 4556
	"msEFS":           {1, 3, 6, 1, 4, 1, 311, 10, 3, 4},
}

// forbiddenUsages would make of a person's certificate something else than a
// person's: a responder that speaks for the CA, a server, anything at all. Time
// stamping needs a critical extension, which no profile makes (RFC 3161, Section 2.3).
var forbiddenUsages = []asn1.ObjectIdentifier{
	oidAnyUsage, oidServerAuth, oidOCSPSigning, {1, 3, 6, 1, 5, 5, 7, 3, 8},
}

// parseUsages reads names and dotted OIDs; none means clientAuth.
func parseUsages(texts []string) ([]asn1.ObjectIdentifier, error) {
	if len(texts) == 0 {
		return []asn1.ObjectIdentifier{oidClientAuth}, nil
	}
	var out []asn1.ObjectIdentifier
	for _, text := range texts {
		oid, err := parseUsage(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, oid.Equal) {
			return nil, fmt.Errorf("extended key usage %q is there twice", text)
		}
		out = append(out, oid)
	}
	return out, nil
}

func parseUsage(text string) (asn1.ObjectIdentifier, error) {
	if oid, ok := usageNames[text]; ok {
		return oid, nil
	}
	oid, err := parseOID(text)
	if err != nil {
		known := slices.Sorted(maps.Keys(usageNames))
		return nil, fmt.Errorf("%q is no extended key usage; give an OID or one of %s", text, strings.Join(known, ", "))
	}
	if slices.ContainsFunc(forbiddenUsages, oid.Equal) {
		return nil, fmt.Errorf("extended key usage %s is not for people's certificates", text)
	}
	return oid, nil
}

// parseOID reads a dotted OID that DER can encode.
func parseOID(text string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("%q is no OID", text)
		}
		oid = append(oid, int(n))
	}
	if _, err := asn1.Marshal(oid); err != nil {
		return nil, fmt.Errorf("%q is no OID", text)
	}
	return oid, nil
}
