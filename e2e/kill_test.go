package e2e

import (
	"context"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
)

// A server killed under load, 200 enrollments at once: every certificate that a
// client received is in the store, and no serial is used twice.
func TestServerKilledUnderLoad(t *testing.T) {
	server := startCA(t)
	addUser(t, server, "alice")
	const clients = 200
	codes := make([]string, clients)
	for i := range codes {
		codes[i] = newCode(t, server, "alice")
	}
	applicant := newApplicant(t, server, 4711)

	var mu sync.Mutex
	received := map[ca.Serial]int{}
	var all sync.WaitGroup
	for _, code := range codes {
		all.Go(func() {
			client := server.Client(enroll.Credentials{Code: code})
			client.Attempts = 1
			issued, err := submit(t.Context(), client, applicant.CSR)
			if err != nil {
				return // the server is gone: this client received nothing
			}
			mu.Lock()
			received[issued.Serial]++
			mu.Unlock()
		})
	}
	for enough := false; !enough; time.Sleep(time.Millisecond) {
		mu.Lock()
		enough = len(received) >= clients/4
		mu.Unlock()
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if len(received) == clients {
		t.Fatal("all were served before the kill: the test shows nothing")
	}
	t.Logf("%d of %d clients had received a certificate when the server was killed", len(received), clients)

	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored := map[ca.Serial]int{}
	for _, c := range listed(t, server.SignetdJSON) {
		stored[c.Serial]++
	}
	for serial, n := range received {
		if n != 1 || stored[serial] != 1 {
			t.Errorf("serial %s: received %d times, stored %d times", serial, n, stored[serial])
		}
	}
}

// submit asks for the plan and hands in a CSR with its nonce.
func submit(ctx context.Context, client *enroll.Client, csr func(enroll.Nonce) ([]byte, error)) (*enroll.Issued, error) {
	offer, err := client.Plan(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	der, err := csr(offer.Nonce)
	if err != nil {
		return nil, err
	}
	return client.Submit(ctx, enroll.Request{CSR: der})
}

// A listing is a line of "signetd cert list --json".
type listing struct {
	Serial ca.Serial `json:"serial"`
}

func listed(t *testing.T, run func(ctx context.Context, into any, args ...string) error) []listing {
	t.Helper()
	var out []listing
	if err := run(t.Context(), &out, "cert", "list"); err != nil {
		t.Fatal(err)
	}
	return out
}
