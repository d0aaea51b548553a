package ceremony

import (
	"os"
	"path/filepath"
	"testing"

	"signet/piv"
)

func TestJournal(t *testing.T) {
	j := Journal{Dir: filepath.Join(t.TempDir(), "state", "signet")}
	e, err := j.load("https://a", 7)
	if err != nil || len(e.Keys) != 0 {
		t.Fatalf("nothing pending: %+v, %v", e, err)
	}
	e.Keys = []*pendingKey{{Profile: "user", Slot: piv.SlotAuthentication, Public: []byte{1}}}
	if err := j.save(e); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(j.path(7)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(j.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	again, err := j.load("https://a", 7)
	if err != nil || len(again.Keys) != 1 || again.Keys[0].Profile != "user" {
		t.Errorf("read back: %+v, %v", again, err)
	}
	for name, get := range map[string]func() (*entry, error){
		"another CA":   func() (*entry, error) { return j.load("https://b", 7) },
		"another card": func() (*entry, error) { return j.load("https://a", 8) },
		"damaged":      func() (*entry, error) { damage(t, j.path(7), "{"); return j.load("https://a", 7) },
		"too long": func() (*entry, error) {
			damage(t, j.path(7), string(make([]byte, maxEntry+1)))
			return j.load("https://a", 7)
		},
		"a key that is none": func() (*entry, error) {
			damage(t, j.path(7), `{"version":2,"ca":"https://a","card":7,"keys":[null]}`)
			return j.load("https://a", 7)
		},
		"another form": func() (*entry, error) {
			damage(t, j.path(7), `{"version":3,"ca":"https://a","card":7}`)
			return j.load("https://a", 7)
		},
	} {
		if e, err := get(); err != nil || len(e.Keys) != 0 || e.Version != entryVersion {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	for range 2 {
		if err := j.Forget(7); err != nil {
			t.Error(err)
		}
	}
}

// What an earlier version has left is taken up: it had one key.
func TestFirstJournal(t *testing.T) {
	j := Journal{Dir: t.TempDir()}
	damage(t, j.path(7), `{"version":1,"ca":"https://a","card":7,"pin_set":true,
		"key":{"profile":"user","slot":148,"into":154,"algorithm":"P-256","pin_policy":2,"touch_policy":1,"public":"AQ=="}}`)
	e, err := j.load("https://a", 7)
	if err != nil || len(e.Keys) != 1 || e.Keys[0].Profile != "user" || e.Profile != "user" || e.Key != nil || !e.PINSet {
		t.Fatalf("%+v, %v", e, err)
	}
	if !j.Pending("https://a", 7, piv.SlotAuthentication) {
		t.Error("its key is for slot 9a, and is not pending")
	}
	if err := j.save(e); err != nil {
		t.Fatal(err)
	}
	if again, err := j.load("https://a", 7); err != nil || again.Version != entryVersion || len(again.Keys) != 1 {
		t.Errorf("saved, and read back: %+v, %v", again, err)
	}
}

func damage(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
