package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"signet/internal/atomicfile"
	"signet/internal/exit"
	"signet/revocation/crl"
)

// Why the file was not changed. Errors of [Source.Fetch] and [File.Fetch] wrap one of these, or one of
// those that package crl has: crl.ErrMalformed, crl.ErrUnsupported, crl.ErrNotComplete,
// crl.ErrSignature, crl.ErrExpired, crl.ErrNotYet.
var (
	ErrUnreachable = errors.New("the CRL can't be fetched")
	ErrTooBig      = errors.New("the CRL is bigger than allowed")
	ErrOlder       = errors.New("the CRL is older than the one in place")
	ErrRestored    = errors.New("the CA counts its CRLs from a lower number than that of the one in place")
	ErrConflict    = errors.New("the CRL has the number of the one in place and says something else")
	ErrMissing     = errors.New("a level has no CRL")
	// ErrLacking is for a level whose CRL is in place and is not given any more.
	ErrLacking = errors.New("the CA gives no CRL of this level any more; the one in place stays")
	ErrNotFile = atomicfile.ErrNotFile
	ErrNotOurs = errors.New("the file in place is something else than a CRL")
	ErrWrite   = errors.New("the file can't be written")
	ErrLocked  = errors.New("another agent holds the file")
	// ErrRefused is for a check that fails with the new CRL, and not with the one before.
	ErrRefused = errors.New("the server's check fails with the new CRL; the one before is back in place")
	// ErrBroken and ErrReload are for commands that failed after the file was changed.
	ErrBroken = errors.New("the new CRL is in place, but the server's check fails, and not because of it; the server was not reloaded")
	ErrReload = errors.New("the new CRL is in place, but the reload failed")
)

// hints say what to do next, and with which exit code a command ends. The kinds are
// those of metrics.
var hints = []struct {
	err  error
	kind string
	code int
	hint string
}{
	{ErrUnreachable, "unreachable", exit.Unreachable, "Check the URL and that the CA's plain HTTP listener can be reached from here."},
	{ErrTooBig, "too_big", exit.Failed, "Raise the size limit if the CA has revoked that many certificates; else something other than the CA has answered."},
	{ErrOlder, "older", exit.Denied, "An old CRL hides revocations: look for a cache or a stale replica between this host and the CA."},
	{ErrRestored, "restored", exit.Denied, "The CA may have been restored from an old copy, and have forgotten what it revoked since: ask its administrator, who revokes that again. To take its CRL then, delete the file in place and restart the agent."},
	{ErrConflict, "conflict", exit.Denied, "Two CAs with one key or a restored CA may be at work: ask its administrator. To take it all the same, delete the file in place and restart the agent."},
	{ErrMissing, "missing", exit.Failed, "A server that checks every level would refuse everyone without it. Fetch the CA's /crl/bundle.pem, or name the URL of each level."},
	{ErrNotFile, "not_a_file", exit.Failed, "Name a file: it is replaced, or made in a folder that is there. Where a symlink was changed, start the agent again."},
	{ErrNotOurs, "not_ours", exit.Failed, "It was left as it is. Name another file, or delete this one if nothing needs it."},
	{ErrWrite, "write", exit.Failed, "Check the folder's permissions and that its disk is not full."},
	{ErrLocked, "locked", exit.Failed, "One file is one agent's: stop that one, or name another file."},
	{ErrRefused, "refused", exit.Failed, "See what the check printed. The new CRL is tried again, at the latest after an hour; until then what it revokes is not refused. \"systemctl reload signet-crl\" (SIGHUP to the agent) tries it at once."},
	{ErrBroken, "broken", exit.Failed, "See what the check printed, and repair the server's configuration; it is checked and reloaded at the next fetch."},
	{ErrReload, "reload", exit.Failed, "Repair the command; it is run again at the next fetch."},
	{ErrLacking, "missing", exit.Failed, "Servers refuse everyone when the CRL in place has run out: see that the URLs give the CRL of every level, as the CA's /crl/bundle.pem does."},
	{crl.ErrMalformed, "malformed", exit.Failed, "Something other than the CA may have answered, or the download was cut short: look at what the URL gives."},
	{crl.ErrUnsupported, "unsupported", exit.Failed, "It says what servers can't obey: ask the CA's administrator for a plain complete CRL."},
	{crl.ErrNotComplete, "not_complete", exit.Failed, "Only complete CRLs can be used here: choose a URL that gives one."},
	{crl.ErrSignature, "signature", exit.Denied, "Check that the chain file holds the certificates of the CA that the URL belongs to."},
	{crl.ErrExpired, "expired", exit.Failed, "The CA must publish a newer one; until then, servers that check it refuse everyone. Check this host's clock too."},
	{crl.ErrNotYet, "not_yet", exit.Failed, "Check this host's clock."},
}

// withHint makes err one that a person can act on, and says how long what is in
// place will do.
func (f *File) withHint(err error) error {
	for _, h := range hints {
		if !errors.Is(err, h.err) {
			continue
		}
		hint := h.hint
		if status, ok := errors.AsType[*StatusError](err); ok && h.err == ErrUnreachable {
			hint = status.hint()
		}
		until := f.inPlace.set.NextUpdate()
		if !until.IsZero() && !errors.Is(err, ErrReload) && !errors.Is(err, ErrBroken) && !errors.Is(err, ErrLocked) && !errors.Is(err, ErrLacking) {
			hint += fmt.Sprintf(" The file in place was left as it is; it is good until %s.", until.Format(time.RFC3339))
		}
		return exit.With(h.code, err, hint)
	}
	return err
}

// KindOf is the kind of an error in a word, for metrics: "unreachable", "older".
func KindOf(err error) string {
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.kind
		}
	}
	return "other"
}

// loudness is the level at which an error of that kind is logged: what polling
// mends by itself is a warning, what wants a person is an error.
func loudness(kind string) slog.Level {
	switch kind {
	case "unreachable", "malformed", "older", "not_yet":
		return slog.LevelWarn
	}
	return slog.LevelError
}
