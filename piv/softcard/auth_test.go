package softcard_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"encoding/hex"
	"testing"

	"signet/piv/softcard"
)

const defaultKey = "010203040506070801020304050607080102030405060708"

func block(t testing.TB, alg, key string) cipher.Block {
	t.Helper()
	make := aes.NewCipher
	if alg == "03" {
		make = des.NewTripleDESCipher
	}
	b, err := make(unhex(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// authenticate does a mutual authentication, and checks the card's half.
func authenticate(t testing.TB, c *softcard.Card, alg, key string) {
	t.Helper()
	b := block(t, alg, key)
	size := b.BlockSize()
	witness := want(t, c, "0087"+alg+"9B047C02800000", "9000")[4:]
	b.Decrypt(witness, witness)
	challenge := make([]byte, size)
	data := []byte{0x7C, byte(2*size + 4), 0x80, byte(size)}
	data = append(append(data, witness...), 0x81, byte(size))
	data = append(data, challenge...)
	got := want(t, c, "0087"+alg+"9B"+hex.EncodeToString([]byte{byte(len(data))})+hex.EncodeToString(data), "9000")
	b.Encrypt(challenge, challenge)
	equal(t, "the card's response", got, hex.EncodeToString([]byte{0x7C, byte(size + 2), 0x82, byte(size)})+hex.EncodeToString(challenge))
}

func authenticate3DES(t testing.TB, c *softcard.Card) {
	t.Helper()
	authenticate(t, c, "03", defaultKey)
}

func TestMutualAuthentication(t *testing.T) {
	c := selected(t, softcard.Config{})
	want(t, c, "00870A9B047C028000", "6A86") // a 3DES card
	want(t, c, "0087039B167C148008"+"0000000000000000"+"8108"+"0000000000000000", "6982")
	want(t, c, "0087039B047C028000", "9000")
	want(t, c, "0087039B167C148008"+"0000000000000000"+"8108"+"0000000000000000", "6982")
	want(t, c, "0047009A05AC03800111", "6982")
	authenticate3DES(t, c)
	want(t, c, "0047009A05AC0380011100", "9000")
}

func TestExternalAuthentication(t *testing.T) {
	c := selected(t, softcard.Config{})
	challenge := want(t, c, "0087009B047C028100", "9000")[4:] // 00 is 3DES
	want(t, c, "0087039B0C7C0A8208"+"0000000000000000", "6982")
	b := block(t, "03", defaultKey)
	b.Encrypt(challenge, challenge)
	want(t, c, "0087039B0C7C0A8208"+hex.EncodeToString(challenge), "6982") // spent
	challenge = want(t, c, "0087039B047C028100", "9000")[4:]
	b.Encrypt(challenge, challenge)
	want(t, c, "0087039B0C7C0A8208"+hex.EncodeToString(challenge), "9000")
	want(t, c, "00FFFFFF020A9B", "6A80")
	want(t, c, "0087039B0130", "6A80")
}

func TestSetManagementKey(t *testing.T) {
	c := selected(t, softcard.Config{})
	authenticate3DES(t, c)
	equal(t, "metadata", want(t, c, "00F7009B00", "9000"), "010103 02020001 050101")
	want(t, c, "00FFFFFF130C9B10"+"000102030405060708090A0B0C0D0E0F", "6A80") // AES-256 with 16 bytes
	want(t, c, "00FFFFFF13089B10"+"000102030405060708090A0B0C0D0E0F", "9000")
	equal(t, "metadata", want(t, c, "00F7009B00", "9000"), "010108 02020001 050100")
	c.PowerCycle()
	want(t, c, selectPIV, "9000")
	want(t, c, "0087039B047C028000", "6A86")
	authenticate(t, c, "08", "000102030405060708090A0B0C0D0E0F")
	want(t, c, "00FFFFFE1B039B18"+defaultKey, "9000") // wants a touch
	equal(t, "metadata", want(t, c, "00F7009B00", "9000"), "010103 02020002 050101")
	authenticate3DES(t, c)
	c.SetTouch(softcard.TouchRefuse)
	challenge := want(t, c, "0087039B047C028100", "9000")[4:]
	block(t, "03", defaultKey).Encrypt(challenge, challenge)
	want(t, c, "0087039B0C7C0A8208"+hex.EncodeToString(challenge), "6982")
}

func TestOldFirmwareHasNoAES(t *testing.T) {
	c := selected(t, softcard.Config{Firmware: softcard.Version{5, 3, 0}})
	authenticate3DES(t, c)
	want(t, c, "00FFFFFF13089B10"+"000102030405060708090A0B0C0D0E0F", "6A80")
	want(t, c, "00FFFFFF1B039B18"+defaultKey, "9000")
}

func TestNewFirmwareHasAES(t *testing.T) {
	c := selected(t, softcard.Config{Firmware: softcard.Version{5, 7, 1}})
	equal(t, "metadata", want(t, c, "00F7009B00", "9000"), "01010A 02020001 050101")
	authenticate(t, c, "0A", defaultKey)
}
