package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"signet/enroll"
)

// pukCall does what a client of alice's does about a card's PUK:
//
//	puk keep CARD PUK     have the CA keep it
//	puk ask CARD          ask for it; the request's number is $REQUEST
//	puk take CARD         take it for that request; it is stdout
//
// With !, the server refuses, and stdout says why.
func pukCall(ts *testscript.TestScript, neg bool, args []string) {
	c := &enroll.Client{BaseURL: base(ts, "https"), HTTP: client(ts), Attempts: 1,
		Credentials: enroll.Credentials{Account: "alice", Password: "battery staple 9"}}
	card, err := strconv.ParseUint(args[1], 10, 32)
	ts.Check(err)
	err = pukCalls(ts, c, args[0], uint32(card), args[2:])
	if neg && err != nil {
		fmt.Fprintln(ts.Stdout(), err)
		return
	}
	ts.Check(err)
	if neg {
		ts.Fatalf("the server did it")
	}
}

func pukCalls(ts *testscript.TestScript, c *enroll.Client, call string, card uint32, args []string) error {
	ctx := context.Background()
	switch call {
	case "keep":
		return keepPUK(ctx, c, card, args[0])
	case "ask":
		asked, err := c.AskPUK(ctx, card, "forgot it")
		ts.Setenv("REQUEST", fmt.Sprint(asked.Number))
		return err
	case "take":
		number, err := strconv.ParseUint(ts.Getenv("REQUEST"), 10, 64)
		ts.Check(err)
		out, err := c.TakePUK(ctx, card, number)
		for _, p := range out.PUKs {
			fmt.Fprintln(ts.Stdout(), p.PUK)
		}
		return err
	}
	return fmt.Errorf("no call %q", call)
}

func keepPUK(ctx context.Context, c *enroll.Client, card uint32, puk string) error {
	offer, err := c.Plan(ctx, "", 0)
	if err != nil {
		return err
	}
	key, err := enroll.ParseEscrowPublic(offer.EscrowKey)
	if err != nil {
		return err
	}
	sealed, err := key.Seal(card, puk)
	if err != nil {
		return err
	}
	if err := c.PutPUK(ctx, card, sealed); err != nil {
		return err
	}
	return c.ConfirmPUK(ctx, card, sealed.ID())
}
