package agent_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca/catest"
	"signet/revocation/agent"
)

// nginx runs a real nginx that reads the source's file, and returns its configuration's name.
func (s *source) nginx() (conf string) {
	s.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		s.Fatalf("%v: apt-get install nginx", err)
	}
	dir := s.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cert, key := s.serverCertificate()
	conf = filepath.Join(dir, "nginx.conf")
	for name, data := range map[string][]byte{
		"server.crt": cert, "server.key": key,
		"ca.pem": append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Root.Raw}),
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Intermediate.Raw})...),
		"nginx.conf": fmt.Appendf(nil, `
pid %[1]s/pid;
daemon off;
worker_processes 1;
events { }
http {
	access_log off;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen %[2]s ssl;
		ssl_certificate %[1]s/server.crt;
		ssl_certificate_key %[1]s/server.key;
		ssl_client_certificate %[1]s/ca.pem;
		ssl_verify_client on;
		ssl_verify_depth 2;
		ssl_crl %[3]s;
	}
}
`, dir, address, s.conf.Path),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			s.Fatal(err)
		}
	}
	nginx := program + " -e " + dir + "/error.log -c " + conf
	s.conf.Check, s.conf.Reload = nginx+" -t", nginx+" -s reload && echo x >>"+dir+"/reloads"
	// It does not start without its CRL.
	once := s.conf
	once.Check, once.Reload = "", ""
	if _, err := agent.Fetch(context.Background(), once); err != nil {
		s.Fatal(err)
	}
	c := exec.Command("sh", "-c", "exec "+nginx)
	if err := c.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	})
	for range 500 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return conf
		}
		time.Sleep(10 * time.Millisecond)
	}
	log, _ := os.ReadFile(dir + "/error.log")
	s.Fatalf("nginx does not listen: %s", log)
	return ""
}

func (s *source) serverCertificate() (cert, key []byte) {
	s.Helper()
	k := catest.Key(s)
	c, err := s.Issuer.IssueServer(context.Background(), s.Serial(s), k.Public(), []string{"127.0.0.1"}, s.URLs, time.Hour, time.Now())
	if err != nil {
		s.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		s.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// nginx's configuration is broken by somebody else: the new CRL is in place for its next
// start, nginx goes on with what it has, and takes the CRL once it is repaired.
func TestNginxIsBrokenByOthers(t *testing.T) {
	s := newSource(t)
	conf := s.nginx()
	reloads := func() int {
		data, _ := os.ReadFile(filepath.Join(filepath.Dir(conf), "reloads"))
		return bytes.Count(data, []byte("x"))
	}
	s.bundle(s.list(s.Issuer, 11), s.list(s.RootIssuer, 4))
	if r := s.mustFetch(); !r.CommandRun || reloads() != 1 {
		t.Fatalf("%+v", r)
	}
	whole, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, append(whole, "oops;\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.bundle(s.list(s.Issuer, 12), s.list(s.RootIssuer, 5))
	r, err := s.fetch()
	if !errors.Is(err, agent.ErrBroken) || !strings.Contains(err.Error(), `unknown directive "oops"`) || r == nil || !r.Changed || reloads() != 1 {
		t.Errorf("%v, %+v, %d reloads", err, r, reloads())
	}
	if !bytes.Equal(s.inPlace(), s.bodies["/bundle.pem"]) {
		t.Error("the new CRL is not in place")
	}
	if err := os.WriteFile(conf, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.mustFetch(); r.Changed || !r.CommandRun || reloads() != 2 {
		t.Errorf("%+v, %d reloads", r, reloads())
	}
}
