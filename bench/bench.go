package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"

	"signet/e2e/harness"
	"signet/piv/softcard"
)

// clientCounts are how many clients work side by side.
var clientCounts = []int{1, 8, 32}

// A bench is a CA and the bare handlers, both running, and who asks them.
type bench struct {
	options
	ca         *harness.CA
	applicants []*harness.Applicant
	codes      chan string
	bare       *exec.Cmd
	bareStdin  io.Closer
	bareHTTPS  string
	bareHTTP   string
}

const (
	account  = "alice"
	password = "only for the benchmark"
)

func newBench(ctx context.Context, o options, dir string) (*bench, error) {
	fmt.Printf("%s, %d processors, %s; %d rounds of %s\n", runtime.Version(), runtime.NumCPU(), runtime.GOARCH, o.rounds, o.span)
	ca, err := harness.New(ctx, o.bin, dir, nil)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, ca: ca}
	if err := b.prepare(ctx, dir); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context, dir string) error {
	if err := b.makeApplicants(); err != nil {
		return err
	}
	passwordFile := dir + "/password"
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	if _, err := b.ca.Signetd(ctx, "user", "add", account, "--name", "Alice Example", "--email", "alice@example.com",
		"--password-file", passwordFile); err != nil {
		return err
	}
	if err := b.seedCodes(ctx); err != nil {
		return err
	}
	if err := b.startBare(); err != nil {
		return err
	}
	return b.ca.Start(ctx)
}

// makeApplicants makes a key on a card of its own for each client.
func (b *bench) makeApplicants() error {
	for i := range clientCounts[len(clientCounts)-1] {
		device, err := b.ca.Cards.NewDevice(uint32(1000+i), softcard.Version{5, 7, 1})
		if err != nil {
			return err
		}
		a, err := harness.NewApplicant(device)
		if err != nil {
			return err
		}
		b.applicants = append(b.applicants, a)
	}
	return nil
}

func (b *bench) startBare() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.bare = exec.Command(self, bareArgument)
	b.bare.Stderr = os.Stderr
	if b.bareStdin, err = b.bare.StdinPipe(); err != nil {
		return err
	}
	stdout, err := b.bare.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.bare.Start(); err != nil {
		return err
	}
	_, err = fmt.Fscan(bufio.NewReader(stdout), &b.bareHTTPS, &b.bareHTTP)
	return err
}

func (b *bench) close() {
	if b.bareStdin != nil {
		b.bareStdin.Close()
		_ = b.bare.Wait()
	}
	_ = b.ca.Stop()
}

// newPair is a pair without workers yet.
func (b *bench) newPair() pair {
	return pair{signet: side{pid: b.ca.PID()}, bare: side{pid: b.bare.Process.Pid}}
}

// newConnection is an HTTP client with one kept connection, for one worker.
func newConnection(config *tls.Config) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: config, MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1,
			// Long enough for the other side's turn; what was measured before doesn't weigh on what comes next.
			IdleConnTimeout: 10 * time.Second,
		},
	}
}
