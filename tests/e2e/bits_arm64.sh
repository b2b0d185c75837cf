# The Bits promise across CPUs: the program built for AArch64 and run by qemu-aarch64 writes the same bytes as
# the one that was built here. Skipped where there is no cross compiler, emulator or arm64 library.
#
# To add a comparison, add a line `same NAME ARGUMENTS...`: standard output of both programs is compared.
set -u
skip() { echo "skipped: $*"; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "this machine is not x86-64"
command -v aarch64-linux-gnu-gcc >/dev/null || skip "no aarch64-linux-gnu-gcc"
command -v qemu-aarch64 >/dev/null || skip "no qemu-aarch64"
find_libraries='/^pkg_check_modules(DEPS/,/)/{s/.*IMPORTED_TARGET//;s/)//;p}'
libraries=$(sed -n "$find_libraries" "$OPENR1_SOURCE/CMakeLists.txt" | tr '\n' ' ')
# shellcheck disable=SC2086
PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig pkg-config --exists ${libraries:?} ||
  skip "not all of these are installed for arm64: $libraries"
ls /usr/lib/aarch64-linux-gnu/libflint.so* /usr/lib/aarch64-linux-gnu/libflint-arb.so* >/dev/null 2>&1 ||
  skip "FLINT and Arb are not installed for arm64"
build=$OPENR1_BUILD/arm64
# Without optimisation beyond -O1: it builds faster, and must not change a bit.
cmake -S "$OPENR1_SOURCE" -B "$build" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$OPENR1_SOURCE/cmake/aarch64.cmake" \
  -DOPENR1_TESTS=OFF -DCMAKE_C_FLAGS_RELEASE=-O1 >"$build.log" 2>&1 ||
  { cat "$build.log"; exit 1; }
cmake --build "$build" >"$build.log" 2>&1 || { tail -40 "$build.log"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
checks=0
same() {
  name=$1
  shift
  "$OPENR1" "$@" >"$work/here" 2>"$work/here.err"
  here=$?
  qemu-aarch64 "$build/openr1" "$@" >"$work/there" 2>"$work/there.err"
  there=$?
  checks=$((checks + 1))
  [ $here = 0 ] || { echo "FAILED: $name exits $here here: $(cat "$work/here.err")"; bad=1; return; }
  [ -s "$work/here" ] || { echo "FAILED: $name says nothing"; bad=1; return; }
  [ $there = 0 ] || { echo "FAILED: $name exits $there there: $(cat "$work/there.err")"; bad=1; return; }
  cmp -s "$work/here" "$work/there" && return
  echo "FAILED: $name differs between this CPU and AArch64"
  diff "$work/here" "$work/there" | head -6 | cut -c1-300
  bad=1
}

cd "$OPENR1_SOURCE" || exit 2
file "$build/openr1" 2>/dev/null | grep -q x86 && { echo "FAILED: the cross build is not one"; exit 1; }
same "loss grpo" loss grpo --jsonl tests/golden/grpo/policy.jsonl --threads 2
echo "$checks comparisons"
exit $bad
