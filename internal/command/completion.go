package command

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// completions ask PROGRAM itself what may follow, as urfave/cli has it.
var completions = map[string]string{
	"bash": `_PROGRAM() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  local words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  [[ $cur == -* ]] && words+=("$cur")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _PROGRAM PROGRAM
`,
	"zsh": `#compdef PROGRAM
_PROGRAM() {
  local -a opts
  opts=("${(@f)$(${words[@]:0:#words[@]-1} ${words[-1]} --generate-bash-completion 2>/dev/null)}")
  if [[ -n ${opts[1]} ]]; then _describe 'values' opts; else _files; fi
}
compdef _PROGRAM PROGRAM
`,
	"fish": `function __PROGRAM_complete
  set -l words (commandline -opc)
  $words (commandline -ct | string match -- '-*') --generate-bash-completion 2>/dev/null
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
`,
}

// Completion is the command that prints the program's script for a shell.
func Completion(program string) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes commands in a shell", ArgsUsage: "bash|zsh|fish",
		Description: "For bash: " + program + " completion bash > ~/.local/share/bash-completion/completions/" + program,
		Action: func(c *cli.Context) error {
			args, err := Args(c, "SHELL")
			if err != nil {
				return err
			}
			script, ok := completions[args[0]]
			if !ok {
				return Usage(c, "there is no completion for %q, only for bash, zsh and fish", args[0])
			}
			_, err = fmt.Fprint(c.App.Writer, strings.ReplaceAll(script, "PROGRAM", program))
			return err
		},
	}
}
