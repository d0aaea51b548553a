package revocation_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever downloads a CRL and reads nothing of it holds up the end of the server for some
// seconds, though it would have longer otherwise.
func TestASlowDownloadDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.service.Run(ctx) }()
		synctest.Wait()
		s := w.pipes()
		s.WriteTimeout = time.Minute
		near, far := net.Pipe()
		defer near.Close()
		s.conns <- far
		_, err := io.WriteString(near, "GET /crl/"+w.Issuer.ID()+".crl HTTP/1.1\r\nHost: ca.example\r\n\r\n")
		must(t, err)
		synctest.Wait() // its answer waits to be read
		before := time.Now()
		stop()
		must(t, s.Shutdown(context.Background()))
		must(t, <-ended)
		if took := time.Since(before); took < 4*time.Second || took > 7*time.Second {
			t.Errorf("the end took %s", took)
		}
	})
}
