package piv

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strconv"
	"strings"
)

// The rules by which a statement is refused, as [StatementError] names them.
const (
	RuleForm      = "attestation.form"      // not the certificates that a card gives
	RuleSignature = "attestation.signature" // the card's certificate didn't sign the slot's
	RuleDates     = "attestation.dates"     // not valid at this time
	RuleRoot      = "attestation.root"      // no chain to a trusted root
	RuleIssuer    = "attestation.issuer"    // a trusted chain, but not of a PIV issuer
	RuleMatch     = "attestation.match"     // the card's certificate is for other firmware
)

// A StatementError is why an attestation proves nothing.
type StatementError struct {
	Rule   string // one of the Rule constants
	Reason string // for a person
}

func (e *StatementError) Error() string { return e.Reason }

func refuse(rule, format string, args ...any) error {
	return &StatementError{Rule: rule, Reason: fmt.Sprintf(format, args...)}
}

// The extensions of Yubico's arc 1.3.6.1.4.1.41482.3:
// https://developers.yubico.com/PIV/Introduction/PIV_attestation.html. The firmware is in
// both certificates, FIPS and CSPN in the card's own, the others in the slot's.
var (
	oidFirmware   = yubicoOID(3)  // three bytes
	oidSerial     = yubicoOID(7)  // DER INTEGER
	oidPolicy     = yubicoOID(8)  // two bytes: PIN policy, touch policy
	oidFormFactor = yubicoOID(9)  // one byte
	oidFIPS       = yubicoOID(10) // its presence says it
	oidCSPN       = yubicoOID(11) // its presence says it
)

// The high bits of a form factor.
const (
	formFactorFIPS        = 0x80
	formFactorSecurityKey = 0x40
)

func yubicoOID(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, n}
}

func extension(exts []pkix.Extension, oid asn1.ObjectIdentifier) ([]byte, bool) {
	for _, e := range exts {
		if e.Id.Equal(oid) {
			return e.Value, true
		}
	}
	return nil, false
}

// octets is the value of an extension that has n bytes: as they are, which is how all
// cards seen write them, or in an OCTET STRING of their own.
func octets(exts []pkix.Extension, oid asn1.ObjectIdentifier, n int) ([]byte, bool) {
	v, ok := extension(exts, oid)
	if len(v) == n+2 && v[0] == asn1.TagOctetString && int(v[1]) == n {
		v = v[2:]
	}
	return v, ok && len(v) == n
}

// ReadStatement reads what a slot's attestation certificate states, and
// verifies nothing: it is for the card at hand, not for what a client sends.
// What only the card's own certificate says is not in it: [Attestation.Read].
func ReadStatement(slot *x509.Certificate) (*Statement, error) {
	s := &Statement{Public: slot.PublicKey}
	if s.Public == nil {
		return nil, refuse(RuleForm, "the attestation is of a key of unknown kind")
	}
	if kind := otherKind(slot); kind != "" {
		return nil, refuse(RuleForm, "this is %s, which states nothing of a PIV key", kind)
	}
	var err error
	if s.Slot, err = slotOf(slot.Subject.CommonName); err != nil {
		return nil, err
	}
	// Firmware and policy are in every PIV statement, and in no FIDO or OpenPGP one.
	firmware, ok := octets(slot.Extensions, oidFirmware, len(s.Firmware))
	if !ok {
		return nil, refuse(RuleForm, "the attestation doesn't state a firmware version")
	}
	s.Firmware = Version(firmware)
	policy, ok := octets(slot.Extensions, oidPolicy, 2)
	if !ok {
		return nil, refuse(RuleForm, "the attestation doesn't state a PIN and touch policy")
	}
	s.PINPolicy, s.TouchPolicy = PINPolicy(policy[0]), TouchPolicy(policy[1])
	if err := s.readDevice(slot); err != nil {
		return nil, err
	}
	s.readSeries(slot)
	return s, nil
}

// readDevice reads the serial number and the form factor, which a card can
// be set not to tell.
func (s *Statement) readDevice(slot *x509.Certificate) error {
	if v, ok := extension(slot.Extensions, oidSerial); ok {
		if s.Serial, ok = parseSerial(v); !ok {
			return refuse(RuleForm, "the attestation states a malformed serial number")
		}
	}
	if _, ok := extension(slot.Extensions, oidFormFactor); ok {
		v, ok := octets(slot.Extensions, oidFormFactor, 1)
		if !ok {
			return refuse(RuleForm, "the attestation states a malformed form factor")
		}
		s.FormFactor = v[0] & 0x0f
		s.FIPS = v[0]&formFactorFIPS != 0
		s.SecurityKey = v[0]&formFactorSecurityKey != 0
	}
	return nil
}

// readSeries reads what a certificate says of certifications by an extension's presence.
func (s *Statement) readSeries(cert *x509.Certificate) {
	_, fips := extension(cert.Extensions, oidFIPS)
	_, cspn := extension(cert.Extensions, oidCSPN)
	s.FIPS, s.CSPN = s.FIPS || fips, s.CSPN || cspn
}

// Series are the certified ones that a card may be of.
type Series struct{ FIPS, CSPN bool }

// SeriesOf reads what a card's own certificate says of them, and verifies nothing.
func SeriesOf(card *x509.Certificate) Series {
	var s Statement
	s.readSeries(card)
	return Series{FIPS: s.FIPS, CSPN: s.CSPN}
}

// readCard adds what the card's own certificate says.
func (s *Statement) readCard(card *x509.Certificate) {
	s.readSeries(card)
	if v, ok := octets(card.Extensions, oidFirmware, len(s.CardFirmware)); ok {
		s.CardFirmware = Version(v)
	}
}

// matches checks that the firmware is that which the maker wrote into the card's
// certificate: whoever got hold of an old card's attestation key could state
// any. Yubico loaded YubiKey 4 of 4.3.5 with a certificate for 4.3.4; from 5 on
// the two have been the same.
func (s *Statement) matches() error {
	stated, made := s.Firmware, s.CardFirmware
	if made == (Version{}) || stated == made {
		return nil
	}
	if stated[0] < 5 && stated[0] == made[0] && stated[1] == made[1] {
		return nil
	}
	return refuse(RuleMatch, "the attestation states firmware %s, the card's certificate is for %s", stated, made)
}

// parseSerial reads an INTEGER of at most 32 bits. Firmware 5 writes four bytes whatever
// the number, which DER (X.690, Section 8.3.2) would have shorter or longer for some.
func parseSerial(v []byte) (uint32, bool) {
	if len(v) < 3 || v[0] != asn1.TagInteger || int(v[1]) != len(v)-2 {
		return 0, false
	}
	digits := v[2:]
	if negative := digits[0] >= 0x80; negative && len(digits) != 4 {
		return 0, false
	}
	if len(digits) == 5 && digits[0] == 0 {
		digits = digits[1:]
	}
	if len(digits) > 4 {
		return 0, false
	}
	var n uint32
	for _, d := range digits {
		n = n<<8 | uint32(d)
	}
	return n, true
}

// subjectPrefix begins the common name of each slot's attestation certificate.
const subjectPrefix = "YubiKey PIV Attestation "

func slotOf(name string) (Slot, error) {
	digits, ok := strings.CutPrefix(name, subjectPrefix)
	n, err := strconv.ParseUint(digits, 16, 8)
	if s := Slot(n); ok && err == nil && len(digits) == 2 && s.Valid() {
		return s, nil
	}
	return 0, refuse(RuleForm, "this is no attestation of a PIV slot")
}
