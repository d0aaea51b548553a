// Package interop holds other people's servers to the recipes of docs/servers:
// each recipe's files are copied beside the CA's into an empty folder, the real
// server is started there, and people with all kinds of certificates knock.
//
// "make interop" writes what came of it to docs/interop.md.
package interop

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"signet/e2e/harness"
)

var (
	// bin is the folder of the programs under test, made by TestMain.
	bin string
	// seen is what the tests saw, for docs/interop.md.
	seen report
	// atEnd is done when the last test has ended, the last first.
	atEnd []func()
)

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	write := flag.String("interop.write", "", "write what was seen to this `file`")
	flag.Parse()
	together := "16" // they wait most of the time
	if *write != "" {
		together = "1" // what is measured is not disturbed
	}
	_ = flag.Set("test.parallel", together)
	dir, err := os.MkdirTemp("", "signet-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	if err := harness.Build(dir, "../..", true, "signetd", "signet", "softcard"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		for _, end := range slices.Backward(atEnd) {
			end()
		}
	}()
	code := m.Run()
	if *write != "" && code == 0 {
		if err := os.WriteFile(*write, seen.markdown(), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
