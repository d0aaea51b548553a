package main

import (
	"crypto"
	"crypto/x509"
	"os"
	"strconv"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"signet/enroll"
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

// attestBy has a card of that serial number state that it made a key as the plan wants it.
func attestBy(ts *testscript.TestScript, serial string) func(enroll.Plan, *x509.CertificateRequest, crypto.Signer) {
	n, err := strconv.ParseUint(serial, 10, 32)
	ts.Check(err)
	root, err := cards()
	ts.Check(err)
	device, err := root.NewDevice(uint32(n), softcard.Version{5, 4, 3})
	ts.Check(err)
	return func(plan enroll.Plan, request *x509.CertificateRequest, key crypto.Signer) {
		pin, touch := softcard.PINOnce, softcard.TouchNever
		if plan.PINPolicy == piv.PINAlways {
			pin = softcard.PINAlways
		}
		cert, err := device.Attest(byte(plan.Slot), key.Public(), pin, touch)
		ts.Check(err)
		piv.AddAttestation(request, &piv.Attestation{Slot: cert.Raw, Card: device.Certificate().Raw})
	}
}
