package main

import (
	"bytes"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"signet/ca"
	"signet/internal/exit"
)

func TestReadSerials(t *testing.T) {
	const one, two = "0123456789abcdef0123456789abcdef01234567", "7f23456789abcdef0123456789abcdef01234567"
	colons := "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67"
	for name, test := range map[string]struct {
		text string
		want string // the serials, or what the error says
	}{
		"none":            {"", ""},
		"comments":        {"# a\n\n  # b\r\n" + one + "# c", one},
		"twice":           {one + "\n" + two + "\r\n" + colons + "\n", one + " " + two},
		"half a serial":   {one + "\n" + two[:39], one + " foreign " + two[:39]},
		"more than one":   {one + " " + two, "line 1"},
		"another's":       {"FF:" + one[2:] + "\n00" + one[2:] + "\n" + one + "\n00" + one + "\nff" + one[2:], one + " foreign ff" + one[2:] + " 00" + one[2:] + " 00" + one},
		"colons alone":    {one + "\n::", "line 2: \"::\" is no serial number"},
		"a name":          {one + "\n\nnx" + two[2:], "line 3"},
		"with 0x":         {"0x" + one + "\n0X" + strings.ToUpper(two) + "\n" + one, one + " " + two},
		"0x alone":        {one + "\n0x", "line 2"},
		"0x twice":        {"0x0x" + one, "line 1"},
		"a BOM":           {"\ufeff" + one + "\r\n" + two, one + " " + two},
		"a BOM, comment":  {"\ufeff# a\r\n" + two, two},
		"a BOM later":     {one + "\n\ufeff" + two, "line 2"},
		"a line of 1 MiB": {one + "\n" + strings.Repeat("0", 1<<20), "line 2 is no serial number: it is too long"},
		"an HTML page":    {"<!doctype html>\n<p>no", "line 1"},
		"no line end":     {two, two},
		"reasons":         {one + " keyCompromise # of alice\n" + two + "\tcertificateHold\n" + one + " superseded", one + " " + two + " reasons keyCompromise certificateHold"},
		"one reason":      {colons + "  superseded\r\n" + two, one + " " + two + " reasons superseded"},
		"no reason":       {one + " lost", "line 1: \"lost\" is no revocation reason"},
		"more than that":  {one + " superseded lost", "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := readSerials(strings.NewReader(test.text))
			if err != nil {
				if !strings.Contains(err.Error(), test.want) || test.want == "" {
					t.Errorf("it says %v, want %q", err, test.want)
				}
				return
			}
			var got []string
			for _, s := range list.serials {
				got = append(got, s.String())
			}
			if len(list.foreign) > 0 {
				got = append(append(got, "foreign"), list.foreign...)
			}
			if len(list.reasons) > 0 {
				got = append(got, "reasons")
			}
			for _, s := range list.serials {
				if why, ok := list.reasons[s]; ok {
					got = append(got, why.String())
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %v, want %q", got, test.want)
			}
		})
	}
}

func FuzzReadSerials(f *testing.F) {
	f.Add([]byte("# a\n0123456789abcdef0123456789abcdef01234567\n"))
	f.Add([]byte("008E28391ac7e1e19530b442f36693ee86302a4d\n0f"))
	f.Add([]byte("01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67 # b\r\n"))
	f.Add([]byte("0123456789abcdef0123456789abcdef01234567 keyCompromise # a\n"))
	f.Add([]byte("\ufeff0x0123456789abcdef0123456789abcdef01234567\n0X0f"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := readSerials(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, s := range list.serials {
			again.WriteString(s.String())
			if why, ok := list.reasons[s]; ok {
				again.WriteString(" " + why.String())
			}
			again.WriteString("\n")
		}
		for _, s := range list.foreign {
			again.WriteString(s + "\n")
		}
		second, err := readSerials(strings.NewReader(again.String()))
		if err != nil || !slices.Equal(second.serials, list.serials) || !maps.Equal(second.reasons, list.reasons) || !slices.Equal(second.foreign, list.foreign) {
			t.Errorf("%v, written and read again %v: %v", list, second, err)
		}
	})
}

// At a terminal the action is typed; anything else changes nothing.
func TestManyAreConfirmedAtTheTerminal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	setUp := exec.Command("signetd", "init", "--dir", dir, "--host", "ca.example", "--password-file", "-")
	setUp.Stdin = strings.NewReader("correct horse\n")
	if out, err := setUp.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	list := filepath.Join(t.TempDir(), "serials")
	if err := os.WriteFile(list, []byte(ca.Serial{1}.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for answer, want := range map[string]int{"y\n": exit.Failed, "\n": exit.Failed, "hold\n": exit.NotFound} {
		person, program := openTerminal(t)
		cmd := exec.Command("signetd", "cert", "hold", "--dir", dir, "--from", list)
		var talk bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = program, io.Discard, &talk
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if _, err := person.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != want || !strings.Contains(talk.String(), `1 certificate will be put on hold.`) {
			t.Errorf("%q gives exit code %d, want %d: %s", answer, code, want, talk.String())
		}
	}
}
