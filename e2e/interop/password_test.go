package interop

// guest is the person without a certificate.
const (
	guest         = "bob"
	guestPassword = "opens the optional way"
)

// hashed is a line of a password file, as "htpasswd" makes it.
func (s *stand) hashed() string {
	s.t.Helper()
	return guest + ":" + output(s.t, s.prefix, "openssl", "passwd", "-5", guestPassword)
}

// htpasswd makes such a file.
func (s *stand) htpasswd(name string) {
	s.t.Helper()
	s.put(name, []byte(s.hashed()))
}
