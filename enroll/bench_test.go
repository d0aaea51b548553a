package enroll_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"

	"signet/ca"
	"signet/enroll"
)

// BenchmarkIssue is a submission with an attestation by 32 clients over
// keep-alive TLS, beside what it is held to: a bare handler that checks a CSR
// and signs, and stores nothing.
func BenchmarkIssue(b *testing.B) {
	a := newAuthority(b, func(c *enroll.Config) { c.Logger = slog.New(slog.NewJSONHandler(io.Discard, nil)) })
	for name, authorize := range map[string]func(*http.Request){
		"password": func(r *http.Request) { r.SetBasicAuth("alice", password) },
		"code":     func(r *http.Request) { r.Header.Set("Authorization", "Signet-Code "+a.code("alice")) },
	} {
		b.Run(name, func(b *testing.B) { a.bench(b, a.enroll.Handler(), wish{}, authorize) })
	}
	b.Run("bare", func(b *testing.B) { a.bench(b, a.bare(), wish{bare: true}, func(*http.Request) {}) })
}

// benchKey is one key for all: that making keys takes no time.
var benchKey = sync.OnceValue(func() crypto.Signer { return must(ca.GenerateKey("P-256")) })

func (a *authority) bench(b *testing.B, h http.Handler, w wish, authorize func(*http.Request)) {
	server := httptest.NewTLSServer(h)
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = 32
	w.key = benchKey()
	requests := make([]*http.Request, b.N)
	for i := range requests {
		requests[i] = a.submission(server.URL, w)
		authorize(requests[i])
	}
	b.SetParallelism(max(1, 32/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp := must(client.Do(requests[next.Add(1)-1]))
			body := must(io.ReadAll(resp.Body))
			if _ = resp.Body.Close(); resp.StatusCode != http.StatusCreated {
				b.Errorf("%d %s", resp.StatusCode, body)
			}
		}
	})
}

func (a *authority) submission(url string, w wish) *http.Request {
	w.nonce = must(a.enroll.Offer(ctx, &enroll.Identity{Account: enroll.Account{Name: "alice", Profiles: []string{"user"}}}, "user", 0)).Nonce
	body := must(json.Marshal(map[string]string{"profile": "user", "csr": base64.StdEncoding.EncodeToString(w.csr(a.t))}))
	r := must(http.NewRequest("POST", url+"/api/v1/certificates", bytes.NewReader(body)))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// bare checks a CSR and signs, and nothing else.
func (a *authority) bare() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Profile, CSR string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			panic(err)
		}
		csr := must(x509.ParseCertificateRequest(must(base64.StdEncoding.DecodeString(in.CSR))))
		if err := csr.CheckSignature(); err != nil {
			panic(err)
		}
		template := &x509.Certificate{SerialNumber: must(rand.Int(rand.Reader, a.ca.Root.SerialNumber))}
		der := must(x509.CreateCertificate(rand.Reader, template, a.ca.Intermediate, csr.PublicKey, a.ca.IntermediateKey))
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(der)
	})
}

// 32 clients with a password each: what hashing takes stays within the bound,
// whatever comes in.
func TestPasswordMemory(t *testing.T) {
	a := newAuthority(t, func(c *enroll.Config) { c.Passwords = enroll.PasswordParams{} })
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan struct{})
	for i := range 32 {
		go func() {
			for n := range 3 {
				a.attempt(fmt.Sprint("user", i), fmt.Sprint(password, n), "192.0.2.1")
			}
			done <- struct{}{}
		}()
	}
	for range 32 {
		<-done
	}
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapSys-after.HeapReleased) - int64(before.HeapSys-before.HeapReleased)
	t.Logf("the heap grew by %d MiB", grown>>20)
	if grown > 30<<20 {
		t.Errorf("32 clients with passwords took %d MiB", grown>>20)
	}
}
