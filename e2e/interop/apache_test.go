package interop

import (
	"os/exec"
	"testing"
)

func TestApache(t *testing.T) { runCases(t, apache()) }

// apache ends the handshake where a certificate is not in order: there is no
// connection left on which to explain.
func apache() recipe {
	return recipe{
		name: "apache",
		title: func(t *testing.T) string {
			return "Apache " + after(output(t, ".", "apache2", "-v"), "Apache/")
		},
		ports: []int{24440, 24441},
		prepare: func(s *stand) {
			application(s.t, 24442)
			s.htpasswd("passwords")
		},
		command: func(s *stand) *exec.Cmd {
			return exec.Command(program(s.t, "apache2"), "-d", s.prefix, "-f", "httpd.conf", "-D", "FOREGROUND")
		},
		begin:  "apache2 -d $PWD -f httpd.conf\n",
		check:  "apache2 -d $PWD -f httpd.conf -t",
		reload: "kill -USR1 $(cat apache.pid)",
		door:   func(s *stand) door { return newSite(s, 24440, 24441) },
		says: map[string]string{
			caseNone:     "403 “A certificate is needed here”",
			caseRevoked:  "TLS alert “revoked certificate”",
			caseExpired:  "TLS alert “expired certificate”",
			caseStranger: "TLS alert “unknown certificate authority”",
			caseSelfMade: "TLS alert “unknown certificate authority”",
			caseMissing:  "TLS alert",
			caseRunOut:   "TLS alert",
		},
		handsOn: true,
	}
}
