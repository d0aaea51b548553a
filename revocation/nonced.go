package revocation

import (
	"context"
	"net/http"

	"signet/revocation/ocsp"
)

// serveNonced is ServeKept for a request about one certificate with a nonce, whose answer
// is signed on the spot. What it says is known without a look into the store where an
// answer is kept that is right now.
func (r *Responder) serveNonced(w http.ResponseWriter, req *http.Request, request []byte) bool {
	id, nonce, ok := ocsp.SplitNonced(request)
	if !ok {
		return false
	}
	key, ok := r.forms.ofID(id)
	if !ok || key.serial[0] == 0 || key.serial[0] >= 0x80 { // the latter is no DER, or none of ours
		return false
	}
	buffer := r.buffers.Get().(*[maxNonced]byte)
	defer r.buffers.Put(buffer)
	answer, err := r.answerNonced(req.Context(), buffer[:0], key, id, nonce)
	if err != nil {
		return false // the long way finds the same, and says it
	}
	header := w.Header()
	header["Content-Type"] = ocspContentType
	header["Cache-Control"] = noStore
	_, _ = w.Write(answer) // a client that left can't be told
	return true
}

// noStore is shared by all answers, as ocspContentType is.
var noStore = []string{"no-store"}

// maxNonced is the room for an answer with a nonce; a longer one finds room too.
const maxNonced = 2 << 10

// answerNonced appends the OCSPResponse about key, whose CertID is id.
func (r *Responder) answerNonced(ctx context.Context, dst []byte, key answerKey, id, nonce []byte) ([]byte, error) {
	now := r.now()
	revision, s, err := r.state(ctx, now)
	if err != nil {
		return nil, err
	}
	v, known := r.known(key, revision)
	if !known {
		if v, err = r.learn(ctx, key, finding{revision: revision, signer: s}); err != nil {
			return nil, err
		}
	}
	singles := [1]ocsp.Single{r.single(ocsp.CertID{Raw: id}, v, s, now)}
	return s.Append(dst, &ocsp.Template{ProducedAt: now, Nonce: nonce, Singles: singles[:]})
}

// known is what is to be said of a certificate, if an answer about it is kept that is right
// as of that revision of the store, which was read before.
func (r *Responder) known(key answerKey, revision uint64) (verdict, bool) {
	for _, form := range [...]uint8{key.form, aheadForm} {
		k := r.answers.get(answerKey{form, key.serial})
		if k != nil && k.revision.Load() == revision {
			return k.what, true
		}
	}
	return verdict{}, false
}

// learn reads it from the store, and notes of kept answers that they are still right,
// for the next time. The revision and the signer of f were read before.
func (r *Responder) learn(ctx context.Context, key answerKey, f finding) (verdict, error) {
	v, _, err := r.verdict(ctx, r.forms.certID(key))
	if err != nil {
		return v, err
	}
	for _, form := range [...]uint8{key.form, aheadForm} {
		k := r.answers.get(answerKey{form, key.serial})
		if k != nil && k.what == v && k.signer == f.signer && k.revision.Load() < f.revision {
			k.revision.Store(f.revision)
		}
	}
	return v, nil
}
