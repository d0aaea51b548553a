package agent_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signet/internal/exit"
	"signet/revocation/agent"
	"signet/revocation/crl"
)

// A bundle that lacks a level from one day on is loud at once and for as long as it does,
// though all servers have what they need; the other level goes on.
func TestALevelIsNotGivenAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		keep(t, s, agent.KeeperConfig{Poll: time.Minute}, func(k *agent.Keeper, log *logBook) {
			success := k.Status().LastSuccess
			began := time.Since(log.began)
			s.put("/bundle.pem", crl.EncodePEM(s.list(s.Issuer, 11)))
			for _, d := range []time.Duration{time.Minute, 2 * time.Hour} {
				pass(d)
				st := k.Status()
				if st.Standing != agent.Warning || st.Kind != "missing" || st.Failures["missing"] == 0 || st.Levels[0].Number != "11" || st.Levels[1].Number != "3" ||
					st.LastSuccess.Sub(success) > time.Minute || !strings.Contains(st.Error, "Root") || st.Hint == "" {
					t.Errorf("after %s: %+v", d, st)
				}
			}
			if at, ok := log.first(slog.LevelWarn, "could not be brought up to date"); !ok || at-began > time.Minute {
				t.Errorf("said after %s, %v", at-began, ok)
			}
			if last := s.requests[len(s.requests)-1]; last == "" {
				t.Error("all of it is fetched at each turn")
			}
		})
		// A restart forgets nothing of it.
		keep(t, s, agent.KeeperConfig{Poll: time.Minute}, func(k *agent.Keeper, _ *logBook) {
			if st := k.Status(); st.Standing != agent.Warning || st.Kind != "missing" || s.requests[len(s.requests)-1] == "" {
				t.Errorf("%+v", st)
			}
			s.bundle(s.list(s.Issuer, 12), s.list(s.RootIssuer, 4))
			pass(time.Minute)
			if st := k.Status(); st.Standing != agent.OK {
				t.Errorf("%+v", st)
			}
		})
	})
}

// Of URLs for each level one may have changed to give another's, while the rest say
// that nothing has.
func TestAURLGivesAnotherLevel(t *testing.T) {
	s := newSource(t)
	base := strings.TrimSuffix(s.conf.URLs[0], "/bundle.pem")
	s.conf.URLs = []string{base + "/root.crl", base + "/issuer.crl"}
	s.put("/issuer.crl", s.list(s.Issuer, 5))
	root := s.list(s.RootIssuer, 1)
	s.put("/root.crl", root)
	s.mustFetch()
	s.mustFetch()
	s.put("/issuer.crl", root)
	for range 2 {
		if r, err := s.fetch(); !errors.Is(err, agent.ErrLacking) || r == nil || exit.CodeOf(err) != exit.Failed || exit.HintOf(err) == "" {
			t.Errorf("%v", err)
		}
	}
}

// A lower number made later is no old copy of a cache: that is said at once.
func TestARestoredCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		keep(t, s, agent.KeeperConfig{Poll: time.Minute}, func(k *agent.Keeper, log *logBook) {
			before := s.inPlace()
			s.bundle(s.listAt(s.Issuer, 7, s.now.Add(-2*time.Hour), s.now.Add(5*time.Hour)), s.list(s.RootIssuer, 3))
			pass(time.Minute)
			if st := k.Status(); st.Standing != agent.OK || st.Kind != "older" {
				t.Errorf("an old copy: %+v", st)
			}
			s.bundle(s.listAt(s.Issuer, 7, s.now, s.now.Add(10*time.Hour)), s.list(s.RootIssuer, 3))
			pass(time.Minute)
			if st := k.Status(); st.Standing != agent.Warning || st.Kind != "restored" || !strings.Contains(st.Hint, "restored from an old copy") {
				t.Errorf("%+v", st)
			}
			if _, ok := log.first(slog.LevelError, "could not be brought up to date"); !ok {
				t.Error("it is not said")
			}
			if !bytes.Equal(s.inPlace(), before) {
				t.Error("the list in place was changed")
			}
		})
		// As its hint says:
		if err := os.Remove(s.conf.Path); err != nil {
			t.Fatal(err)
		}
		keep(t, s, agent.KeeperConfig{}, func(k *agent.Keeper, _ *logBook) {
			if st := k.Status(); st.Standing != agent.OK || st.Levels[0].Number != "7" {
				t.Errorf("%+v", st)
			}
		})
	})
}

// A drip is a body of which so much comes each second.
type drip struct {
	from io.Reader
	much int64
}

func (d *drip) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return d.from.Read(p[:min(int64(len(p)), d.much)])
}

// dripping has the source's answers come so slowly from now on.
func (s *source) dripping(much int64, body func() io.Reader) {
	s.conf.HTTP.Transport = transport(func(*http.Request) (*http.Response, error) {
		return answer(http.StatusOK, &drip{body(), much}), nil
	})
}

func TestASlowLoris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		keep(t, s, agent.KeeperConfig{Poll: time.Minute}, func(k *agent.Keeper, log *logBook) {
			began := time.Since(log.began)
			s.dripping(1, func() io.Reader { return letters{} })
			pass(3 * time.Minute)
			if at, ok := log.first(slog.LevelWarn, "could not be brought up to date"); !ok || at-began > 2*time.Minute+time.Second {
				t.Errorf("said after %s, %v", at-began, ok)
			}
			pass(8 * time.Minute)
			if st := k.Status(); st.Standing != agent.Warning || st.Kind != "unreachable" || !strings.Contains(st.Error, "too slow") {
				t.Errorf("%+v", st)
			}
		})
	})
}

// What is big and slow comes all the same, and that it takes long is said.
func TestABigCRLOverASlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		s.conf.MaxBytes = 1 << 30
		keep(t, s, agent.KeeperConfig{Poll: time.Minute}, func(k *agent.Keeper, log *logBook) {
			s.bundle(s.listAt(s.Issuer, 11, s.now, s.now.Add(100*time.Hour)), s.listAt(s.RootIssuer, 4, s.now, s.now.Add(100*time.Hour)))
			const rate = 10 << 10
			s.dripping(rate, func() io.Reader {
				return io.MultiReader(io.LimitReader(lines{}, 20*60*rate), strings.NewReader("\n"), bytes.NewReader(s.bodies["/bundle.pem"]))
			})
			pass(12 * time.Minute)
			if st := k.Status(); st.Standing != agent.Warning || !strings.Contains(st.Error, "goes on still") || len(st.Failures) != 0 {
				t.Errorf("%+v", st)
			}
			if at, ok := log.first(slog.LevelWarn, "takes long"); !ok || at > 12*time.Minute {
				t.Errorf("said after %s, %v", at, ok)
			}
			pass(15 * time.Minute)
			if st := k.Status(); st.Levels[0].Number != "11" || len(st.Failures) != 0 {
				t.Errorf("%+v", st)
			}
		})
	})
}

// Failures of two kinds in turns are no reason to wait.
func TestFailuresInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		n := 0
		keep(t, s, agent.KeeperConfig{Poll: time.Minute}, func(k *agent.Keeper, _ *logBook) {
			s.conf.HTTP.Transport = transport(func(*http.Request) (*http.Response, error) {
				if n++; n%2 == 0 {
					return nil, errors.New("no route to host")
				}
				return answer(http.StatusOK, strings.NewReader("hello\n")), nil
			})
			pass(11*time.Minute + time.Second)
			if st := k.Status(); st.Standing != agent.Warning {
				t.Errorf("%+v", st)
			}
		})
	})
}

// A refusal counts when the check was run.
func TestARefusalCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		hated := filepath.Join(t.TempDir(), "hated")
		s.conf.Check = fmt.Sprintf(`! cmp -s "$SIGNET_CRL" %s`, hated)
		keep(t, s, agent.KeeperConfig{Poll: 10 * time.Second}, func(k *agent.Keeper, _ *logBook) {
			s.bundle(s.list(s.Issuer, 11), s.list(s.RootIssuer, 4))
			if err := os.WriteFile(hated, s.bodies["/bundle.pem"], 0o600); err != nil {
				t.Fatal(err)
			}
			pass(50 * time.Second)
			st := k.Status()
			if st.Failures["refused"] != 1 || st.Fetches < 4 || st.Standing != agent.Warning || !strings.Contains(st.Hint, "systemctl reload signet-crl") {
				t.Errorf("%+v", st)
			}
			pass(time.Minute)
			if st := k.Status(); st.Failures["refused"] != 2 {
				t.Errorf("%+v", st)
			}
		})
	})
}

// Who answers can be reached: the hint says something else.
func TestHintsOfStatuses(t *testing.T) {
	for code, want := range map[int]string{204: "gives no CRL at that URL", 404: "gives no CRL at that URL", 403: "proxy's rule", 429: "asked too often", 503: "left alone for 2m0s", 500: "see its log"} {
		s := newSource(t)
		s.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(code)
		})
		if _, err := s.fetch(); !errors.Is(err, agent.ErrUnreachable) || !strings.Contains(exit.HintOf(err), want) || exit.CodeOf(err) != exit.Unreachable {
			t.Errorf("%d: %v: %s", code, err, exit.HintOf(err))
		}
	}
}

// What others do to the file while the agent runs is undone, or said where it can't be.
func TestTheFileIsMadeSomethingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		dir := filepath.Dir(s.conf.Path)
		link, file := filepath.Join(dir, "link"), s.conf.Path
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.WriteFile(file, nil, 0o600))
		must(os.Symlink(file, link))
		s.conf.Path = link
		keep(t, s, agent.KeeperConfig{Poll: time.Minute}, func(k *agent.Keeper, _ *logBook) {
			check := func(what string, standing agent.Standing, kind string) {
				t.Helper()
				pass(time.Minute)
				if st := k.Status(); st.Standing != standing || st.Kind != kind {
					t.Errorf("%s: %+v", what, st)
				}
			}
			check("begin", agent.OK, "")
			must(os.Remove(file))
			check("deleted", agent.OK, "")
			if !bytes.Equal(s.inPlace(), s.bodies["/bundle.pem"]) {
				t.Error("it is not made again")
			}
			must(os.Remove(file))
			must(os.Mkdir(file, 0o700))
			check("a folder", agent.Missing, "not_a_file")
			must(os.Remove(file))
			check("no folder any more", agent.OK, "")
			must(os.Remove(link))
			must(os.WriteFile(link, nil, 0o600))
			check("a file in place of the link", agent.Missing, "not_a_file")
		})
	})
}
