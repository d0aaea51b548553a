//go:build unix

package main

import (
	"os"

	system "golang.org/x/sys/unix"
)

// lockNow locks a file, unless another process has; the system lets go of it when the
// process dies.
func lockNow(f *os.File) bool { return system.Flock(int(f.Fd()), system.LOCK_EX|system.LOCK_NB) == nil }
