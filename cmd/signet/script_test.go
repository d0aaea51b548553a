//go:build cgo

package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"signet/ca"
	"signet/piv"
	"signet/piv/softcard"
	"signet/revocation"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"signet": main})
}

type worldKey struct{}

// TestScripts runs testdata/script. Each script has a world of its own: a CA, and a
// factory-new card 1001 with firmware 5.4.3. Beside testscript's commands:
//
//	world [KEY=VALUE]...      another world: firmware=5.7.1, touch=always, pin=always, slot=9c,
//	                          algorithms=P-256,Ed25519; also=none (no other slots); tries=5,8; min=5.7.0, blocked=5.4.2,
//	                          series=fips, shapes=usb-c-nano, cards=1002, denied=1001; stranger: the CA doesn't trust the card;
//	                          with=signing,encryption,archive: companions of the profile, in 9c, 9d and 82;
//	                          escrow: the CA keeps PUKs; keyless: it has no key for that
//	puk …                     about PUKs that the CA keeps: see cmdPUK
//	trust                     now it does
//	companions NAME...        the profile has those from now on
//	card SERIAL unplug|plug|hold|release|wrong-pin|touch MODE|add|fault INS DO [NTH [SW]]|well
//	                          SW: from the NTH on each is answered so; well: no faults any more
//	weather fair|gone|lost|kill|kill-then    for requests that hand a CSR in
//	weather deaf              for requests to revoke
//	inforce N                 so many certificates are in force
//	card SERIAL lost|found    the CA is told so
//	server stop               the CA is gone for good
//	pcscd stop                so is the PC/SC service
//	code NAME FILE            a one-time code for the account
//	issued N, generated N     so many certificates, so many keys made by the card
//	untouched                 nothing was written to the card, no secret changed, and nothing to disk
//	killed PROG ARGS...       runs it; it must be killed by the weather
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			return enter(e, softcard.Version{5, 4, 3}, plan{})
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"world": cmdWorld, "card": cmdCard, "weather": cmdWeather, "server": cmdServer, "pcscd": cmdPCSCD,
			"code": cmdCode, "issued": cmdIssued, "generated": cmdGenerated, "killed": cmdKilled, "exits": cmdExits,
			"trust": cmdTrust, "puk": cmdPUK, "untouched": cmdUntouched, "companions": cmdCompanions,
			"inforce": cmdInForce,
		},
	})
}

// enter makes a world and the files that scripts use.
func enter(e *testscript.Env, fw softcard.Version, p plan) error {
	w, err := newWorld(e.Defer, fw, p)
	if err != nil {
		return err
	}
	e.Values[worldKey{}] = w
	e.Vars = append(e.Vars, w.env()...)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.Root.Raw})
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.Intermediate.Raw}), root...)
	for name, text := range map[string]string{
		"password": password, "pin": "271828", "puk": "31415926", "wrongpin": "999998", "factorypin": "123456",
		"chain.pem": string(chain),
	} {
		if err := os.WriteFile(filepath.Join(e.WorkDir, name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func theWorld(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func cmdWorld(ts *testscript.TestScript, _ bool, args []string) {
	fw, p := softcard.Version{5, 4, 3}, plan{}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "firmware":
			_, err := fmt.Sscanf(value, "%d.%d.%d", &fw[0], &fw[1], &fw[2])
			ts.Check(err)
		case "touch":
			p.TouchPolicy = value
		case "pin":
			p.PINPolicy = value
		case "algorithms":
			p.algorithms = strings.Split(value, ",")
		case "stranger":
			p.stranger = true
		case "also":
			p.AlsoSlots = []string{}
		case "with":
			p.with = strings.Split(value, ",")
		case "escrow":
			p.PUKEscrow = true
		case "keyless":
			p.keyless = true
		case "slot":
			p.Slot = value
		case "tries":
			_, err := fmt.Sscanf(value, "%d,%d", &p.PINTries, &p.PUKTries)
			ts.Check(err)
		case "min":
			p.MinFirmware = value
		case "blocked":
			p.BlockedFirmware = strings.Split(value, ",")
		case "series":
			p.FIPS, p.CSPN = value == "fips", value == "cspn"
		case "shapes":
			p.FormFactors = strings.Split(value, ",")
		case "cards":
			n, err := strconv.ParseUint(value, 10, 32)
			ts.Check(err)
			p.CardSerials = []uint32{uint32(n)}
		case "denied":
			n, err := strconv.ParseUint(value, 10, 32)
			ts.Check(err)
			p.DeniedSerials = []uint32{uint32(n)}
		default:
			ts.Fatalf("no setting %q", key)
		}
	}
	w, err := newWorld(ts.Defer, fw, p)
	ts.Check(err)
	*theWorldPointer(ts) = w
	for _, kv := range w.env() {
		key, value, _ := strings.Cut(kv, "=")
		ts.Setenv(key, value)
	}
}

// theWorldPointer: testscript's values can't be replaced, so that a world
// that is left points to the next.
func theWorldPointer(ts *testscript.TestScript) **world {
	old := ts.Value(worldKey{}).(*world)
	if old.next == nil {
		old.next = new(*world)
	}
	return old.next
}

func current(ts *testscript.TestScript) *world {
	w := theWorld(ts)
	if w.next != nil {
		return *w.next
	}
	return w
}

func cmdCard(ts *testscript.TestScript, _ bool, args []string) {
	w := current(ts)
	serial, err := strconv.ParseUint(args[0], 10, 32)
	ts.Check(err)
	if args[1] == "add" {
		ts.Check(w.addCard(softcard.Config{Serial: uint32(serial)}))
		return
	}
	if args[1] == "lost" || args[1] == "found" {
		ts.Check(w.report(uint32(serial), args[1] == "lost"))
		return
	}
	for _, c := range w.cards {
		if c.Serial() == uint32(serial) {
			doCard(ts, c, args[1:])
			return
		}
	}
	ts.Fatalf("no card %d", serial)
}

func doCard(ts *testscript.TestScript, c *softcard.Card, args []string) {
	switch args[0] {
	case "unplug":
		c.Unplug()
	case "plug":
		c.Plug()
	case "hold":
		c.Hold()
	case "release":
		c.Release()
	case "wrong-pin":
		c.Transmit([]byte("\x00\xa4\x04\x00\x05\xa0\x00\x00\x03\x08"))
		c.Transmit([]byte("\x00\x20\x00\x80\x08000000\xff\xff"))
	case "touch":
		c.SetTouch(softcard.TouchMode(args[1]))
	case "fault":
		ins, err := strconv.ParseUint(args[1], 16, 8)
		ts.Check(err)
		f := softcard.Fault{INS: byte(ins), Do: softcard.Action(args[2])}
		if len(args) > 3 {
			f.Nth, err = strconv.Atoi(args[3])
			ts.Check(err)
		}
		if len(args) > 4 {
			sw, err := strconv.ParseUint(args[4], 16, 16)
			ts.Check(err)
			f.SW, f.Repeat = uint16(sw), true
		}
		c.Inject(f)
	case "well":
		c.ClearFaults()
	default:
		ts.Fatalf("a card can't %q", args[0])
	}
}

func cmdWeather(ts *testscript.TestScript, _ bool, args []string) { current(ts).weather.Store(args[0]) }
func cmdServer(ts *testscript.TestScript, _ bool, _ []string)     { current(ts).tls.Close() }
func cmdPCSCD(ts *testscript.TestScript, _ bool, _ []string)      { ts.Check(current(ts).pcsc.Close()) }

func cmdTrust(ts *testscript.TestScript, _ bool, _ []string) {
	root, err := sharedRoot()
	ts.Check(err)
	w := current(ts)
	w.roots = piv.NewRoots(root.Certificate())
	ts.Check(w.enroller.SetPolicy(w.profiles, w.roots))
}

func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	code, _, err := current(ts).enroller.Codes().New(context.Background(), args[0], "", time.Hour, "@operator")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(code+"\n"), 0o600))
}

func cmdInForce(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	ts.Check(current(ts).store.Certificates(context.Background(), revocation.Filter{Leaf: true}, func(c ca.Certificate) bool {
		if c.Revocation == nil {
			n++
		}
		return true
	}))
	if fmt.Sprint(n) != args[0] {
		ts.Fatalf("%d certificates are in force, want %s", n, args[0])
	}
}

func cmdUntouched(ts *testscript.TestScript, _ bool, _ []string) {
	w := current(ts)
	for _, e := range w.cards[0].Trace() {
		if slices.Contains([]byte{0x24, 0x2c, 0x47, 0xdb, 0xf6, 0xfa, 0xfe, 0xff}, e.INS) || e.INS == 0x20 && e.P1 == 0 && e.SW == 0x9000 {
			ts.Fatalf("the card got %+v", e)
		}
	}
	for _, dir := range []string{"config", "state"} {
		if _, err := os.Stat(filepath.Join(w.dir, dir)); err == nil {
			ts.Fatalf("there is a folder %s", dir)
		}
	}
}

func cmdIssued(ts *testscript.TestScript, _ bool, args []string) {
	n, err := current(ts).issued()
	ts.Check(err)
	if fmt.Sprint(n) != args[0] {
		ts.Fatalf("%d certificates were issued, not %s", n, args[0])
	}
}

func cmdGenerated(ts *testscript.TestScript, _ bool, args []string) {
	if n := current(ts).generated(); fmt.Sprint(n) != args[0] {
		ts.Fatalf("%d keys were made, not %s", n, args[0])
	}
}

// cmdExits runs a program that must end with that exit code.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		code = exited.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
}

func cmdKilled(ts *testscript.TestScript, _ bool, args []string) {
	w := current(ts)
	cmd := exec.Command(programPath(ts, args[0]), args[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(os.Environ(), w.env()...)
	cmd.Env = append(cmd.Env, "PATH="+ts.Getenv("PATH"))
	ts.Check(cmd.Start())
	w.kill.Store(cmd.Process)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		ts.Fatalf("it was not killed: %v", err)
	}
}

func programPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); fileExists(path) {
			return path
		}
	}
	ts.Fatalf("no program %q", name)
	return ""
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }
