package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"signet/ca"
	"signet/store/bolt"
)

// The disk is full, then it isn't: a file system of a few MiB, which the child
// mounts in a mount namespace of its own.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	c := childCommand(t.Context(), "full", dir)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	t.Log(runChild(t, c))
}

func fullChild() {
	ctx, dir := context.Background(), os.Getenv(dirEnv)
	orDie(unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
	orDie(unix.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"))
	ballast := filepath.Join(dir, "ballast")
	orDie(os.WriteFile(ballast, make([]byte, 3<<20), 0o600))
	s, l := openChild()

	var there []ca.Serial
	add := func(c ca.Serial) { there = append(there, c) }
	err := l.run(ctx, 1, 1_000_000, add)
	if !errors.Is(err, unix.ENOSPC) {
		orDie(fmt.Errorf("a full disk gives: %w", err))
	}
	fmt.Printf("full after %d enrollments: %v\n", len(there), err)
	if s.Ping(ctx) == nil {
		orDie(errors.New("a store that can't be written answers a ping"))
	}
	orDie(allThere(ctx, s, there)) // reading goes on
	if err := l.run(ctx, 8, 100, add); !errors.Is(err, unix.ENOSPC) {
		orDie(fmt.Errorf("the second time: %w", err))
	}

	orDie(os.Remove(ballast))
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
