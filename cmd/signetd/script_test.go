package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"signet/enroll"
	"signet/piv"
)

// TestMain lets the scripts run this program as "signetd".
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"signetd": func() { os.Exit(run()) }})
}

// TestScripts runs testdata/script. Beside testscript's own commands there are:
//
//	make-ca [FLAG…]           a CA in ./ca on ports of the system's choice
//	start                     start its server, its log in ./log
//	stop                      end it by SIGTERM and wait
//	send SIGNAL               HUP, TERM or KILL
//	await FILE REGEXP         wait until a file has a line that matches
//	fetch http|https PATH N   GET; the status must be N; the body is stdout
//	guess USER N STATUS       N wrong passwords; the last must be answered with that status
//	enroll [CARD]             enroll a software key with the code just printed: $SERIAL, $PREFIX, $ISSUER;
//	                          with a serial number, a card states that the key is in its slot 9a.
//	                          ! enroll: the server refuses, and stdout says why
//	card-root FILE            write the root of those cards
//	puk keep|ask|take CARD    what a client does about a PUK: see pukCall
//	set VARIABLE              give it the last command's output
//	trust-cards               want keys in those cards from then on, and have the profile "temporary"
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SIGNET_DIR", e.WorkDir+"/ca")
			e.Values[processKey{}] = &process{}
			for name, content := range map[string]string{"pass": "correct horse\n", "password": "battery staple 9\n"} {
				if err := os.WriteFile(e.WorkDir+"/"+name, []byte(content), 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"make-ca": makeCA, "start": start, "stop": stop, "send": send, "await": await, "fetch": fetch, "enroll": enrollKey, "guess": guess,
			"card-root": cardRoot, "trust-cards": trustCards, "puk": pukCall,
			"set": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
			},
		},
	})
}

func makeCA(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(ts.Exec("signetd", append([]string{"init", "--name", "Acme", "--host", "127.0.0.1", "--https", "127.0.0.1:0",
		"--http", "127.0.0.1:0", "--password-file", ts.MkAbs("pass")}, args...)...))
	// Software keys have no attestation.
	path := ts.MkAbs("ca/signetd.toml")
	text := strings.Replace(ts.ReadFile(path), `attestation = "required"`, `attestation = "none"`, 1)
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
}

// process is a script's server.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

type processKey struct{}

func start(ts *testscript.TestScript, neg bool, args []string) {
	os.Remove(ts.MkAbs("ready.json"))
	log, err := os.Create(ts.MkAbs("log"))
	ts.Check(err)
	p := ts.Value(processKey{}).(*process)
	p.cmd = exec.Command("signetd", append([]string{"serve", "--ready-file", "ready.json"}, args...)...)
	p.cmd.Env, p.cmd.Dir = append(os.Environ(), "SIGNET_DIR="+ts.Getenv("SIGNET_DIR")), ts.MkAbs(".")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	ts.Check(p.cmd.Start())
	p.ended = make(chan struct{})
	go func(p process) {
		_ = p.cmd.Wait() // scripts look at the log, and at what is left
		log.Close()
		close(p.ended)
	}(*p)
	ts.Defer(func() { _ = p.cmd.Process.Kill() })
	await(ts, false, []string{"ready.json", "https"})
}

func stop(ts *testscript.TestScript, neg bool, args []string) {
	send(ts, false, []string{"TERM"})
	<-ts.Value(processKey{}).(*process).ended
	await(ts, false, []string{"log", "msg=stopped"})
}

func send(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	ts.Check(p.cmd.Process.Signal(map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[0]]))
	if args[0] == "KILL" {
		<-p.ended
	}
}

func addressesOf(ts *testscript.TestScript) (a addresses) {
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("ready.json")), &a))
	return a
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[1])
	until(ts, args[0]+" to have "+args[1], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && re.Match(text)
	})
}

func until(ts *testscript.TestScript, what string, done func() bool) {
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			log, _ := os.ReadFile(ts.MkAbs("log"))
			ts.Fatalf("waited in vain for %s; the log is\n%s", what, log)
		}
	}
}

// client trusts the CA of the script alone.
func client(ts *testscript.TestScript) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ts.ReadFile("ca/root.crt")))
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
}

func base(ts *testscript.TestScript, scheme string) string {
	a := addressesOf(ts)
	return map[string]string{"http": "http://" + a.HTTP, "https": "https://" + a.HTTPS}[scheme]
}

func fetch(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := client(ts).Get(base(ts, args[0]) + args[1])
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s", body)
	if fmt.Sprint(resp.StatusCode) != args[2] {
		ts.Fatalf("GET %s: %s, want %s\n%s", args[1], resp.Status, args[2], body)
	}
}

// enrollKey takes the code from what the last command printed.
func enrollKey(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	c := enroll.Client{BaseURL: base(ts, "https"), HTTP: client(ts),
		Credentials: enroll.Credentials{Code: strings.TrimSpace(ts.ReadFile("stdout"))}}
	offer, err := c.Plan(ctx, "", 0)
	ts.Check(err)
	attest := func(enroll.Plan, *x509.CertificateRequest, crypto.Signer) {}
	if len(args) > 0 {
		attest = attestBy(ts, args[0])
	}
	requests := []enroll.Request{{Profile: offer.Profile, CSR: newCSR(ts, offer.Nonce, offer.Plan, attest)}}
	for _, with := range offer.With {
		requests = append(requests, enroll.Request{Profile: with.Profile, CSR: newCSR(ts, offer.Nonce, with.Plan, attest)})
	}
	issued, err := c.Submit(ctx, requests...)
	if neg {
		if err == nil {
			ts.Fatalf("the server let it in")
		}
		fmt.Fprintln(ts.Stdout(), err)
		return
	}
	ts.Check(err)
	ts.Setenv("SERIAL", issued.Serial.String())
	ts.Setenv("PREFIX", issued.Serial.String()[:16])
	ts.Setenv("ISSUER", issued.Issuer)
}

// newCSR makes a key of the first kind, P-256.
func newCSR(ts *testscript.TestScript, nonce enroll.Nonce, plan enroll.Plan, attest func(enroll.Plan, *x509.CertificateRequest, crypto.Signer)) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	var request x509.CertificateRequest
	piv.AddNonce(&request, nonce)
	attest(plan, &request, key)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &request, key)
	ts.Check(err)
	return csr
}

func guess(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	last := ""
	for range n {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base(ts, "https")+"/api/v1/profiles/default", nil)
		ts.Check(err)
		r.SetBasicAuth(args[0], "not the password")
		resp, err := client(ts).Do(r)
		ts.Check(err)
		resp.Body.Close()
		last = fmt.Sprint(resp.StatusCode)
	}
	if last != args[2] {
		ts.Fatalf("wrong password %d of %s was answered with %s, want %s", n, args[0], last, args[2])
	}
}
