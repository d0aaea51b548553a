package interop

import (
	"os/exec"
	"strings"
	"testing"
)

func TestHAProxy(t *testing.T) { runCases(t, haproxy()) }

func haproxy() recipe {
	return recipe{
		name: "haproxy",
		title: func(t *testing.T) string {
			version, _, _ := strings.Cut(after(output(t, ".", "haproxy", "-v"), "HAProxy version "), "-")
			return "HAProxy " + version
		},
		ports: []int{24450, 24451},
		prepare: func(s *stand) {
			application(s.t, 24452)
			s.put("server.pem", append(s.read("server.crt"), s.read("server.key")...))
			_, hash, _ := strings.Cut(s.hashed(), ":")
			s.put("passwords.cfg", []byte("userlist people\n\tuser "+guest+" password "+hash))
		},
		command: func(s *stand) *exec.Cmd {
			return exec.Command(program(s.t, "haproxy"), "-W", "-p", s.path("haproxy.pid"), "-f", s.path("haproxy.cfg"), "-f", s.path("passwords.cfg"))
		},
		begin:  "haproxy -W -D -p haproxy.pid -f haproxy.cfg -f passwords.cfg\n",
		check:  "haproxy -c -q -f haproxy.cfg -f passwords.cfg",
		reload: "kill -USR2 $(cat haproxy.pid)",
		door:   func(s *stand) door { return newSite(s, 24450, 24451) },
		says: map[string]string{
			caseNone:     "403 “A certificate is needed here”",
			caseRevoked:  "403 “Your certificate is revoked”",
			caseExpired:  "403 “Your certificate has expired”",
			caseStranger: "403 “Your certificate is from another CA”",
			caseSelfMade: "403 “Your certificate is from another CA”",
			caseFallen:   "403 “Your certificate is not accepted”",
			caseMissing:  "403 “Certificates can’t be checked now”",
			caseRunOut:   "403 “Certificates can’t be checked now”",
		},
		handsOn: true,
	}
}
