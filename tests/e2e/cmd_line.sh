# The program from outside: help, version, unknown words, exit statuses, a full disk on standard output.
. "$OPENR1_SOURCE/tests/e2e/share/expect.sh"
call() { "$@"; }
expect 0 '^openr1 [0-9.]* (' "$OPENR1" --version
expect 0 '^  completion ' "$OPENR1" --help
expect 0 '^  completion ' "$OPENR1" help
expect 2 '^usage: openr1 COMMAND' "$OPENR1"
expect 0 'usage: openr1 completion \[SHELL\]' "$OPENR1" completion --help
expect 0 'usage: openr1 completion \[SHELL\]' "$OPENR1" help completion
expect 2 'did you mean "completion"' "$OPENR1" compeltion
expect 2 'unknown command "qqqqqqqqq"' "$OPENR1" qqqqqqqqq
expect 2 'did you mean --shell' "$OPENR1" completion --shel bash
expect 2 'one of bash|zsh' "$OPENR1" completion fish
expect 0 'complete -o default -F _openr1 openr1' "$OPENR1" completion --threads 1
expect 2 'from 1 to 1024' "$OPENR1" completion --threads 0
expect 0 '^.SS completion' "$OPENR1" man
if command -v groff >/dev/null; then
  wrong=$("$OPENR1" man | groff -man -Tutf8 -ww -z 2>&1)
  [ -z "$wrong" ] || say "groff on the manual page: $wrong"
fi

if [ -e /dev/full ]; then
  "$OPENR1" --help >/dev/full 2>"$tmp/full" && say "a full disk on standard output goes unnoticed"
  grep -q 'standard output: No space left' "$tmp/full" || say "the full disk is not told"
fi
[ -z "$("$OPENR1" --help 2>/dev/null | true)" ] || say "output after a closed pipe"

if command -v bash >/dev/null; then
  words=$(bash -c 'eval "$("$OPENR1" completion bash)"
    COMP_WORDS=(openr1 comp) COMP_CWORD=1; _openr1; echo "${COMPREPLY[@]}"
    COMP_WORDS=(openr1 completion --sh) COMP_CWORD=2; _openr1; echo "${COMPREPLY[@]}"')
  [ "$words" = "completion
--shell" ] || say "completion offers: $words"
fi
exit $bad
