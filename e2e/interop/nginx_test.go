package interop

import (
	"os/exec"
	"strings"
	"testing"
)

func TestNginx(t *testing.T) { runCases(t, nginx()) }

func nginx() recipe {
	return recipe{
		name: "nginx",
		title: func(t *testing.T) string {
			return "nginx " + after(output(t, ".", "nginx", "-v"), "nginx/")
		},
		ports: []int{24430, 24431},
		prepare: func(s *stand) {
			application(s.t, 24432)
			s.htpasswd("passwords")
		},
		command: func(s *stand) *exec.Cmd {
			cmd := exec.Command(program(s.t, "nginx"), "-p", s.prefix, "-c", "nginx.conf", "-g", "daemon off;")
			cmd.Dir = s.prefix
			return cmd
		},
		begin:  "nginx -p . -c nginx.conf\n",
		check:  "nginx -p . -c nginx.conf -t",
		reload: "kill -HUP $(cat nginx.pid)",
		door:   func(s *stand) door { return newSite(s, 24430, 24431) },
		says: map[string]string{
			caseNone:     "403 “A certificate is needed here”",
			caseRevoked:  "403 “Your certificate is revoked”",
			caseExpired:  "403 “Your certificate has expired”",
			caseStranger: "403 “Your certificate is not accepted”",
			caseSelfMade: "403 “Your certificate can’t be checked here”",
			caseFallen:   "403 “Your certificate is revoked”",
			caseMissing:  "403 “Your certificate can’t be checked here”",
			caseRunOut:   "403 “Certificates can’t be checked now”",
		},
		handsOn: true,
		polls:   true,
	}
}

// after is the word that follows a mark: a version.
func after(text, mark string) string {
	_, text, _ = strings.Cut(text, mark)
	if words := strings.Fields(text); len(words) > 0 {
		return words[0]
	}
	return "of unknown version"
}
