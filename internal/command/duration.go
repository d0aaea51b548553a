package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration reads a length of time as people give it: as time.ParseDuration has it, or in
// days, "30d". It is positive.
func Duration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n <= 0 || n > 100*366 {
			return 0, fmt.Errorf("%q is no duration: \"365d\" or \"12h\"", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no duration: \"365d\" or \"12h\"", s)
	}
	return d, nil
}
