package main

import (
	"github.com/urfave/cli/v2"

	"signet/internal/command"
)

// The scripts ask the program itself what may follow, as urfave/cli has it.
var completions = map[string]string{
	"bash": `_signet() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  local words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  [[ $cur == -* ]] && words+=("$cur")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _signet signet
`,
	"zsh": `#compdef signet
_signet() {
  local -a opts
  opts=("${(@f)$(${words[@]:0:#words[@]-1} ${words[-1]} --generate-bash-completion 2>/dev/null)}")
  if [[ -n ${opts[1]} ]]; then _describe 'values' opts; else _files; fi
}
compdef _signet signet
`,
	"fish": `function __signet_complete
  set -l words (commandline -opc)
  $words (commandline -ct | string match -- '-*') --generate-bash-completion 2>/dev/null
end
complete -c signet -f -a '(__signet_complete)'
`,
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes commands in a shell", ArgsUsage: "bash|zsh|fish",
		Description: "For bash: signet completion bash > ~/.local/share/bash-completion/completions/signet",
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "SHELL")
			if err != nil {
				return err
			}
			script, ok := completions[args[0]]
			if !ok {
				return command.Usage(c, "there is no completion for %q, only for bash, zsh and fish", args[0])
			}
			printf(c, "%s", script)
			return nil
		},
	}
}
