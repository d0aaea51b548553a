package softcard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"signet/piv/softcard"
)

func TestFaults(t *testing.T) {
	c := selected(t, softcard.Config{})
	c.Inject(softcard.Fault{INS: 0xFD, Nth: 2, Do: softcard.Fail, SW: 0x6F01})
	want(t, c, "00FD0000", "9000")
	want(t, c, "00F80000", "9000")
	want(t, c, "00FD0000", "6F01")
	want(t, c, "00FD0000", "9000")

	c.Inject(softcard.Fault{Do: softcard.Fail, SW: 0x6581, Repeat: true})
	want(t, c, "00FD0000", "6581")
	want(t, c, "00F80000", "6581")
	c.ClearFaults()
	want(t, c, "00F80000", "9000")

	c.Inject(softcard.Fault{INS: 0xFD, Delay: 20 * time.Millisecond})
	start := time.Now()
	want(t, c, "00FD0000", "9000")
	if time.Since(start) < 20*time.Millisecond {
		t.Error("no delay")
	}
}

func TestUnplugInTheMiddle(t *testing.T) {
	c := selected(t, softcard.Config{})
	for _, when := range []softcard.Action{softcard.UnplugBefore, softcard.UnplugAfter} {
		c.Inject(softcard.Fault{INS: 0x20, Do: when})
		if _, err := c.Exchange(t.Context(), unhex(t, "0020008008"+wrong8)); !errors.Is(err, softcard.ErrUnplugged) {
			t.Fatalf("%s: %v", when, err)
		}
		if c.Plugged() || c.Transmit(unhex(t, "00FD0000")) != nil {
			t.Errorf("%s: still there", when)
		}
		c.Plug()
		want(t, c, "00200080", "6D00") // powered up anew: nothing is selected
		want(t, c, selectPIV, "9000")
		left := map[softcard.Action]string{softcard.UnplugBefore: "63C3", softcard.UnplugAfter: "63C2"}[when]
		want(t, c, "00200080", left)
	}
}

func TestUnplugWhileWaitingForTouch(t *testing.T) {
	c := admin(t, softcard.Config{})
	want(t, c, "0047009E08AC06800111AB0102", "9000")
	c.SetTouch(softcard.TouchWait)
	for name, end := range map[string]func(context.CancelFunc){
		"unplugged": func(context.CancelFunc) { c.Unplug() },
		"cancelled": func(cancel context.CancelFunc) { cancel() },
	} {
		c.Plug()
		want(t, c, selectPIV, "9000")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := c.Exchange(ctx, unhex(t, use("11", "9E", 0x81, make([]byte, 32))))
			done <- err
		}()
		if err := c.AwaitTouch(t.Context()); err != nil {
			t.Fatal(err)
		}
		end(cancel)
		if err := <-done; err == nil {
			t.Errorf("%s: got an answer", name)
		}
		cancel()
	}
}

func TestTraceKeepsNoSecrets(t *testing.T) {
	c := selected(t, softcard.Config{})
	want(t, c, "0020008008"+pin8, "9000")
	trace := c.Trace()
	last := softcard.Exchange{Seq: 2, INS: 0x20, P2: 0x80, Len: 13, SW: 0x9000}
	if len(trace) != 2 || c.Count() != 2 || trace[1] != last {
		t.Errorf("%+v", trace)
	}
}
