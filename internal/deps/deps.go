package deps

import (
	_ "github.com/BurntSushi/toml"
	_ "github.com/go-piv/piv-go/v2/piv"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/schollz/progressbar/v3"
	_ "github.com/urfave/cli/v2"
	_ "github.com/zmap/zlint/v3"
	_ "go.etcd.io/bbolt"
	_ "go.step.sm/crypto/keyutil"
	_ "go.step.sm/crypto/kms"
	_ "go.step.sm/crypto/pemutil"
	_ "go.step.sm/crypto/x509util"
	_ "golang.org/x/crypto/argon2"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "golang.org/x/time/rate"
)
