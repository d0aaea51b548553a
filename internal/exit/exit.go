// Package exit holds the exit codes that both programs share, and the error
// that carries one from where a failure is understood up to main.
package exit

import "errors"

// The exit codes, documented in docs/commands.md.
const (
	OK          = 0  // done
	Failed      = 1  // failed, for a reason that has no code of its own
	Usage       = 2  // the command line is wrong
	Denied      = 3  // the server or a rule refused
	NotFound    = 4  // no such account, certificate, profile
	NoCard      = 5  // no reader, no card, or the card was pulled out
	WrongPIN    = 6  // the PIN or PUK is wrong
	PINBlocked  = 7  // the PIN is blocked, or only its last try is left
	Unreachable = 8  // the server can't be reached
	CardInUse   = 9  // another program holds the card
	Warning     = 10 // a CRL nears its end, or is not brought up to date
	Expired     = 11 // a CRL in place has run out
	Missing     = 12 // a level has no CRL in place
	PINWanted   = 13 // a certificate is to be renewed, and there is no one to ask for the PIN
	Expiring    = 14 // a certificate runs out soon
	Unmet       = 15 // certificates in force do not meet their profile any more
)

// An Error is a failure as a person should read it: what went wrong, what to
// do next, and the code that a script branches on.
type Error struct {
	Code int
	Hint string // what to do next; one sentence
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// With gives err an exit code and a hint.
func With(code int, err error, hint string) error {
	return &Error{Code: code, Hint: hint, Err: err}
}

// CodeOf returns the exit code of err: 0 for nil, [Failed] where none is given.
func CodeOf(err error) int {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Failed
}

// HintOf returns the hint that err carries, or "".
func HintOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
