package agent

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"signet/internal/atomicfile"
	"signet/revocation/crl"
)

// inPlace is what the server reads now. Its CRLs were verified to be of our CAs.
type inPlace struct {
	info   os.FileInfo // nil without a file
	digest string      // SHA-256 of the file
	set    *Set        // nil where the file is of no use
}

// is reports whether the file is still the one that was looked at.
func (p *inPlace) is(info os.FileInfo) bool {
	return p.info != nil && info != nil && os.SameFile(p.info, info) &&
		p.info.Size() == info.Size() && p.info.ModTime().Equal(info.ModTime())
}

// target is the file that path leads to, which can be replaced.
func target(path string) (string, error) {
	real, err := atomicfile.Target(path)
	if err != nil && !errors.Is(err, ErrNotFile) {
		err = fmt.Errorf("%w: %w", ErrWrite, err)
	}
	return real, err
}

// look reads file and state, unless they were read before. A file that is not
// there, is broken or is of another CA is replaced, since the server can't work
// with it. One that holds certificates or a key was named by mistake: [ErrNotOurs].
func (f *File) look() error {
	info, err := os.Stat(f.Path)
	if !errors.Is(err, fs.ErrNotExist) { // else it is made, also where a symlink leads there
		if err := f.still(); err != nil {
			f.inPlace, f.state = inPlace{}, state{}
			return err
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.warn("the file in place can't be read: %v", err)
	}
	if f.inPlace.is(info) {
		return nil
	}
	f.inPlace, f.state = inPlace{}, state{}
	if err != nil {
		return nil
	}
	if err := f.readInPlace(); err != nil {
		return err
	}
	f.readState()
	if !f.newest.whole() { // else it is newer, and what somebody else did to the file is undone
		f.newest = f.inPlace.set.withAnswers(f.state.Answers)
	}
	return nil
}

// still fails where the name that was given leads to another file by now, or to none.
func (f *File) still() error {
	now, err := target(f.given)
	if err == nil && now != f.Path {
		err = fmt.Errorf("%w: %s leads to %s now, and not to %s", ErrNotFile, f.given, now, f.Path)
	}
	return err
}

func (f *File) readInPlace() error {
	file, err := os.Open(f.Path)
	if err != nil {
		f.warn("the file in place can't be read: %v", err)
		return nil
	}
	defer file.Close()
	if err := isCRL(file); err != nil {
		return fmt.Errorf("%w: %s %w", ErrNotOurs, f.Path, err)
	}
	if f.inPlace.info, err = file.Stat(); err != nil {
		return err
	}
	hash := sha256.New()
	set, err := f.source.Read(io.TeeReader(file, hash))
	if err != nil {
		f.warn("the file in place is of no use and will be replaced: %v", err)
		return nil
	}
	f.inPlace.set, f.inPlace.digest = set, hex.EncodeToString(hash.Sum(nil))
	return nil
}

// isCRL looks at the beginning of a file for PEM of something that servers have and
// that is no CRL.
func isCRL(file *os.File) error {
	lines := bufio.NewScanner(io.LimitReader(file, 1<<20))
	for lines.Scan() {
		line := string(bytes.TrimSpace(lines.Bytes()))
		if other, ok := strings.CutPrefix(line, "-----BEGIN "); ok && line != beginCRL {
			return fmt.Errorf("holds a %.40s", strings.TrimSuffix(other, "-----"))
		}
	}
	_, err := file.Seek(0, io.SeekStart)
	return err
}

// The file before, and the new one while it is tried whether that was any better.
func (f *File) beforePath() string { return f.Path + ".before" }
func (f *File) afterPath() string  { return f.Path + ".after" }

// place puts the newest CRLs into the file, unless they are there. With a check, the
// file before stays at hand until that is passed.
func (f *File) place() error {
	digest, err := f.newestDigest()
	if err != nil || digest == f.inPlace.digest {
		return err
	}
	if err := f.refusal.stands(digest, f.Now()); err != nil {
		return err
	}
	next, err := atomicfile.Create(f.Path, 0o644) // whoever reads it may be another user: a CRL is public
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	defer next.Discard()
	if err := encode(next, f.newest); err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	if f.Check != "" && f.inPlace.info != nil {
		if err := keep(f.Path, f.beforePath()); err != nil {
			return fmt.Errorf("%w: keeping the one before: %w", ErrWrite, err)
		}
	}
	f.before.inPlace, f.before.state = f.inPlace, f.state
	f.saveState(state{File: digest, Answers: f.newest.Answers}) // who comes after a crash knows what to go on with
	if err := next.Commit(); err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	f.Logger.Info("the CRL is replaced", "path", f.Path, "numbers", f.newest.numbers())
	return f.placed(digest, f.newest)
}

// placed takes note of what is in the file now.
func (f *File) placed(digest string, set *Set) (err error) {
	f.inPlace = inPlace{digest: digest, set: set}
	f.inPlace.info, err = os.Stat(f.Path)
	return err
}

// newestDigest is the SHA-256 of the file that the newest CRLs make.
func (f *File) newestDigest() (string, error) {
	if !f.newest.Same(f.digested.set) {
		hash := sha256.New()
		if err := encode(hash, f.newest); err != nil {
			return "", err
		}
		f.digested.set, f.digested.digest = f.newest, hex.EncodeToString(hash.Sum(nil))
	}
	return f.digested.digest, nil
}

// encode writes the file: a CRL is encoded line by line, without a copy of it.
func encode(w io.Writer, s *Set) error {
	out := bufio.NewWriterSize(w, 64<<10)
	for _, l := range s.Lists {
		if err := pem.Encode(out, &pem.Block{Type: crl.PEMType, Bytes: l.Raw}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// keep gives the file a second name: the first may then be another file.
func keep(path, as string) error {
	if err := remove(as); err != nil {
		return err
	}
	return os.Link(path, as)
}

// tidy deletes what an agent has left that was killed: files half written, and the file
// before where the swap had come to its end.
func (f *File) tidy() {
	atomicfile.Tidy(f.Path)
	atomicfile.Tidy(f.statePath())
	_ = os.Remove(f.afterPath())
	before, err := os.Stat(f.beforePath())
	if now, err2 := os.Stat(f.Path); err == nil && err2 == nil && os.SameFile(before, now) {
		_ = os.Remove(f.beforePath())
	}
}
