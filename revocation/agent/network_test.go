package agent_test

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/exit"
	"signet/revocation/agent"
	"signet/revocation/crl"
)

// huge is how much the servers of these tests would give.
const huge = 1 << 30

// serve has the source's agent ask a server of its own.
func (s *source) serve(h http.HandlerFunc) *httptest.Server {
	s.Helper()
	server := httptest.NewServer(h)
	s.Cleanup(server.Close)
	s.conf.URLs = []string{server.URL + "/crl/bundle.pem"}
	return server
}

// refused fetches with the error want, and nothing changes.
func (s *source) refused(want error) {
	s.Helper()
	before := s.inPlace()
	_, err := s.fetch()
	if !errors.Is(err, want) || exit.HintOf(err) == "" {
		s.Errorf("got %v (%s), not %v", err, exit.HintOf(err), want)
	}
	if !bytes.Equal(s.inPlace(), before) {
		s.Error("the file was changed")
	}
}

// What gives a gibibyte is not read beyond the bound, and takes no memory to speak of.
func TestAGibibyte(t *testing.T) {
	const bound = 8 << 20
	head := func(size int) []byte {
		return []byte{0x30, 0x84, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}
	}
	for name, c := range map[string]struct {
		length string // Content-Length; "" for chunks
		begin  []byte
		body   io.Reader // then
		want   error
		most   int64 // that may be read, and room for what is on the way
	}{
		"that it announces":      {strconv.Itoa(huge), nil, letters{}, agent.ErrTooBig, 0},
		"of DER":                 {"", head(huge - 6), letters{}, agent.ErrTooBig, 0},
		"of DER that lies":       {"", head(1000), letters{}, crl.ErrMalformed, 0},
		"of text":                {"", []byte("hello\n"), lines{}, agent.ErrTooBig, bound},
		"of one line":            {"", []byte("hello"), letters{}, crl.ErrMalformed, 0},
		"of PEM":                 {"", pemHead(head(huge - 6)), lines{}, agent.ErrTooBig, 0},
		"of PEM that lies":       {"", pemHead(head(4 << 20)), lines{}, crl.ErrMalformed, bound},
		"of a page":              {"", []byte("<html>"), letters{}, crl.ErrMalformed, 0},
		"of spaces in its block": {"", pemHead(head(1000)), blanks{}, agent.ErrTooBig, bound},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			s.mustFetch()
			s.conf.MaxBytes = bound
			var written atomic.Int64
			s.serve(func(w http.ResponseWriter, _ *http.Request) {
				if c.length != "" {
					w.Header().Set("Content-Length", c.length)
				}
				_, _ = w.Write(c.begin)
				n, _ := io.CopyN(w, c.body, huge)
				written.Store(n)
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s.refused(c.want)
			runtime.ReadMemStats(&after)
			// A buffer for the DER that it claims, and what HTTP takes.
			if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
				t.Errorf("%d octets were allocated", n)
			}
			for range 100 { // until the server has noticed
				if written.Load() > 0 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if n := written.Load(); n > c.most+8<<20 {
				t.Errorf("%d octets were sent", n)
			}
		})
	}
}

// pemHead begins a block.
func pemHead(der []byte) []byte {
	block := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: append(der, make([]byte, 42)...)})
	return block[:bytes.Index(block, []byte("-----END"))]
}

type lines struct{}

func (lines) Read(p []byte) (int, error) {
	for i := range p {
		if p[i] = 'A'; i%65 == 64 {
			p[i] = '\n'
		}
	}
	if len(p) < 65 {
		return len(p), nil
	}
	return len(p) - len(p)%65, nil
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

// An answer that is packed is not unpacked: nobody asked for it.
func TestAGzipBomb(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := io.CopyN(z, blanks{}, 256<<20); err != nil {
		t.Fatal(err)
	}
	z.Close()
	s := newSource(t)
	s.mustFetch()
	s.serve(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("compression was asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	s.refused(crl.ErrMalformed)
}

func TestAPageInPlaceOfACRL(t *testing.T) {
	s := newSource(t)
	s.mustFetch()
	s.serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "Log in to the hotel's network")
	})
	s.refused(crl.ErrMalformed)
}

// A redirect to elsewhere is an operator's business; one on the same host is not.
func TestRedirects(t *testing.T) {
	s := newSource(t)
	s.mustFetch()
	to := strings.Replace(s.conf.URLs[0], "127.0.0.1", "localhost", 1)
	s.serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	s.bundle(s.list(s.Issuer, 11), s.list(s.RootIssuer, 4))
	s.refused(agent.ErrUnreachable)
	to = strings.Replace(to, "localhost", "127.0.0.1", 1)
	if r := s.mustFetch(); r.Levels[0].Number != "11" {
		t.Errorf("%+v", r)
	}
	s.serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
	s.refused(agent.ErrUnreachable)
}

func TestRetryAfterIsRead(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "999999": time.Hour, "soon": 0, "-5": 0,
		time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat): 10 * time.Minute,
		time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat):     0,
	} {
		s := newSource(t)
		s.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		_, err := s.fetch()
		status, ok := errors.AsType[*agent.StatusError](err)
		if !ok || (status.After-want).Abs() > 2*time.Second || !errors.Is(err, agent.ErrUnreachable) {
			t.Errorf("%q: %v, %+v", value, err, status)
		}
	}
}

// Neither a delta nor a partition's CRL is a complete one, however new it is.
func TestNotComplete(t *testing.T) {
	for name, h := range map[string]crl.Head{
		"a delta":             {Number: 11, Base: 10},
		"a partition":         {Number: 11, IDP: "http://ca.example/crl/x/1.crl"},
		"a partition's delta": {Number: 11, Base: 10, IDP: "http://ca.example/crl/x/1.crl"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			s.mustFetch()
			h.ThisUpdate, h.NextUpdate = s.now.Add(-time.Hour), s.now.Add(9*time.Hour)
			var der crl.Memory
			if _, err := crl.Write(&der, s.Issuer, h, crl.Encoded(nil, 0)); err != nil {
				t.Fatal(err)
			}
			s.bundle(der, s.list(s.RootIssuer, 4))
			s.refused(crl.ErrNotComplete)
		})
	}
}
