// Package logbook is for tests that read what a program says while it goes on saying it.
package logbook

import (
	"strings"
	"sync"
)

// A Book is written and read at the same time. Its zero value is empty.
type Book struct {
	mu   sync.Mutex // owns text
	text strings.Builder
}

// Write implements [io.Writer]; it does not fail.
func (b *Book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is all that was written so far.
func (b *Book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
