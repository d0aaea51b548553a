package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"signet/piv/softcard"
)

const defaultSerial = "10000001"

// cardFlags say which cards there are and how programs get at them.
func cardFlags() []cli.Flag {
	return []cli.Flag{
		dirFlag(),
		&cli.StringFlag{Name: "serial", Value: defaultSerial, Usage: "serial `NUMBERS` of the cards, separated by commas"},
		&cli.StringFlag{Name: "firmware", Usage: "`VERSION` of new cards: 5.4.3 (the default) or 5.7.1"},
		&cli.StringFlag{Name: "socket", Usage: "`PATH` of the PC/SC socket (default: pcscd.sock in the directory)"},
		&cli.StringFlag{Name: "vpcd", Usage: "put the only card into the vpcd at `HOST:PORT` instead of serving a socket"},
		&cli.StringFlag{Name: "touch", Value: string(softcard.TouchAuto), Usage: "where a touch is wanted, `MODE`: auto, wait or refuse"},
		&cli.DurationFlag{Name: "touch-timeout", Value: 15 * time.Second, Usage: "wait `TIME` for a touch"},
	}
}

// house is the running cards with their doors.
type house struct {
	cards   []*softcard.Card
	pcsc    *softcard.PCSC // nil with --vpcd
	control *softcard.Control
	vpcd    string
}

// openHouse opens the cards that the flags name, and listens. From then on
// programs can connect; serve answers them.
func openHouse(c *cli.Context) (*house, error) {
	d, err := openDir(c)
	if err != nil {
		return nil, err
	}
	h := &house{vpcd: c.String("vpcd")}
	if err := h.open(c, d); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *house) open(c *cli.Context, d dir) error {
	if err := h.openCards(c, d); err != nil {
		return err
	}
	if err := h.checkVPCD(); err != nil {
		return err
	}
	var err error
	if h.vpcd == "" {
		socket := d.pcsc()
		if s := c.String("socket"); s != "" {
			if socket, err = filepath.Abs(s); err != nil { // programs run elsewhere
				return err
			}
		}
		if h.pcsc, err = softcard.ListenPCSC(socket, h.cards...); err != nil {
			return err
		}
	}
	h.control, err = softcard.ListenControl(d.control(), h.cards...)
	return err
}

func (h *house) openCards(c *cli.Context, d dir) error {
	serials, err := parseSerials(c.String("serial"))
	if err != nil {
		return usagef("%v", err)
	}
	mode := softcard.TouchMode(c.String("touch"))
	if mode != softcard.TouchAuto && mode != softcard.TouchWait && mode != softcard.TouchRefuse {
		return usagef("--touch is auto, wait or refuse, not %q", mode)
	}
	cfg := softcard.Config{TouchTimeout: c.Duration("touch-timeout")}
	if s := c.String("firmware"); s != "" {
		if cfg.Firmware, err = softcard.ParseVersion(s); err != nil {
			return usagef("%v", err)
		}
	}
	if cfg.Root, err = d.root(); err != nil {
		return err
	}
	for _, serial := range serials {
		cfg.Serial, cfg.Path = serial, d.card(serial)
		card, err := softcard.Open(cfg)
		if err != nil {
			return err
		}
		card.SetTouch(mode)
		h.cards = append(h.cards, card)
	}
	return nil
}

func (h *house) checkVPCD() error {
	if h.vpcd == "" {
		return nil
	}
	if len(h.cards) != 1 {
		return usagef("a vpcd has one reader: --vpcd goes with one card, not %d", len(h.cards))
	}
	if _, _, err := net.SplitHostPort(h.vpcd); err != nil {
		return usagef("--vpcd: %v", err)
	}
	return nil
}

// environment is what a program needs to find the cards.
func (h *house) environment() []string {
	if h.pcsc == nil {
		return nil
	}
	return []string{"PCSCLITE_CSOCK_NAME=" + h.pcsc.SocketPath()}
}

// serve answers programs until ctx ends.
func (h *house) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.control.Serve(ctx) })
	if h.pcsc != nil {
		g.Go(func() error { return h.pcsc.Serve(ctx) })
	} else {
		g.Go(func() error { return softcard.ServeVPCD(ctx, h.vpcd, h.cards[0]) })
	}
	return g.Wait()
}

func (h *house) close() error {
	var errs []error
	if h.pcsc != nil {
		errs = append(errs, h.pcsc.Close())
	}
	for _, card := range h.cards {
		errs = append(errs, card.Close())
	}
	return errors.Join(errs...)
}

// parseSerials reads "1,2,3".
func parseSerials(s string) ([]uint32, error) {
	var out []uint32
	for _, part := range strings.Split(s, ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(part), 10, 32)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("--serial: %q is not a serial number", part)
		}
		out = append(out, uint32(n))
	}
	return out, nil
}
