//go:build linux

package browser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A display is an X server with a screen that nobody sees.
type display struct {
	name   string // ":17"
	server *process
}

// newDisplay starts Xvfb, which picks a free number by itself.
func newDisplay(ctx context.Context, dir string) (*display, error) {
	told, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer told.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{tell}
	server, err := start(cmd, filepath.Join(dir, "xvfb.log"))
	tell.Close()
	if err != nil {
		return nil, err
	}
	number, err := readLine(ctx, told)
	if err != nil {
		server.stop()
		return nil, fmt.Errorf("Xvfb does not start: %w\n%s", err, server.lastWords())
	}
	return &display{":" + number, server}, nil
}

// readLine reads what Xvfb says when it is ready: its display's number.
func readLine(ctx context.Context, from *os.File) (string, error) {
	stop := context.AfterFunc(ctx, func() { _ = from.SetReadDeadline(time.Now()) })
	defer stop()
	if err := from.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	var line []byte
	for buf := make([]byte, 16); !bytes.HasSuffix(line, []byte("\n")); {
		n, err := from.Read(buf)
		line = append(line, buf[:n]...)
		if err != nil {
			return "", err
		}
	}
	return string(bytes.TrimSpace(line)), nil
}

// run runs a program of the display's and returns what it printed.
func (d *display) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+d.name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// A window is one with a title, as it was when it was looked at.
type window struct{ id, title string }

// windows are those that can be seen and have a title.
func (d *display) windows(ctx context.Context) (found []window) {
	ids, err := d.run(ctx, "xdotool", "search", "--onlyvisible", "--name", ".")
	if err != nil { // none yet
		return nil
	}
	for id := range strings.FieldsSeq(string(ids)) {
		if title, err := d.run(ctx, "xdotool", "getwindowname", id); err == nil { // or it has just gone
			found = append(found, window{id, strings.TrimSpace(string(title))})
		}
	}
	return found
}

// find is the window whose title contains words.
func (d *display) find(ctx context.Context, words string) (window, bool) {
	for _, w := range d.windows(ctx) {
		if strings.Contains(w.title, words) {
			return w, true
		}
	}
	return window{}, false
}

// press types keys into a window: "Return", "F5".
func (d *display) press(ctx context.Context, w window, key string) error {
	return errors.Join(d.focus(ctx, w), d.do(ctx, "key", "--clearmodifiers", key))
}

// write types a text into a window, letter by letter.
func (d *display) write(ctx context.Context, w window, text string) error {
	return errors.Join(d.focus(ctx, w), d.do(ctx, "type", "--delay", "40", text))
}

// focus: there is no window manager to do it.
func (d *display) focus(ctx context.Context, w window) error {
	return d.do(ctx, "windowfocus", "--sync", w.id)
}

func (d *display) do(ctx context.Context, args ...string) error {
	_, err := d.run(ctx, "xdotool", args...)
	return err
}

// screenshot keeps what is on the screen, once it stands still: dialogs come and
// go slowly.
func (d *display) screenshot(ctx context.Context, path string) error {
	before, err := d.glance(ctx)
	for until := time.Now().Add(3 * time.Second); err == nil && time.Now().Before(until); {
		time.Sleep(150 * time.Millisecond)
		now, again := d.glance(ctx)
		if bytes.Equal(before, now) {
			break
		}
		before, err = now, again
	}
	if err != nil {
		return err
	}
	_, err = d.run(ctx, "import", "-window", "root", path)
	return err
}

// glance is the screen without its details, such as a cursor that blinks.
func (d *display) glance(ctx context.Context) ([]byte, error) {
	return d.run(ctx, "import", "-window", "root", "-resize", "32x24!", "-depth", "5", "gray:-")
}

// brightness is that of an empty part of the page, from 0 to 255. Both browsers
// dim the page behind a dialog that belongs to it.
func (d *display) brightness(ctx context.Context) (byte, error) {
	out, err := d.run(ctx, "import", "-window", "root", "-crop", "400x120+300+480", "-resize", "1x1!", "-depth", "8", "gray:-")
	if err != nil {
		return 0, err
	}
	if len(out) != 1 {
		return 0, fmt.Errorf("import gives %d octets for one pixel", len(out))
	}
	return out[0], nil
}
