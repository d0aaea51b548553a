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

// The extensions of Yubico's arc 1.3.6.1.4.1.41482.3 in a slot's attestation
// certificate: https://developers.yubico.com/PIV/Introduction/PIV_attestation.html
var (
	oidFirmware   = yubicoOID(3)  // three bytes
	oidSerial     = yubicoOID(7)  // DER INTEGER
	oidPolicy     = yubicoOID(8)  // two bytes: PIN policy, touch policy
	oidFormFactor = yubicoOID(9)  // one byte
	oidFIPS       = yubicoOID(10) // its presence says it
	oidCSPN       = yubicoOID(11) // its presence says it
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

// ReadStatement reads what a slot's attestation certificate states, and
// verifies nothing: it is for the card at hand, not for what a client sends.
func ReadStatement(slot *x509.Certificate) (*Statement, error) {
	s := &Statement{Public: slot.PublicKey}
	if s.Public == nil {
		return nil, refuse(RuleForm, "the attestation is of a key of unknown kind")
	}
	var err error
	if s.Slot, err = slotOf(slot.Subject.CommonName); err != nil {
		return nil, err
	}
	// Firmware and policy are in every PIV statement, and in no FIDO one.
	if err := s.readFirmware(slot); err != nil {
		return nil, err
	}
	if err := s.readPolicy(slot); err != nil {
		return nil, err
	}
	if err := s.readDevice(slot); err != nil {
		return nil, err
	}
	_, s.FIPS = extension(slot.Extensions, oidFIPS)
	_, s.CSPN = extension(slot.Extensions, oidCSPN)
	return s, nil
}

func (s *Statement) readFirmware(slot *x509.Certificate) error {
	v, ok := extension(slot.Extensions, oidFirmware)
	if !ok || len(v) != len(s.Firmware) {
		return refuse(RuleForm, "the attestation doesn't state a firmware version")
	}
	copy(s.Firmware[:], v)
	return nil
}

func (s *Statement) readPolicy(slot *x509.Certificate) error {
	v, ok := extension(slot.Extensions, oidPolicy)
	if !ok || len(v) != 2 {
		return refuse(RuleForm, "the attestation doesn't state a PIN and touch policy")
	}
	s.PINPolicy, s.TouchPolicy = PINPolicy(v[0]), TouchPolicy(v[1])
	return nil
}

// readDevice reads the serial number and the form factor, which a card can
// be set not to tell.
func (s *Statement) readDevice(slot *x509.Certificate) error {
	if v, ok := extension(slot.Extensions, oidSerial); ok {
		var n int64
		rest, err := asn1.Unmarshal(v, &n)
		if err != nil || len(rest) > 0 || n < 0 || n > 1<<32-1 {
			return refuse(RuleForm, "the attestation states a malformed serial number")
		}
		s.Serial = uint32(n)
	}
	if v, ok := extension(slot.Extensions, oidFormFactor); ok {
		if len(v) != 1 {
			return refuse(RuleForm, "the attestation states a malformed form factor")
		}
		s.FormFactor = v[0] & 0x0f // the high bits are FIPS (80) and Security Key (40)
	}
	return nil
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
