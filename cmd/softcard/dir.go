package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v2"

	"signet/piv/softcard"
)

// dir is the directory of --dir: the cards' files, the attestation root and
// the sockets.
type dir string

func dirFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "dir", Required: true, EnvVars: []string{"SOFTCARD_DIR"},
		Usage: "the folder `DIR` with cards, attestation root and sockets; made if absent",
	}
}

// openDir makes the directory of --dir if it is not there.
func openDir(c *cli.Context) (dir, error) {
	path, err := filepath.Abs(c.String("dir"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("making the directory of cards: %w", err)
	}
	return dir(path), nil
}

func (d dir) pcsc() string { return filepath.Join(string(d), "pcscd.sock") }

func (d dir) control() string { return filepath.Join(string(d), "control.sock") }

func (d dir) card(serial uint32) string {
	return filepath.Join(string(d), "card-"+strconv.FormatUint(uint64(serial), 10)+".json")
}

func (d dir) root() (*softcard.Root, error) { return softcard.LoadRoot(string(d)) }
