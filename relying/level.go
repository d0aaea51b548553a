package relying

import (
	"crypto/x509"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/internal/dn"
	"signet/revocation/crl"
)

// A level is one CA and what it has revoked.
type level struct {
	ca *x509.Certificate

	mu  sync.Mutex // held while lists is replaced
	now atomic.Pointer[lists]
}

// name is the CA's, for people.
func (l *level) name() string { return dn.String(l.ca.RawSubject) }

// lists are a complete CRL and perhaps a delta on top of it. They never change:
// whoever checks has one state or the next, and waits for nobody.
type lists struct {
	complete *crl.List
	delta    *crl.List // nil for none; its base is complete or older, its number is higher
}

// find looks a serial number up: in the delta first, which is newer.
func (s *lists) find(serial *big.Int) (crl.Revoked, bool) {
	if s.delta != nil {
		if r, ok := s.delta.Find(serial); ok {
			return r, r.Reason != ca.RemoveFromCRL
		}
	}
	return s.complete.Find(serial)
}

// until is when the lists run out: the later of the two, since the complete one
// does not get worse by what the delta adds (RFC 5280, Section 5.2.4).
func (s *lists) until() time.Time {
	if s.delta != nil && s.delta.NextUpdate.After(s.complete.NextUpdate) {
		return s.delta.NextUpdate
	}
	return s.complete.NextUpdate
}

func (s *lists) number() *big.Int {
	if s.delta != nil {
		return s.delta.Number
	}
	return s.complete.Number
}

// setComplete puts a complete CRL in force. A delta that still fits stays: it may
// know more than a list that comes from a slower cache. It reports whether
// anything changed.
func (l *level) setComplete(complete *crl.List) bool {
	complete.Find(new(big.Int)) // makes its index before anybody waits for it
	l.mu.Lock()
	defer l.mu.Unlock()
	old, next := l.now.Load(), &lists{complete: complete}
	if old != nil {
		if old.complete == complete || complete.Number.Cmp(old.complete.Number) < 0 {
			return false
		}
		if d := old.delta; d != nil && d.Base.Cmp(complete.Number) <= 0 && d.Number.Cmp(complete.Number) > 0 {
			next.delta = d
		}
	}
	l.now.Store(next)
	return true
}

// setDelta puts a delta that was accepted for complete on top of it, unless another
// complete CRL has come in between.
func (l *level) setDelta(complete, delta *crl.List) bool {
	delta.Find(new(big.Int))
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.now.Load(); old == nil || old.complete != complete || old.delta == delta {
		return false
	}
	l.now.Store(&lists{complete: complete, delta: delta})
	return true
}

// check is what the level's CRL says of a certificate that its CA issued: when it was
// revoked; or why it can't say, in which case what a list that has run out knew still holds.
func (l *level) check(cert *x509.Certificate, now time.Time) (*Revocation, *failure) {
	s := l.now.Load()
	if s == nil {
		return nil, fail(NoCRL, "there is no CRL of %q yet", l.name())
	}
	if r, revoked := s.find(cert.SerialNumber); revoked {
		return &Revocation{At: r.At, Reason: r.Reason, Certificate: cert}, nil
	}
	if until := s.until(); !until.After(now) {
		return nil, fail(CRLExpired, "the CRL of %q ran out at %s", l.name(), until.UTC().Format(time.RFC3339))
	}
	return nil, nil
}
