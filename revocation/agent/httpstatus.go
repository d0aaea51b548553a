package agent

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A StatusError is an answer other than a CRL. It is an [ErrUnreachable].
type StatusError struct {
	Code   int
	Status string        // "503 Service Unavailable"
	After  time.Duration // what the server's Retry-After asks for; 0 for nothing
}

func (e *StatusError) Error() string { return ErrUnreachable.Error() + ": HTTP status " + e.Status }
func (e *StatusError) Unwrap() error { return ErrUnreachable }

// hint says what to do where an answer came, but no CRL.
func (e *StatusError) hint() string {
	wait := ""
	if e.After > 0 {
		wait = fmt.Sprintf(" It asks to be left alone for %s.", e.After.Round(time.Second))
	}
	switch {
	case e.Code == http.StatusTooManyRequests:
		return "The CA, or a proxy before it, is asked too often from here: poll more rarely, or with fewer agents." + wait
	case e.Code == http.StatusServiceUnavailable:
		return "The CA, or a proxy before it, is overloaded or just starting." + wait
	case e.Code >= 500:
		return "The server at that URL has failed: see its log. If it is a proxy, see whether it reaches the CA." + wait
	case e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden:
		return "The server gives it to nobody from here: the CA's plain HTTP listener gives it to all, so look for a proxy's rule."
	}
	return "The server can be reached, but gives no CRL at that URL: it is the CA's plain HTTP listener with /crl/bundle.pem."
}

// maxRetryAfter is the longest that a server may send us away for.
const maxRetryAfter = time.Hour

// retryAfter reads what RFC 9110, Section 10.2.3 has: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), maxRetryAfter))
	}
	return 0
}
