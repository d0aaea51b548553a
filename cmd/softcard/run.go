package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:         "run",
		Usage:        "serve cards until SIGTERM",
		OnUsageError: usageError,
		Description: "Prints the line that lets programs find the cards, once they can connect:\n\n" +
			"  export PCSCLITE_CSOCK_NAME=…",
		Flags: append(cardFlags(),
			&cli.IntFlag{Name: "ready-fd", DefaultText: "none", Usage: "also write READY=1 to this file `DESCRIPTOR`, and close it"}),
		Action: runCards,
	}
}

func runCards(c *cli.Context) (err error) {
	h, err := openHouse(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	for _, v := range h.environment() {
		fmt.Println("export", v)
	}
	if err := sayReady(c.Int("ready-fd")); err != nil {
		return err
	}
	return h.serve(c.Context)
}

func sayReady(fd int) error {
	if fd == 0 {
		return nil
	}
	f := os.NewFile(uintptr(fd), "ready-fd")
	if f == nil {
		return usagef("--ready-fd: %d is not a file descriptor", fd)
	}
	_, err := f.WriteString("READY=1\n")
	return errors.Join(err, f.Close())
}
