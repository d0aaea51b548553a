package enroll

import "context"

// A login checks passwords: throttled, a few at a time, and each as slowly as
// any other, whether the account is there or not.
type login struct {
	hasher   *hasher
	verified *verifiedSet
	throttle *throttle
}

// check reports whether password belongs to stored, the PHC string of the
// account's; stored is "" where the account isn't there, is disabled or has no
// password, which must look and take as long as a wrong one. again is the
// password hashed anew where stored has outdated parameters.
//
// It fails with [ErrCredentials], *[ThrottledError] or *[BusyError].
func (l *login) check(ctx context.Context, account, stored, password, address string) (again string, err error) {
	mark := l.verified.mark(account, stored, password)
	if done, err := l.decided(mark, account, address); done {
		return "", err
	}
	leave, err := l.hasher.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	// Others had their turn meanwhile: of many logins that came at once with one
	// right password, the first computes; of many wrong ones, no more than the
	// throttle lets in.
	if done, err := l.decided(mark, account, address); done {
		return "", err
	}
	return l.compute(mark, account, stored, password, address)
}

// decided answers without argon2 where it can. A password that was right a
// minute ago is let in whatever the throttle says: it is no guess.
func (l *login) decided(mark [32]byte, account, address string) (done bool, err error) {
	if l.verified.has(mark) {
		return true, nil
	}
	if wait := l.throttle.wait(account, address); wait > 0 {
		return true, &ThrottledError{After: wait}
	}
	return false, nil
}

func (l *login) compute(mark [32]byte, account, stored, password, address string) (again string, err error) {
	hash, broken := parsePasswordHash(stored)
	if broken != nil {
		hash = l.hasher.dummy
	}
	// The dummy's sum is random: nothing matches it.
	if !l.hasher.matches(password, hash) || broken != nil {
		l.throttle.failed(account, address)
		return "", ErrCredentials
	}
	l.throttle.succeeded(account, address)
	l.verified.add(mark)
	if l.hasher.outdated(hash) {
		again = l.hasher.make(password)
	}
	return again, nil
}
