package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/enroll"
	"signet/internal/command"
	"signet/internal/exit"
)

// escrowKey is the file in the data folder with the key that PUKs are sealed to.
const escrowKey = "escrow.key"

func escrowCommand() *cli.Command {
	return command.Group("escrow", "the key that the PUKs of cards are sealed to", &cli.Command{
		Name: "init", Usage: "make the escrow key, encrypted with the passphrase of the CA's keys; one that is there stays",
		Description: "From then on profiles may have \"puk_escrow = true\". A server that runs is to be started anew.",
		Flags:       reportFlags(passwordFileFlag()),
		Action:      escrowInit,
	})
}

// escrowMade is what "escrow init" prints.
type escrowMade struct {
	File string `json:"file"`
	Made bool   `json:"made"`
	Key  string `json:"key,omitempty"` // its ID, where it was made
}

func escrowInit(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	conf, err := config(c)
	if err != nil {
		return err
	}
	out := escrowMade{File: conf.path(escrowKey)}
	if !exists(out.File) {
		if out.Key, err = makeEscrowKey(c, conf); err != nil {
			return err
		}
		out.Made = out.Key != ""
	}
	return report(c, out, func(w io.Writer) { out.print(w) })
}

func (e escrowMade) print(w io.Writer) {
	if !e.Made {
		fmt.Fprintf(w, "%s is there already; nothing was changed.\n", e.File)
		return
	}
	fmt.Fprintf(w, "Made %s, the escrow key %s, encrypted.\n\nBack it up with the passphrase: without it no PUK that the CA keeps can be released.\n"+
		"Start the server anew, then set \"puk_escrow = true\" in [profiles.NAME.key].\n", e.File, e.Key)
}

// makeEscrowKey returns the ID of the new key; "" where another command was faster.
func makeEscrowKey(c *cli.Context, conf *Config) (string, error) {
	passphrase, err := secretSource{What: "passphrase of the CA's keys", File: conf.passwordFile()}.read()
	if err != nil {
		return "", err
	}
	defer clear(passphrase)
	if err := rightPassphrase(c, conf, passphrase); err != nil {
		return "", err
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	escrow, err := enroll.NewEscrowKey(key)
	if err != nil {
		return "", err
	}
	err = ca.SaveExchangeKey(conf.path(escrowKey), key, passphrase)
	if errors.Is(err, fs.ErrExist) {
		return "", nil
	}
	return escrow.Public().ID(), err
}

// rightPassphrase refuses one that doesn't open the CA's other keys: the server is
// given but one.
func rightPassphrase(c *cli.Context, conf *Config, passphrase []byte) error {
	for _, path := range []string{conf.key(), conf.path(ocspKey), conf.path(serverKey)} {
		if exists(path) { // a key in a token is no file
			_, err := openKey(c.Context, path, passphrase)
			return err
		}
	}
	return exit.With(exit.NotFound, fmt.Errorf("there is no CA in %s", conf.DataDir), "\"signetd init\" makes one.")
}

// openEscrow opens the escrow key; nil where there is none.
func openEscrow(conf *Config, passphrase []byte) (*enroll.EscrowKey, error) {
	if !exists(conf.path(escrowKey)) {
		return nil, nil
	}
	key, err := ca.OpenExchangeKey(conf.path(escrowKey), passphrase)
	if err != nil {
		return nil, err
	}
	return enroll.NewEscrowKey(key)
}

// escrowWanted names a profile that has PUKs kept; "" where none has.
func (c *Config) escrowWanted() string {
	for _, name := range enroll.ProfileNames(c.profiles) {
		if c.profiles[name].Plan.PUKEscrow {
			return name
		}
	}
	return ""
}

// checkEscrow tells what is wrong with the escrow key where a profile wants one, as far as can be
// told without the passphrase.
func (c *Config) checkEscrow() error {
	name := c.escrowWanted()
	if name == "" {
		return nil
	}
	if err := ca.CheckExchangeKey(c.path(escrowKey)); err != nil {
		return fmt.Errorf("profiles.%s: puk_escrow: nobody can enroll for it on a new card: %w", name, err)
	}
	return nil
}
