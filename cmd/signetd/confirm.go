package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/internal/exit"
)

// errNotConfirmed is what a command ends with where nobody wanted it after all.
var errNotConfirmed = errors.New("not confirmed: nothing was changed")

// confirm has whoever sits at the terminal type word to go on. hint is for a script.
func confirm(c *cli.Context, word, hint string) error {
	answer, err := askLine(c, fmt.Sprintf("Type %q to go on: ", word), hint)
	if err == nil && answer != word {
		err = exit.With(exit.Failed, errNotConfirmed, "")
	}
	return err
}

// askLine reads a line at the terminal.
func askLine(c *cli.Context, question, hint string) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", exit.With(exit.Usage, errors.New("a confirmation is wanted, and there is no terminal to ask at"), hint)
	}
	fmt.Fprint(c.App.ErrWriter, question)
	line, _ := bufio.NewReader(io.LimitReader(os.Stdin, 100)).ReadString('\n')
	return strings.TrimSpace(line), nil
}
