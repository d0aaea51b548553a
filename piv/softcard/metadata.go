package softcard

import "slices"

// Tags of GET METADATA, Yubico's extension of 5.3.
const (
	metaAlgorithm = 0x01
	metaPolicy    = 0x02
	metaOrigin    = 0x03
	metaPublicKey = 0x04
	metaDefault   = 0x05
	metaRetries   = 0x06

	metaSecretAlgorithm = 0xFF // of the PIN and the PUK
)

// metadata is GET METADATA.
func (c *Card) metadata(cmd command) answer {
	if cmd.p1 != 0 {
		return status(swWrongP1P2)
	}
	switch cmd.p2 {
	case refPIN:
		return c.st.PIN.metadata(defaultPIN)
	case refPUK:
		return c.st.PUK.metadata(defaultPUK)
	case refManagementKey:
		return c.managementMetadata()
	}
	slot := slotID(cmd.p2)
	if slot == slotAttestation && c.ensureAttestation() != nil {
		return status(swMemory)
	}
	k := c.st.Keys[slot]
	if k == nil {
		return status(swNoReference)
	}
	return k.metadata()
}

func (s *secret) metadata(standard string) answer {
	return success(slices.Concat(
		element(metaAlgorithm, []byte{metaSecretAlgorithm}),
		element(metaDefault, []byte{flag(s.isDefault(standard))}),
		element(metaRetries, []byte{byte(s.Tries), byte(s.Left)})))
}

func (c *Card) managementMetadata() answer {
	m, standard := c.st.Management, defaultManagementKey(c.st.Firmware)
	isDefault := m.Algorithm == standard.Algorithm && slices.Equal(m.Key, standard.Key)
	return success(slices.Concat(
		element(metaAlgorithm, []byte{m.Algorithm}),
		element(metaPolicy, []byte{0, byte(m.Touch)}),
		element(metaDefault, []byte{flag(isDefault)})))
}

func (k *key) metadata() answer {
	return success(slices.Concat(
		element(metaAlgorithm, []byte{byte(k.algorithm)}),
		element(metaPolicy, []byte{byte(k.pin), byte(k.touch)}),
		element(metaOrigin, []byte{k.origin}),
		element(metaPublicKey, encodePublic(k.private.Public()))))
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}
