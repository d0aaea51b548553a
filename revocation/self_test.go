package revocation_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"signet/ca"
	"signet/internal/audit"
	"signet/internal/problem"
	"signet/revocation"
)

// authenticate believes the header X-Account; "boss" is an officer.
func authenticate(r *http.Request) (string, bool, error) {
	switch name := r.Header.Get("X-Account"); name {
	case "":
		return "", false, &problem.Problem{Type: problem.URN("unauthenticated"), Title: "Who are you?", Status: 401}
	case "trouble":
		return "", false, errors.New("the directory is down: password was hunter2")
	default:
		return name, name == "boss", nil
	}
}

func TestSelf(t *testing.T) {
	w := newWorld(t, nil)
	h := w.service.SelfHandler(authenticate)
	alice, bob, carol := w.issue("alice"), w.issue("bob"), w.issue("carol")
	const good = `{"reason":"keyCompromise"}`
	for _, c := range []struct {
		name, account, serial, body string
		status                      int
		problem                     string
	}{
		{"nobody", "", alice.Serial.String(), good, 401, "unauthenticated"},
		{"trouble", "trouble", alice.Serial.String(), good, 500, "internal"},
		{"another's", "bob", alice.Serial.String(), good, 404, "not-found"},
		{"never issued", "alice", w.Serial(t).String(), good, 404, "not-found"},
		{"no serial", "alice", "xyz", good, 404, "not-found"},
		{"no JSON", "alice", alice.Serial.String(), "reason=keyCompromise", 400, "malformed"},
		{"JSON and more", "alice", alice.Serial.String(), good + good, 400, "malformed"},
		{"another field", "alice", alice.Serial.String(), `{"reason":"superseded","account":"bob"}`, 400, "malformed"},
		{"long", "alice", alice.Serial.String(), `{"reason":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too-large"},
		{"no reason of RFC 5280", "alice", alice.Serial.String(), `{"reason":"boredom"}`, 422, "bad-reason"},
		{"removeFromCRL", "boss", alice.Serial.String(), `{"reason":"removeFromCRL"}`, 422, "bad-reason"},
		{"not a user's reason", "alice", alice.Serial.String(), `{"reason":"privilegeWithdrawn"}`, 422, "bad-reason"},
		{"a hold by a user", "alice", alice.Serial.String(), `{"reason":"certificateHold"}`, 422, "bad-reason"},
		{"one's own", "alice", alice.Serial.String(), good, 200, ""},
		{"one's own again", "alice", alice.Serial.String(), good, 409, "already-revoked"},
		{"an officer", "boss", bob.Serial.String(), `{"reason":"privilegeWithdrawn"}`, 200, ""},
		{"a hold by an officer", "boss", carol.Serial.String(), `{"reason":"certificateHold"}`, 200, ""},
		{"one's own on hold, without a reason", "carol", carol.Serial.String(), `{}`, 200, ""},
	} {
		r := httptest.NewRequest("POST", "/api/v1/certificates/"+c.serial+"/revocation", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		r.Header.Set("X-Account", c.account)
		r.Header.Set("X-Request-Id", "abc")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != c.status {
			t.Errorf("%s: %d, want %d: %s", c.name, rec.Code, c.status, rec.Body)
			continue
		}
		checkSelfAnswer(t, c.name, c.problem, c.serial, rec)
	}
	w.refresh()
	want := map[string]ca.Reason{
		alice.Serial.String(): ca.KeyCompromise, bob.Serial.String(): ca.PrivilegeWithdrawn, carol.Serial.String(): ca.Unspecified,
	}
	got := w.onCRL()
	for serial, reason := range want {
		if r, ok := got[serial]; !ok || r != reason {
			t.Errorf("%s: on the CRL %v with %v, want %v", serial, ok, r, reason)
		}
	}
}

func checkSelfAnswer(t *testing.T, name, wantProblem, serial string, rec *httptest.ResponseRecorder) {
	t.Helper()
	if strings.Contains(rec.Body.String(), "hunter2") {
		t.Errorf("%s: the cause is told: %s", name, rec.Body)
	}
	if wantProblem == "" {
		var answer struct {
			Serial, Issuer, Reason string
			RevokedAt              string `json:"revoked_at"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || answer.Serial != serial || answer.Reason == "" || answer.RevokedAt == "" {
			t.Errorf("%s: %s", name, rec.Body)
		}
		return
	}
	if rec.Code == http.StatusUnauthorized && rec.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%s: it doesn't say what would do", name)
	}
	var p problem.Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Type != problem.URN(wantProblem) || p.Instance != "abc" ||
		p.Status != rec.Code || rec.Header().Get("Content-Type") != problem.ContentType {
		t.Errorf("%s: %s %s", name, rec.Header(), rec.Body)
	}
}

func TestSelfIsForNoForm(t *testing.T) {
	w := newWorld(t, nil)
	h := w.service.SelfHandler(authenticate)
	path := "/api/v1/certificates/" + w.issue("alice").Serial.String() + "/revocation"
	for _, c := range []struct {
		method, path, contentType string
		want                      int
	}{
		{"POST", path, "text/plain", 415}, {"POST", path, "application/x-www-form-urlencoded", 415}, {"POST", path, "", 415},
		{"GET", path, "application/json", 405}, {"POST", "/elsewhere", "application/json", 404},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(`{"reason":"superseded"}`))
		r.Header.Set("Content-Type", c.contentType)
		r.Header.Set("X-Account", "alice")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != c.want || rec.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%s %s of %q: %d %s", c.method, c.path, c.contentType, rec.Code, rec.Body)
		}
	}
}

func TestRevokerRules(t *testing.T) {
	w := newWorld(t, nil)
	r, ctx := w.service.Revoker, context.Background()
	alice, bob := w.issue("alice"), w.issue("bob")
	for _, reason := range []ca.Reason{ca.CertificateHold, ca.RemoveFromCRL, ca.AACompromise, 7, 11, -1} {
		if _, err := r.Revoke(ctx, alice.Serial, reason, "boss"); !errors.Is(err, revocation.ErrReason) {
			t.Errorf("revoking with %v: %v", reason, err)
		}
	}
	if _, err := r.Release(ctx, alice.Serial, "boss"); !errors.Is(err, revocation.ErrNotOnHold) {
		t.Errorf("releasing what is not held: %v", err)
	}
	if _, err := r.Hold(ctx, w.Serial(t), "boss"); !errors.Is(err, revocation.ErrNotFound) {
		t.Errorf("holding what was never issued: %v", err)
	}
	held, err := r.Hold(ctx, alice.Serial, "boss")
	if err != nil || held.Revocation.Reason != ca.CertificateHold {
		t.Errorf("holding: %+v, %v", held.Revocation, err)
	}
	revoked, err := r.Revoke(ctx, alice.Serial, ca.Superseded, "boss")
	if err != nil || revoked.Revocation.Reason != ca.Superseded || revoked.Revocation.At.Nanosecond() != 0 {
		t.Errorf("revoking what is held: %+v, %v", revoked.Revocation, err)
	}
	if _, err := r.Release(ctx, alice.Serial, "boss"); !errors.Is(err, revocation.ErrNotOnHold) {
		t.Errorf("releasing what is revoked for good: %v", err)
	}
	if _, err := r.Hold(ctx, alice.Serial, "boss"); !errors.Is(err, revocation.ErrAlreadyRevoked) {
		t.Errorf("holding what is revoked: %v", err)
	}
	stored, err := w.store.Certificate(ctx, w.Issuer.ID(), alice.Serial)
	if err != nil || stored.Revocation.Reason != ca.Superseded || stored.Revocation.By != "boss" {
		t.Errorf("stored: %+v, %v", stored.Revocation, err)
	}
	if err := r.Choose(ctx, revocation.Filter{}, nil); !errors.Is(err, revocation.ErrFilter) {
		t.Errorf("choosing everything: %v", err)
	}
	if _, err := r.RevokeAll(ctx, nil, ca.RemoveFromCRL, "boss", nil); !errors.Is(err, revocation.ErrReason) {
		t.Errorf("revoking with a reason of deltas: %v", err)
	}
	w.checkRevokeAll(bob)
}

func (w *world) checkRevokeAll(bob *ca.Certificate) {
	w.Helper()
	ctx := context.Background()
	second := w.issue("bob")
	w.issue("carol")
	serials := append(w.chosen(revocation.Filter{Account: "bob"}), ca.Serial{1, 2, 3}, second.Serial)
	all := func(what string, got revocation.Batch, err error, want revocation.Batch) {
		w.Helper()
		want.NotFound, want.Unknown = 1, []ca.Serial{{1, 2, 3}}
		if err != nil || !reflect.DeepEqual(got, want) {
			w.Errorf("%s all of bob's: %+v, %v", what, got, err)
		}
	}
	r := w.service.Revoker
	done, err := r.RevokeAll(ctx, serials, ca.CertificateHold, "boss", nil)
	all("holding", done, err, revocation.Batch{Changed: 2})
	done, err = r.ReleaseAll(ctx, serials, "boss", nil)
	all("releasing", done, err, revocation.Batch{Changed: 2})
	done, err = r.ReleaseAll(ctx, serials, "boss", nil)
	all("releasing again", done, err, revocation.Batch{Already: 2})
	progress := 0
	done, err = r.RevokeAll(ctx, serials, ca.PrivilegeWithdrawn, "boss", func(b revocation.Batch) { progress += b.Changed })
	all("revoking", done, err, revocation.Batch{Changed: 2})
	done, err = r.RevokeAll(ctx, serials, ca.Superseded, "boss", nil)
	all("revoking again", done, err, revocation.Batch{Already: 2})
	if progress != 2 {
		w.Errorf("told of %d", progress)
	}
	w.refresh()
	got := w.onCRL()
	if got[bob.Serial.String()] != ca.PrivilegeWithdrawn || got[second.Serial.String()] != ca.PrivilegeWithdrawn || len(got) != 3 {
		w.Errorf("on the CRL: %v", got)
	}
	var actions []string
	must(w, w.store.Events(ctx, 0, func(e audit.Event) bool {
		if e.Actor == "boss" {
			actions = append(actions, e.Action)
		}
		return true
	}))
	want := "certificate.hold certificate.revoke certificate.hold certificate.hold " +
		"certificate.release certificate.release certificate.revoke certificate.revoke"
	if strings.Join(actions, " ") != want {
		w.Errorf("the log tells of %v", actions)
	}
}

// chosen are the serials of the certificates that f chooses.
func (w *world) chosen(f revocation.Filter) (serials []ca.Serial) {
	w.Helper()
	must(w, w.service.Revoker.Choose(context.Background(), f, func(c ca.Certificate) bool {
		serials = append(serials, c.Serial)
		return true
	}))
	return serials
}
