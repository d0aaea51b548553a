package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"signet/relying"
)

// passwords are of those without a certificate: bcrypt hashes by name.
type passwords map[string][]byte

// readPasswords reads what "htpasswd -B" writes: NAME:HASH on each line.
func readPasswords(name string) (passwords, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found := passwords{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, hash, ok := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		if _, err := bcrypt.Cost([]byte(hash)); !ok || err != nil {
			return nil, fmt.Errorf("passwords: the line of %q holds no bcrypt hash", name)
		}
		found[name] = []byte(hash)
	}
	return found, lines.Err()
}

// handler asks for a password where there is no certificate. A certificate that
// is refused is told why, and is no reason to ask.
func (p passwords) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch id := relying.FromContext(r.Context()); {
		case id.Result == relying.Failed:
			w.Header().Set("Connection", "close") // so that another can be chosen
			relying.Page{}.Write(w, r, id)
		case id.OK(), p.right(r):
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="Your password", charset="UTF-8"`)
			http.Error(w, "your password, or a certificate", http.StatusUnauthorized)
		}
	})
}

// nobodys is a hash that no password has.
var nobodys = []byte("$2a$10$.....................................................")

// right takes the same time for a name that there is and one that there is not.
func (p passwords) right(r *http.Request) bool {
	name, given, ok := r.BasicAuth()
	hash, known := p[name]
	if !known {
		hash = nobodys
	}
	return ok && bcrypt.CompareHashAndPassword(hash, []byte(given)) == nil && known
}
