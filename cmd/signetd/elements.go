package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

// elementsOf calls do with one JSON object after the other, as they come: a list may be
// longer than memory. One that is cut short is an error, even between two objects:
// the operator's connection breaks then.
func elementsOf[T any](body io.Reader, do func(T) error) error {
	for from := json.NewDecoder(body); ; {
		var one T
		err := from.Decode(&one)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the list broke off: %w", err)
		}
		if err := do(one); err != nil {
			return err
		}
	}
}

// printElements has an operation make a list and prints it as it comes: with --json one
// array, else a row for each, below head.
func printElements[T any](c *cli.Context, operation string, in any, head string, row func(io.Writer, T) error) error {
	client, err := dialOperator(c)
	if err != nil {
		return err
	}
	defer client.close()
	body, err := client.post(c.Context, operation, in)
	if err != nil {
		return err
	}
	defer body.Close()
	w, asJSON, n := c.App.Writer, c.Bool("json"), 0
	if !asJSON {
		fmt.Fprint(w, head)
	}
	err = elementsOf(body, func(one T) error {
		defer func() { n++ }()
		if asJSON {
			return printElement(w, n, one)
		}
		return row(w, one)
	})
	if err == nil && asJSON {
		endElements(w, n)
	}
	return err
}

// endElements ends a JSON array of n elements.
func endElements(w io.Writer, n int) {
	fmt.Fprint(w, map[bool]string{true: "[]\n", false: "\n]\n"}[n == 0])
}

// printElement prints the nth element of a JSON array that isn't all there yet.
func printElement(w io.Writer, n int, one any) error {
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s", map[bool]string{true: "[\n", false: ",\n"}[n == 0], text)
	return err
}
