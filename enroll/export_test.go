package enroll

import "strconv"

// Computed is how many password hashes e has computed.
func Computed(e *Enroller) int64 { return e.login.hasher.computed.Load() }

// StatusOfRule is the HTTP status of a rule's refusals.
func StatusOfRule(rule string) string { return strconv.Itoa(statusOfRule(rule)) }

// ParsePUK and ParsePUKReason read bodies of requests about PUKs.
func ParsePUK(body []byte) (SealedPUK, error) { return parsePUK(body) }

func ParsePUKReason(body []byte) (string, error) { return parsePUKReason(body) }
