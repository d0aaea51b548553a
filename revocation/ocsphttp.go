package revocation

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/revocation/ocsp"
)

// serveOCSP answers by POST and GET (RFC 6960, Appendix A.1). What is wrong
// with a request is said in OCSP, with HTTP status 200.
func (h *handler) serveOCSP(w http.ResponseWriter, r *http.Request, path string) {
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
	answer := Answer{DER: ocsp.ErrorResponse(ocsp.MalformedRequest)}
	if err == nil {
		answer = h.responder.Answer(r.Context(), der)
	}
	h.writeOCSP(w, r, answer)
}

// writeOCSP sets the header fields of RFC 5019, Section 6.2.
func (h *handler) writeOCSP(w http.ResponseWriter, r *http.Request, a Answer) {
	header := w.Header()
	header.Set("Content-Type", ocsp.ResponseType)
	header.Set("Content-Length", fmt.Sprint(len(a.DER)))
	if !a.Cacheable {
		// An answer that bears a nonce is for one client alone.
		header.Set("Cache-Control", "no-store")
		writeBody(w, r, a.DER)
		return
	}
	age := max(0, int(a.NextUpdate.Sub(h.now())/time.Second))
	header.Set("Cache-Control", fmt.Sprintf("max-age=%d, public, no-transform, must-revalidate", age))
	header.Set("Expires", a.NextUpdate.UTC().Format(http.TimeFormat))
	header.Set("Last-Modified", a.Produced.UTC().Format(http.TimeFormat))
	header.Set("ETag", a.ETag)
	if r.Method != http.MethodPost && strings.Contains(r.Header.Get("If-None-Match"), a.ETag) {
		header.Del("Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeBody(w, r, a.DER)
}

func writeBody(w http.ResponseWriter, r *http.Request, der []byte) {
	if r.Method != http.MethodHead {
		_, _ = w.Write(der) // a client that left can't be told
	}
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
