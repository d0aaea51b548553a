package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"signet/internal/exit"
)

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
