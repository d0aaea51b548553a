// Bench measures Signet beside bare handlers, in one run and on one machine:
// issuance over keep-alive TLS beside a handler that checks a CSR and signs with
// no store, OCSP beside a net/http answer of the same size, and CRLs of a million
// entries beside the hash of as many bytes and beside crypto/x509.
//
// Machines are noisy, so what counts are the ratios: each measurement of Signet
// is taken right beside one of the bare handler, several times over, and the
// median of the ratios is printed. Steadier still is how much processor time the
// server used for each request, which is printed beside them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	bin    string
	rounds int
	span   time.Duration
	only   *regexp.Regexp
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareArgument {
		exitOn(serveBare())
		return
	}
	if len(os.Args) > 1 && os.Args[1] == crlArgument {
		exitOn(serveCRLMaker(os.Args[2:]))
		return
	}
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "the folder of signetd")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each pair is measured")
	flag.DurationVar(&o.span, "span", 2*time.Second, "how long each measurement takes")
	only := flag.String("only", "", "measure only what this `expression` matches: \"code\", \"code 32\", \"ocsp with 8\", \"crl making\"")
	flag.Parse()
	var err error
	o.only, err = regexp.Compile(*only)
	exitOn(err)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exitOn(run(ctx, o))
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "signet-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	b, err := newBench(ctx, o, dir)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.issuance(ctx); err != nil {
		return err
	}
	if err := b.ocsp(ctx); err != nil {
		return err
	}
	return b.crls(ctx, dir)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
