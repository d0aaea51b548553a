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
	if err != nil || e.Key != nil {
		t.Fatalf("nothing pending: %+v, %v", e, err)
	}
	e.Key = &pendingKey{Profile: "user", Slot: piv.SlotAuthentication, Public: []byte{1}}
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
	if err != nil || again.Key == nil || again.Key.Profile != "user" {
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
		"another form": func() (*entry, error) {
			damage(t, j.path(7), `{"version":2,"ca":"https://a","card":7}`)
			return j.load("https://a", 7)
		},
	} {
		if e, err := get(); err != nil || e.Key != nil || e.Version != entryVersion {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	for range 2 {
		if err := j.Forget(7); err != nil {
			t.Error(err)
		}
	}
}

func damage(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
