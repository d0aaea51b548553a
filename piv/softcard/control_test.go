package softcard_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/piv/softcard"
)

func TestControl(t *testing.T) {
	one, two := selected(t, softcard.Config{Serial: 1}), newCard(t, softcard.Config{Serial: 2})
	socket := filepath.Join(t.TempDir(), "control.sock")
	s, err := softcard.ListenControl(socket, one, two)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()
	ask := func(req softcard.ControlRequest) (softcard.ControlResponse, error) {
		return softcard.Ask(t.Context(), socket, req)
	}
	do := func(req softcard.ControlRequest) softcard.ControlResponse {
		t.Helper()
		req.Serial = 1
		resp, err := ask(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	for _, bad := range []softcard.ControlRequest{
		{Do: softcard.DoPlug}, {Do: softcard.DoPlug, Serial: 3}, {Do: "dance", Serial: 1},
		{Do: softcard.DoTouchMode, Serial: 1, Mode: "gently"}, {Do: softcard.DoTouch, Serial: 1, Wait: time.Millisecond},
	} {
		if _, err := ask(bad); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
	do(softcard.ControlRequest{Do: softcard.DoInject, Fault: softcard.Fault{INS: 0xFD, Do: softcard.Fail, SW: 0x6F12}})
	want(t, one, "00FD0000", "6F12")
	do(softcard.ControlRequest{Do: softcard.DoTouchMode, Mode: softcard.TouchWait})
	do(softcard.ControlRequest{Do: softcard.DoHold})
	do(softcard.ControlRequest{Do: softcard.DoUnplug})
	resp, err := ask(softcard.ControlRequest{Do: softcard.DoStatus})
	first := softcard.CardStatus{Serial: 1, Firmware: "5.4.3", Held: true, Touch: softcard.TouchWait, APDUs: 2}
	if err != nil || len(resp.Cards) != 2 || resp.Cards[0] != first || !resp.Cards[1].Plugged {
		t.Errorf("%+v, %v", resp.Cards, err)
	}
	if trace := do(softcard.ControlRequest{Do: softcard.DoTrace}).Trace; len(trace) != 2 || trace[1].SW != 0x6F12 {
		t.Errorf("%+v", trace)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestLongSocketPath(t *testing.T) {
	_, err := softcard.ListenPCSC(filepath.Join(t.TempDir(), strings.Repeat("x", 108)))
	if !errors.Is(err, softcard.ErrSocketPath) {
		t.Error(err)
	}
}
