package revocation

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"signet/revocation/ocsp"
)

// serveOCSP answers by POST and GET (RFC 6960, Appendix A.1). What is wrong
// with a request is said in OCSP, with HTTP status 200.
func (h *handler) serveOCSP(w http.ResponseWriter, r *http.Request, path string) {
	if h.responder.ServeKept(w, r) {
		return
	}
	var der []byte
	var err error
	switch r.Method {
	case http.MethodPost:
		der, err = io.ReadAll(http.MaxBytesReader(w, r.Body, ocsp.MaxRequest))
	case http.MethodGet, http.MethodHead:
		der, err = decodeGET(strings.TrimPrefix(path, "/ocsp"))
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "only GET and POST here", http.StatusMethodNotAllowed)
		return
	}
	now, answer := h.now(), ocsp.ErrorResponse(ocsp.MalformedRequest)
	var k *kept
	if err == nil {
		k, answer = h.responder.respond(r.Context(), der, now)
	}
	if k != nil {
		serveKept(w, r, k, now.Unix())
		return
	}
	// An answer that bears a nonce is for one client alone, and an error may be over
	// the next moment.
	header := w.Header()
	header.Set("Content-Type", ocsp.ResponseType)
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	header.Set("Cache-Control", "no-store")
	_, _ = w.Write(answer) // a client that left can't be told
}

// ServeKept answers an OCSP request as nearly all clients send it, about one
// certificate: without a nonce where the answer is kept, with one by signing it. It
// reports whether it did; if not, the request is as it was. It is for standing before all else that a
// server does for a request: it looks at the path by itself and does next to nothing,
// and nobody is refused an answer.
func (r *Responder) ServeKept(w http.ResponseWriter, req *http.Request) bool {
	rest, ok := strings.CutPrefix(req.URL.Path, "/ocsp")
	switch {
	case !ok:
	case req.Method == http.MethodPost:
		if rest == "" && 0 < req.ContentLength && req.ContentLength <= maxShortRequest {
			return r.servePosted(w, req)
		}
	case req.Method == http.MethodGet, req.Method == http.MethodHead:
		if len(rest) > 1 && rest[0] == '/' {
			return r.serveGot(w, req, rest[1:])
		}
	}
	return false
}

// serveGot is ServeKept for a request in base64.
func (r *Responder) serveGot(w http.ResponseWriter, req *http.Request, text string) bool {
	buffer := r.bodies.Get().(*shortRequest)
	defer r.bodies.Put(buffer)
	der, ok := r.forms.decode(buffer, text)
	return ok && r.serveShort(w, req, der)
}

// serveShort is ServeKept for the request's DER.
func (r *Responder) serveShort(w http.ResponseWriter, req *http.Request, der []byte) bool {
	if key, ok := r.forms.ofRequest(der); ok {
		return r.serveKey(w, req, key)
	}
	return r.serveNonced(w, req, der)
}

// servePosted is ServeKept for a request with a short body, which it puts back
// where there is no answer.
func (r *Responder) servePosted(w http.ResponseWriter, req *http.Request) bool {
	buffer := r.bodies.Get().(*shortRequest)
	defer r.bodies.Put(buffer)
	body := buffer[:req.ContentLength]
	n, err := io.ReadFull(req.Body, body)
	if err == nil && r.serveShort(w, req, body) {
		return true
	}
	again := io.MultiReader(bytes.NewReader(bytes.Clone(body[:n])), req.Body)
	req.Body = struct {
		io.Reader
		io.Closer
	}{again, req.Body}
	return false
}

// serveKey answers about key if there is an answer that is right now.
func (r *Responder) serveKey(w http.ResponseWriter, req *http.Request, key answerKey) bool {
	k, second := r.answers.get(key), r.now().Unix()
	if k == nil || !k.servable(second) {
		return false
	}
	// Read after the answer was found, so that nothing that is on disk by now is missed.
	revision, err := r.store.Revision(req.Context(), r.issuer.ID())
	if err != nil || revision != k.revision.Load() {
		return false
	}
	k.touch()
	serveKept(w, req, k, second)
	return true
}

// ocspContentType is shared by all answers: nobody may change it.
var ocspContentType = []string{ocsp.ResponseType}

// serveKept sets the header fields of RFC 5019, Section 6.2, and writes k. The
// fields' names are in their canonical form, and the values are k's own: setting
// them costs no memory.
func serveKept(w http.ResponseWriter, r *http.Request, k *kept, second int64) {
	header, f := w.Header(), k.fieldsAt(second)
	header["Content-Type"] = ocspContentType
	header["Cache-Control"] = f.control[:]
	header["Expires"] = f.expires[:]
	header["Last-Modified"] = f.modified[:]
	header["Etag"] = f.etag[:]
	if r.Method != http.MethodPost && notModified(r, k, f) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if k.size() > maxUncounted {
		header["Content-Length"] = f.size[:]
	}
	_, _ = w.Write(k.head) // a client that left can't be told
	_, _ = w.Write(k.signer.tail)
}

// maxUncounted is how long an answer is at most whose length package http finds out by
// itself, for less than a field costs. It does for what fits into its buffer of 2 KiB.
const maxUncounted = 1 << 10

// notModified reports whether the client says that it has k already (RFC 9110,
// Section 13.2.2). A date must be k's own, not just later: it would be, after a
// clock was set back.
func notModified(r *http.Request, k *kept, f *fields) bool {
	if tags := r.Header["If-None-Match"]; len(tags) > 0 {
		for _, t := range tags {
			if strings.Contains(t, f.etag[0]) || strings.TrimSpace(t) == "*" {
				return true
			}
		}
		return false
	}
	since := r.Header["If-Modified-Since"]
	if len(since) != 1 || !k.dated {
		return false
	}
	date, err := http.ParseTime(since[0])
	return err == nil && date.Unix() == k.produced
}

var errBase64 = errors.New("not base64")

// decodeGET reads the request out of what follows /ocsp in a path that was
// unescaped once. Clients differ: some escape twice, some leave the padding
// out, some use the alphabet for URLs, some put one slash too many before it.
// The base64 of a SEQUENCE begins with "M", so that no slash there is its own.
func decodeGET(text string) ([]byte, error) {
	text = strings.TrimLeft(text, "/")
	if len(text) > 2*ocsp.MaxRequest {
		return nil, errBase64
	}
	if strings.Contains(text, "%") {
		again, err := url.PathUnescape(text)
		if err != nil {
			return nil, errBase64
		}
		text = again
	}
	text = base64Spelling.Replace(text)
	der, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(der) == 0 {
		return nil, errBase64
	}
	return der, nil
}

// base64Spelling brings the alphabet for URLs (RFC 4648, Section 5), a plus sign
// that was taken for a space, and line breaks to one spelling.
var base64Spelling = strings.NewReplacer("-", "+", "_", "/", " ", "+", "\r", "", "\n", "")
