//go:build !unix

package sdnotify

// monotonic is for systemd, which is not here.
func monotonic() int64 { return 0 }
