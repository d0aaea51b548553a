package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// revokingChild enrolls from 16 goroutines for ever, holds, releases, holds again and
// revokes what it has enrolled, with all that is on the CRL, and says so.
func revokingChild() {
	ctx := context.Background()
	s, l := openChild()
	by := func(r ca.Reason) ca.Revocation { return ca.Revocation{At: time.Now(), Reason: r, By: audit.Operator} }
	event := func(ca.Certificate) audit.Event { return audit.Event{Action: "certificate.revoke"} }
	orDie(l.run(ctx, 16, 1<<40, func(serial ca.Serial) {
		orDie(s.Revoke(ctx, oldIssuer, serial, by(ca.CertificateHold), audit.Event{}))
		orDie(s.Release(ctx, oldIssuer, serial, audit.Event{}))
		orDie(s.RevokeAll(ctx, oldIssuer, []ca.Serial{serial}, by(ca.CertificateHold), event, func(_ ca.Serial, _ bool, err error) { orDie(err) }))
		orDie(s.Revoke(ctx, oldIssuer, serial, by(ca.KeyCompromise), audit.Event{}))
		revision, err := s.Revision(ctx, oldIssuer)
		orDie(err)
		_, err = fmt.Fprintf(os.Stdout, "%s %d\n", serial, revision) // one write: whole lines
		orDie(err)
		orDie(s.CRLMade(ctx, oldIssuer, time.Now(), revision))
	}))
}

// Killed while it revokes: what was acknowledged is revoked, no revision that was told is
// ahead of the disk, and all parts say the same.
func TestKilledRevoking(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		c := childCommand(t.Context(), "revoking", dir)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var revoked []ca.Serial
		var last uint64
		for lines := bufio.NewScanner(out); lines.Scan(); {
			hex, rest, _ := strings.Cut(lines.Text(), " ")
			serial, err := ca.ParseSerial(hex)
			if err != nil {
				t.Fatal(err)
			}
			var revision uint64
			if _, err := fmt.Sscan(rest, &revision); err != nil {
				t.Fatal(err)
			}
			revoked, last = append(revoked, serial), max(last, revision)
			if len(revoked) == 100+70*round {
				c.Process.Kill()
			}
		}
		_ = c.Wait() // it was killed
		s := openIn(t, dir)
		if err := s.CheckRevocations(t.Context(), oldIssuer); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		for _, serial := range revoked {
			c, err := s.Certificate(t.Context(), oldIssuer, serial)
			if err != nil || c.Revocation == nil || c.Revocation.Reason != ca.KeyCompromise {
				t.Errorf("round %d: %s was revoked, and is %+v (%v)", round, serial, c.Revocation, err)
			}
		}
		if now, err := s.Revision(t.Context(), oldIssuer); err != nil || now < last || len(revoked) < 100 {
			t.Errorf("round %d: revision %d was told, and it is %d (%v)", round, last, now, err)
		}
		s.Close()
	}
	checkFile(t, filepath.Join(dir, "signet.db"))
}
