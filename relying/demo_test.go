package relying_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/relying"
	"signet/revocation/crl"
)

// A demoCA is what the examples talk to: a CA with its plain HTTP, and two people, of
// whom bob's certificate is revoked.
type demoCA struct {
	URL   string
	Chain []*x509.Certificate

	server *httptest.Server
	people map[string]tls.Certificate
}

type memory struct{ blocks atomic.Uint32 }

func (m *memory) ReserveSerialBlock(context.Context) (uint32, error) { return m.blocks.Add(1), nil }

// must is for examples, which have no test to fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newDemoCA() *demoCA {
	ctx := context.Background()
	lists := map[string][]byte{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if list, ok := lists[r.URL.Path]; ok {
			_, _ = w.Write(list)
			return
		}
		http.NotFound(w, r)
	}))
	serials := ca.NewSerialSource(new(memory))
	h := must(ca.NewHierarchy(ca.SetupConfig{
		Name: "Demo", RootAlgorithm: "P-256", IntermediateAlgorithm: "P-256", URL: server.URL,
		RootSerial: must(serials.Next(ctx)), IntermediateSerial: must(serials.Next(ctx)),
	}))
	issuer, root := must(h.Issuer()), must(h.RootIssuer())
	d := &demoCA{URL: server.URL, Chain: []*x509.Certificate{h.Root, h.Intermediate}, server: server, people: map[string]tls.Certificate{}}
	profile := must(ca.NewProfile("user", ca.DefaultProfile()))
	for _, name := range []string{"alice", "bob"} {
		key := must(ca.GenerateKey("P-256"))
		csr := must(x509.ParseCertificateRequest(must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key))))
		cert := must(issuer.Issue(ctx, profile, ca.Request{Person: ca.Person{Name: name}, CSR: csr, Serial: must(serials.Next(ctx))},
			ca.URLsAt(server.URL, issuer.ID()), time.Now()))
		d.people[name] = tls.Certificate{Certificate: [][]byte{cert.DER}, PrivateKey: key, Leaf: must(cert.X509())}
	}
	bob, _ := ca.SerialOf(d.people["bob"].Leaf.SerialNumber)
	lists["/crl/"+issuer.ID()+".crl"] = demoList(issuer, crl.Entry{Serial: bob, At: time.Now(), Reason: ca.Superseded})
	lists["/crl/"+ca.IssuerID(h.Root)+".crl"] = demoList(root)
	return d
}

func demoList(issuer *ca.Issuer, entries ...crl.Entry) []byte {
	return must(crl.Create(issuer, crl.Template{
		Number: 1, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		Entries: func(yield func(crl.Entry) bool) error {
			for _, e := range entries {
				yield(e)
			}
			return nil
		},
	}))
}

func (d *demoCA) Close() { d.server.Close() }

// Checker is one that has fetched.
func (d *demoCA) Checker() (*relying.Checker, func()) {
	c := must(relying.New(relying.Config{
		Authorities: []relying.Authority{{URL: d.URL, Certificates: d.Chain}}, Logger: slog.New(slog.DiscardHandler),
	}))
	ctx, stop := context.WithCancel(context.Background())
	go func() { _ = c.Run(ctx) }()
	if err := c.Ready(ctx); err != nil {
		panic(err)
	}
	return c, stop
}

// Visit is what a browser with that person's certificate gets; "" has none.
func (d *demoCA) Visit(server *httptest.Server, name string) string {
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	config := &tls.Config{InsecureSkipVerify: true} // the server's own certificate is not the matter here
	if name != "" {
		config.Certificates = []tls.Certificate{d.people[name]}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	resp, err := client.Get(server.URL)
	if err != nil {
		return "no connection"
	}
	defer resp.Body.Close()
	body := string(must(io.ReadAll(resp.Body)))
	var problem struct{ Title string }
	if json.Unmarshal([]byte(body), &problem) == nil {
		body = problem.Title
	}
	return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(body))
}
