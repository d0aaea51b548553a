package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"signet/e2e/harness"
)

// Apache asks the OCSP responder with a nonce and refuses an answer without it,
// unless told otherwise; here it is not told. And it obeys the CRLs of every level.
func TestApacheWithItsDefaultNonceCheck(t *testing.T) {
	for _, by := range []string{"ocsp", "crl"} {
		t.Run(by, func(t *testing.T) {
			server := startCA(t)
			addUser(t, server, "alice")
			cert := enrolled(t, server, "alice")
			web := newApache(t, server, by)
			if status, err := web.visit(cert); err != nil || status != http.StatusOK {
				t.Fatalf("with a good certificate: %d, %v\n%s", status, err, web.log())
			}
			signetd(t, server, "cert", "revoke", "--reason", "keyCompromise", harness.SerialOf(cert.Leaf))
			web.refresh()
			status, err := web.visit(cert)
			if err == nil && status == http.StatusOK {
				t.Fatalf("the revoked certificate was let in\n%s", web.log())
			}
			if log := web.log(); !strings.Contains(log, "revoked") {
				t.Errorf("refused, but not as revoked: %v\n%s", err, log)
			}
		})
	}
}

// enrolled is a certificate of the account's with its key.
func enrolled(t *testing.T, server *harness.CA, account string) *tls.Certificate {
	t.Helper()
	cert, err := server.Enroll(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// An apache is a real Apache with a configuration of its own.
type apache struct {
	t    *testing.T
	ca   *harness.CA
	Dir  string
	Port int
	// Chain is the CA's certificates; CRL or OCSP is how it learns of revocations.
	Chain, CRL, OCSP string
	serverCert       []byte
	process          *exec.Cmd
}

func newApache(t *testing.T, server *harness.CA, by string) *apache {
	t.Helper()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	a := &apache{t: t, ca: server, Dir: t.TempDir(), Port: port}
	a.Chain = write(t, a.Dir, "chain.pem", string(fetch(t, server.HTTP+"/ca/bundle.pem")))
	if by == "crl" {
		a.CRL = filepath.Join(a.Dir, "crl.pem")
		a.fetchCRL()
	} else {
		a.OCSP = server.HTTP + "/ocsp"
	}
	a.selfSigned()
	a.start()
	return a
}

func (a *apache) fetchCRL() {
	a.t.Helper()
	out, err := output(a.t, filepath.Join(bin, "signet"), "crl", "fetch", "--url", a.ca.HTTP+"/crl/bundle.pem",
		"--ca-file", a.Chain, "--out", a.CRL)
	if err != nil {
		a.t.Fatalf("signet crl fetch: %v\n%s", err, out)
	}
}

// selfSigned makes the web server's own certificate; it is not what is tested.
func (a *apache) selfSigned() {
	a.t.Helper()
	crt, key := filepath.Join(a.Dir, "server.crt"), filepath.Join(a.Dir, "server.key")
	out, err := output(a.t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", crt)
	if err != nil {
		a.t.Fatalf("openssl req: %v\n%s", err, out)
	}
	if a.serverCert, err = os.ReadFile(crt); err != nil {
		a.t.Fatal(err)
	}
}

func (a *apache) start() {
	a.t.Helper()
	if err := os.Mkdir(filepath.Join(a.Dir, "www"), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.Dir, "www", "index.html"), []byte("welcome\n"), 0o644); err != nil {
		a.t.Fatal(err)
	}
	var conf bytes.Buffer
	if err := template.Must(template.ParseFiles("apache.conf")).Execute(&conf, a); err != nil {
		a.t.Fatal(err)
	}
	program, err := exec.LookPath("apache2")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/apache2"); err != nil {
			a.t.Fatalf("%v: scripts/need apache2 installs it", err)
		}
	}
	a.openToApache()
	a.process = exec.Command(program, "-X", "-f", write(a.t, a.Dir, "apache.conf", conf.String()))
	var said bytes.Buffer
	a.process.Stdout, a.process.Stderr = &said, &said
	if err := a.process.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		_ = a.process.Process.Signal(syscall.SIGTERM)
		_ = a.process.Wait()
	})
	a.await(&said)
}

// openToApache: started by root, its children are another user, who must reach
// the files that are served.
func (a *apache) openToApache() {
	for dir := a.Dir; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a *apache) await(said *bytes.Buffer) {
	a.t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", a.Port), &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
			return
		}
	}
	a.t.Fatalf("apache2 does not answer\n%s\n%s", said, a.log())
}

// refresh brings the CRL up to date, and Apache with it.
func (a *apache) refresh() {
	if a.CRL == "" {
		return
	}
	a.fetchCRL()
	_ = a.process.Process.Signal(syscall.SIGTERM)
	_ = a.process.Wait()
	a.startAgain()
}

// startAgain: Apache in the foreground with one process does not reload.
func (a *apache) startAgain() {
	a.t.Helper()
	again := exec.Command(a.process.Path, a.process.Args[1:]...)
	var said bytes.Buffer
	again.Stdout, again.Stderr = &said, &said
	if err := again.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.process = again
	a.await(&said)
}

// visit asks for the page with a client certificate.
func (a *apache) visit(cert *tls.Certificate) (status int, err error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.serverCert)
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }},
	}}
	resp, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/index.html", a.Port))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func (a *apache) log() string {
	text, err := os.ReadFile(filepath.Join(a.Dir, "apache.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// fetch gets a file over plain HTTP.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	if block, _ := pem.Decode(data); block == nil {
		t.Fatalf("%s gives no PEM", url)
	}
	return data
}
