//go:build traefik

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTraefik(t *testing.T) { runGated(t, traefik) }

// traefik is built by "make traefik": Debian has none.
func traefik(t *testing.T, r *relay) checked {
	const gate = 24498
	path := os.Getenv("TRAEFIK")
	if path == "" {
		path = "../../bin/traefik"
	}
	path, err := filepath.Abs(path)
	must(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no Traefik: \"make traefik\" builds one (%v)", err)
	}
	return checked{relay: r, health: gateHealth(gate), passwordsGoOn: true, recipe: recipe{
		name: "traefik",
		title: func(t *testing.T) string {
			return "Traefik " + after(output(t, ".", path, "version"), "Version:") + ", `signet gate`"
		},
		ports: []int{24494, 24495, 24496},
		prepare: func(s *stand) {
			application(s.t, 24497)
			s.put("passwords", []byte(guest+":"+bcryptHash(s.t)+"\n"))
			s.gate(gate, r, "--header", "X-Forwarded-Tls-Client-Cert", "--format", "der")
		},
		command: func(s *stand) *exec.Cmd {
			cmd := exec.Command(path, "--configFile=traefik.yml")
			cmd.Dir = s.prefix
			return cmd
		},
		door:    func(s *stand) door { return newSite(s, 24494, 24495) },
		says:    byGate,
		handsOn: true,
	}}
}
