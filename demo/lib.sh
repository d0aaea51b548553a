# What demo/demo and demo/run share: finding free ports, waiting, telling.
# Sourced by bash scripts; not run by itself.

bold=; dim=; green=; red=; plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

step_number=0

# step WORDS: a headline.
step() {
	step_number=$((step_number + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$step_number" "$1" "$plain"
}

# say WORDS: an explanation.
say() { printf '   %s\n' "$*"; }

# indent: puts what comes in under the command that printed it.
indent() { sed 's/^/   /'; }

# run COMMAND...: shows the command as a person would type it, and runs it.
run() {
	show "$@"
	"$@" 2>&1 | indent
	return "${PIPESTATUS[0]}"
}

# show COMMAND...: prints the command as a person would type it.
show() {
	local words=() word
	for word in "$@"; do
		word=${word#"$bin/"}
		case $word in
		*[!A-Za-z0-9_./:=,@%+-]*) words+=("'$word'") ;;
		*) words+=("$word") ;;
		esac
	done
	typed "${words[*]}"
}

# typed LINE: prints a command line as it stands.
typed() { printf '   %s$ %s%s\n' "$green" "$1" "$plain"; }

# good / bad WORDS: a verdict.
good() { printf '   %s✔ %s%s\n' "$green" "$*" "$plain"; }
bad() { printf '   %s✘ %s%s\n' "$red" "$*" "$plain"; }

# give_up WORDS: the demo did not show what it should.
give_up() {
	bad "$*"
	for log in "$work"/*.log; do
		[ -s "$log" ] && printf '\n--- %s\n' "${log##*/}" && tail -n 20 "$log"
	done
	exit 1
} >&2

# free_port: a TCP port of 127.0.0.1 that nobody listens on.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

# wait_for SECONDS COMMAND...: tries the command until it succeeds.
wait_for() {
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.1
	done
}

# secret FILE: a random secret in a file that only its owner may read.
secret() { (umask 077 && od -An -tx1 -N16 /dev/urandom | tr -d ' \n' >"$1"); }
