package revocation_test

import (
	"context"
	"testing"

	"signet/ca"
)

// BenchmarkOCSP answers about one certificate, from the store, with the
// signature spared (as caches ask) and made (as a nonce demands).
func BenchmarkOCSP(b *testing.B) {
	w := newWorld(b, nil)
	w.run()
	alice := w.issue("alice")
	w.revoke(alice, ca.KeyCompromise)
	for name, nonce := range map[string][]byte{"cached": nil, "nonce": make([]byte, 16)} {
		question := w.question(nonce, alice.Serial.Big())
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if a := w.service.Responder.Answer(context.Background(), question); len(a.DER) < 100 {
					b.Fatal("an error")
				}
			}
		})
	}
}
