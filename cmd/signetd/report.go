package main

import (
	"io"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
)

// timeFormat is how people are shown a time.
const timeFormat = "2006-01-02 15:04 MST"

// operate does one operator's operation, wherever the server is.
func operate(c *cli.Context, operation string, in, out any) error {
	client, err := dialOperator(c)
	if err != nil {
		return err
	}
	defer client.close()
	return client.call(c.Context, operation, in, out)
}

// report prints a command's result.
func report(c *cli.Context, result any, print func(io.Writer)) error {
	return command.Result(c, result, print)
}
