package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"signet/ca"
)

// answerOf is a server's answer with n findings; whole tells whether the summary follows.
func answerOf(t *testing.T, n int, whole bool) *json.Decoder {
	t.Helper()
	var out strings.Builder
	e := json.NewEncoder(&out)
	for i := range n {
		f := &planFinding{Serial: ca.Serial{1, byte(i)}, Account: "a", Fails: []failedRule{{Rule: "r", Reason: "\"<&"}}}
		if err := e.Encode(planWord{Finding: f}); err != nil {
			t.Fatal(err)
		}
	}
	if whole {
		_ = e.Encode(planWord{Summary: &planSummary{Checked: 7, Failing: n, Rules: map[string]int{"r": n}}})
	}
	return json.NewDecoder(strings.NewReader(out.String()))
}

func TestPlanCheckInJSONIsOneObject(t *testing.T) {
	for n := range 3 {
		var out strings.Builder
		if _, err := readPlanWords(answerOf(t, n, true), planJSON{&out}); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Certificates []planFinding
			planSummary
		}
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			t.Fatalf("%s: %v", out.String(), err)
		}
		if got.Certificates == nil || len(got.Certificates) != n || got.Failing != n || got.Checked != 7 {
			t.Errorf("%s: %+v", out.String(), got)
		}
	}
}

// A list that broke off is an error in each form, so that no script takes it for a whole one.
func TestPlanCheckThatBreaksOff(t *testing.T) {
	for _, to := range []planPrinter{planTable{io.Discard}, planSerials{io.Discard}, planJSON{io.Discard}} {
		for n := range 3 {
			if sum, err := readPlanWords(answerOf(t, n, false), to); err == nil || sum != nil {
				t.Errorf("%T, %d findings: %v, %v", to, n, sum, err)
			}
		}
		if _, err := readPlanWords(json.NewDecoder(strings.NewReader(fmt.Sprintln("{}"))), to); err == nil {
			t.Errorf("%T: a word without meaning", to)
		}
	}
}
