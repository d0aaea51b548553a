package enroll

// Computed is how many password hashes e has computed.
func Computed(e *Enroller) int64 { return e.login.hasher.computed.Load() }
