//go:build unix

package revocation

import (
	"os"
	"syscall"
)

// contents are the first size octets of f, until free is called. They are the
// system's pages, not our memory: a CRL may be big.
func contents(f *os.File, size int64) (data []byte, free func(), err error) {
	if size < 1<<20 {
		return readContents(f, size)
	}
	data, err = syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return data, func() { _ = syscall.Munmap(data) }, nil
}
