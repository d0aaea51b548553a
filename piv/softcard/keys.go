package softcard

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
)

// privateKey is *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey or
// *ecdh.PrivateKey.
type privateKey interface{ Public() crypto.PublicKey }

// Where a key came from, as METADATA tells it.
const (
	originGenerated = 1
	originImported  = 2
)

// key is a slot's key with what holds for it.
type key struct {
	algorithm algorithm
	pin       PINPolicy
	touch     TouchPolicy
	origin    byte
	private   privateKey
}

// keyFile is how a key stands in the state file.
type keyFile struct {
	Algorithm algorithm   `json:"algorithm"`
	PIN       PINPolicy   `json:"pinPolicy"`
	Touch     TouchPolicy `json:"touchPolicy"`
	Origin    byte        `json:"origin"`
	PKCS8     []byte      `json:"pkcs8"`
}

// MarshalJSON writes a keyFile.
func (k *key) MarshalJSON() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	return json.Marshal(keyFile{k.algorithm, k.pin, k.touch, k.origin, der})
}

// UnmarshalJSON reads a keyFile.
func (k *key) UnmarshalJSON(b []byte) error {
	var f keyFile
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(f.PKCS8)
	if err != nil {
		return err
	}
	private, ok := parsed.(privateKey)
	if !ok {
		return fmt.Errorf("a %T is not a card's key", parsed)
	}
	*k = key{f.Algorithm, f.PIN, f.Touch, f.Origin, private}
	return nil
}

// generate is GENERATE ASYMMETRIC KEY PAIR: NIST SP 800-73-4 Part 2, Section
// 3.3.2, with Yubico's AA and AB for the policies.
func (c *Card) generate(cmd command) answer {
	slot := slotID(cmd.p2)
	if cmd.p1 != 0 || !slot.valid() {
		return status(swWrongP1P2)
	}
	t, ok := parseTemplate(0xAC, cmd.data)
	if !ok {
		return status(swWrongData)
	}
	id, okID := t.one(0x80, 0)
	pin, touch, okPolicies := slot.policies(t)
	alg := algorithm(id)
	if !okID || !okPolicies || !c.st.Firmware.supports(alg) {
		return status(swWrongData)
	}
	private, err := alg.generate()
	if err != nil {
		return status(swInternal)
	}
	c.st.Keys[slot] = &key{alg, pin, touch, originGenerated, private}
	// The tag 7F49 has two bytes; its length stands after the second.
	return c.keep(success(append([]byte{0x7F}, element(0x49, encodePublic(private.Public()))...)))
}

// moveKey is MOVE KEY, Yubico's extension of 5.7; to FF it deletes. The target
// must be empty, and f9 stays where it is.
func (c *Card) moveKey(cmd command) answer {
	target, source := slotID(cmd.p1), slotID(cmd.p2)
	remove := cmd.p1 == 0xFF
	if !source.valid() || (!remove && (!target.valid() || target == slotAttestation || source == slotAttestation)) {
		return status(swWrongP1P2)
	}
	k := c.st.Keys[source]
	switch {
	case k == nil:
		return status(swNoReference)
	case !remove && c.st.Keys[target] != nil:
		return status(swWrongData)
	case !remove:
		c.st.Keys[target] = k
	}
	delete(c.st.Keys, source)
	return c.keep(status(swOK))
}
