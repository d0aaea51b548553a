package ocsp

import (
	encoding_asn1 "encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"signet/internal/sigalg"
)

// readAlgorithm reads the AlgorithmIdentifier of one of ours.
func readAlgorithm(in *cryptobyte.String) (sigalg.Algorithm, bool) {
	var content cryptobyte.String
	var oid encoding_asn1.ObjectIdentifier
	if !in.ReadASN1(&content, asn1.SEQUENCE) || !content.ReadASN1ObjectIdentifier(&oid) {
		return sigalg.Algorithm{}, false
	}
	return sigalg.ByOID(oid)
}
