package main

import (
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"signet/internal/exit"
	"signet/revocation"
)

func TestStatus(t *testing.T) {
	r := newHost(t)
	status := func(want int, text string) {
		t.Helper()
		if code, said := r.signet("crl", "status", "--out", r.path("crl.pem"), "--ca-file", r.path("chain.pem")); code != want || !strings.Contains(said, text) {
			t.Errorf("%d, not %d, %q: %s", code, want, text, said)
		}
	}
	status(exit.Missing, "none")
	if code, said := r.signet("crl", "fetch", "--url", r.server.URL, "--ca-file", r.path("chain.pem"), "--out", r.path("crl.pem")); code != exit.OK {
		t.Fatal(said)
	}
	status(exit.OK, "number 1,")
	whole := r.read("crl.pem")
	r.write("crl.pem", whole[:strings.Index(whole, "-----END")])
	status(exit.Missing, "ends after")
	r.write("crl.pem", whole[strings.LastIndex(whole, "-----BEGIN"):])
	status(exit.Missing, "Root CA,O=Test: none")
	for _, c := range []struct {
		left time.Duration
		want int
	}{{-time.Minute, exit.Expired}, {time.Minute, exit.Warning}, {10 * time.Minute, exit.Warning}} {
		root, err := revocation.RootCRL(r.RootIssuer, 2, time.Now().Add(c.left-time.Hour), time.Hour, nil)
		r.must(err)
		r.write("crl.pem", whole[strings.LastIndex(whole, "-----BEGIN"):]+string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: root})))
		status(c.want, "Root CA,O=Test: number 2,")
	}
	// A health report of an agent that is gone.
	report := healthReport{Written: time.Now().Add(-time.Hour)}
	data, err := json.Marshal(report)
	r.must(err)
	r.write("health.json", string(data))
	if code, said := r.signet("crl", "status", "--health", r.path("health.json")); code != exit.Warning || !strings.Contains(said, "has not reported since") {
		t.Errorf("%d %s", code, said)
	}
	for name, want := range map[string]int{"none.json": exit.Missing, "chain.pem": exit.Failed} {
		if code, said := r.signet("crl", "status", "--health", r.path(name)); code != want {
			t.Errorf("%d %s", code, said)
		}
	}
	if code, _ := r.signet("crl", "status"); code != exit.Usage {
		t.Errorf("%d", code)
	}
}
