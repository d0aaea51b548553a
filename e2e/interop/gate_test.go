package interop

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// caseGateDown is tried where the gate is a process of its own.
const caseGateDown = "the gate is down"

// runGated tries everything at a proxy that asks the gate, and what it does when
// nobody answers.
func runGated(t *testing.T, build func(t *testing.T, r *relay) checked) {
	runChecked(t, func(t *testing.T, r *relay) checked {
		c := build(t, r)
		c.last = func(t *testing.T, s *stand, good visitor) {
			tryRevocationHeader(t, s, good)
			c.tryFallenAtSource(t, s, good)
			c.tryGateDown(t, s, good)
		}
		return c
	})
}

// tryRevocationHeader: the application learns whether the certificate was checked, by
// the gate and not by the client.
func tryRevocationHeader(t *testing.T, s *stand, good visitor) {
	forged := http.Header{"Client-Revocation": {"forged"}, "Client_Revocation": {"forged"}}
	good.header = forged
	for _, w := range []way{required, optional} {
		got := mustEnter(t, s, w, good, user).got
		if says := got.Values("Client-Revocation"); len(says) != 1 || says[0] != "checked" {
			t.Errorf("%s: Client-Revocation is %q", w, says)
		}
		mustNotBeForged(t, got)
	}
	got := mustEnter(t, s, optional, visitor{user: guest, password: guestPassword, header: forged}, guest).got
	if says := got.Values("Client-Revocation"); len(says) != 0 {
		t.Errorf("without a certificate, Client-Revocation is %q", says)
	}
	mustNotBeForged(t, got)
}

// tryGateDown ends the gate.
func (c checked) tryGateDown(t *testing.T, s *stand, good visitor) {
	s.stopGate()
	byPassword := visitor{user: guest, password: guestPassword}
	for _, v := range []visitor{good, {}, byPassword} {
		for _, w := range []way{required, optional} {
			if v.cert == nil && w == optional && c.passwordsGoOn {
				continue
			}
			if got := s.door.enter(t.Context(), w, v); got.in || !strings.HasPrefix(got.said, "50") {
				t.Errorf("%s: in is %v; %s", w, got.in, got.said)
			}
		}
	}
	said := "refuses everyone: " + s.door.enter(t.Context(), required, good).said
	if c.passwordsGoOn {
		mustEnter(t, s, optional, byPassword, guest)
		said += "; passwords go on"
	}
	seen.say(servers, s.title, caseGateDown, said)
}

// gate runs "signet gate" beside a server until the test ends, as its README says.
func (s *stand) gate(port int, r *relay, flags ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "signet"), append([]string{"gate", "--listen", address(port), "--url", r.URL,
		"--ca-file", "chain.pem", "--state", "crl"}, flags...)...)
	cmd.Dir = s.prefix
	log, err := os.Create(s.path("gate.log"))
	must(s.t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	must(s.t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.stopGate = func() { end(cmd, ended) }
	s.t.Cleanup(func() {
		if said, _ := os.ReadFile(s.path("gate.log")); s.t.Failed() {
			s.t.Logf("signet gate said:\n%s", said[max(0, len(said)-6000):])
		}
		s.stopGate()
	})
	s.awaitListening(port, ended)
}

// gateHealth is where a monitor asks the gate.
func gateHealth(port int) string { return fmt.Sprintf("http://%s/health", address(port)) }

// byGate is how the gate explains a refusal: as package relying, but always with
// 401 or 403, which is all that proxies understand.
var byGate = map[string]string{
	caseNone:     "401 “A certificate is needed here”",
	caseRevoked:  "403 “Your certificate is revoked”",
	caseExpired:  "403 “Your certificate has expired”",
	caseStranger: "403 “Your certificate is from another CA”",
	caseSelfMade: "403 “Your certificate is from another CA”",
	caseFallen:   "403 “The CA of your certificate is revoked”",
	caseMissing:  "403 “Certificates can’t be checked now”",
	caseRunOut:   "403 “Certificates can’t be checked now”",
}

func TestCaddy(t *testing.T) { runGated(t, caddy) }

func caddy(t *testing.T, r *relay) checked {
	const gate = 24487
	return checked{relay: r, health: gateHealth(gate), recipe: recipe{
		name: "caddy",
		title: func(t *testing.T) string {
			return "Caddy " + after(output(t, ".", "caddy", "version"), "") + ", `signet gate`"
		},
		ports: []int{24484, 24485},
		prepare: func(s *stand) {
			application(s.t, 24486)
			s.put("passwords", []byte(guest+" "+bcryptHash(s.t)+"\n"))
			s.gate(gate, r)
		},
		command: func(s *stand) *exec.Cmd {
			cmd := exec.Command(program(s.t, "caddy"), "run", "--config", "Caddyfile")
			cmd.Dir, cmd.Env = s.prefix, append(os.Environ(), "HOME="+s.prefix, "XDG_DATA_HOME="+s.prefix, "XDG_CONFIG_HOME="+s.prefix)
			return cmd
		},
		// Its sites go by name: Caddy compares the request's with the handshake's.
		door: func(s *stand) door {
			return &site{roots: s.roots, urls: map[way]string{required: "https://localhost:24484/", optional: "https://localhost:24485/"}}
		},
		says:    byGate,
		handsOn: true,
	}}
}

func TestNginxWithGate(t *testing.T) { runGated(t, nginxWithGate) }

func nginxWithGate(t *testing.T, r *relay) checked {
	const gate = 24493
	plain := nginx()
	return checked{relay: r, health: gateHealth(gate), recipe: recipe{
		name:  "nginx-gate",
		title: func(t *testing.T) string { return plain.title(t) + ", `signet gate`" },
		ports: []int{24490, 24491},
		prepare: func(s *stand) {
			application(s.t, 24492)
			s.put("passwords", []byte(s.hashed()))
			s.gate(gate, r)
		},
		command: plain.command,
		door:    func(s *stand) door { return newSite(s, 24490, 24491) },
		says:    byGate,
		handsOn: true,
	}}
}
