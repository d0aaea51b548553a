package interop

import (
	"crypto/tls"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The two share their ports, and so come one after the other.
func TestApache(t *testing.T) {
	t.Parallel()
	t.Run("as it comes", func(t *testing.T) { tryCases(t, apache()) })
	t.Run("with mod_ssl_explain", func(t *testing.T) { tryCases(t, explainingApache()) })
	t.Run("with mod_ssl_explain and sessions", tryResumedStranger)
}

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
			caseFallen:   "TLS alert “revoked certificate”",
			caseMissing:  "TLS alert",
			caseRunOut:   "TLS alert",
		},
		handsOn: true,
	}
}

// buildModule is how the README builds the module, to try it.
const buildModule = "apxs -c mod_ssl_explain.c -lssl -lcrypto"

// explainingApache is the same with the module of the recipe.
func explainingApache() recipe {
	r := apache()
	plain := r
	r.title = func(t *testing.T) string { return plain.title(t) + ", `mod_ssl_explain`" }
	r.prepare = func(s *stand) {
		plain.prepare(s)
		s.sh(buildModule)
	}
	r.says = maps.Clone(plain.says)
	maps.Copy(r.says, map[string]string{
		caseRevoked:  "403 “Your certificate is revoked”",
		caseExpired:  "403 “Your certificate has expired”",
		caseStranger: "403 “Your certificate is from another CA”",
		caseSelfMade: "403 “Your certificate is from another CA”",
		caseFallen:   "403 “Your certificate is revoked”",
		caseMissing:  "403 “Certificates can’t be checked now”",
		caseRunOut:   "403 “Certificates can’t be checked now”",
	})
	return r
}

// tryResumedStranger: by TLS 1.2, mod_ssl takes what it refused, and only forgave, for
// good when its session is resumed. With the module there is none to resume, even
// where somebody has switched sessions on.
func tryResumedStranger(t *testing.T) {
	r := explainingApache()
	explaining := r.prepare
	r.prepare = func(s *stand) {
		explaining(s)
		s.put("signet.conf", []byte("LoadModule socache_shmcb_module ${modules}/mod_socache_shmcb.so\nSSLSessionCache shmcb:"+s.path("sessions")+"\nSSLSessionTickets on\n"))
	}
	s := start(t, r)
	for name, c := range map[string]struct {
		cert    *tls.Certificate
		resumed bool
		status  int
	}{
		"good":        {s.world.enroll(t), true, http.StatusOK},
		"self-signed": {selfMade(t, []string{"-addext", "basicConstraints=critical,CA:FALSE"}), false, http.StatusForbidden},
		"expired":     {s.world.expired, false, http.StatusForbidden},
	} {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			RootCAs: s.roots, MaxVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8),
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.cert, nil },
		}}}
		for visit := range 2 {
			resp, err := client.Get("https://" + address(24440) + "/")
			must(t, err)
			resp.Body.Close()
			if want := visit == 1 && c.resumed; resp.StatusCode != c.status || resp.TLS.DidResume != want {
				t.Errorf("%s, visit %d: %s, resumed is %v", name, visit+1, resp.Status, resp.TLS.DidResume)
			}
		}
	}
}

func TestApacheReadmeBuildsTheModule(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(docs, "apache", "README.md"))
	must(t, err)
	if !strings.Contains(string(readme), "\n"+buildModule+"\n") {
		t.Errorf("the README does not say: %s", buildModule)
	}
}
