package revocation

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/revocation/ocsp"
)

// A kept is a signed answer without a nonce. Nothing in it changes but what it is
// known to be right for. Its length matters: there may be very many.
type kept struct {
	key answerKey
	// head is the response up to the signer's certificate, which all of a signer's
	// responses end with.
	head   []byte
	signer *signer
	what   verdict
	// In seconds since 1970: from produced to until it is served, and it is good
	// until next. Half of its time is left to whoever caches it after us.
	produced, until, next int64
	// dated is true where Last-Modified tells k from all other answers to the same
	// question: not where the second that k was made in may have seen two.
	dated bool

	// revision is the store's when what was read: while the store's is the same,
	// nothing was revoked or released since, and the answer is right.
	revision atomic.Uint64
	asked    atomic.Bool // since it was signed, or last weighed against others
	fields   atomic.Pointer[fields]

	queue      *queue // nil where it is not kept; the answers own this and the next
	prev, forw *kept
}

// A verdict is what an answer says of a certificate.
type verdict struct {
	status ocsp.Status
	reason ca.Reason
	at     int64 // when it was revoked, in seconds since 1970
}

// fields are an answer's header fields during one second, each as http.Header has
// them.
type fields struct {
	second                                 int64
	control, etag, expires, modified, size [1]string
}

// newKept keeps a response that was made of those two.
func newKept(key answerKey, der []byte, t ocsp.Template, f finding) *kept {
	k := &kept{
		key: key, signer: f.signer, what: f.what,
		head:     bytes.Clone(bytes.TrimSuffix(der, f.signer.tail)),
		produced: t.ProducedAt.Unix(), next: t.Singles[0].NextUpdate.Unix(),
	}
	k.until = k.produced + (k.next-k.produced)/2
	k.revision.Store(f.revision)
	return k
}

// servable reports whether k may be given out at that second. A clock that was set
// back may have made it in the future.
func (k *kept) servable(second int64) bool { return k.produced <= second && second < k.until }

// renewable is the second from which on it is time for the next one: early enough
// that those who ask never wait for it.
func (k *kept) renewable() int64 { return k.produced + (k.next-k.produced)/3 }

// touch notes that k was asked for. A cache line that many read is written to
// only where it must be.
func (k *kept) touch() {
	if !k.asked.Load() {
		k.asked.Store(true)
	}
}

// keptOverhead is what a kept answer takes beside its head, in octets: itself,
// its place in the map, and the header fields that it gets when it is asked for.
const keptOverhead = 640

func (k *kept) octets() int64 { return int64(cap(k.head)) + keptOverhead }

// der is the whole OCSPResponse.
func (k *kept) der() []byte {
	return append(append(make([]byte, 0, k.size()), k.head...), k.signer.tail...)
}

func (k *kept) size() int { return len(k.head) + len(k.signer.tail) }

// fieldsAt are the header fields of RFC 5019, Section 6.2 at that second. They are made
// once for each second in which k is asked for: max-age counts down.
func (k *kept) fieldsAt(second int64) *fields {
	last := k.fields.Load()
	if last != nil && last.second == second {
		return last
	}
	f := &fields{second: second}
	if last != nil {
		f.etag, f.expires, f.modified, f.size = last.etag, last.expires, last.modified, last.size
	} else {
		f.etag[0], f.size[0] = etag(k.der()), strconv.Itoa(k.size())
		f.expires[0], f.modified[0] = httpDate(k.next), httpDate(k.produced)
	}
	// The second has begun: one less, so that no cache goes past nextUpdate.
	age := max(0, k.next-second-1)
	f.control[0] = "max-age=" + strconv.FormatInt(age, 10) + ", public, no-transform, must-revalidate"
	k.fields.Store(f)
	return f
}

// httpDate is RFC 9110's IMF-fixdate.
func httpDate(second int64) string {
	return time.Unix(second, 0).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}
