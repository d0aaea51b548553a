package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"signet/enroll"
	"signet/internal/command"
)

func userCommand() *cli.Command {
	return command.Group("user", "people who may log in",
		userAdd(), userList(),
		userOne("show", "show an account", "user.show"),
		userPasswd(),
		userChangeCommand(),
		userLeave("disable", "keep an account from logging in, and take back what hangs on it", "user.disable"),
		userOne("enable", "let a disabled account log in again", "user.enable"),
		userLeave("remove", "delete an account, and take back what hangs on it", "user.remove"))
}

// reportFlags are those of every operator's command.
func reportFlags(more ...cli.Flag) []cli.Flag {
	return append(append(placeFlags(), command.JSON()), more...)
}

func userPasswordFlag() cli.Flag {
	// SIGNET_PASSWORD_FILE is the CA's passphrase, which must not become an account's.
	return &cli.StringFlag{Name: "password-file", EnvVars: []string{"SIGNET_USER_PASSWORD_FILE"}, Usage: "read the account's password from `FILE`, or from stdin if it is -"}
}

func userAdd() *cli.Command {
	return &cli.Command{
		Name: "add", Usage: "make an account", ArgsUsage: "NAME",
		Flags: reportFlags(
			&cli.StringFlag{Name: "full-name", Aliases: []string{"name"}, Usage: "the person's `NAME` (default: the account's)"},
			&cli.StringFlag{Name: "email", Usage: "the person's `ADDRESS`"},
			&cli.StringSliceFlag{Name: "role", Usage: "`ROLE` user, officer, admin or auditor; may be given more than once (default: user)"},
			&cli.StringSliceFlag{Name: "profile", Usage: "a `PROFILE` that the account may enroll for; may be given more than once (default: user)"},
			userPasswordFlag(),
			&cli.BoolFlag{Name: "no-password", Usage: "the account enrolls by one-time code alone"},
			&cli.BoolFlag{Name: "same-person", Usage: "an account of this name was removed, and this is the same person: certificates in force are theirs"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "NAME")
			if err != nil {
				return err
			}
			in := newUser{
				Name: args[0], FullName: c.String("full-name"), Email: c.String("email"), Profiles: c.StringSlice("profile"),
				SamePerson: c.Bool("same-person"),
			}
			for _, r := range c.StringSlice("role") {
				in.Roles = append(in.Roles, enroll.Role(r))
			}
			if in.Password, err = newPassword(c, in.Name); err != nil {
				return err
			}
			return operateOnUser(c, "user.add", in)
		},
	}
}

func userPasswd() *cli.Command {
	return &cli.Command{
		Name: "passwd", Usage: "give an account a new password", ArgsUsage: "NAME",
		Flags: reportFlags(userPasswordFlag(),
			&cli.BoolFlag{Name: "no-password", Usage: "take its password away: it then enrolls by one-time code alone"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "NAME")
			if err != nil {
				return err
			}
			in := named{Name: args[0]}
			if in.Password, err = newPassword(c, in.Name); err != nil {
				return err
			}
			return operateOnUser(c, "user.passwd", in)
		},
	}
}

// newPassword is the password that the flags or the terminal give an account.
func newPassword(c *cli.Context, name string) (string, error) {
	if c.Bool("no-password") {
		if c.IsSet("password-file") {
			return "", command.Usage(c, "--no-password and --password-file exclude each other")
		}
		return "", nil
	}
	password, err := secretSource{What: "password of " + name, File: c.String("password-file"), New: true}.read()
	return string(password), err
}

// userOne makes a command that does one operation on one account.
func userOne(name, usage, operation string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "NAME", Flags: reportFlags(),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "NAME")
			if err != nil {
				return err
			}
			return operateOnUser(c, operation, named{Name: args[0]})
		},
	}
}

func userChangeCommand() *cli.Command {
	return &cli.Command{
		Name: "change", Usage: "change an account; what no flag names stays as it is", ArgsUsage: "NAME",
		Flags: reportFlags(
			&cli.StringFlag{Name: "full-name", Usage: "the person's `NAME`"},
			&cli.StringFlag{Name: "email", Usage: "the person's `ADDRESS`; \"\" for none"},
			&cli.StringSliceFlag{Name: "role", Usage: "`ROLE` user, officer, admin or auditor, in place of all it has; may be given more than once"},
			&cli.StringSliceFlag{Name: "profile", Usage: "a `PROFILE` that it may enroll for, in place of all it has; may be given more than once"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "NAME")
			if err != nil {
				return err
			}
			in := userChange{Name: args[0], FullName: given(c, "full-name", c.String), Email: given(c, "email", c.String), Profiles: given(c, "profile", c.StringSlice)}
			if names := given(c, "role", c.StringSlice); names != nil {
				roles := []enroll.Role{}
				for _, r := range *names {
					roles = append(roles, enroll.Role(r))
				}
				in.Roles = &roles
			}
			if in.FullName == nil && in.Email == nil && in.Roles == nil && in.Profiles == nil {
				return command.Usage(c, "nothing is to be changed: give --full-name, --email, --role or --profile")
			}
			return operateOnUser(c, "user.change", in)
		},
	}
}

// given is a flag's value; nil where it is not there.
func given[T any](c *cli.Context, flag string, value func(string) T) *T {
	if !c.IsSet(flag) {
		return nil
	}
	v := value(flag)
	return &v
}

func operateOnUser(c *cli.Context, operation string, in any) error {
	var out user
	if err := operate(c, operation, in, &out); err != nil {
		return err
	}
	return report(c, out, func(w io.Writer) { out.print(w) })
}

func userList() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the accounts", Flags: reportFlags(),
		Action: func(c *cli.Context) error {
			if _, err := command.Args(c); err != nil {
				return err
			}
			var all []user
			if err := operate(c, "user.list", none{}, &all); err != nil {
				return err
			}
			return report(c, all, func(w io.Writer) { printUsers(w, all) })
		},
	}
}

func printUsers(w io.Writer, all []user) {
	const row = "%-20s %-24s %-28s %-16s %s\n"
	fmt.Fprintf(w, row, "NAME", "FULL NAME", "E-MAIL", "ROLES", "STATE")
	for _, u := range all {
		fmt.Fprintf(w, row, u.Name, u.FullName, u.Email, join(u.Roles), u.state())
	}
}

func (u user) state() string {
	switch {
	case u.Disabled:
		return "disabled"
	case !u.Password:
		return "enabled, by code only"
	}
	return "enabled"
}

func (u user) print(w io.Writer) {
	const row = "%-12s %s\n"
	fmt.Fprintf(w, row, "Name", u.Name)
	fmt.Fprintf(w, row, "Full name", u.FullName)
	fmt.Fprintf(w, row, "E-mail", u.Email)
	fmt.Fprintf(w, row, "Roles", join(u.Roles))
	fmt.Fprintf(w, row, "Profiles", strings.Join(u.Profiles, ", "))
	for _, t := range u.Temporary {
		fmt.Fprintf(w, row, "For a while", fmt.Sprintf("%s, until %s, since card %d is lost", t.Profile, t.Until.UTC().Format(timeFormat), t.Card))
	}
	fmt.Fprintf(w, row, "State", u.state())
	fmt.Fprintf(w, row, "Created", u.Created.UTC().Format(timeFormat))
}

func join(roles []enroll.Role) string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return strings.Join(out, ", ")
}
