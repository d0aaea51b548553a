package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/internal/audit"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/internal/tomlfile"
	"signet/revocation"
	"signet/store/bolt"
)

// A host is a relying server's, with the CA whose certificates it accepts.
type host struct {
	*testing.T
	*catest.Hierarchy
	dir     string
	store   *bolt.Store
	service *revocation.Service
	server  *httptest.Server
	log     syncBuffer // of the agent
}

// A syncBuffer is read while it is written.
type syncBuffer struct {
	mu   sync.Mutex // owns data
	data bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

func newHost(t *testing.T) *host {
	t.Helper()
	r := &host{T: t, Hierarchy: catest.NewAt(t, time.Now().Add(-time.Hour)), dir: t.TempDir()}
	var err error
	r.store, err = bolt.Open(r.path("signet.db"), nil)
	r.must(err)
	t.Cleanup(func() { r.must(r.store.Close()) })
	root, err := revocation.RootCRL(r.RootIssuer, 1, time.Now(), 24*time.Hour, nil)
	r.must(err)
	r.write("root.crl", string(root))
	r.service, err = revocation.New(revocation.Config{
		Store: r.store, Issuer: r.Issuer, CRLDir: r.dir, RootCRL: r.path("root.crl"), Logger: slog.New(slog.DiscardHandler),
	})
	r.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.service.Run(ctx) }()
	r.must(r.service.Publisher.Refresh(ctx))
	r.server = httptest.NewServer(r.service.Handler(nil))
	t.Cleanup(func() {
		cancel()
		r.must(<-ended)
		r.server.Close()
	})
	var chain bytes.Buffer
	for _, der := range [][]byte{r.Root.Raw, r.Intermediate.Raw} {
		r.must(pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	r.write("chain.pem", chain.String())
	return r
}

func (r *host) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *host) path(name string) string { return filepath.Join(r.dir, name) }

func (r *host) write(name, text string) {
	r.Helper()
	r.must(os.WriteFile(r.path(name), []byte(text), 0o600))
}

func (r *host) read(name string) string {
	data, _ := os.ReadFile(r.path(name))
	return string(data)
}

// signet runs a command to its end and returns its exit code and all that it said.
func (r *host) signet(args ...string) (int, string) {
	r.Helper()
	var out bytes.Buffer
	app := newApp()
	app.Writer, app.ErrWriter = &out, &out
	code := command.Run(r.Context(), app, append([]string{"signet"}, args...))
	return code, out.String()
}

// sync runs the agent until stop is called, which returns its exit code.
func (r *host) sync(args ...string) (stop func() int) {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	app := newApp()
	app.Writer, app.ErrWriter = io.Discard, &r.log
	code := make(chan int, 1)
	go func() { code <- command.Run(ctx, app, append([]string{"signet", "crl", "sync"}, args...)) }()
	return func() int {
		cancel()
		return <-code
	}
}

// eventually waits for what must come to be within some seconds.
func (r *host) eventually(what string, is func() bool) {
	r.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("%s: not within 20 seconds\n%s", what, r.log.String())
		}
	}
}

// revoke revokes a new certificate.
func (r *host) revoke() ca.Serial {
	r.Helper()
	c := r.Issue(r, "alice", catest.Key(r), time.Now())
	r.must(r.store.RecordCertificate(r.Context(), *c, audit.Event{Action: "certificate.issue"}))
	_, err := r.service.Revoker.Revoke(r.Context(), c.Serial, ca.KeyCompromise, audit.Operator)
	r.must(err)
	return c.Serial
}

// inForce tells whether the file in place is the one that the CA publishes.
func (r *host) inForce(name string) bool {
	resp, err := http.Get(r.server.URL + "/crl/bundle.pem")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	published, err := io.ReadAll(resp.Body)
	var numbers [2]string
	for i, text := range []string{r.read(name), string(published)} {
		blocks := regexp.MustCompile(`(?s)-----BEGIN.*?END X509 CRL-----`).FindAllString(text, -1)
		if len(blocks) != 2 {
			return false
		}
		numbers[i] = blocks[1] + blocks[0]
		if blocks[0] > blocks[1] { // the order is the chain's, or the CA's
			numbers[i] = blocks[0] + blocks[1]
		}
	}
	return err == nil && numbers[0] == numbers[1]
}

func TestSync(t *testing.T) {
	r := newHost(t)
	config := fmt.Sprintf(`
health = "health.json"
metrics = "127.0.0.1:0"
[[crl]]
url = %q
ca_file = "chain.pem"
out = "one.pem"
check = "grep -q X509 $SIGNET_CRL"
reload = "echo reloaded >>%s"
[[crl]]
name = "the other"
url = [%[1]q]
ca_file = "chain.pem"
out = "other.pem"
poll = "1h"
reload = "echo reloaded >>%[2]s"
`, r.server.URL, r.path("reloads"))
	r.write("crl.toml", config)
	socket := r.notifySocket()
	stop := r.sync("--config", r.path("crl.toml"))
	if state := <-socket; !strings.HasPrefix(state, "READY=1") {
		t.Errorf("%q", state)
	}
	for _, name := range []string{"one.pem", "other.pem"} {
		r.eventually(name, func() bool { return r.inForce(name) })
	}
	r.eventually("a reload", func() bool { return r.read("reloads") != "" })
	r.eventually("push", func() bool { return strings.Count(r.log.String(), "events are heard") == 2 })
	r.eventually("health", func() bool { return strings.Count(r.read("health.json"), `"events": true`) == 2 })

	before, reloads := time.Now(), strings.Count(r.read("reloads"), "\n")
	r.revoke()
	r.must(r.service.Publisher.Refresh(t.Context()))
	out := time.Now()
	for _, name := range []string{"one.pem", "other.pem"} {
		r.eventually(name, func() bool { return r.inForce(name) })
	}
	t.Logf("revoked to published %s, published to in place %s", out.Sub(before), time.Since(out))
	if d := time.Since(out); d > 3*time.Second {
		t.Errorf("in place after %s", d)
	}
	r.eventually("a reload", func() bool { return strings.Count(r.read("reloads"), "\n") > reloads })

	if code, said := r.signet("crl", "status", "--health", r.path("health.json")); code != exit.OK || !strings.Contains(said, "1 revoked") {
		r.eventually("its health", func() bool {
			code, said = r.signet("crl", "status", "--health", r.path("health.json"))
			return code == exit.OK
		})
	}
	if code, said := r.signet("crl", "sync", "--config", r.path("crl.toml")); code != exit.Failed || !strings.Contains(said, "another agent holds") {
		t.Errorf("a second agent: %d %s", code, said)
	}
	r.checkMetrics()

	// A configuration that is wrong is refused, a right one is taken.
	r.write("crl.toml", config+"pol = \"1h\"\n")
	r.must(syscall.Kill(os.Getpid(), syscall.SIGHUP))
	r.eventually("the refusal", func() bool { return strings.Contains(r.log.String(), `line 17: unknown setting \"crl.pol\"`) })
	r.write("crl.toml", strings.Replace(config, "other.pem", "/dev/null", 1))
	r.must(syscall.Kill(os.Getpid(), syscall.SIGHUP))
	r.eventually("the next refusal", func() bool { return strings.Contains(r.log.String(), "/dev/null is a device") })
	r.write("crl.toml", strings.Replace(config, "other.pem", "third.pem", 1))
	r.must(syscall.Kill(os.Getpid(), syscall.SIGHUP))
	r.eventually("the third file", func() bool { return r.inForce("third.pem") })
	if state := <-socket; !strings.HasPrefix(state, "RELOADING=1") {
		t.Errorf("%q", state)
	}
	if state := <-socket; !strings.HasPrefix(state, "READY=1") {
		t.Errorf("%q", state)
	}
	if code := stop(); code != exit.OK {
		t.Errorf("it ended with %d", code)
	}
	if state := <-socket; state != "STOPPING=1" {
		t.Errorf("%q", state)
	}
}

// notifySocket stands for systemd.
func (r *host) notifySocket() <-chan string {
	r.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: r.path("notify"), Net: "unixgram"})
	r.must(err)
	r.Setenv("NOTIFY_SOCKET", r.path("notify"))
	states := make(chan string, 100)
	go func() {
		buf := make([]byte, 1000)
		for {
			n, err := l.Read(buf)
			if err != nil {
				return
			}
			states <- string(buf[:n])
		}
	}()
	r.Cleanup(func() { l.Close() })
	return states
}

func (r *host) checkMetrics() {
	r.Helper()
	url := regexp.MustCompile(`url=(http://\S+/metrics)`).FindStringSubmatch(r.log.String())
	if url == nil {
		r.Fatalf("no metrics:\n%s", r.log.String())
	}
	resp, err := http.Get(url[1])
	r.must(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	r.must(err)
	for _, want := range []string{
		`signet_crl_push_connected{crl="the other"} 1`, `signet_crl_standing{crl="one"} 0`, `signet_crl_entries{crl="one",issuer="CN=Test Issuing CA,O=Test"} 1`,
		`signet_crl_number{crl="one",issuer="CN=Test Root CA,O=Test"} 1`, "signet_crl_next_update_seconds{", "signet_crl_last_success_seconds{",
		`signet_crl_reloads_total{crl="one"} `,
	} {
		if !strings.Contains(string(data), want) {
			r.Errorf("no %s in\n%s", want, data)
		}
	}
}

// By flags alone, polling alone.
func TestSyncByFlags(t *testing.T) {
	r := newHost(t)
	stop := r.sync("--url", r.server.URL+"/", "--ca-file", r.path("chain.pem"), "--out", r.path("crl.pem"), "--no-push", "--poll", "1s",
		"--log-level", "debug", "--log-format", "json")
	r.eventually("the first", func() bool { return r.inForce("crl.pem") })
	r.revoke()
	r.must(r.service.Publisher.Refresh(t.Context()))
	r.eventually("the second", func() bool { return r.inForce("crl.pem") })
	if code := stop(); code != exit.OK || strings.Contains(r.log.String(), "events") || !strings.HasPrefix(r.log.String(), "{") {
		t.Errorf("%d\n%s", code, r.log.String())
	}
}

// What is no file is refused before anything is written beside it, or opened.
func TestNotAFile(t *testing.T) {
	r := newHost(t)
	r.must(os.Mkdir(r.path("p"), 0o700))
	places := map[string]string{"/dev/null": "is a device", r.path("p/folder"): "is a folder", r.path("p/dangling"): "which is not there", r.path("p/fifo"): "is a FIFO"}
	r.must(os.Mkdir(r.path("p/folder"), 0o700))
	r.must(os.Symlink("nowhere", r.path("p/dangling")))
	r.must(syscall.Mkfifo(r.path("p/fifo"), 0o600))
	r.write("key.pem", "no certificate")
	before := r.names(r.path("p"))
	for place, want := range places {
		for _, args := range [][]string{
			{"fetch", "--out", place},
			{"sync", "--out", place},
			{"sync", "--out", r.path("p/crl.pem"), "--health", place},
			{"status", "--out", place},
		} {
			args = append([]string{"crl"}, append(args, "--ca-file", r.path("chain.pem"))...)
			if args[1] != "status" {
				args = append(args, "--url", r.server.URL)
			}
			if code, said := r.signet(args...); code == exit.OK || !strings.Contains(said, want) && args[1] != "status" {
				t.Errorf("%v: %d %s", args, code, said)
			}
		}
		if code, said := r.signet("crl", "status", "--health", place); code == exit.OK {
			t.Errorf("%s: %s", place, said)
		}
	}
	if after := r.names(r.path("p")); after != before {
		t.Errorf("left behind:\n%s", after)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode()&os.ModeDevice == 0 {
		t.Fatalf("/dev/null is %v, %v", info, err)
	}
	for _, args := range [][]string{
		{"fetch", "--url", "http://x", "--ca-file", "x", "--out", ""}, {"fetch", "--url", "http://x", "--ca-file", "", "--out", "x"},
		{"sync", "--url", "http://x", "--ca-file", "x", "--out", ""}, {"status", "--health", ""}, {"status", "--ca-file", "x", "--out", ""},
	} {
		if code, said := r.signet(append([]string{"crl"}, args...)...); code != exit.Usage || !strings.Contains(said, "--help") && args[0] != "sync" {
			t.Errorf("%v: %d %s", args, code, said)
		}
	}
	if _, said := r.signet("crl", "fetch", "--url", "http://x", "--ca-file", r.path("key.pem"), "--out", "x"); !strings.Contains(said, "chain file") {
		t.Error(said)
	}
	if _, said := r.signet("crl", "sync", "--help"); !strings.Contains(said, "(default: 1m0s)") {
		t.Error(said)
	}
}

// names are those of the files in the folder and below.
func (r *host) names(dir string) string {
	r.Helper()
	var all []string
	r.must(filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return strings.Join(all, "\n")
}

// One file by two names has one agent; what a killed one has left of the health file goes.
func TestSyncThroughASymlink(t *testing.T) {
	r := newHost(t)
	r.must(os.Mkdir(r.path("real"), 0o700))
	r.must(os.Symlink("real", r.path("way")))
	r.must(os.WriteFile(r.path("real/crl.pem"), nil, 0o600))
	r.must(os.Symlink("real/crl.pem", r.path("link.pem")))
	r.write(".h.123", "half")
	flags := []string{"--url", r.server.URL, "--ca-file", r.path("chain.pem")}
	stop := r.sync(append(flags, "--out", r.path("link.pem"), "--health", r.path("h"))...)
	r.eventually("the file", func() bool { return r.inForce("real/crl.pem") })
	if info, err := os.Lstat(r.path("link.pem")); err != nil || info.Mode()&os.ModeSymlink == 0 || r.read("link.pem.lock") != "" || r.read("real/crl.pem.lock") == "" {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := os.Stat(r.path(".h.123")); err == nil {
		t.Error("what a killed agent has left of the health file is there")
	}
	for _, name := range []string{"real/crl.pem", "way/crl.pem", "link.pem"} {
		if code, said := r.signet(append([]string{"crl", "fetch", "--out", r.path(name)}, flags...)...); code != exit.Failed || !strings.Contains(said, "another agent holds") {
			t.Errorf("%s: %d %s", name, code, said)
		}
	}
	if code := stop(); code != exit.OK {
		t.Errorf("it ended with %d", code)
	}
}

func TestSyncConfig(t *testing.T) {
	r := newHost(t)
	good := "[[crl]]\nurl = \"http://ca.example\"\nca_file = \"chain.pem\"\nout = \"crl.pem\"\n"
	for name, c := range map[string][2]string{
		"nothing":         {"", "no [[crl]]"},
		"unknown":         {"metric = 1\n" + good, "line 1: unknown setting"},
		"unknown in crl":  {good + "\n\nretry = 3\n", "line 7: unknown setting"},
		"no TOML":         {good + "out", "line 5"},
		"no URL":          {"[[crl]]\nca_file = \"x\"\nout = \"y\"\n", "number 1: url is missing"},
		"no http":         {strings.Replace(good, "http:", "ftp:", 1), "no http or https"},
		"a number":        {strings.Replace(good, "\"http://ca.example\"", "7", 1), "string"},
		"no CA":           {strings.Replace(good, "ca_file", "#", 1), "ca_file is missing"},
		"stdout":          {strings.Replace(good, "crl.pem", "", 1) + "", ""},
		"poll too often":  {good + "poll = \"10ms\"\n", "poll is"},
		"one file twice":  {good + good + "name = \"x\"\n", "number 2"},
		"a log level":     {good + "[log]\nlevel = \"loud\"\n", "log.level"},
		"a metrics place": {"metrics = \"here\"\n" + good, "metrics"},
	} {
		r.write("crl.toml", c[0])
		if code, said := r.signet("crl", "sync", "--config", r.path("crl.toml")); code != exit.Usage && code != exit.Failed || !strings.Contains(said, c[1]) {
			t.Errorf("%s: %d %s", name, code, said)
		}
	}
	if code, said := r.signet("crl", "sync", "--config", "x", "--url", "y"); code != exit.Usage {
		t.Errorf("%d %s", code, said)
	}
	if code, said := r.signet("crl", "sync"); code != exit.Usage || !strings.Contains(said, "url is missing") {
		t.Errorf("%d %s", code, said)
	}
	if code, said := r.signet("crl", "sync", "--url", "http://x", "--ca-file", r.path("none"), "--out", r.path("out")); code != exit.NotFound {
		t.Errorf("%d %s", code, said)
	}
}

// The guide's example has every setting, and nothing else.
func TestSyncGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/server-operator.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(text)
	if example == nil {
		t.Fatal("the guide has no example")
	}
	var c syncConfig
	if err := tomlfile.Decode(example[1], &c); err != nil {
		t.Fatal(err)
	}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	for _, v := range []reflect.Value{reflect.ValueOf(c), reflect.ValueOf(c.CRLs[0])} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("the guide does not have %s", v.Type().Field(i).Tag.Get("toml"))
			}
		}
	}
}

func TestStatus(t *testing.T) {
	r := newHost(t)
	status := func(want int, text string) {
		t.Helper()
		if code, said := r.signet("crl", "status", "--out", r.path("crl.pem"), "--ca-file", r.path("chain.pem")); code != want || !strings.Contains(said, text) {
			t.Errorf("%d, not %d, %q: %s", code, want, text, said)
		}
	}
	status(exit.Missing, "none")
	if code, said := r.signet("crl", "fetch", "--url", r.server.URL, "--ca-file", r.path("chain.pem"), "--out", r.path("crl.pem")); code != exit.OK {
		t.Fatal(said)
	}
	status(exit.OK, "number 1,")
	whole := r.read("crl.pem")
	r.write("crl.pem", whole[:strings.Index(whole, "-----END")])
	status(exit.Missing, "ends after")
	r.write("crl.pem", whole[strings.LastIndex(whole, "-----BEGIN"):])
	status(exit.Missing, "Root CA,O=Test: none")
	for _, c := range []struct {
		left time.Duration
		want int
	}{{-time.Minute, exit.Expired}, {time.Minute, exit.Warning}, {10 * time.Minute, exit.Warning}} {
		root, err := revocation.RootCRL(r.RootIssuer, 2, time.Now().Add(c.left-time.Hour), time.Hour, nil)
		r.must(err)
		r.write("crl.pem", whole[strings.LastIndex(whole, "-----BEGIN"):]+string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: root})))
		status(c.want, "Root CA,O=Test: number 2,")
	}
	// A health report of an agent that is gone.
	report := healthReport{Written: time.Now().Add(-time.Hour)}
	data, err := json.Marshal(report)
	r.must(err)
	r.write("health.json", string(data))
	if code, said := r.signet("crl", "status", "--health", r.path("health.json")); code != exit.Warning || !strings.Contains(said, "has not reported since") {
		t.Errorf("%d %s", code, said)
	}
	for name, want := range map[string]int{"none.json": exit.Missing, "chain.pem": exit.Failed} {
		if code, said := r.signet("crl", "status", "--health", r.path(name)); code != want {
			t.Errorf("%d %s", code, said)
		}
	}
	if code, _ := r.signet("crl", "status"); code != exit.Usage {
		t.Errorf("%d", code)
	}
}
