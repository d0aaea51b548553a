package command

import (
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// Variable is the environment variable that stands in for a flag: SIGNET_LOG_LEVEL
// for "log-level".
func Variable(flag string) string {
	return "SIGNET_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment gives every flag its variable, but for those that name another.
func fromEnvironment(flags []cli.Flag) {
	for _, f := range flags {
		var vars *[]string
		switch f := f.(type) {
		case *cli.StringFlag:
			vars = &f.EnvVars
		case *cli.BoolFlag:
			vars = &f.EnvVars
		case *cli.IntFlag:
			vars = &f.EnvVars
		case *cli.UintFlag:
			vars = &f.EnvVars
		case *cli.Uint64Flag:
			vars = &f.EnvVars
		case *cli.DurationFlag:
			vars = &f.EnvVars
		case *cli.StringSliceFlag:
			vars = &f.EnvVars
		}
		if vars != nil && len(*vars) == 0 {
			*vars = []string{Variable(f.Names()[0])}
		}
	}
}

// wantsJSON reports whether errors are to be JSON. It looks by itself, since the
// error may be one of reading the flags.
func wantsJSON(args []string, lookup func(string) string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	for _, arg := range slices.Backward(args) {
		name, value, set := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if name != "json" || !strings.HasPrefix(arg, "-") {
			continue
		}
		yes, err := strconv.ParseBool(value)
		return !set || err == nil && yes
	}
	yes, err := strconv.ParseBool(lookup(Variable("json")))
	return err == nil && yes
}
