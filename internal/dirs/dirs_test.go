package dirs

import "testing"

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		system string
		env    map[string]string
		want   string
	}{
		{"linux", nil, "/home/alice/.local/state/signet"},
		{"linux", map[string]string{"XDG_STATE_HOME": "/state"}, "/state/signet"},
		{"linux", map[string]string{"XDG_STATE_HOME": "relative", "LocalAppData": "/none"}, "/home/alice/.local/state/signet"},
		{"freebsd", nil, "/home/alice/.local/state/signet"},
		{"darwin", nil, "/home/alice/Library/Application Support/signet"},
		{"darwin", map[string]string{"XDG_STATE_HOME": "/state"}, "/state/signet"},
		{"windows", map[string]string{"LocalAppData": "/local"}, "/local/signet"},
		{"windows", nil, "/home/alice/AppData/signet"},
	} {
		m := machine{c.system, "/home/alice", func(name string) string { return c.env[name] }}
		if got := m.of("XDG_STATE_HOME", ".local/state", "LocalAppData"); got != c.want {
			t.Errorf("%s, %v: %s, not %s", c.system, c.env, got, c.want)
		}
	}
}
