package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/urfave/cli/v2"

	"signet/internal/exit"
)

// remind shows on the desktop that a renewal is due and what kept it from being made. It
// is told on stderr in any case, by the error.
func remind(c *cli.Context, until time.Time, err error) {
	title := "Your certificate runs out on " + until.Local().Format("2 January")
	if time.Now().After(until) {
		title = "Your certificate has run out"
	}
	body := err.Error() + "."
	if hint := exit.HintOf(err); hint != "" {
		body += " " + hint
	}
	urgency := "normal"
	if time.Until(until) < 7*24*time.Hour {
		urgency = "critical"
	}
	ctx, cancel := context.WithTimeout(c.Context, 10*time.Second)
	defer cancel()
	shown := exec.CommandContext(ctx, "notify-send", "--app-name=Signet", "--urgency="+urgency, title, body).Run()
	if shown != nil && !errors.Is(shown, exec.ErrNotFound) {
		fmt.Fprintf(c.App.ErrWriter, "signet: warning: no notification on the desktop: %v\n", shown)
	}
}
