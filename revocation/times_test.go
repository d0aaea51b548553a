package revocation_test

import (
	"context"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation"
)

// A configuration read again changes the times and nothing else: a CRL with the
// new ones is out at once, and who waited for a revocation's gets it.
func TestTimesChangeWhileTheServiceRuns(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	ended := make(chan error, 1)
	go func() { ended <- w.service.Run(ctx) }()
	must(t, w.service.Publisher.Await(ctx))
	before := w.service.Publisher.Current(w.Issuer.ID())

	for _, bad := range []revocation.Times{{CRLLifetime: time.Hour, CRLOverlap: time.Hour}, {OCSPLifetime: time.Second}} {
		if err := w.service.SetTimes(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	alice := w.issue("alice")
	w.revoke(alice, ca.KeyCompromise)
	must(t, w.service.SetTimes(revocation.Times{CRLLifetime: 100 * time.Hour}))
	must(t, w.service.Publisher.Await(ctx))
	after := w.service.Publisher.Current(w.Issuer.ID())
	if got := after.NextUpdate.Sub(before.NextUpdate); got < 20*time.Hour {
		t.Errorf("nextUpdate grew by %v alone", got)
	}
	if _, ok := w.onCRL()[alice.Serial.String()]; !ok {
		t.Error("the revocation is not on it")
	}
	cancel()
	must(t, <-ended)
}
