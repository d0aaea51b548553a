package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"signet/e2e/harness"
	"signet/relying/certheader"
)

const caddyfile = `{
	admin off
	auto_https off
	storage file_system {{.Dir}}
}
https://localhost:{{.Port}} {
	bind 127.0.0.1
	tls {{.Dir}}/server.crt {{.Dir}}/server.key {
		client_auth {
			mode request
		}
	}
	forward_auth {{.Gate}} {
		uri /auth
		header_up X-Client-Cert {http.request.tls.client.certificate_der_base64}
		copy_headers Client-Verify Client-Revocation Remote-User Client-Serial Client-Cert Client-Cert-Chain
	}
	reverse_proxy {{.App}}
}
`

const nginxConf = `daemon off;
master_process off;
pid {{.Dir}}/nginx.pid;
error_log {{.Dir}}/error.log info;
events {}
http {
	access_log off;
	client_body_temp_path {{.Dir}}/body; proxy_temp_path {{.Dir}}/proxy; fastcgi_temp_path {{.Dir}}/f; uwsgi_temp_path {{.Dir}}/u; scgi_temp_path {{.Dir}}/s;
	underscores_in_headers on; # as bad as it gets
	server {
		listen 127.0.0.1:{{.Port}} ssl;
		ssl_certificate {{.Dir}}/server.crt;
		ssl_certificate_key {{.Dir}}/server.key;
		ssl_verify_client optional_no_ca;
		location / {
			auth_request /gate;
			auth_request_set $verify $upstream_http_client_verify;
			auth_request_set $revocation $upstream_http_client_revocation;
			auth_request_set $user   $upstream_http_remote_user;
			auth_request_set $serial $upstream_http_client_serial;
			auth_request_set $cert   $upstream_http_client_cert;
			auth_request_set $chain  $upstream_http_client_cert_chain;
			proxy_set_header Client-Verify $verify;
			proxy_set_header Client-Revocation $revocation;
			proxy_set_header Remote-User $user;
			proxy_set_header Client-Serial $serial;
			proxy_set_header Client-Cert $cert;
			proxy_set_header Client-Cert-Chain $chain;
			proxy_pass http://{{.App}};
			error_page 401 403 /refused;
		}
		location = /gate {
			internal;
			proxy_pass http://{{.Gate}}/auth;
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
			proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
		}
		location = /refused {
			internal;
			proxy_pass http://{{.Gate}}/auth;
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
			proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
		}
	}
}
`

// A front is a reverse proxy that asks a gate, and the application behind it.
type front struct {
	Dir, Gate, App string
	Port           int
	url            string
}

func freeAddress(t *testing.T) (string, int) {
	t.Helper()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port), port
}

// newFront starts the proxy. The application answers with what it was told.
func newFront(t *testing.T, program, gate string) *front {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(app.Close)
	f := &front{Dir: t.TempDir(), Gate: gate, App: strings.TrimPrefix(app.URL, "http://")}
	var address string
	address, f.Port = freeAddress(t)
	f.url = fmt.Sprintf("https://localhost:%d", f.Port) // Caddy wants a name in the handshake
	out, err := output(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=127.0.0.1", "-keyout", filepath.Join(f.Dir, "server.key"), "-out", filepath.Join(f.Dir, "server.crt"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, args := caddyfile, []string{"run", "--adapter", "caddyfile", "--config"}
	if program == "nginx" {
		text, args = nginxConf, []string{"-p", f.Dir, "-c"}
	}
	var conf bytes.Buffer
	if err := template.Must(template.New("").Parse(text)).Execute(&conf, f); err != nil {
		t.Fatal(err)
	}
	launch(t, address, program, append(args, write(t, f.Dir, "conf", conf.String()))...)
	return f
}

// launch runs a program until the test ends, and returns when something listens.
func launch(t *testing.T, address, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: scripts/need installs what the tests want", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", program, said)
		}
	})
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("%s does not answer", program)
}

// visit is the status and what the application was told; nil where it was not asked.
func (f *front) visit(t *testing.T, client *http.Client, sent map[string]string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, f.url+"/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	for name, value := range sent {
		req.Header[name] = []string{value}
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var told http.Header
	if resp.StatusCode == http.StatusOK && json.Unmarshal(body, &told) != nil {
		t.Fatalf("neither the application nor a refusal: %s", body)
	}
	return resp.StatusCode, told, string(body)
}

// Real proxies and a real gate: who has no good certificate is refused with a page, or
// told apart; what a client says of itself never reaches the application.
func TestGateBehindProxies(t *testing.T) {
	server := startCA(t)
	for _, name := range []string{"alice", "bob"} {
		addUser(t, server, name)
	}
	alice, bob := enrolled(t, server, "alice"), enrolled(t, server, "bob")
	signetd(t, server, "cert", "revoke", "--reason", "keyCompromise", harness.SerialOf(bob.Leaf))
	chain := write(t, t.TempDir(), "chain.pem", string(fetch(t, server.HTTP+"/ca/bundle.pem")))
	gates := map[string]string{}
	for _, mode := range []string{"required", "optional"} {
		gates[mode], _ = freeAddress(t)
		launch(t, gates[mode], filepath.Join(bin, "signet"), "gate", "--url", server.HTTP, "--ca-file", chain, "--mode", mode,
			"--listen", gates[mode], "--service", "the wiki")
		awaitHealth(t, gates[mode])
	}
	forgeries := []map[string]string{
		{"Remote-User": "admin"}, {"Client-Verify": "SUCCESS", "Remote-User": "admin"}, {"Client-Cert": certheader.Encode(alice.Leaf)},
		{"Remote_User": "admin"}, {"X-Client-Cert": certheader.Encode(alice.Leaf)}, {"X-Forwarded-Tls-Client-Cert": certheader.Encode(alice.Leaf)},
	}
	for _, program := range []string{"caddy", "nginx"} {
		for _, mode := range []string{"required", "optional"} {
			t.Run(program+" "+mode, func(t *testing.T) {
				f := newFront(t, program, gates[mode])
				good, none, revoked := goVisitor(t, alice), goVisitor(t, nil), goVisitor(t, bob)

				status, told, _ := f.visit(t, good, nil)
				if status != 200 || told.Get("Remote-User") != "alice" || told.Get("Client-Verify") != "SUCCESS" || told.Get("Client-Revocation") != "checked" || told.Get("Client-Serial") != harness.SerialOf(alice.Leaf) ||
					told.Get("Client-Cert") != certheader.Encode(alice.Leaf) || told.Get("Client-Cert-Chain") == "" {
					t.Errorf("a good certificate: %d %v", status, told)
				}
				for want, client := range map[string]*http.Client{"NONE": none, "FAILED:revoked": revoked} {
					status, told, page := f.visit(t, client, nil)
					refused := map[string]int{"NONE": 401, "FAILED:revoked": 403}[want]
					switch {
					case mode == "required" && (status != refused || !strings.Contains(page, want) || !strings.Contains(page, "the wiki")):
						t.Errorf("%s: %d\n%s", want, status, page)
					case mode == "optional" && (status != 200 || told.Get("Client-Verify") != want || told.Get("Remote-User") != "" || told.Get("Client-Cert") != ""):
						t.Errorf("%s: %d %v", want, status, told)
					}
				}
				for _, sent := range forgeries {
					for _, client := range []*http.Client{none, revoked} {
						if _, told, _ := f.visit(t, client, sent); told.Get("Remote-User") != "" || told.Get("Client-Cert") != "" ||
							strings.HasPrefix(told.Get("Client-Verify"), "SUCCESS") || told.Get("Remote_user") != "" {
							t.Errorf("%v passes: %v", sent, told)
						}
					}
					if _, told, _ := f.visit(t, good, sent); told != nil && (told.Get("Remote-User") != "alice" || told.Get("Client-Cert") != certheader.Encode(alice.Leaf) || told.Get("Remote_user") != "") {
						t.Errorf("%v with a good certificate: %v", sent, told)
					}
				}
			})
		}
	}
}

// A revocation reaches a connection through the proxy that is open.
func TestGateRevokes(t *testing.T) {
	server := startCA(t)
	addUser(t, server, "alice")
	alice := enrolled(t, server, "alice")
	chain := write(t, t.TempDir(), "chain.pem", string(fetch(t, server.HTTP+"/ca/bundle.pem")))
	gate, _ := freeAddress(t)
	launch(t, gate, filepath.Join(bin, "signet"), "gate", "--url", server.HTTP, "--ca-file", chain, "--listen", gate)
	awaitHealth(t, gate)
	f := newFront(t, "caddy", gate)
	client := goVisitor(t, alice)
	if status, _, _ := f.visit(t, client, nil); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	signetd(t, server, "cert", "revoke", "--reason", "keyCompromise", harness.SerialOf(alice.Leaf))
	began := time.Now()
	for {
		status, _, page := f.visit(t, client, nil)
		if status == http.StatusForbidden && strings.Contains(page, "in other hands") {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("still %d\n%s", status, page)
		}
	}
	t.Logf("refused %s after the revocation", time.Since(began).Round(time.Millisecond))
}

func awaitHealth(t *testing.T, gate string) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if resp, err := http.Get("http://" + gate + "/health"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatal("the gate never had CRLs")
}
