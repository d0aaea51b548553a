package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// A Check is one thing that must be well for the CA to serve.
type Check struct {
	// Name is what /readyz calls it: "store", "crl", "ocsp", "root-crl", "escrow".
	Name string
	// Check fails where it is not well; the error is shown to whoever asks, so
	// it names no path and no secret.
	Check func(ctx context.Context) error
}

// health says that the process answers, and nothing more.
func health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
}

// Anyone may ask /readyz, and a check may cost a flush to disk: one result
// serves all who ask within readyFor, and the checks together get readyTimeout.
const (
	readyFor     = time.Second
	readyTimeout = 5 * time.Second
)

// readiness serves /readyz: 200 where every check is well, 503 otherwise.
type readiness struct {
	checks []Check
	now    func() time.Time
	logger *slog.Logger

	mu     sync.Mutex // owns the fields below, and is held while checking
	at     time.Time
	status int
	body   []byte
}

// report is the body of /readyz. Checks maps each name to "ok" or what is wrong.
type report struct {
	Status string            `json:"status"` // "ready" or "not ready"
	Checks map[string]string `json:"checks"`
}

func (rd *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body := rd.result(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (rd *readiness) result(ctx context.Context) (status int, body []byte) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if now := rd.now(); rd.body == nil || now.Sub(rd.at) >= readyFor || now.Before(rd.at) {
		// The result is for all who ask: one who hangs up must not spoil it.
		rd.run(context.WithoutCancel(ctx))
		rd.at = now
	}
	return rd.status, rd.body
}

// run asks every check. The caller holds mu.
func (rd *readiness) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	out := report{Status: "ready", Checks: make(map[string]string, len(rd.checks))}
	rd.status = http.StatusOK
	for _, c := range rd.checks {
		out.Checks[c.Name] = "ok"
		if err := c.Check(ctx); err != nil {
			out.Status, rd.status = "not ready", http.StatusServiceUnavailable
			out.Checks[c.Name] = err.Error()
			rd.logger.WarnContext(ctx, "not ready", "check", c.Name, "error", err)
		}
	}
	rd.body, _ = json.Marshal(out) // strings alone: it can't fail
	rd.body = append(rd.body, '\n')
}
