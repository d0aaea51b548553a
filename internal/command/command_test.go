package command

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"signet/internal/exit"
	"signet/internal/problem"
)

// app is a program with one command "code new", which records what it was given.
func app(got *[]string, fail error) *cli.App {
	return &cli.App{
		Name: "prog", Writer: io.Discard, ErrWriter: io.Discard,
		Flags: []cli.Flag{&cli.StringFlag{Name: "dir"}},
		Commands: []*cli.Command{Group("code", "codes", &cli.Command{
			Name:  "new",
			Flags: []cli.Flag{JSON(), &cli.StringFlag{Name: "ttl", Aliases: []string{"t"}}},
			Action: func(c *cli.Context) error {
				*got = append([]string{c.String("dir"), c.String("ttl")}, c.Args().Slice()...)
				return fail
			},
		})},
	}
}

func TestFlagsMayStandAfterArguments(t *testing.T) {
	for line, want := range map[string]string{
		"prog code new alice --ttl 1h":           "|1h|alice",
		"prog code new --ttl 1h alice":           "|1h|alice",
		"prog code new alice -t=2h bob":          "|2h|alice|bob",
		"prog --dir d code new alice --json x":   "d||alice|x",
		"prog code new - --ttl 1h":               "|1h|-",
		"prog code new --ttl 1h -- --json":       "|1h|--json",
		"prog code new help":                     "||help",
		"prog --dir=code code new new --ttl 1m0": "code|1m0|new",
	} {
		var got []string
		if code := Run(t.Context(), app(&got, nil), strings.Fields(line)); code != 0 {
			t.Errorf("%s: exit code %d", line, code)
		}
		if !slices.Equal(got, strings.Split(want, "|")) {
			t.Errorf("%s: got %q, want %s", line, got, want)
		}
	}
}

func TestUsageErrorsExitWith2(t *testing.T) {
	for line, want := range map[string]string{
		"prog code new --no-such x": `"prog code new --help"`,
		"prog code nothing":         `there is no command "nothing"`,
		"prog nothing":              `there is no command "nothing"`,
		"prog --no-such":            "no-such",
		"prog code new alice --ttl": "ttl",
		"prog code --no-such x y":   "no-such",
	} {
		var got []string
		var out bytes.Buffer
		a := app(&got, nil)
		a.ErrWriter = &out
		if code := Run(t.Context(), a, strings.Fields(line)); code != exit.Usage || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %d %q, want %d with %q", line, code, out.String(), exit.Usage, want)
		}
	}
}

func TestHelpLeavesOutDefaultsThatSayNothing(t *testing.T) {
	var out bytes.Buffer
	a := app(new([]string), nil)
	a.Writer = &out
	if code := Run(t.Context(), a, strings.Fields("prog code new --help")); code != 0 || strings.Contains(out.String(), "default: false") {
		t.Errorf("%d\n%s", code, out.String())
	}
}

func TestErrorsForPeopleAndPrograms(t *testing.T) {
	p := &problem.Problem{Detail: "no", Hint: "try yes", Rule: "some.rule", Instance: "ID"}
	fail := exit.With(exit.Denied, p, "")
	for line, want := range map[string]string{
		"prog code new":        "prog: no\n  try yes\n",
		"prog code new --json": `{"error":"no","hint":"try yes","code":3,"rule":"some.rule","request_id":"ID"}` + "\n",
	} {
		var got []string
		var out bytes.Buffer
		a := app(&got, fail)
		a.ErrWriter = &out
		if code := Run(t.Context(), a, strings.Fields(line)); code != exit.Denied || out.String() != want {
			t.Errorf("%s: %d %q, want %q", line, code, out.String(), want)
		}
	}
}

func TestArgs(t *testing.T) {
	a := app(new([]string), nil)
	a.Commands[0].Subcommands[0].Action = func(c *cli.Context) error { _, err := Args(c, "USER"); return err }
	for line, want := range map[string]int{"prog code new": 2, "prog code new a": 0, "prog code new a b": 2} {
		if code := Run(t.Context(), a, strings.Fields(line)); code != want {
			t.Errorf("%s: exit code %d, want %d", line, code, want)
		}
	}
	if exit.CodeOf(errors.New("x")) != exit.Failed {
		t.Error("an error without a code is not Failed")
	}
}

func TestEveryFlagHasItsVariable(t *testing.T) {
	for _, f := range []cli.Flag{&cli.StringFlag{Name: "a-b"}, &cli.BoolFlag{Name: "a-b"}, &cli.IntFlag{Name: "a-b"}, &cli.UintFlag{Name: "a-b"},
		&cli.Uint64Flag{Name: "a-b"}, &cli.DurationFlag{Name: "a-b"}, &cli.StringSliceFlag{Name: "a-b"}} {
		fromEnvironment([]cli.Flag{f})
		if got := f.(cli.DocGenerationFlag).GetEnvVars(); !slices.Equal(got, []string{"SIGNET_A_B"}) {
			t.Errorf("%T: %q", f, got)
		}
	}
	t.Setenv("SIGNET_TTL", "3h")
	var got []string
	if code := Run(t.Context(), app(&got, nil), []string{"prog", "code", "new", "x"}); code != 0 || !slices.Equal(got, []string{"", "3h", "x"}) {
		t.Errorf("%d %q", code, got)
	}
	t.Setenv("SIGNET_JSON", "1")
	var out bytes.Buffer
	a := app(&got, errors.New("no"))
	a.ErrWriter = &out
	if Run(t.Context(), a, []string{"prog", "code", "new"}); out.String() != `{"error":"no","code":1}`+"\n" {
		t.Errorf("%q", out.String())
	}
}
