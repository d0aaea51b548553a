package softcard_test

import (
	"bufio"
	"os/exec"
	"testing"

	"signet/piv/softcard"
)

// waitScript prints the reader's state now, and then at each change of it;
// in the end it lets a wait time out, and does a transaction.
const waitScript = `
import sys
from smartcard.scard import *
ok, ctx = SCardEstablishContext(SCARD_SCOPE_USER)
assert ok == 0, ok
name, state = sys.argv[1], SCARD_STATE_UNAWARE
for _ in range(2):
    rv, states = SCardGetStatusChange(ctx, 8000, [(name, state)])
    state = states[0][1]
    print("present" if state & SCARD_STATE_PRESENT else "absent", flush=True)
while not SCardListReaders(ctx, [])[1]:
    SCardGetStatusChange(ctx, 300, [("\\\\?PnP?\\Notification", SCARD_STATE_UNAWARE)])
print("a reader came", flush=True)
rv, states = SCardGetStatusChange(ctx, 0, [(name, SCARD_STATE_UNAWARE)])
rv, states = SCardGetStatusChange(ctx, 20, [(name, states[0][1])])
print("timeout" if rv == SCARD_E_TIMEOUT else rv, flush=True)
rv, one, proto = SCardConnect(ctx, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1)
rv, two, proto = SCardConnect(ctx, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1)
rv = SCardBeginTransaction(one)
rv2, _, _, _, atr = SCardStatus(one)
rv3, answer = SCardTransmit(one, proto, [0, 0xA4, 4, 0, 5, 0xA0, 0, 0, 3, 8])
rv4 = SCardEndTransaction(one, SCARD_RESET_CARD)
rv5, _ = SCardTransmit(two, proto, [0, 0xFD, 0, 0])
rv6, _ = SCardReconnect(two, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD)
rv7, unselected = SCardTransmit(two, proto, [0, 0xFD, 0, 0])
print(rv, rv2, len(atr), rv3, len(answer), rv4, rv5 == SCARD_W_RESET_CARD, rv6, rv7, unselected, flush=True)
rv, exclusive, _ = SCardConnect(ctx, name, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T1)
print(rv == SCARD_E_SHARING_VIOLATION, flush=True)
`

func TestWaitingForReaders(t *testing.T) {
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import smartcard.scard").Run(); err != nil {
		t.Fatal("pyscard is missing: apt-get install python3-pyscard")
	}
	c, reader := plugged(t, softcard.Config{})
	cmd := exec.CommandContext(t.Context(), python, "-c", waitScript, reader)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr = &lines{t}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	said := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		if said.Scan(); said.Text() != want {
			t.Fatalf("said %q, want %q", said.Text(), want)
		}
	}
	expect("present")
	c.Unplug()
	expect("absent")
	c.Plug()
	expect("a reader came")
	expect("timeout")
	expect("0 0 23 0 21 0 True 0 0 [109, 0]")
	expect("True")
}

// lines sends what a program says to the test's log.
type lines struct{ t *testing.T }

func (l *lines) Write(b []byte) (int, error) {
	l.t.Log(string(b))
	return len(b), nil
}
