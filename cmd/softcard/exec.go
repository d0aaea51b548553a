package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
)

func execCommand() *cli.Command {
	return &cli.Command{
		Name:         "exec",
		Usage:        "run a command with cards plugged in, and exit as it does",
		ArgsUsage:    "-- COMMAND [ARGUMENT…]",
		OnUsageError: usageError,
		Flags:        cardFlags(),
		Action:       execWithCards,
	}
}

func execWithCards(c *cli.Context) (err error) {
	if !c.Args().Present() {
		return usagef("exec wants a command after --")
	}
	h, err := openHouse(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	ctx, cancel := context.WithCancel(c.Context)
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx) }()
	err = runChild(ctx, c.Args().Slice(), h.environment())
	cancel()
	return errors.Join(err, <-served)
}

// runChild runs a command; a signal to us becomes a SIGTERM to it.
func runChild(ctx context.Context, args, env []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return cli.Exit("", exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("running %s: %w", args[0], err)
	}
	return nil
}
