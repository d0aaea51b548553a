package softcard

import (
	"bytes"
	"fmt"
)

// object is the identifier of a data object: NIST SP 800-73-4 Part 1, Table 3.
type object uint32

const (
	objectDiscovery   object = 0x7E
	objectPrinted     object = 0x5FC109
	objectFinger      object = 0x5FC103
	objectFace        object = 0x5FC108
	objectIris        object = 0x5FC121
	objectAttestation object = 0x5FFF01 // the certificate of f9, Yubico's

	maxObject  = 3052
	maxObjects = 64
)

// MarshalText and UnmarshalText make the state file readable.
func (o object) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%06x", uint32(o)), nil }

// UnmarshalText reads "5fc105".
func (o *object) UnmarshalText(b []byte) error {
	var v uint32
	if _, err := fmt.Sscanf(string(b), "%06x", &v); err != nil {
		return fmt.Errorf("object %q: %w", b, err)
	}
	*o = object(v)
	return nil
}

// parseObject reads the value of a 5C.
func parseObject(b []byte) (object, bool) {
	if len(b) == 1 && object(b[0]) == objectDiscovery {
		return objectDiscovery, true
	}
	if len(b) != 3 || b[0] != 0x5F {
		return 0, false
	}
	return object(b[0])<<16 | object(b[1])<<8 | object(b[2]), true
}

// wantsPIN says which objects are read only after the PIN.
func (o object) wantsPIN() bool {
	return o == objectPrinted || o == objectFinger || o == objectFace || o == objectIris
}

// getData is GET DATA: NIST SP 800-73-4 Part 2, Section 3.1.2.
func (c *Card) getData(cmd command) answer {
	if cmd.p1 != 0x3F || cmd.p2 != 0xFF {
		return status(swWrongP1P2)
	}
	t, ok := parseTLVs(cmd.data)
	if !ok || len(t) != 1 || !t.has(0x5C) {
		return status(swWrongData)
	}
	id, ok := parseObject(t[0x5C])
	switch {
	case !ok:
		return status(swNotFound)
	case id == objectDiscovery:
		return success(unhex("7E124F0BA0000003080000100001005F2F024000"))
	case id.wantsPIN() && !c.ses.pin:
		return status(swSecurity)
	case id == objectAttestation && c.ensureAttestation() != nil:
		return status(swMemory)
	}
	value, ok := c.st.Objects[id]
	if !ok {
		return status(swNotFound)
	}
	return success(element(0x53, value))
}

// putData is PUT DATA: NIST SP 800-73-4 Part 2, Section 3.3.1. An empty 53
// deletes.
func (c *Card) putData(cmd command) answer {
	if cmd.p1 != 0x3F || cmd.p2 != 0xFF {
		return status(swWrongP1P2)
	}
	t, ok := parseTLVs(cmd.data)
	if !ok || !t.has(0x53) {
		return status(swWrongData)
	}
	id, ok := parseObject(t[0x5C])
	value := t[0x53]
	_, replaces := c.st.Objects[id]
	switch {
	case !ok || id == objectDiscovery:
		return status(swWrongData)
	case len(value) > maxObject || !replaces && len(c.st.Objects) >= maxObjects:
		return status(swNoSpace)
	case len(value) == 0:
		delete(c.st.Objects, id)
	default:
		c.st.Objects[id] = bytes.Clone(value)
	}
	return c.keep(status(swOK))
}
