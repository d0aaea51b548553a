package interop

import (
	"net/http"
	"os/exec"
	"testing"
)

func TestStunnel(t *testing.T) { runCases(t, stunnel()) }

// stunnel hands on octets: the services behind it are told apart by their ports,
// and learn nothing of who came.
func stunnel() recipe {
	const refused = "403 “Your certificate is not accepted”"
	return recipe{
		name: "stunnel",
		title: func(t *testing.T) string {
			return "stunnel " + after(output(t, ".", "stunnel4", "-version"), "stunnel ")
		},
		ports: []int{24460, 24461},
		prepare: func(s *stand) {
			application(s.t, 24462)
			page := s.read("pages/refused.html")
			serve(s.t, 24463, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "no-store")
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write(page)
			})
			serve(s.t, 24464, askPassword)
			s.sh("./leaf-crl")
		},
		command: func(s *stand) *exec.Cmd {
			cmd := exec.Command(program(s.t, "stunnel4"), "signet.conf")
			cmd.Dir = s.prefix
			return cmd
		},
		begin:  "./leaf-crl\nstunnel4 signet.conf & echo $! >process.pid\n",
		reload: "./leaf-crl && kill -HUP $(cat process.pid)",
		door:   func(s *stand) door { return newSite(s, 24460, 24461) },
		says: map[string]string{
			caseNone: refused, caseRevoked: refused, caseExpired: refused,
			caseStranger: refused, caseSelfMade: refused, caseMissing: refused, caseFallen: refused, caseRunOut: refused,
		},
		// Without a good certificate one may still try a password.
		saysOptional: "401, asked for a password",
		nameless:     true,
		gaps:         true,
		lingers:      true,
	}
}

// askPassword is a service that has passwords of its own.
func askPassword(w http.ResponseWriter, r *http.Request) {
	if name, password, ok := r.BasicAuth(); !ok || name != guest || password != guestPassword {
		w.Header().Set("WWW-Authenticate", `Basic realm="Your password"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	echo(w, r)
}
