package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"signet/ca"
	"signet/store/bolt"
)

// The disk is full, then it isn't. The disk is a file system of a few MiB in a
// mount namespace of the child's own; where the system gives us none, the
// child's files may grow no further than that.
func TestDiskFull(t *testing.T) {
	c := childCommand(t.Context(), "full", t.TempDir())
	c.SysProcAttr = namespace()
	if err := (&exec.Cmd{Path: "/bin/true", SysProcAttr: namespace()}).Run(); err != nil {
		t.Logf("no mount namespace here: %v", err)
		c.SysProcAttr = nil
	}
	t.Log(runChild(t, c))
}

func namespace() *syscall.SysProcAttr {
	if os.Getuid() == 0 {
		return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
}

// smallDisk makes dir hold no store above a few MiB, until makeRoom is called.
func smallDisk(dir string) (makeRoom func() error) {
	err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
	if err == nil {
		orDie(unix.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"))
		ballast := filepath.Join(dir, "ballast")
		orDie(os.WriteFile(ballast, make([]byte, 3<<20), 0o600))
		return func() error { return os.Remove(ballast) }
	}
	fmt.Printf("a limit on files, since no file system can be mounted: %v\n", err)
	signal.Ignore(unix.SIGXFSZ) // writes fail with EFBIG then; a file grows by 16 MiB at a time
	var before unix.Rlimit
	orDie(unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	orDie(unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 20 << 20, Max: before.Max}))
	return func() error { return unix.Setrlimit(unix.RLIMIT_FSIZE, &before) }
}

// isFull: of a file that can't grow, bbolt keeps the words alone.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || err != nil && strings.Contains(err.Error(), unix.EFBIG.Error())
}

func fullChild() {
	ctx, dir := context.Background(), os.Getenv(dirEnv)
	makeRoom := smallDisk(dir)
	s, l := openChild()

	var there []ca.Serial
	add := func(c ca.Serial) { there = append(there, c) }
	err := l.run(ctx, 1, 1_000_000, add)
	if !isFull(err) {
		orDie(fmt.Errorf("a full disk gives: %w", err))
	}
	fmt.Printf("full after %d enrollments: %v\n", len(there), err)
	if s.Ping(ctx) == nil {
		orDie(errors.New("a store that can't be written answers a ping"))
	}
	orDie(allThere(ctx, s, there)) // reading goes on
	if err := l.run(ctx, 8, 100, add); !isFull(err) {
		orDie(fmt.Errorf("the second time: %w", err))
	}

	orDie(makeRoom())
	orDie(s.Ping(ctx))
	before := len(there)
	orDie(l.run(ctx, 1, 100, add))
	fmt.Printf("with room again, %d more\n", len(there)-before)
	orDie(allThere(ctx, s, there))
	orDie(s.Close())
	s, _ = openChild()
	orDie(allThere(ctx, s, there))
	orDie(s.Close())
}

func allThere(ctx context.Context, s *bolt.Store, serials []ca.Serial) error {
	for _, serial := range serials {
		if _, err := s.Certificate(ctx, "0123456789abcdef", serial); err != nil {
			return fmt.Errorf("certificate %s of %d: %w", serial, len(serials), err)
		}
	}
	return nil
}
