# tools/setup on a machine where things are missing: it installs them with apt-get, or lists them and fails.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0
say() { echo "FAILED: $*"; bad=1; }
mkdir "$dir/bin"
for c in sh dirname grep id uname mkdir env cat; do ln -s "$(command -v $c)" "$dir/bin/$c"; done
mkdir -p "$dir/tree/tools" && cp "$OPENR1_SOURCE/tools/setup" "$dir/tree/tools/"
setup() { PATH=$dir/bin sh "$dir/tree/tools/setup" "$@" 2>&1; }

said=$(setup) && say "nothing is installed, yet setup is content: $said"
for package in gcc cmake ninja-build pkg-config libjansson-dev libyaml-dev libpcre2-dev libutf8proc-dev \
  libssl-dev libcurl4-openssl-dev libmicrohttpd-dev libseccomp-dev zlib1g-dev libzstd-dev bubblewrap \
  libcmocka-dev; do
  case $said in *" $package"*) ;; *) say "$package is not listed: $said" ;; esac
done

# An apt-get (behind a sudo that only runs it) that notes what it was asked for, and succeeds.
printf '#!/bin/sh\necho "$*" >>"%s/asked"\n' "$dir" >"$dir/bin/apt-get"
printf '#!/bin/sh\nexec "$@"\n' >"$dir/bin/sudo"
chmod +x "$dir/bin/apt-get" "$dir/bin/sudo"
setup >/dev/null || say "setup fails though apt-get does not"
grep -q 'install --no-install-recommends gcc cmake ninja-build' "$dir/asked" ||
  say "asked for: $(cat "$dir/asked")"
grep -q 'clang-tidy' "$dir/asked" && say "the linters are installed unasked"
: >"$dir/asked"
setup lint >/dev/null
grep -q 'clang-tidy cppcheck' "$dir/asked" || say "lint asked for: $(cat "$dir/asked")"

# An apt-get that fails: lists are fetched, tried again, and the packages are named.
printf '#!/bin/sh\necho "$*" >>"%s/asked"\nexit 1\n' "$dir" >"$dir/bin/apt-get"
said=$(setup) && say "apt-get fails and setup is content"
case $said in *"could not install: gcc"*) ;; *) say "a failing apt-get is told as: $said" ;; esac
grep -q 'update' "$dir/asked" || say "the package lists were not fetched before giving up"

sh "$OPENR1_SOURCE/tools/setup" || say "setup fails on the machine that built this"
exit $bad
