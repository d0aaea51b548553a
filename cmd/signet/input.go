package main

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"signet/internal/exit"
)

// maxInput bounds a file that a command is about, in octets.
const maxInput = 1 << 20

// readInput reads the file that a command is about; "-" is stdin.
func readInput(name string) ([]byte, error) {
	from := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, exit.With(exit.NotFound, err, "Check the file's name.")
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	return io.ReadAll(io.LimitReader(from, maxInput))
}
