package interop

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestPostgreSQL(t *testing.T) { runCases(t, postgresql()) }

const postgresqlPort = 24470

// postgresql decides by the role: the user's gets in by certificate, the guest's
// by password.
func postgresql() recipe {
	return recipe{
		name: "postgresql",
		title: func(t *testing.T) string {
			return "PostgreSQL " + after(output(t, ".", postgresqlProgram(t, "postgres"), "--version"), "(PostgreSQL) ")
		},
		ports:   []int{postgresqlPort},
		prepare: prepareCluster,
		command: func(s *stand) *exec.Cmd {
			return asDatabase(s, exec.Command(postgresqlProgram(s.t, "postgres"), "-D", s.prefix,
				"-h", "127.0.0.1", "-p", strconv.Itoa(postgresqlPort), "-k", s.prefix))
		},
		started: func(s *stand) {
			s.psqlAsOwner("-f", "roles.sql")
			s.psqlAsOwner("-c", fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", guest, guestPassword))
		},
		begin:  "pg_ctl -D . -l postgres.log -o '-h 127.0.0.1 -p 24470 -k .' start\n",
		reload: "kill -HUP $(head -n 1 postmaster.pid)",
		door:   func(s *stand) door { return &database{s} },
		says: map[string]string{
			caseNone:     "FATAL: connection requires a valid client certificate",
			caseRevoked:  "alert certificate revoked",
			caseExpired:  "alert certificate expired",
			caseStranger: "alert unknown ca",
			caseSelfMade: "alert unknown ca",
			caseFallen:   "alert certificate revoked",
			caseMissing:  "alert unknown ca",
			caseRunOut:   "alert certificate",
		},
		lingers: true,
	}
}

// postgresqlProgram finds what Debian keeps out of the path: one folder for each
// version.
func postgresqlProgram(t *testing.T, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return program(t, name)
	}
	return found[len(found)-1]
}

// prepareCluster makes the prefix a data directory with the recipe's files in it.
func prepareCluster(s *stand) {
	fresh := s.path("fresh")
	s.must(os.Mkdir(fresh, 0o700))
	s.ownByDatabase(fresh)
	s.runAsDatabase(exec.Command(postgresqlProgram(s.t, "initdb"), "-D", fresh, "-N", "--no-locale", "-E", "UTF8", "-U", databaseOwner(s.t).Username, "-A", "peer"))
	made, err := os.ReadDir(fresh)
	s.must(err)
	for _, entry := range made {
		if _, err := os.Stat(s.path(entry.Name())); err != nil { // the recipe's own files stay
			s.must(os.Rename(filepath.Join(fresh, entry.Name()), s.path(entry.Name())))
		}
	}
	s.must(os.RemoveAll(fresh))
	s.put("postgresql.conf", append(s.read("postgresql.conf"), "\ninclude = 'signet.conf'\nfsync = off\n"...))
	s.must(os.Chmod(s.prefix, 0o700))
	s.must(os.Chmod(s.path("server.key"), 0o600))
	s.must(filepath.WalkDir(s.prefix, func(path string, _ os.DirEntry, err error) error {
		s.ownByDatabase(path)
		return err
	}))
}

// databaseOwner is who runs PostgreSQL, which refuses to be run by root.
func databaseOwner(t *testing.T) *osuser.User {
	t.Helper()
	if os.Geteuid() != 0 {
		me, err := osuser.Current()
		if err != nil {
			t.Fatal(err)
		}
		return me
	}
	owner, err := osuser.Lookup("postgres") // whom the package makes
	if err != nil {
		t.Fatal(err)
	}
	return owner
}

func (s *stand) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) ownByDatabase(path string) {
	s.t.Helper()
	if os.Geteuid() == 0 {
		uid, gid := ids(s.t)
		s.must(os.Lchown(path, int(uid), int(gid)))
	}
}

func ids(t *testing.T) (uid, gid uint32) {
	t.Helper()
	owner := databaseOwner(t)
	u, err := strconv.ParseUint(owner.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	g, err := strconv.ParseUint(owner.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(u), uint32(g)
}

// asDatabase makes a command run as PostgreSQL's user, in the prefix.
func asDatabase(s *stand, cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = s.prefix
	if os.Geteuid() == 0 {
		uid, gid := ids(s.t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	return cmd
}

func (s *stand) runAsDatabase(cmd *exec.Cmd) {
	s.t.Helper()
	if out, err := asDatabase(s, cmd).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// psqlAsOwner gives orders through the socket, as the cluster's owner.
func (s *stand) psqlAsOwner(args ...string) {
	s.t.Helper()
	s.runAsDatabase(exec.Command(program(s.t, "psql"), append([]string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", s.prefix,
		"-p", strconv.Itoa(postgresqlPort), "-d", "postgres"}, args...)...))
}

// A database is the door that psql goes in by.
type database struct{ stand *stand }

// who is the query whose answer is the role, if and only if there is TLS.
const who = "SELECT current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"

func (d *database) enter(ctx context.Context, w way, v visitor) outcome {
	cmd, done := d.psql(ctx, w, v, "-c", who)
	defer done()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		said := complaint(stderr.String())
		return outcome{said: said, broken: !strings.Contains(said, "alert") && !strings.Contains(said, "FATAL")}
	}
	return outcome{in: true, user: strings.TrimSpace(string(out)), said: "in"}
}

// complaint is what psql says went wrong, without the connection's addresses.
func complaint(text string) string {
	_, after, found := strings.Cut(text, "failed: ")
	if !found {
		after = text
	}
	first, _, _ := strings.Cut(after, "\n")
	return strings.Join(strings.Fields(first), " ")
}

// sit keeps a psql that asks again on the same connection.
func (d *database) sit(ctx context.Context, w way, v visitor) (again func() outcome, leave func()) {
	cmd, done := d.psql(ctx, w, v)
	in, err := cmd.StdinPipe()
	d.stand.must(err)
	out, err := cmd.StdoutPipe()
	d.stand.must(err)
	d.stand.must(cmd.Start())
	answers := bufio.NewReader(out)
	again = func() outcome {
		if _, err := io.WriteString(in, who+";\n"); err != nil {
			return outcome{said: err.Error()}
		}
		line, err := answers.ReadString('\n')
		if err != nil {
			return outcome{said: err.Error()}
		}
		return outcome{in: true, user: strings.TrimSpace(line)}
	}
	return again, func() {
		in.Close()
		_ = cmd.Wait()
		done()
	}
}

// psql connects as the role whose way it is: the user's where a certificate is
// required, the visitor's own where it is not. done takes the key away again.
func (d *database) psql(ctx context.Context, w way, v visitor, args ...string) (cmd *exec.Cmd, done func()) {
	role := user
	if w == optional && v.user != "" {
		role = v.user
	}
	s := d.stand
	dir, err := os.MkdirTemp("", "signet-psql-")
	s.must(err)
	to := fmt.Sprintf("host=127.0.0.1 port=%d dbname=postgres user=%s sslmode=verify-full sslrootcert=%s sslcert=%s sslkey=%s connect_timeout=10",
		postgresqlPort, role, s.path("server.crt"), filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	if v.cert != nil {
		var chain []byte
		for _, der := range v.cert.Certificate {
			chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		key, err := x509.MarshalPKCS8PrivateKey(v.cert.PrivateKey)
		s.must(err)
		s.must(os.WriteFile(filepath.Join(dir, "cert"), chain, 0o600))
		s.must(os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	}
	cmd = exec.CommandContext(ctx, program(s.t, "psql"), append([]string{"-X", "-w", "-At", "-d", to}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+v.password, "LC_ALL=C")
	return cmd, func() { _ = os.RemoveAll(dir) }
}
