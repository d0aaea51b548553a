package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca/catest"
	"signet/internal/command"
)

// signetd's part is of no matter here: nobody answers at the CA's URL.
func gateFiles(t *testing.T) (dir, chain string) {
	t.Helper()
	h := catest.New(t)
	dir = t.TempDir()
	chain = filepath.Join(dir, "chain.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Root.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Intermediate.Raw})...)
	if err := os.WriteFile(chain, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, chain
}

// runGateWith runs "signet gate" until the test ends and returns what it said.
func runGateWith(t *testing.T, args ...string) (said func() string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	app := newApp()
	app.Writer, app.ErrWriter = io.Discard, w
	var log bytes.Buffer
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(&log, r) }()
	done := make(chan int, 1)
	go func() { done <- command.Run(ctx, app, append([]string{"signet", "gate"}, args...)); _ = w.Close() }()
	end := func() string {
		stop()
		<-read
		return log.String()
	}
	t.Cleanup(func() {
		end()
		if code := <-done; code != 0 {
			t.Errorf("exit code %d\n%s", code, log.String())
		}
	})
	return end
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("never: " + what)
}

func TestGateAtASocket(t *testing.T) {
	dir, chain := gateFiles(t)
	socket := filepath.Join(dir, "gate.sock")
	// What a gate that was killed has left is no hindrance.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	said := runGateWith(t, "--url", "http://127.0.0.1:1", "--ca-file", chain, "--listen", "unix:"+socket, "--json")
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	eventually(t, "an answer", func() bool {
		resp, err := client.Get("http://gate/auth")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusUnauthorized && resp.Header.Get("Client-Verify") == "NONE"
	})
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, the socket's mode is %v", err, info.Mode())
	}
	resp, err := client.Get("http://gate/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var health struct{ Status string }
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil || resp.StatusCode != 503 || !strings.Contains(health.Status, "no CRL") {
		t.Errorf("%v, %s, %+v", err, resp.Status, health)
	}
	for line := range strings.Lines(said()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a log that is no JSON: %s", line)
		}
	}
}

func TestGateByItsFile(t *testing.T) {
	dir, _ := gateFiles(t)
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	address, metrics := free(), free()
	config := filepath.Join(dir, "gate.toml")
	text := `listen = "` + address + `"
metrics = "` + metrics + `"
mode = "optional"
user_header = "X-User"
state = "state"
poll = "10s"
[log]
level = "warn"
[ocsp]
use = "also"
max_age = "10s"
[page]
service = "the wiki"
[[ca]]
url = "http://127.0.0.1:1"
ca_file = "chain.pem"
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	runGateWith(t, "--config", config)
	eventually(t, "an answer", func() bool {
		resp, err := http.Get("http://" + address + "/auth")
		if err != nil {
			return false
		}
		resp.Body.Close()
		_, there := resp.Header["X-User"]
		return resp.StatusCode == http.StatusOK && there
	})
	resp, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), `signet_gate_answers_total{result="NONE"} `) || !strings.Contains(string(body), "signet_gate_healthy 0") {
		t.Errorf("%v\n%s", err, body)
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err != nil {
		t.Error(err)
	}
}

func TestTheSocketsMode(t *testing.T) {
	for said, mode := range map[string]os.FileMode{"": 0o660, "0660": 0o660, "660": 0o660, "0600": 0o600, "0666": 0o666} {
		c := &gateConfig{Listen: "unix:" + filepath.Join(t.TempDir(), "gate.sock"), SocketMode: said}
		server, err := listenGate(c, nil, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(strings.TrimPrefix(c.Listen, "unix:"))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q: %v, %v", said, err, info.Mode())
		}
		_ = server.listener.Close()
	}
	for _, said := range []string{"0777", "4660", "0440", "0060", "rw", "-1", "0888"} {
		if _, err := (&gateConfig{SocketMode: said}).socketMode(); err == nil {
			t.Errorf("%s: taken", said)
		}
	}
}

func TestGateWarnsBeyondThisHost(t *testing.T) {
	for address, warned := range map[string]bool{"0.0.0.0:0": true, "127.0.0.1:0": false, "[::1]:0": false} {
		var log bytes.Buffer
		server, err := listenGate(&gateConfig{Listen: address}, nil, nil, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		_ = server.listener.Close()
		if strings.Contains(log.String(), "beyond this host") != warned {
			t.Errorf("%s: %s", address, log.String())
		}
	}
}
