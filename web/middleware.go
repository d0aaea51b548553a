package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"signet/internal/problem"
)

// wrap puts round h what each request gets: an id, a bound on its body, an
// access line, and an answer also where h panics.
func wrap(logger *slog.Logger, listener string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()[:16]
		r.Header.Set(problem.RequestID, id)
		w.Header().Set(problem.RequestID, id)
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		rec := &recorder{ResponseWriter: w}
		defer logAccess(logger, listener, rec, r, time.Now())
		defer recoverPanic(logger, rec, r)
		h.ServeHTTP(rec, r)
	})
}

// keptFirst has c.Kept answer what it can, and h the rest.
func keptFirst(c Config, h http.Handler) http.Handler {
	if c.Kept == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.Logger.Enabled(r.Context(), slog.LevelDebug) || !c.Kept(w, r) {
			h.ServeHTTP(w, r)
		}
	})
}

// recoverPanic answers 500 where the handler panicked before it answered, and
// cuts the connection where it had begun to. The cause goes to the log alone.
func recoverPanic(logger *slog.Logger, rec *recorder, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	logger.ErrorContext(r.Context(), "handler panicked", "id", r.Header.Get(problem.RequestID),
		"path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	p := problem.Internal()
	p.Instance = r.Header.Get(problem.RequestID)
	problem.Write(rec, p)
}

// logAccess writes the access line. What machines fetch all day long (CRLs,
// OCSP, health) is told at debug level while it goes well.
func logAccess(logger *slog.Logger, listener string, rec *recorder, r *http.Request, start time.Time) {
	level := slog.LevelInfo
	if rec.status < http.StatusBadRequest && !strings.HasPrefix(r.URL.Path, "/api/") {
		level = slog.LevelDebug
	}
	ctx := context.WithoutCancel(r.Context())
	if !logger.Enabled(ctx, level) {
		return
	}
	logger.LogAttrs(ctx, level, "request",
		slog.String("id", r.Header.Get(problem.RequestID)),
		slog.String("listener", listener),
		slog.String("remote", r.RemoteAddr),
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.Int("status", rec.status),
		slog.Int64("bytes", rec.bytes),
		slog.Duration("took", time.Since(start)))
}

// A recorder remembers the status and the length of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK { // 1xx come before the answer
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
