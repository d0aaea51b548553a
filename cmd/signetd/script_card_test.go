package main

import (
	"crypto"
	"crypto/x509"
	"os"
	"strconv"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"signet/piv"
	"signet/piv/softcard"
)

// cards are the root of the scripts' cards. RSA takes its time: one is made for all.
var cards = sync.OnceValues(softcard.NewRoot)

func cardRoot(ts *testscript.TestScript, neg bool, args []string) {
	root, err := cards()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), root.PEM(), 0o600))
}

// attestKey has a card of that serial number state that it made the key in slot 9a.
func attestKey(ts *testscript.TestScript, serial string, request *x509.CertificateRequest, key crypto.Signer) {
	n, err := strconv.ParseUint(serial, 10, 32)
	ts.Check(err)
	root, err := cards()
	ts.Check(err)
	device, err := root.NewDevice(uint32(n), softcard.Version{5, 4, 3})
	ts.Check(err)
	cert, err := device.Attest(0x9a, key.Public(), softcard.PINOnce, softcard.TouchNever)
	ts.Check(err)
	piv.AddAttestation(request, &piv.Attestation{Slot: cert.Raw, Card: device.Certificate().Raw})
}
