package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/enroll"
	"signet/revocation"
)

func roundTrip(t *testing.T, h http.HandlerFunc) (*http.Response, error) {
	t.Helper()
	return (&http.Client{Transport: inProcess{h}}).Post("http://signetd/op/x", "application/json", strings.NewReader("{}"))
}

func TestInProcessIsAsOverAConnection(t *testing.T) {
	resp, err := roundTrip(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Before", "1")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-After", "1")
		fmt.Fprint(w, r.Method, r.URL.Path)
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-Before") != "1" || resp.Header.Get("X-After") != "" ||
		string(body) != "POST/op/x" || err != nil {
		t.Errorf("%d %v %q %v", resp.StatusCode, resp.Header, body, err)
	}
}

func TestInProcessASilentHandlerIs200(t *testing.T) {
	resp, err := roundTrip(t, func(http.ResponseWriter, *http.Request) {})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
}

// A list that breaks off must not look whole, and one that nobody reads to its
// end must not keep its handler.
func TestInProcessABrokenAnswerIsAnError(t *testing.T) {
	resp, err := roundTrip(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		panic(http.ErrAbortHandler)
	})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q %v", body, err)
	}
	ended := make(chan error)
	resp, err = roundTrip(t, func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for err == nil {
			_, err = w.Write([]byte("x"))
		}
		ended <- err
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func TestProblemsOfOperations(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{badInputf("x"), 400},
		{fmt.Errorf("account: %w", enroll.ErrNotFound), 404},
		{revocation.ErrNotFound, 404},
		{enroll.ErrExists, 409},
		{revocation.ErrAlreadyRevoked, 409},
		{revocation.ErrNotOnHold, 409},
		{&enroll.RefusedError{Rule: "profile.denied", Reason: "no"}, 403},
		{errors.New("the disk is full"), 500},
	} {
		if p := problemOf(c.err); p.Status != c.status || p.Detail == "" || p.Type == "" {
			t.Errorf("%v: %+v, want %d", c.err, p, c.status)
		}
	}
}

func TestAnOperationTakesOneBoundedObject(t *testing.T) {
	h := operation(func(_ context.Context, in named) (named, error) { return in, nil })
	for body, want := range map[string]int{
		`{"name":"a"}`: 200, ``: 200, `{"nmae":"a"}`: 400, `[`: 400,
		`{"name":"` + strings.Repeat("a", maxOperation) + `"}`: 400,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/op/x", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("%.40s: %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
}

func TestASocketsPathIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath))
	if _, err := listenOperator(t.Context(), path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "shorter path") {
		t.Error(err)
	}
}

func TestTheSocketKnowsItsPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, nil, 0o666); err != nil { // a killed server's
		t.Fatal(err)
	}
	l, err := listenOperator(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	go func() {
		if conn, err := net.Dial("unix", path); err == nil {
			defer conn.Close()
			_ = json.NewEncoder(conn).Encode("hello")
		}
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, want := actorOf(connLogin(t.Context(), conn)), "@operator:"+ownLogin(); got != want || ownLogin() == "" {
		t.Errorf("the peer is %q, want %q", got, want)
	}
}
