//go:build !unix

package agent

import "os"

// flock does nothing: elsewhere the operator sees to it that one agent has one file.
func flock(*os.File) error { return nil }
