# expect.sh: what tests of the program from outside share, to be read with `.`: a folder for it, in $tmp;
# `say`, for what is wrong; `expect`, for a call and what comes of it. Such a test ends with `exit $bad`.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0
say() { echo "FAILED: $*"; bad=1; }
call() { "$OPENR1" "$@"; } # what expect calls; a test may define its own
expect() { # STATUS PATTERN ARGUMENTS...: the exit status, and a pattern in what both streams say
  want=$1 pattern=$2
  shift 2
  text=$(call "$@" 2>&1)
  got=$?
  [ "$got" = "$want" ] || say "$* exits $got, not $want: $text"
  printf '%s\n' "$text" | grep -q -e "$pattern" || say "$* does not say $pattern: $text"
}
