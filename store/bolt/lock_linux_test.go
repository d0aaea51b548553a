package bolt

import (
	"strings"
	"testing"
)

func TestHolderIn(t *testing.T) {
	const locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:77 0 EOF\n" +
		"2: FLOCK  ADVISORY  WRITE 12 fe:00:78 0 EOF\n" +
		"2: -> FLOCK  ADVISORY  WRITE 13 fe:00:77 0 EOF\n" +
		"garbage\n" +
		"3: FLOCK  ADVISORY  WRITE -1 fe:00:79 0 EOF\n" +
		"4: FLOCK  ADVISORY  WRITE 14 fe:00:77 0 EOF\n"
	for id, want := range map[string]int{"fe:00:77": 14, "fe:00:78": 12, "fe:00:79": 0, "fe:01:77": 0} {
		if got := holderIn(strings.NewReader(locks), id); got != want {
			t.Errorf("%s: got %d, want %d", id, got, want)
		}
	}
}
