package revocation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"signet/ca"
	"signet/internal/problem"
)

// An Authenticate tells whose request it is, and whether they are an officer,
// who may revoke anyone's certificates. It fails with a *[problem.Problem] where
// the client may read why; anything else is answered as an internal error.
type Authenticate func(*http.Request) (account string, officer bool, err error)

// SelfHandler serves POST /api/v1/certificates/{serial}/revocation with the
// body {"reason": "keyCompromise"}: users revoke their own certificates for
// good, officers anyone's, also with certificateHold. The answer is 200 with
// serial, issuer, revoked_at and reason, or a problem.
func (s *Service) SelfHandler(auth Authenticate) http.Handler {
	h := &selfHandler{revoker: s.Revoker, auth: auth}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/certificates/{serial}/revocation", h)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { h.fail(w, r, errPath) })
	return mux
}

type selfHandler struct {
	revoker *Revoker
	auth    Authenticate
}

// maxSelfBody bounds the request's body in octets.
const maxSelfBody = 4 << 10

// selfReasons are those that users may give for their own certificates: the
// others say something of the CA or of their rights.
var selfReasons = []ca.Reason{
	ca.Unspecified, ca.KeyCompromise, ca.AffiliationChanged, ca.Superseded, ca.CessationOfOperation,
}

// What the handler refuses by itself.
var (
	errPath      = errors.New("there is nothing here")
	errMethod    = errors.New("only POST here")
	errMediaType = errors.New("the body must be application/json")
	errBody      = errors.New("the body is not {\"reason\": …} as JSON")
	errNotOwn    = errors.New("not this account's certificate")
)

func (h *selfHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		h.fail(w, r, errMethod)
		return
	}
	cert, err := h.revoke(w, r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{ // a client that left can't be told
		"serial": cert.Serial, "issuer": cert.Issuer,
		"revoked_at": cert.Revocation.At.Format(time.RFC3339), "reason": cert.Revocation.Reason,
	})
}

func (h *selfHandler) revoke(w http.ResponseWriter, r *http.Request) (ca.Certificate, error) {
	account, officer, err := h.auth(r)
	if err != nil {
		return ca.Certificate{}, err
	}
	reason, err := readReason(w, r, officer)
	if err != nil {
		return ca.Certificate{}, err
	}
	serial, err := ca.ParseSerial(r.PathValue("serial"))
	if err != nil {
		return ca.Certificate{}, err
	}
	if !officer {
		// Whose it is never changes, so that nothing can come in between.
		c, err := h.revoker.store.Certificate(r.Context(), h.revoker.issuer, serial)
		if err != nil {
			return ca.Certificate{}, err
		}
		if c.Account == "" || c.Account != account {
			return ca.Certificate{}, errNotOwn
		}
	}
	if reason == ca.CertificateHold {
		return h.revoker.Hold(r.Context(), serial, account)
	}
	return h.revoker.Revoke(r.Context(), serial, reason, account)
}

// readReason reads the body. Its media type is one that a form on another site
// can't send: a browser adds the client's certificate by itself.
func readReason(w http.ResponseWriter, r *http.Request, officer bool) (ca.Reason, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return 0, errMediaType
	}
	var body struct {
		Reason string `json:"reason"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSelfBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return 0, fmt.Errorf("%w: %w", errBody, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return 0, errBody
	}
	if body.Reason == "" {
		return ca.Unspecified, nil
	}
	reason, err := ca.ParseReason(body.Reason)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrReason, err)
	}
	if !officer && !slices.Contains(selfReasons, reason) {
		return 0, fmt.Errorf("%w of one's own: %s", ErrReason, reason)
	}
	return reason, nil
}

// fail answers with the problem that err is; what it does not know it logs.
func (h *selfHandler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := selfProblem(err)
	if p == nil {
		h.revoker.logger.ErrorContext(r.Context(), "revoking one's own certificate", "error", err, "request", r.Header.Get(problem.RequestID))
		p = problem.Internal()
	}
	sent := *p
	if sent.Instance == "" {
		sent.Instance = r.Header.Get(problem.RequestID)
	}
	if sent.Status == http.StatusUnauthorized {
		// RFC 9110, Section 11.6.1: a 401 says what would do. An enrollment code would not.
		w.Header().Set("WWW-Authenticate", `Basic realm="Signet", charset="UTF-8"`)
	}
	problem.Write(w, &sent)
}

// selfProblem is the table of problems; nil for an error that is not in it.
func selfProblem(err error) *problem.Problem {
	var p *problem.Problem
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &tooLong):
		return problem.New(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body may have %d octets", tooLong.Limit))
	// Another's certificate is answered as one that is not there.
	case errors.Is(err, ErrNotFound), errors.Is(err, errNotOwn), errors.Is(err, ca.ErrBadSerial), errors.Is(err, errPath):
		return problem.New(http.StatusNotFound, "not-found", "you have no certificate with this serial number")
	case errors.Is(err, ErrAlreadyRevoked):
		return problem.New(http.StatusConflict, "already-revoked", "this certificate was revoked before; its first reason and time stay")
	case errors.Is(err, ErrReason):
		return problem.New(http.StatusUnprocessableEntity, "bad-reason", err.Error())
	case errors.Is(err, errMethod):
		return problem.New(http.StatusMethodNotAllowed, "method", err.Error())
	case errors.Is(err, errMediaType):
		return problem.New(http.StatusUnsupportedMediaType, "media-type", err.Error())
	case errors.Is(err, errBody):
		return problem.New(http.StatusBadRequest, "malformed", errBody.Error())
	}
	return nil
}
