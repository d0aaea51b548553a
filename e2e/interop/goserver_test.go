package interop

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestGoServer(t *testing.T) {
	runChecked(t, func(t *testing.T, r *relay) checked {
		c := goServer(t, r)
		c.last = c.tryFallenAtSource
		return c
	})
}

func goServer(t *testing.T, r *relay) checked {
	return checked{relay: r, health: "http://127.0.0.1:24482/", recipe: recipe{
		name:  "go",
		title: func(*testing.T) string { return "Go " + strings.TrimPrefix(runtime.Version(), "go") + ", `relying`" },
		ports: []int{24480, 24481, 24482},
		prepare: func(s *stand) {
			s.put("passwords", []byte(guest+":"+bcryptHash(s.t)+"\n"))
			output(s.t, ".", "go", "build", "-o", s.path("server"), "../../docs/servers/go")
		},
		command: func(s *stand) *exec.Cmd {
			cmd := exec.Command(s.path("server"), "-ca", r.URL)
			cmd.Dir = s.prefix
			return cmd
		},
		door: func(s *stand) door { return newSite(s, 24480, 24481) },
		says: byRelying,
	}}
}

// byRelying is how package relying explains a refusal.
var byRelying = map[string]string{
	caseNone:     "401 “A certificate is needed here”",
	caseRevoked:  "403 “Your certificate is revoked”",
	caseExpired:  "403 “Your certificate has expired”",
	caseStranger: "403 “Your certificate is from another CA”",
	caseSelfMade: "403 “Your certificate is from another CA”",
	caseFallen:   "403 “The CA of your certificate is revoked”",
	caseMissing:  "503 “Certificates can’t be checked now”",
	caseRunOut:   "503 “Certificates can’t be checked now”",
}

// bcryptHash is the guest's password as "htpasswd -B" and Caddy have it.
func bcryptHash(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(guestPassword), bcrypt.MinCost)
	must(t, err)
	return string(hash)
}
