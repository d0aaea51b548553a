package ca

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"regexp"
)

var (
	// szOID_NTDS_CA_SECURITY_EXT, [MS-WCCE] Section 2.2.2.7.7.4.
	oidSIDExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2}
	oidObjectSID    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2, 1}
	sidPattern      = regexp.MustCompile(`^S-1-[0-9]{1,15}(-[0-9]{1,10}){1,15}$`) // [MS-DTYP] Section 2.4.2.1
)

// sidExtension binds a certificate to an account of a Windows domain. It is an
// extension of its own, never a SAN (KB5014754):
//
//	GeneralNames { [0] OtherName { szOID_NTDS_OBJECTSID, [0] EXPLICIT OCTET STRING } }
func sidExtension(sid string) (pkix.Extension, error) {
	if !sidPattern.MatchString(sid) {
		return pkix.Extension{}, &NameError{"name.sid", fmt.Sprintf("%q is no Windows security identifier", sid)}
	}
	other := struct {
		Type  asn1.ObjectIdentifier
		Value []byte `asn1:"explicit,tag:0"`
	}{oidObjectSID, []byte(sid)}
	element, err := asn1.MarshalWithParams(other, "tag:0")
	if err != nil {
		return pkix.Extension{}, err
	}
	der, err := asn1.Marshal([]asn1.RawValue{{FullBytes: element}})
	return pkix.Extension{Id: oidSIDExtension, Value: der}, err
}
