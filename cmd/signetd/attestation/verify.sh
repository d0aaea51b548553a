#!/bin/sh
# Checks, with openssl alone, that the certificate in this folder is for a key that was made in
# the card that its statement names. README.txt says what that proves. Exit code 0: it is so.
set -eu
cd "$(dirname "$0")"
at=@AT@ # when the certificate was issued, in seconds since 1970
digest=@DIGEST@
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

no() { echo "NOT PROVED: $1" >&2; exit 1; }
key() { openssl x509 -in "$1" -noout -pubkey; }
name() { openssl x509 -in "$1" -noout "-$2" -nameopt RFC2253 | sed 's/^[a-z]*= *//'; }

# 1. The CA issued the certificate.
openssl verify -attime "$at" -CAfile ca-root.pem -untrusted ca-intermediate.pem certificate.pem ||
	no "the certificate is not this CA's"

# 2. The statement is about the certificate's key.
[ "$(key certificate.pem)" = "$(key statement.pem)" ] || no "the statement is about another key"

# 3. It is of a PIV slot.
name statement.pem subject | grep -Eq '^CN=YubiKey PIV Attestation [0-9a-f]{2}$' || no "the statement is not of a PIV slot"
name card.pem issuer | grep -q PIV || [ -n "@OWN@" ] || no "no issuer of PIV cards signed the card's certificate"

# 4. The card's own certificate signed it. "openssl verify" would refuse the certificates of some
# YubiKey 4, which don't say that they are a CA; so the signature is checked by itself.
[ "$(name statement.pem issuer)" = "$(name card.pem subject)" ] || no "another card made the statement"
key card.pem > "$work/card.pub"
last=$(openssl asn1parse -in statement.pem | sed -n '$s/^ *\([0-9]*\):.*/\1/p')
openssl asn1parse -in statement.pem -strparse 4 -noout -out "$work/signed"
openssl asn1parse -in statement.pem -strparse "$last" -noout -out "$work/signature"
openssl dgst "-$digest" -verify "$work/card.pub" -signature "$work/signature" "$work/signed" ||
	no "the card's certificate did not sign the statement"

# 5. The maker signed the card's certificate.
[ -f maker-intermediates.pem ] && through="-untrusted maker-intermediates.pem" || through=
openssl verify -partial_chain -attime "$at" -trusted maker-root.pem $through card.pem || no "the maker did not sign the card's certificate"

echo
echo "What the statement says (README.txt explains the numbers):"
name statement.pem subject
openssl x509 -in statement.pem -noout -text -certopt ext_dump | grep -A1 '41482\.3'
echo "The maker's root; compare it with what the maker publishes:"
openssl x509 -in maker-root.pem -noout -subject -fingerprint -sha256
echo "The CA's root; compare it with what the CA publishes:"
openssl x509 -in ca-root.pem -noout -subject -fingerprint -sha256
echo "PROVED: the key was made in that card, which says that it can't leave it."
