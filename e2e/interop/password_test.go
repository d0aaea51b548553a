package interop

// guest is the person without a certificate.
const (
	guest         = "bob"
	guestPassword = "opens the optional way"
)

// htpasswd makes a file of passwords as an operator would with htpasswd; openssl
// makes the same.
func (s *stand) htpasswd(name string) {
	s.t.Helper()
	hash := output(s.t, s.prefix, "openssl", "passwd", "-5", guestPassword)
	s.put(name, []byte(guest+":"+hash))
}
