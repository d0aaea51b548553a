//go:build linux

package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Kind is a browser that there is: Chromium or Firefox.
type Kind struct {
	name, program string
	version       string // finds the version in what --version prints
	pinDialog     string // in its window's title
	// prepare makes a home as its owner would, and returns the arguments that
	// open the URL.
	prepare func(ctx context.Context, home, webCA, url string) ([]string, error)
}

// Name is the browser with its version: "Chromium 156".
func (k Kind) Name(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, k.program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", k.program, err)
	}
	found := regexp.MustCompile(k.version).FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("%s --version says %q", k.program, out)
	}
	return k.name + " " + string(found[1]), nil
}

// Config says what a browser starts with.
type Config struct {
	// Home is an empty folder for everything that the browser keeps; its logs and
	// screenshots are there too.
	Home string
	// Shots is the folder of the screenshots, where it is another one.
	Shots string
	// WebCA is the file, PEM, with the CA of the web server's own certificate.
	WebCA string
	// Env lets the browser find the card, and HOME.
	Env []string
	// URL is the page that it opens.
	URL string
}

// A Browser is one that runs, on a display of its own.
type Browser struct {
	kind    Kind
	config  Config
	display *display
	process *process
}

// Start opens the page in a new browser. Stop ends it.
func (k Kind) Start(ctx context.Context, c Config) (*Browser, error) {
	if c.Shots == "" {
		c.Shots = c.Home
	}
	args, err := k.prepare(ctx, c.Home, c.WebCA, c.URL)
	if err != nil {
		return nil, err
	}
	b := &Browser{kind: k, config: c}
	if b.display, err = newDisplay(ctx, c.Home); err != nil {
		return nil, err
	}
	cmd := exec.Command(k.program, args...)
	cmd.Dir = c.Home
	cmd.Env = append(append(without(os.Environ(), "DBUS_SESSION_BUS_ADDRESS", "WAYLAND_DISPLAY", "MOZ_HEADLESS"), c.Env...),
		"DISPLAY="+b.display.name, "TMPDIR="+c.Home,
		"LC_ALL=C.UTF-8", "LANGUAGE=en") // its dialogs are known by their English titles
	if b.process, err = start(cmd, filepath.Join(c.Home, k.program+".log")); err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// without is an environment that lacks some variables, which would lead a browser
// to the person's own desktop.
func without(env []string, names ...string) (kept []string) {
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains(names, name) {
			kept = append(kept, v)
		}
	}
	return kept
}

// Stop ends the browser and its display; more than once does no harm.
func (b *Browser) Stop() {
	b.process.stop()
	b.display.server.stop()
}

// TypePIN waits for the dialog that asks for the card's PIN, and answers it.
func (b *Browser) TypePIN(ctx context.Context, pin string) error {
	w, err := b.await(ctx, "the dialog that asks for the PIN", b.titled(b.kind.pinDialog))
	if err != nil {
		return err
	}
	if err := errors.Join(b.display.write(ctx, w, pin), b.Shot(ctx, "pin"), b.display.press(ctx, w, "Return")); err != nil {
		return err
	}
	_, err = b.await(ctx, "the end of the dialog that asks for the PIN", func(ctx context.Context) (window, bool) {
		again, ok := b.display.find(ctx, b.kind.pinDialog)
		return again, !ok || again.id != w.id
	})
	return err
}

// ChooseCertificate waits for the dialog that asks which certificate to show, and
// takes the one that it offers first.
func (b *Browser) ChooseCertificate(ctx context.Context) error {
	const dimmed = 180 // an empty page is 249 or more, behind a dialog 128 or less
	_, err := b.await(ctx, "the dialog that asks for the certificate", func(ctx context.Context) (window, bool) {
		brightness, err := b.display.brightness(ctx)
		return window{}, err == nil && brightness < dimmed
	})
	if err != nil {
		return err
	}
	if err := b.Shot(ctx, "certificate"); err != nil {
		return err
	}
	// For a moment after it has come up, the dialog takes no answer, lest somebody
	// who is typing gives one.
	_, err = b.await(ctx, "the end of the dialog that asks for the certificate", func(ctx context.Context) (window, bool) {
		if brightness, err := b.display.brightness(ctx); err == nil && brightness >= dimmed {
			return window{}, true
		}
		if w, ok := b.main(ctx); ok {
			_ = b.display.press(ctx, w, "Return")
		}
		return window{}, false
	})
	return err
}

// Reload asks for the page again.
func (b *Browser) Reload(ctx context.Context) error {
	w, err := b.await(ctx, "its window", b.main)
	if err != nil {
		return err
	}
	return b.display.press(ctx, w, "F5")
}

// AwaitPage waits for a page whose title contains words.
func (b *Browser) AwaitPage(ctx context.Context, words string) error {
	_, err := b.await(ctx, fmt.Sprintf("the page %q", words), b.titled(words))
	return err
}

// Page is the title of the page that is shown.
func (b *Browser) Page(ctx context.Context) string {
	w, _ := b.main(ctx)
	title, _, _ := strings.Cut(w.title, " — Mozilla")
	return strings.TrimSuffix(title, " - Chromium")
}

// main is the browser's window, not that of a dialog.
func (b *Browser) main(ctx context.Context) (window, bool) {
	for _, w := range b.display.windows(ctx) {
		if !strings.Contains(w.title, b.kind.pinDialog) &&
			(strings.HasSuffix(w.title, "Chromium") || strings.HasSuffix(w.title, "Mozilla Firefox")) {
			return w, true
		}
	}
	return window{}, false
}

func (b *Browser) titled(words string) func(context.Context) (window, bool) {
	return func(ctx context.Context) (window, bool) { return b.display.find(ctx, words) }
}

// await looks again and again until something is so.
func (b *Browser) await(ctx context.Context, what string, is func(context.Context) (window, bool)) (window, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if w, ok := is(waiting); ok {
			return w, nil
		}
		if err := errors.Join(b.process.ended(), b.display.server.ended()); err != nil {
			return window{}, fmt.Errorf("waiting for %s: %w", what, err)
		}
		select {
		case <-waiting.Done():
			return window{}, b.failed(ctx, fmt.Errorf("waited for %s; its windows are %q", what, b.display.windows(ctx)))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Shot keeps what is on the screen as a picture, by that name.
func (b *Browser) Shot(ctx context.Context, name string) error {
	return b.display.screenshot(ctx, b.shot(name))
}

func (b *Browser) shot(name string) string {
	return filepath.Join(b.config.Shots, fmt.Sprintf("%s-%s.png", b.kind.program, name))
}

// failed adds to an error what the screen showed.
func (b *Browser) failed(ctx context.Context, cause error) error {
	if err := b.Shot(context.WithoutCancel(ctx), "failed"); err != nil {
		return errors.Join(cause, err)
	}
	return fmt.Errorf("%w; the screen is in %s", cause, b.shot("failed"))
}
