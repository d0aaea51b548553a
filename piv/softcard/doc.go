// Package softcard is a software YubiKey: the PIV applet of a YubiKey 5, APDU
// by APDU, with the management applet beside it, good enough that programs
// written for the hardware take it for one. It exists so that enrolling,
// renewing and everything that goes wrong in between can be tried and tested
// on a machine that has no YubiKey.
//
// It protects nothing. Keys lie in a JSON file, and its attestations chain to
// a [Root] whose name says that no hardware stands behind it; nobody should
// trust that root but a test.
//
// A [Card] answers APDUs by [Card.Transmit]. Programs reach it by one of two
// doors:
//
//   - [ListenPCSC] stands in for pcscd: a unix socket that speaks
//     libpcsclite's protocol. Clients find it by PCSCLITE_CSOCK_NAME. It needs
//     neither root nor a daemon, and many can run side by side.
//   - [ServeVPCD] puts the card into the virtual reader of a real pcscd that
//     has vsmartcard-vpcd.
//
// A card made with a Path keeps its state in that file, rewritten atomically
// before any answer of 9000 leaves, so that a killed process loses nothing
// that it has promised.
//
// The worst days can be ordered: [Card.SetTouch] makes the card wait for a
// finger or refuse it, [Card.Unplug] pulls it out, [Card.Inject] does so (or
// fails, or delays) at a chosen APDU, [Card.Hold] lets another program have it,
// and [ListenControl] offers all of that to other processes.
//
// [Root.NewDevice] and [Device.Attest] make attestations without any card,
// including ones that must be refused.
package softcard
