package enroll

import "strconv"

// Computed is how many password hashes e has computed.
func Computed(e *Enroller) int64 { return e.login.hasher.computed.Load() }

// StatusOfRule is the HTTP status of a rule's refusals.
func StatusOfRule(rule string) string { return strconv.Itoa(statusOfRule(rule)) }
