package revocation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation"
	"signet/revocation/crl"
)

// TestOpenDownloadGoesOn: with the list that it began with, when another is in
// force, and then the file is closed.
func TestOpenDownloadGoesOn(t *testing.T) {
	for _, dir := range []bool{true, false} {
		w := newWorld(t, func(c *revocation.Config) {
			if !dir {
				c.CRLDir = ""
			}
		})
		w.revoke(w.issue("alice"), ca.KeyCompromise)
		w.refresh()
		old := w.service.Publisher.Current(w.Issuer.ID())
		want := w.der(old)
		open, err := old.Open()
		must(t, err)
		begun := make([]byte, 100)
		_, err = io.ReadFull(open, begun)
		must(t, err)
		for range 3 {
			w.revoke(w.issue("bob"), ca.Superseded)
			w.refresh()
		}
		rest, err := io.ReadAll(open)
		if err != nil || !bytes.Equal(append(begun, rest...), want) {
			t.Errorf("in a folder %v: the download broke off after %d octets of %d: %v", dir, 100+len(rest), len(want), err)
		}
		must(t, open.Close())
		if _, err := old.Open(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("in a folder %v: the old list's file is open for ever: %v", dir, err)
		}
		if n := len(w.onCRL()); n != 4 {
			t.Errorf("%d entries", n)
		}
	}
}

// TestFilesOfLists: one of each scope stays, and no more files are open than lists are
// in force.
func TestFilesOfLists(t *testing.T) {
	w := newWorld(t, func(c *revocation.Config) { c.DeltaOf = ca.URLsAt("http://ca.example", "x").CRL })
	w.partition(2)
	must(t, os.WriteFile(filepath.Join(w.dir, "."+w.Issuer.ID()+".crl.1234"), []byte("half of a CR"), 0o600))
	w.restart()
	for range 30 {
		w.revoke(w.issue("alice"), ca.Superseded)
		w.refresh()
		w.get("/crl/bundle.pem")
	}
	id := w.Issuer.ID()
	want := map[string]int{"signet.db": 1, "root.crl": 1, id + ".crl": 1, id + ".1.crl": 1, id + ".2.crl": 1}
	entries, err := os.ReadDir(w.dir)
	must(t, err)
	for _, e := range entries {
		if want[e.Name()]--; want[e.Name()] < 0 && !strings.HasPrefix(e.Name(), "signet.db") {
			t.Errorf("%s is left", e.Name())
		}
	}
	for name, missing := range want {
		if missing > 0 {
			t.Errorf("%s is missing", name)
		}
	}
	if n := w.openCRLs(); n > 7 { // of three scopes, their deltas, and the root's
		t.Errorf("%d CRLs are open", n)
	}
}

// openCRLs is how many files of CRLs this process has open.
func (w *world) openCRLs() (n int) {
	w.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	must(w, err)
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && strings.Contains(name, ".crl") &&
			(strings.Contains(name, w.Issuer.ID()) || strings.HasPrefix(name, w.dir)) {
			n++
		}
	}
	return n
}

// TestSavedInTheBackground: what runs is on disk when it has ended, and what is on
// disk is always whole.
func TestSavedInTheBackground(t *testing.T) {
	w := newWorld(t, nil)
	t.Run("run", func(t *testing.T) {
		w := *w
		w.TB = t
		w.run()
		for range 20 {
			w.revoke(w.issue("alice"), ca.Superseded)
			must(t, w.service.Publisher.Await(t.Context()))
			der, err := os.ReadFile(filepath.Join(w.dir, w.Issuer.ID()+".crl"))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			must(t, err)
			l, err := crl.Parse(der)
			must(t, err)
			must(t, crl.CheckSignature(l, w.Intermediate))
		}
	})
	der, err := os.ReadFile(filepath.Join(w.dir, w.Issuer.ID()+".crl"))
	must(t, err)
	l, err := crl.Parse(der)
	must(t, err)
	if l.Entries != 20 {
		t.Errorf("%d entries on disk", l.Entries)
	}
}

// TestPartsOfLists: of the CRL and of the bundle, which is made while it is served.
func TestPartsOfLists(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *revocation.Config) { c.Now = func() time.Time { return now } })
	for range 50 {
		w.revoke(w.issue("alice"), ca.KeyCompromise)
	}
	id, root := w.Issuer.ID(), w.RootIssuer.ID()
	for _, path := range []string{"/crl/" + id + ".crl", "/crl/bundle.pem"} {
		w.refresh()
		now = now.Add(time.Minute)
		of := w.get("/crl/" + id + ".crl").Body.Bytes()
		if path == "/crl/bundle.pem" {
			of = crl.EncodePEM(of, w.get("/crl/"+root+".crl").Body.Bytes())
		}
		whole := w.get(path)
		tag := whole.Header().Get("ETag")
		if !bytes.Equal(whole.Body.Bytes(), of) || whole.Header().Get("Content-Length") != fmt.Sprint(len(of)) ||
			tag == "" || whole.Header().Get("Last-Modified") == "" {
			t.Errorf("%s: %v", path, whole.Header())
		}
		for _, part := range [][2]int{{0, 0}, {10, 99}, {len(of) - 10, len(of) - 1}, {60, 2000}, {1000, len(of) - 1}} {
			got := w.get(path, "Range", fmt.Sprintf("bytes=%d-%d", part[0], part[1]), "If-Range", tag)
			if got.Code != http.StatusPartialContent || !bytes.Equal(got.Body.Bytes(), of[part[0]:part[1]+1]) {
				t.Errorf("%s, %v: %d with %d octets", path, part, got.Code, got.Body.Len())
			}
		}
		if got := w.get(path, "If-None-Match", tag); got.Code != http.StatusNotModified || got.Body.Len() != 0 {
			t.Errorf("%s, not modified: %d", path, got.Code)
		}
		w.revoke(w.issue("bob"), ca.KeyCompromise)
		w.refresh()
		if got := w.get(path, "If-None-Match", tag); got.Code != http.StatusOK {
			t.Errorf("%s, modified: %d", path, got.Code)
		}
		if got := w.get(path, "Range", "bytes=5-9", "If-Range", tag); got.Code != http.StatusOK {
			t.Errorf("%s, a part of the one before: %d", path, got.Code)
		}
	}
}

// TestSlowDownload: a big CRL gets through although the server's time for an answer has
// long been over.
func TestSlowDownload(t *testing.T) {
	const timeout = 200 * time.Millisecond
	w := newWorld(t, nil)
	w.conf.Store = newBigStore(t, w.store, 200_000)
	w.restart()
	w.refresh()
	server := httptest.NewUnstartedServer(w.handler)
	server.Config.WriteTimeout = timeout
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(64 << 10) // or the system takes all of it at once
		}
		return conn, err
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL + "/crl/bundle.pem")
	must(t, err)
	defer resp.Body.Close()
	time.Sleep(2 * timeout) // while the server can't write
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != resp.ContentLength || n < 10<<20 {
		t.Errorf("%d octets of %d: %v", n, resp.ContentLength, err)
	}
}

// TestDownloadsWhileCRLsChange: each is whole.
func TestDownloadsWhileCRLsChange(t *testing.T) {
	w := newWorld(t, nil)
	w.revoke(w.issue("alice"), ca.KeyCompromise)
	w.refresh()
	ended := make(chan struct{})
	errs := make(chan error, 2)
	for _, path := range []string{"/crl/" + w.Issuer.ID() + ".crl", "/crl/bundle.pem"} {
		go func() {
			for {
				select {
				case <-ended:
					errs <- nil
					return
				default:
				}
				got := w.get(path)
				ders, err := crl.Split(got.Body.Bytes())
				if err == nil {
					var l *crl.List
					if l, err = crl.Parse(ders[0]); err == nil {
						err = crl.Check(l, w.Intermediate, time.Now(), 0)
					}
				}
				if err != nil {
					errs <- fmt.Errorf("%s: %d: %w", path, got.Code, err)
					return
				}
			}
		}()
	}
	for range 30 {
		w.revoke(w.issue("alice"), ca.Superseded)
		w.refresh()
	}
	close(ended)
	must(t, errors.Join(<-errs, <-errs))
}
