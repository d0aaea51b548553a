//go:build !unix

package revocation

import "os"

// contents are the first size octets of f, until free is called.
func contents(f *os.File, size int64) (data []byte, free func(), err error) {
	return readContents(f, size)
}
