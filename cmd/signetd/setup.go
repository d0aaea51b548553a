package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"signet/ca"
	"signet/internal/atomicfile"
	"signet/internal/exit"
	"signet/store"
	"signet/store/bolt"
)

// quiet is the log of a command that a person watches.
var quiet = slog.New(slog.DiscardHandler)

// rootFolder is the folder of the root's key, which is to go offline.
const rootFolder = "root"

// A setup makes a CA, or completes one. Each of its steps looks first at what
// is there, and puts files into place by a link that fails where there is one: so
// it may be run again at any time, and interrupted anywhere.
type setup struct {
	dir                      string
	name                     string
	rootAlgorithm, algorithm string
	passphraseFile           string
	given                    []string // flags that a configuration in place overrules
	template                 newConfig
	now                      func() time.Time

	conf       *Config
	store      store.Store
	serials    *ca.SerialSource
	passphrase []byte   // empty until a step needs it
	made       []string // the files made, relative to dir
}

// run takes the steps that are still to be taken. A CA that is complete is not
// touched, nor need its server be stopped.
func (s *setup) run(ctx context.Context) error {
	if err := s.openFolder(); err != nil {
		return err
	}
	config, err := s.configuration()
	if err != nil {
		return err
	}
	if s.complete() {
		return nil
	}
	defer func() { clear(s.passphrase) }()
	if err := s.prepare(); err != nil {
		return err
	}
	return s.complement(ctx, config)
}

// prepare asks for what a new hierarchy takes, and refuses what none can be made
// of, before anything is made: a configuration that a mistake left behind would
// count at the next run, and not what is said then.
func (s *setup) prepare() error {
	if exists(s.staged(stageComplete)) {
		return nil
	}
	if fresh, err := s.fresh(); err != nil || !fresh {
		return err
	}
	if err := s.tryName(); err != nil {
		return exit.With(exit.Usage, fmt.Errorf("--name: %w", err), "Try \"signetd init --help\".")
	}
	_, err := s.secret(true)
	return err
}

// tryName makes a hierarchy of that name from keys that are made at once, and
// throws it away.
func (s *setup) tryName() error {
	if strings.TrimSpace(s.name) == "" {
		return errors.New("a CA needs a name")
	}
	serial, err := ca.ParseSerial(strings.Repeat("01", len(ca.Serial{})))
	if err != nil {
		return err
	}
	_, err = ca.NewHierarchy(ca.SetupConfig{
		Name: s.name, RootAlgorithm: "P-256", IntermediateAlgorithm: "P-256",
		RootSerial: serial, IntermediateSerial: serial, URL: s.conf.URLs.HTTP, Now: s.now(),
	})
	return err
}

// complement makes what is missing; config is the configuration's text.
func (s *setup) complement(ctx context.Context, config []byte) (err error) {
	if err := s.openStore(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	if err := s.place(filepath.Join(s.dir, configName), config, 0o600); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.hierarchy, s.rootCRL, s.serverCertificate, s.ocspSigner} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *setup) openFolder() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("making the CA's folder: %w", err)
	}
	info, err := os.Stat(s.dir)
	if err == nil && othersMay(info) {
		fmt.Fprintf(os.Stderr, "signetd: warning: others than its owner may look into %s (mode %04o)\n", s.dir, info.Mode().Perm())
	}
	return err
}

// configuration reads the configuration, or makes one and returns its text.
func (s *setup) configuration() (text []byte, err error) {
	path := filepath.Join(s.dir, configName)
	if s.conf, err = LoadConfig(path, nil); err == nil {
		s.name = s.conf.Organisation
		if len(s.given) > 0 {
			fmt.Fprintf(os.Stderr, "signetd: %s is there already, and counts: not %s. Change the file instead.\n", path, strings.Join(s.given, ", "))
		}
		return nil, nil
	}
	if exists(path) || !errors.Is(err, fs.ErrNotExist) {
		return nil, exit.With(exit.Failed, err, "The settings are explained in the file itself.")
	}
	if text, err = s.template.render(); err != nil {
		return nil, err
	}
	if s.conf, err = decodeConfig(text); err != nil {
		return nil, err
	}
	s.conf.DataDir = s.dir
	if err := s.conf.check(); err != nil {
		return nil, exit.With(exit.Usage, err, "Try \"signetd init --help\".")
	}
	return text, nil
}

func (s *setup) openStore() (err error) {
	path := s.conf.path(s.conf.Store)
	fresh := !exists(path)
	s.store, err = bolt.Open(path, &bolt.Options{Logger: quiet})
	if errors.Is(err, bolt.ErrLocked) {
		return exit.With(exit.Failed, err, "Something is missing in this CA's folder: stop the server, and run init again.")
	}
	if err != nil {
		return err
	}
	s.serials = ca.NewSerialSource(s.store)
	if fresh {
		s.note(path)
	}
	return nil
}

// files are those that a CA has when it is complete.
func (s *setup) files() []string {
	c := s.conf
	all := []string{
		filepath.Join(s.dir, configName), c.path(c.Store), c.path(c.Root.Certificate), c.path(c.Root.CRL),
		c.path(c.Intermediate.Certificate), c.path(ocspKey), c.path(ocspCert),
	}
	if c.keyIsFile() {
		all = append(all, c.key())
	}
	if c.TLS.Certificate == "" {
		all = append(all, c.path(serverKey), c.path(serverCert))
	}
	return all
}

func (s *setup) complete() bool {
	for _, path := range s.files() {
		if !exists(path) {
			return false
		}
	}
	return !exists(s.stage())
}

// secret is the passphrase, asked for at most once: twice over where keys are
// to be made with it.
func (s *setup) secret(fresh bool) ([]byte, error) {
	if len(s.passphrase) > 0 {
		return s.passphrase, nil
	}
	p, err := secretSource{What: "passphrase of the CA's keys", File: s.passphraseFile, New: fresh}.read()
	if err != nil {
		return nil, err
	}
	if fresh && len(p) < minPassphrase {
		return nil, exit.With(exit.Usage, fmt.Errorf("a passphrase of %d characters would not protect a CA", len(p)),
			fmt.Sprintf("Take %d characters at least.", minPassphrase))
	}
	s.passphrase = p
	return p, nil
}

// place writes a file in one step, where there is none.
func (s *setup) place(path string, data []byte, perm os.FileMode) error {
	if exists(path) {
		return nil
	}
	temp := path + ".new"
	if err := writeSynced(temp, data, perm); err != nil {
		return err
	}
	return s.settle(temp, path)
}

// settle gives the file at from its name to, where nothing has it, and takes
// the name from away.
func (s *setup) settle(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		s.note(to)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := atomicfile.SyncDir(filepath.Dir(to)); err != nil {
		return err
	}
	return os.Remove(from)
}

func (s *setup) note(path string) {
	if name, err := filepath.Rel(s.dir, path); err == nil {
		path = name
	}
	s.made = append(s.made, path)
}

func writeSynced(path string, data []byte, perm os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// othersMay reports whether others than its owner may use a file, where its mode says so:
// on Windows it says nothing.
func othersMay(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}
