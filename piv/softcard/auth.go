package softcard

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"fmt"
)

// Algorithms of the management key: NIST SP 800-78-4, Table 6-2.
const (
	algTripleDES0 = 0x00 // another name of 03
	algTripleDES  = 0x03
	algAES128     = 0x08
	algAES192     = 0x0A
	algAES256     = 0x0C
)

// Tags of the dynamic authentication template: NIST SP 800-73-4 Part 2, Table 7.
const (
	tagTemplate       = 0x7C
	tagWitness        = 0x80
	tagChallenge      = 0x81
	tagResponse       = 0x82
	tagExponentiation = 0x85
)

// managementKey is the card management key, 9B.
type managementKey struct {
	Algorithm byte        `json:"algorithm"`
	Key       []byte      `json:"key"`
	Touch     TouchPolicy `json:"touch"`
}

// defaultManagementKey is 01…08 three times: 3DES, from 5.7 on AES-192.
func defaultManagementKey(fw Version) managementKey {
	m := managementKey{Algorithm: algTripleDES, Touch: TouchNever}
	if fw.AtLeast(Version{5, 7, 0}) {
		m.Algorithm = algAES192
	}
	m.Key = bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)
	return m
}

func (m managementKey) block() (cipher.Block, error) {
	want := map[byte]int{algTripleDES: 24, algAES128: 16, algAES192: 24, algAES256: 32}[m.Algorithm]
	if want == 0 || len(m.Key) != want {
		return nil, fmt.Errorf("no algorithm %02x with %d bytes", m.Algorithm, len(m.Key))
	}
	if m.Algorithm == algTripleDES {
		return des.NewTripleDESCipher(m.Key)
	}
	return aes.NewCipher(m.Key)
}

// encrypt is one block of ECB.
func (m managementKey) encrypt(b []byte) []byte {
	out := make([]byte, len(b))
	if block, err := m.block(); err == nil && len(b) == block.BlockSize() {
		block.Encrypt(out, b)
	}
	return out
}

func (m managementKey) random() []byte {
	if m.Algorithm == algTripleDES {
		return randomBytes(des.BlockSize)
	}
	return randomBytes(aes.BlockSize)
}

// authenticate is GENERAL AUTHENTICATE with the management key: NIST SP
// 800-73-4 Part 2, Section 3.2.4 and Appendix A.1.
func (c *Card) authenticate(ctx context.Context, cmd command) answer {
	alg := cmd.p1
	if alg == algTripleDES0 {
		alg = algTripleDES // NSS and OpenSC draw random numbers so
	}
	if alg != c.st.Management.Algorithm {
		return status(swWrongP1P2)
	}
	t, ok := parseTemplate(tagTemplate, cmd.data)
	if !ok {
		return status(swWrongData)
	}
	witness, challenge := c.ses.witness, c.ses.challenge
	c.ses.witness, c.ses.challenge = nil, nil
	switch {
	case len(t[tagWitness]) > 0:
		return c.mutual(ctx, witness, t)
	case t.has(tagWitness):
		c.ses.witness = c.st.Management.random()
		return template(tagWitness, c.st.Management.encrypt(c.ses.witness))
	case len(t[tagResponse]) > 0:
		return c.external(ctx, challenge, t[tagResponse])
	case t.has(tagChallenge) && len(t[tagChallenge]) == 0:
		c.ses.challenge = c.st.Management.random()
		return template(tagChallenge, c.ses.challenge)
	}
	return status(swWrongData)
}

// mutual ends a mutual authentication: the host has decrypted our witness,
// and now wants its own challenge encrypted.
func (c *Card) mutual(ctx context.Context, witness []byte, t tlvs) answer {
	challenge := t[tagChallenge]
	if len(challenge) != len(c.st.Management.random()) {
		return status(swWrongData)
	}
	if !c.admit(ctx, witness, t[tagWitness]) {
		return status(swSecurity)
	}
	return template(tagResponse, c.st.Management.encrypt(challenge))
}

// external ends an external authentication: the host has encrypted our
// challenge.
func (c *Card) external(ctx context.Context, challenge, response []byte) answer {
	var want []byte
	if challenge != nil {
		want = c.st.Management.encrypt(challenge)
	}
	if !c.admit(ctx, want, response) {
		return status(swSecurity)
	}
	return status(swOK)
}

// admit compares, asks for a touch if the key wants one, and lets in.
func (c *Card) admit(ctx context.Context, want, got []byte) bool {
	c.ses.admin = want != nil &&
		subtle.ConstantTimeCompare(want, got) == 1 &&
		c.allowTouch(ctx, c.st.Management.Touch)
	return c.ses.admin
}

func template(tag byte, value []byte) answer {
	return success(element(tagTemplate, element(tag, value)))
}

// setManagementKey is SET MANAGEMENT KEY, Yubico's extension.
func (c *Card) setManagementKey(cmd command) answer {
	m := managementKey{Touch: TouchNever}
	switch {
	case cmd.p1 != 0xFF:
		return status(swWrongP1P2)
	case cmd.p2 == 0xFE:
		m.Touch = TouchAlways
	case cmd.p2 != 0xFF:
		return status(swWrongP1P2)
	}
	if len(cmd.data) < 2 {
		return status(swWrongData)
	}
	t, ok := parseTLVs(cmd.data[1:])
	if !ok {
		return status(swWrongData)
	}
	m.Algorithm, m.Key = cmd.data[0], bytes.Clone(t[refManagementKey])
	if _, err := m.block(); err != nil || m.Algorithm != algTripleDES && !c.st.Firmware.AtLeast(Version{5, 4, 0}) {
		return status(swWrongData)
	}
	c.st.Management = m
	return c.keep(status(swOK))
}
