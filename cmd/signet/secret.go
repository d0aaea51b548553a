package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/internal/exit"
)

// maxSecret bounds a secret, in bytes.
const maxSecret = 1024

// A secret comes from a file, the environment or the terminal; never from the
// command line, where others can read it.
type secret struct {
	flag  string // of the file: "pin-file"
	env   string // "SIGNET_PIN"
	what  string // "PIN", as a person is asked for it
	noun  string // as it is spoken of: "new PIN"; what, where it is ""
	twice bool   // a new one is asked for twice
	rules string // for a new one, said before it is typed
}

// given is the secret from file or environment; false where there is neither.
func (s secret) given(c *cli.Context) (string, bool, error) {
	if name := c.String(s.flag); name != "" {
		text, err := secretFile(c, name, s.what)
		if err != nil {
			return "", false, fmt.Errorf("reading the %s: %w", s.what, err)
		}
		return text, true, nil
	}
	text := os.Getenv(s.env)
	return text, text != "", nil
}

// isGiven reports whether there is a file or an environment variable for it.
func (s secret) isGiven(c *cli.Context) bool { return c.String(s.flag) != "" || os.Getenv(s.env) != "" }

func (s secret) read(c *cli.Context) (string, error) {
	text, ok, err := s.given(c)
	if ok || err != nil {
		return text, err
	}
	return s.prompt(c)
}

// prompt asks without echo.
func (s secret) prompt(c *cli.Context) (string, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return "", exit.With(exit.Usage, fmt.Errorf("the %s is wanted, and there is no terminal to ask at", cmp.Or(s.noun, s.what)),
			fmt.Sprintf("Give it with --%s FILE or in %s.", s.flag, s.env))
	}
	if s.rules != "" {
		fmt.Fprintln(c.App.ErrWriter, "    "+s.rules)
	}
	for {
		first, err := readHidden(c, s.what)
		if err != nil || !s.twice {
			return first, err
		}
		again, err := readHidden(c, s.what+" again")
		if err != nil || first == again {
			return first, err
		}
		fmt.Fprintln(c.App.ErrWriter, "    the two are not the same")
	}
}

func readHidden(c *cli.Context, what string) (string, error) {
	fmt.Fprintf(c.App.ErrWriter, "%s: ", what)
	type answer struct {
		text []byte
		err  error
	}
	in := int(os.Stdin.Fd())
	before, err := term.GetState(in)
	if err != nil {
		return "", err
	}
	done := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(in)
		done <- answer{text, err}
	}()
	select {
	case a := <-done:
		fmt.Fprintln(c.App.ErrWriter)
		return string(a.text), a.err
	case <-c.Context.Done():
		// The read can't be ended; the terminal must echo again all the same.
		_ = term.Restore(in, before)
		fmt.Fprintln(c.App.ErrWriter)
		return "", c.Context.Err()
	}
}

// secretFile reads the first line of a file. "-" is stdin, where the lines after
// it are left for who asks next; at a terminal it is asked for.
func secretFile(c *cli.Context, name, what string) (string, error) {
	if name == "-" && term.IsTerminal(int(os.Stdin.Fd())) {
		return readHidden(c, what)
	}
	in := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 &&
			runtime.GOOS != "windows" {
			fmt.Fprintf(c.App.ErrWriter, "signet: warning: other users can read %s (chmod 600 it)\n", name)
		}
		in = f
	}
	line, err := firstLine(in)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return line, nil
}

// firstLine reads no further than its end.
func firstLine(in io.Reader) (string, error) {
	var line []byte
	for next := make([]byte, 1); len(line) <= maxSecret; {
		n, err := in.Read(next)
		if n == 1 && next[0] != '\n' {
			line = append(line, next[0])
		}
		if n == 1 && next[0] == '\n' || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	text := strings.TrimSuffix(string(line), "\r")
	if text == "" || len(line) > maxSecret {
		return "", fmt.Errorf("its first line must have 1 to %d characters", maxSecret)
	}
	return text, nil
}

// codeSecret is the enrollment code; "" where none is given.
func codeSecret(c *cli.Context) (string, error) {
	if typed(c, "code") {
		fmt.Fprintln(c.App.ErrWriter, "signet: warning: a code on the command line can be seen by other users; use --code-file or SIGNET_CODE")
	}
	if code := c.String("code"); code != "" {
		return code, nil
	}
	if name := c.String("code-file"); name != "" {
		code, err := secretFile(c, name, "One-time code")
		if err != nil {
			return "", fmt.Errorf("reading the code: %w", err)
		}
		return strings.TrimSpace(code), nil
	}
	return "", nil
}
