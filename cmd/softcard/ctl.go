package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"signet/piv/softcard"
)

func ctlCommand() *cli.Command {
	return &cli.Command{
		Name:         "ctl",
		Usage:        "touch, unplug, break or watch a running card",
		OnUsageError: usageError,
		Flags: []cli.Flag{
			dirFlag(),
			&cli.UintFlag{Name: "serial", DefaultText: "the only one", Usage: "`NUMBER` of the card, where there are several"},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("ctl cannot %q", c.Args().First())
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: []*cli.Command{
			statusCommand(), traceCommand(),
			touchCommand(),
			simple("auto-touch", "from now on the card touches itself", modeRequest(softcard.TouchAuto)),
			simple("wait-touch", "from now on the card waits for ctl touch", modeRequest(softcard.TouchWait)),
			simple("refuse-touch", "from now on nobody touches the card", modeRequest(softcard.TouchRefuse)),
			unplugCommand(),
			simple("plug", "plug the card in", softcard.ControlRequest{Do: softcard.DoPlug}),
			failCommand(), delayCommand(),
			simple("clear", "disarm what has not happened yet", softcard.ControlRequest{Do: softcard.DoClear}),
			simple("hold", "have another program hold the card exclusively", softcard.ControlRequest{Do: softcard.DoHold}),
			simple("release", "end hold", softcard.ControlRequest{Do: softcard.DoRelease}),
		},
	}
}

// ask sends a request to the cards of --dir.
func ask(c *cli.Context, req softcard.ControlRequest) (softcard.ControlResponse, error) {
	d, err := openDir(c)
	if err != nil {
		return softcard.ControlResponse{}, err
	}
	req.Serial = uint32(c.Uint("serial"))
	return softcard.Ask(c.Context, d.control(), req)
}

func simple(name, usage string, req softcard.ControlRequest) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, OnUsageError: usageError,
		Action: func(c *cli.Context) error { _, err := ask(c, req); return err },
	}
}

func modeRequest(m softcard.TouchMode) softcard.ControlRequest {
	return softcard.ControlRequest{Do: softcard.DoTouchMode, Mode: m}
}

func touchCommand() *cli.Command {
	return &cli.Command{
		Name: "touch", Usage: "touch a card that waits", OnUsageError: usageError,
		Flags: []cli.Flag{&cli.DurationFlag{Name: "wait", Value: 10 * time.Second, Usage: "how much `TIME` it has until it does"}},
		Action: func(c *cli.Context) error {
			_, err := ask(c, softcard.ControlRequest{Do: softcard.DoTouch, Wait: c.Duration("wait")})
			return err
		},
	}
}

// faultFlags say which APDU a fault is for.
func faultFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "ins", Usage: "the instruction, in `HEX`; any if absent"},
		&cli.IntFlag{Name: "nth", Value: 1, Usage: "the `N`th such APDU from now"},
	}, more...)
}

func repeatFlag() cli.Flag {
	return &cli.BoolFlag{Name: "repeat", Usage: "and every one after it"}
}

// inject arms a fault for the APDU that the flags name.
func inject(c *cli.Context, f softcard.Fault) error {
	if s := c.String("ins"); s != "" {
		ins, err := strconv.ParseUint(s, 16, 8)
		if err != nil {
			return usagef("--ins: %q is not a byte in hex", s)
		}
		f.INS = byte(ins)
	}
	f.Nth, f.Repeat = c.Int("nth"), c.Bool("repeat")
	_, err := ask(c, softcard.ControlRequest{Do: softcard.DoInject, Fault: f})
	return err
}

func unplugCommand() *cli.Command {
	return &cli.Command{
		Name: "unplug", Usage: "pull the card out, now or at a chosen APDU", OnUsageError: usageError,
		Flags: faultFlags(&cli.BoolFlag{Name: "after", Usage: "let the APDU be executed, but not answered"}),
		Action: func(c *cli.Context) error {
			if !c.IsSet("ins") && !c.IsSet("nth") && !c.IsSet("after") {
				_, err := ask(c, softcard.ControlRequest{Do: softcard.DoUnplug})
				return err
			}
			f := softcard.Fault{Do: softcard.UnplugBefore}
			if c.Bool("after") {
				f.Do = softcard.UnplugAfter
			}
			return inject(c, f)
		},
	}
}

func failCommand() *cli.Command {
	return &cli.Command{
		Name: "fail", Usage: "answer a chosen APDU with a status word, without executing it", OnUsageError: usageError,
		Flags: faultFlags(&cli.StringFlag{Name: "sw", Value: "6F00", Usage: "the status word, in `HEX`"}, repeatFlag()),
		Action: func(c *cli.Context) error {
			sw, err := strconv.ParseUint(c.String("sw"), 16, 16)
			if err != nil || sw < 0x6000 {
				return usagef("--sw: %q is not a status word", c.String("sw"))
			}
			return inject(c, softcard.Fault{Do: softcard.Fail, SW: uint16(sw)})
		},
	}
}

func delayCommand() *cli.Command {
	return &cli.Command{
		Name: "delay", Usage: "let a chosen APDU wait", OnUsageError: usageError,
		Flags: faultFlags(&cli.DurationFlag{Name: "for", Value: time.Second, Usage: "by `TIME`"}, repeatFlag()),
		Action: func(c *cli.Context) error {
			return inject(c, softcard.Fault{Delay: c.Duration("for")})
		},
	}
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show the cards", OnUsageError: usageError,
		Flags: []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			resp, err := ask(c, softcard.ControlRequest{Do: softcard.DoStatus})
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return json.NewEncoder(os.Stdout).Encode(resp.Cards)
			}
			for _, s := range resp.Cards {
				fmt.Printf("%d firmware=%s plugged=%t held=%t touch=%s waiting=%t apdus=%d\n",
					s.Serial, s.Firmware, s.Plugged, s.Held, s.Touch, s.Waiting, s.APDUs)
			}
			return nil
		},
	}
}

func traceCommand() *cli.Command {
	return &cli.Command{
		Name: "trace", Usage: "show the headers of the last APDUs, with their answers' status words", OnUsageError: usageError,
		Flags: []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			resp, err := ask(c, softcard.ControlRequest{Do: softcard.DoTrace})
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return json.NewEncoder(os.Stdout).Encode(resp.Trace)
			}
			for _, e := range resp.Trace {
				fmt.Printf("%d %02X %02X %02X %02X len=%d sw=%04X\n", e.Seq, e.CLA, e.INS, e.P1, e.P2, e.Len, e.SW)
			}
			return nil
		},
	}
}
