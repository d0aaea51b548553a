package enroll

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"signet/ca"
	"signet/internal/problem"
)

const (
	// maxBody bounds a request's body, in bytes: a CSR with an attestation is 1 to 5 KB, and
	// there are up to [MaxMembers].
	maxBody = 64 << 10
	// replayNonce is RFC 8555's header (Section 6.5) with the next nonce.
	replayNonce = "Replay-Nonce"
)

// An answer is what a call sends where it did not fail.
type answer struct {
	status int
	body   any
}

// A call is one operation of the API; body is what the client sent.
type call func(r *http.Request, id *Identity, body []byte) (answer, error)

// Handler serves /api/v1/ but for revocations, which package revocation serves.
// It wants the TLS listener to ask for client certificates without requiring
// them, and whoever mounts it to set X-Request-Id in request and answer.
func (e *Enroller) Handler() http.Handler {
	mux := http.NewServeMux()
	e.route(mux, "/api/v1/profiles/{name}", map[string]call{"GET": e.getProfile})
	e.route(mux, "/api/v1/certificates", map[string]call{"GET": e.listCertificates, "POST": e.postCertificate})
	e.route(mux, "/api/v1/certificates/{serial}", map[string]call{"GET": e.getCertificate})
	e.routeCards(mux)
	e.route(mux, "/api/v1/renewals", map[string]call{"POST": e.postRenewal})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { e.fail(w, r, errNoRoute) })
	return mux
}

// route serves the calls at path by their method.
func (e *Enroller) route(mux *http.ServeMux, path string, calls map[string]call) {
	var allow []string
	for _, method := range []string{"GET", "POST", "PUT"} {
		if c, ok := calls[method]; ok {
			allow = append(allow, method)
			mux.Handle(method+" "+path, e.serve(c))
		}
	}
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		p := problem.New(http.StatusMethodNotAllowed, "method", "")
		p.Instance = w.Header().Get(problem.RequestID)
		problem.Write(w, p)
	})
}

// serve does what all calls have in common: the body's bounds first, since they
// cost nothing; then who it is; then the call; then the answer.
func (e *Enroller) serve(c call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(w, r)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		id, err := e.Authenticate(r)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		w.Header().Set(replayNonce, e.noncer.make(id.Account.Name).String())
		out, err := c(r, id, body)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		e.write(w, r, out)
	})
}

func (e *Enroller) write(w http.ResponseWriter, r *http.Request, out answer) {
	text, _ := e.answers.Get().(*bytes.Buffer)
	if text == nil {
		text = &bytes.Buffer{}
	}
	defer e.answers.Put(text)
	text.Reset()
	if err := json.NewEncoder(text).Encode(out.body); err != nil {
		e.fail(w, r, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Content-Length", strconv.Itoa(text.Len()))
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(out.status)
	_, _ = w.Write(text.Bytes()) // the header is out: a client that left can't be told
}

// readBody reads a body within its bounds, of the one media type there is. A
// length that is said to be too great is refused before anything is read.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // rather than read on, to throw it away
		return nil, errTooLarge
	}
	body := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead)) // no growing where the length is said
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil:
		return nil, &formError{"the body broke off"}
	case r.Method != http.MethodGet && !isJSON(r.Header.Get("Content-Type")):
		// Also of an empty body: a form on another site can't send this type, and a
		// browser would add the client certificate by itself.
		return nil, errMediaType
	}
	return body.Bytes(), nil
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// parse reads one JSON object with no fields but those of out.
func parse(body []byte, out any) error {
	if first := bytes.TrimLeft(body, " \t\r\n"); len(first) > 0 && first[0] != '{' {
		return &formError{"the body is no JSON object"} // also null, which Decode would take for {}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return &formError{"the body is not the JSON that this call takes: " + jsonReason(err)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &formError{"something follows the JSON in the body"}
	}
	return nil
}

// jsonReason says what is wrong without this program's own names.
func jsonReason(err error) string {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%q can't be a %s", kind.Field, kind.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func (e *Enroller) getProfile(r *http.Request, id *Identity, _ []byte) (answer, error) {
	var card uint32
	if query := r.URL.Query(); query.Has("card") {
		var ok bool
		if card, ok = parseCardSerial(query.Get("card")); !ok {
			return answer{}, &formError{"card is the serial number of a card, in decimal"}
		}
	}
	offer, err := e.Offer(r.Context(), id, r.PathValue("name"), card)
	return answer{http.StatusOK, offer}, err
}

func (e *Enroller) postCertificate(r *http.Request, id *Identity, body []byte) (answer, error) {
	requests, err := parseSubmission(body)
	if err != nil {
		return answer{}, err
	}
	certs, fresh, err := e.Enroll(r.Context(), id, requests...)
	if err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	out := e.issued(&certs[0])
	for i := range certs[1:] {
		out.With = append(out.With, *e.issued(&certs[1+i]))
	}
	return answer{status, out}, nil
}

// issued is cert as its holder receives it.
func (e *Enroller) issued(cert *ca.Certificate) *Issued {
	out := &Issued{
		Serial: cert.Serial, Issuer: cert.Issuer, Certificate: encodePEM(cert.DER), Chain: e.chainPEM,
		Root: e.rootPEM, NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, Profile: cert.Profile,
	}
	if cert.Card != nil {
		out.CardSerial = cert.Card.Serial
	}
	return out
}

func (e *Enroller) listCertificates(r *http.Request, id *Identity, _ []byte) (answer, error) {
	records, err := e.Certificates(r.Context(), id)
	return answer{http.StatusOK, recordList{records}}, err
}

func (e *Enroller) getCertificate(r *http.Request, id *Identity, _ []byte) (answer, error) {
	serial, err := ca.ParseSerial(r.PathValue("serial"))
	if err != nil {
		return answer{}, ErrNotFound
	}
	record, err := e.Certificate(r.Context(), id, serial)
	return answer{http.StatusOK, record}, err
}

func (e *Enroller) postRenewal(r *http.Request, id *Identity, body []byte) (answer, error) {
	var in renewal
	if len(body) > 0 {
		if err := parse(body, &in); err != nil {
			return answer{}, err
		}
	}
	if in.Serial != "" && id.Certificate != nil {
		if serial, err := ca.ParseSerial(in.Serial); err != nil || serial != id.Certificate.Serial {
			return answer{}, refuse("credential.kind", "serial is not that of the client certificate presented")
		}
	}
	ticket, err := e.RenewalCode(r.Context(), id)
	return answer{http.StatusCreated, ticket}, err
}
