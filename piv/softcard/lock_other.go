//go:build !unix

package softcard

// lockFile cannot keep other processes away on this system.
func lockFile(string) (unlock func() error, err error) {
	return func() error { return nil }, nil
}
