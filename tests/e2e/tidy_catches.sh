# Each rule of tools/tidy finds a fault planted in a small tree that it passes.
set -u
tidy=$OPENR1_SOURCE/tools/tidy
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
bad=0

tree() { # a tree without faults
  rm -rf "$top/t"
  mkdir -p "$top/t/src/base" "$top/t/src/op" "$top/t/src/data" "$top/t/src/cmd" "$top/t/tests/op"
  cd "$top/t" || exit 2
  cat >src/base/err.h <<'END'
/* err.h: messages. */
#ifndef BASE_ERR_H
#define BASE_ERR_H
int err_set(int a, int b, int c, int d, int e, int (*f)(int, int, int));
#endif
END
  cat >src/base/err.c <<'END'
/* err.c: messages. printf("x") in a comment is no call, nor is "sprintf(" in quotes. */
#include "base/err.h"

int err_set(int a, int b, int c, int d, int e, int (*f)(int, int, int))
{
    const char *text = "sprintf( // \" exit(1) \\"; /* strcpy(
        system( */
    return text[0] + '"' + a + b + c + d + e + f(1, 2, 3);
}
END
  cat >src/op/op.h <<'END'
/* op.h: ops. */
#ifndef OP_OP_H
#define OP_OP_H
struct op {
    const char *name;
};
const struct op *const *op_all(void);
int op_add_run(int x);
#endif
END
  cat >src/op/op_int.h <<'END'
/* op_int.h: inward. */
#ifndef OP_OP_INT_H
#define OP_OP_INT_H
#include "op/op.h"
#endif
END
  cat >src/op/op_list.h <<'END'
/* op_list.h: every op. */
OP(add)
END
  cat >src/op/op_table.c <<'END'
/* op_table.c: the registry. */
#include "op/op_int.h"

#define OP(name) extern const struct op op_##name;
#include "op/op_list.h"
#undef OP

const struct op *const *op_all(void)
{
    static const struct op *const all[] = {
#define OP(name) &op_##name,
#include "op/op_list.h"
#undef OP
        0};
    return all;
}
END
  cat >src/op/add.c <<'END'
/* add.c: addition. */
#include "base/err.h"
#include "op/op.h"

static int twice(int x)
{
    return 2 * x;
}

int op_add_run(int x)
{
    return twice(x) + err_set(1, 2, 3, 4, 5, 0);
}

const struct op op_add = {
    .name = "add",
};
END
  cat >src/cmd/main.c <<'END'
/* main.c: start. */
#include <stdio.h>

#include "op/op.h"

int main(void)
{
    printf("%s %d\n", op_all()[0]->name, op_add_run(1));
    return 0;
}
END
  printf '/* test_add.c: addition. */\n' >tests/op/test_add.c
}

catches() { # PATTERN: tidy finds the fault that stands in the tree, and nothing else
  said=$(sh "$tidy" "$top/t")
  if ! printf '%s\n' "$said" | grep -q -e "$1"; then
    echo "not caught: $1; said: $said"
    bad=1
  elif [ "$(printf '%s\n' "$said" | wc -l)" != "${2:-1}" ]; then
    echo "more than the fault for $1: $said"
    bad=1
  fi
  tree
}
add() { printf '%s\n' "$2" >>"$1"; } # FILE TEXT
repeat() { i=0; while [ $i -lt "$2" ]; do printf '%s\n' "$1"; i=$((i + 1)); done; }

tree
said=$(sh "$tidy" "$top/t") || { echo "a sound tree is refused: $said"; bad=1; }

# Floors and rooms.
sed -i 's|#include "base/err.h"|&\n#include "op/op.h"|' src/base/err.c
catches 'src/base/err.c:3: base/ (floor 0) may not include op/ (floor 2)'
printf '/* d.h: data. */\n#ifndef D_H\n#define D_H\n#endif\n' >src/data/d.h
sed -i 's|#include "op/op.h"|&\n#include "data/d.h"|' src/op/add.c
catches 'op/ and data/ stand on one floor'
sed -i 's|#include "op/op.h"|#include "op/op_int.h"|' src/cmd/main.c
catches '"op/op_int.h" is inward to op/'
sed -i 's|#include "op/op.h"|&\n#include "add.h"|' src/op/add.c
catches 'does not name its room'
mkdir src/attic && printf '/* a.h: x. */\n#ifndef A_H\n#define A_H\n#endif\n' >src/attic/a.h && add tests/op/test_add.c '#include "attic/a.h"'
catches 'no room is called attic'

# Limits.
repeat '/* long */' 800 >>src/base/err.c
catches 'the file has 80[0-9] lines, 800 are allowed'
{ echo 'static int long_one(void)'; echo '{'; repeat '    ;' 78; echo '}'; } >>src/base/err.c
catches 'long_one has 81 lines, 80 are allowed'
add src/base/err.c "/* $(repeat x 108 | tr -d '\n') */"
catches 'the line has 114 characters'
add src/base/err.c 'static int seven(int a, int (*b)(int, int), int c, int d,
                 int e, int f, int g);'
catches 'seven takes 7 arguments'

# Banned.
for call in strcpy strcat sprintf strtok atoi rand system gets; do
  add tests/op/test_add.c "static void f(void) { $call (x); }"
  catches "a banned call: $call"
done
add src/op/add.c 'static double g(double x) { return x * exp(x); }'
catches 'libm does not give the same bits everywhere: exp('
add src/op/add.c 'static float g(float x) { return tanhf(x); }'
catches 'libm does not give the same bits everywhere: tanhf('
add src/op/add.c 'static void g(void) { printf("x"); }'
catches 'only cmd/ may exit or write to standard output: printf('
add src/op/add.c 'static void g(void) { exit(1); }'
catches 'only cmd/ may exit or write to standard output: exit('
add src/op/add.c 'static void g(void) { fputs("x", stdout); }'
catches 'only cmd/ may use stdout'
add src/op/op_int.h 'typedef struct op op_t;'
catches 'structs keep their tags'

# Registries.
add src/op/op_list.h 'OP(mul)'
catches 'op_list.h:3: the row has no file src/op/op_mul.c'
add src/op/add.c 'const struct op op_sub = {0};'
catches 'exports one const struct, op_add; found: op_add op_sub'
add src/op/add.c 'int helper(void)
{
    return 0;
}'
catches 'exports only op_add and functions op_...; found: helper'
sed -i 's/#define OP(name) extern.*/extern const struct op op_add;/' src/op/op_table.c
catches 'nothing expands op/OP'

# Dead files and names.
mkdir src/op/deep && printf '/* d.c: x. */\n' >src/op/deep/d.c
catches 'sources stand at src/ROOM/NAME'
printf '/* probe.c: x. */\n' >tests/op/probe.c
catches 'tests stand at tests/ROOM/test_NAME.c'
printf '/* lost.h: x. */\n#ifndef L_H\n#define L_H\n#endif\n' >src/base/lost.h
catches 'src/base/lost.h:1: no file includes this header'
printf '/* lost.c: x. */\nint lost(void)\n{\n    return 0;\n}\n' >src/base/lost.c
catches 'no other file uses what this one exports: lost'
printf '/* add.c: again. */\n' >src/data/add.c
catches 'the name add.c is taken by'

# Text.
printf '#include "base/err.h"\n' >src/base/str.c
catches 'src/base/str.c:1: the file must open with'
sed -i '/BASE_ERR_H/d' src/base/err.h
catches 'no include guard'
# Written in pieces, so that this file can itself be read by tidy.
add src/base/err.c '/* TO''DO: later */'
catches 'a note of unfinished work'
add src/base/err.c "/* see /ho""me/someone/notes */"
catches 'a path of some machine'
add src/base/err.c "$(printf '\t/* x */')"
catches 'a tab'
add src/base/err.c '/* x */ '
catches 'blanks at the end'
exit $bad
