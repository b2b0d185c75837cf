/* print.c: a tree on one line, for receipts, and as a tree, for explanations. */
#include <string.h>

#include "verify/verify_int.h"

static const char *const relation_signs[RELATIONS] = {
    [R_EQ] = "=",
    [R_NE] = "!=",
    [R_LT] = "<",
    [R_GT] = ">",
    [R_LE] = "<=",
    [R_GE] = ">=",
    [R_APPROX] = "~",
    [R_IN] = "in",
    [R_NOTIN] = "not in",
    [R_EQUIV] = "==",
    [R_SUBSET] = "subset of",
    [R_OTHER] = "?",
    [R_NI] = "contains",
    [R_SUPSET] = "superset of",
    [R_PERP] = "perpendicular to",
    [R_PARALLEL] = "parallel to",
    [R_SIM] = "similar to",
    [R_CONG] = "congruent to",
    [R_PROPTO] = "proportional to",
    [R_LL] = "<<",
    [R_GG] = ">>",
    [R_PREC] = "precedes",
    [R_SUCC] = "succeeds",
    [R_PRECEQ] = "precedes or equals",
    [R_SUCCEQ] = "succeeds or equals",
    [R_IMPLIES] = "=>",
    [R_IMPLIED] = "<==",
    [R_IFF] = "<=>",
    [R_TO] = "->",
    [R_FROM] = "<-",
    [R_BOTH_WAYS] = "<->",
    [R_MAPS_TO] = "|->",
};
static const char *const constants[] = {"pi", "e", "i", "oo", "undefined"};
static const char *const functions[] = {
    [F_SIN] = "sin",
    [F_COS] = "cos",
    [F_TAN] = "tan",
    [F_COT] = "cot",
    [F_SEC] = "sec",
    [F_CSC] = "csc",
    [F_ASIN] = "asin",
    [F_ACOS] = "acos",
    [F_ATAN] = "atan",
    [F_ACOT] = "acot",
    [F_ASEC] = "asec",
    [F_ACSC] = "acsc",
    [F_SINH] = "sinh",
    [F_COSH] = "cosh",
    [F_TANH] = "tanh",
    [F_COTH] = "coth",
    [F_SECH] = "sech",
    [F_CSCH] = "csch",
    [F_ASINH] = "asinh",
    [F_ACOSH] = "acosh",
    [F_ATANH] = "atanh",
    [F_EXP] = "exp",
    [F_LN] = "ln",
    [F_LOG] = "log",
    [F_ABS] = "abs",
    [F_FLOOR] = "floor",
    [F_CEIL] = "ceil",
    [F_ROUND] = "round",
    [F_SIGN] = "sign",
    [F_FACT] = "factorial",
    [F_FACT2] = "doublefactorial",
    [F_BINOM] = "binomial",
    [F_PERM] = "permutations",
    [F_GAMMA] = "gamma",
    [F_GCD] = "gcd",
    [F_LCM] = "lcm",
    [F_MIN] = "min",
    [F_MAX] = "max",
    [F_MODULO] = "mod",
    [F_RE] = "re",
    [F_IM] = "im",
    [F_ARG] = "arg",
    [F_CONJ] = "conjugate",
    [F_CIS] = "cis",
    [F_DET] = "det",
    [F_TRACE] = "trace",
    [F_TRANSPOSE] = "transpose",
    [F_NORM] = "norm",
    [F_SUM] = "sum",
    [F_PROD] = "product",
    [F_INT] = "integral",
    [F_LIM] = "limit",
    [F_DIFF] = "derivative",
};

static void print(const struct node *n, struct str *out, int depth);

static void relation_print(int r, struct str *out)
{
    str_addf(out, "%s %s", r & R_NOT ? " not" : "", relation_signs[r & ~R_NOT]);
}

static void print_list(const struct node *n, const char *between, struct str *out, int depth)
{
    for (int i = 0; i < n->n; i++) {
        if (i) str_puts(out, between);
        print(n->arg[i], out, depth + 1);
    }
}

static bool is_simple(const struct node *n)
{
    return n->kind == K_SYM || n->kind == K_CONST || n->kind == K_FN || n->kind == K_ROOT ||
           n->kind == K_APPLY || n->kind == K_SEQ || n->kind == K_TEXT ||
           (n->kind == K_NUM && fmpq_sgn(n->q) >= 0 && fmpz_is_one(fmpq_denref(n->q)));
}

static void print_part(const struct node *n, struct str *out, int depth)
{
    bool simple = is_simple(n);
    if (!simple) str_puts(out, "(");
    print(n, out, depth + 1);
    if (!simple) str_puts(out, ")");
}

static void print_parts(const struct node *n, const char *between, struct str *out, int depth)
{
    for (int i = 0; i < n->n; i++) {
        if (i) str_puts(out, between);
        print_part(n->arg[i], out, depth);
    }
}

static void print_sum(const struct node *n, struct str *out, int depth)
{
    for (int i = 0; i < n->n; i++) {
        const struct node *t = n->arg[i];
        bool minus = t->kind == K_NEG;
        if (i || minus) str_puts(out, i ? (minus ? " - " : " + ") : "-");
        if (minus)
            print_part(t->arg[0], out, depth);
        else
            print(t, out, depth + 1);
    }
}

void rational_print(const fmpq_t q, struct str *out)
{
    if (fmpz_bits(fmpq_numref(q)) > 4000 || fmpz_bits(fmpq_denref(q)) > 4000) {
        str_puts(out, "(a long number)");
        return;
    }
    char *s = fmpq_get_str(NULL, 10, q);
    str_puts(out, s);
    flint_free(s);
}

static void print_number(const struct node *n, struct str *out)
{
    rational_print(n->q, out);
    if (n->ellipsis) str_puts(out, "...");
}

static void print_sequence(const struct node *n, struct str *out, int depth)
{
    char open[2] = {(char)n->op, 0}, close[2] = {(char)n->rows, 0};
    if (n->op) str_puts(out, open);
    print_list(n, n->op == 0 && n->rows == 'o' ? " or " : ", ", out, depth);
    if (n->op) str_puts(out, close);
}

static void print_other(const struct node *n, struct str *out, int depth)
{
    int columns;
    switch ((enum kind)n->kind) {
    case K_UNIT:
        print_part(n->arg[0], out, depth);
        str_addf(out, " [%s]", n->name);
        break;
    case K_BASED:
        if (n->name) /* digits with letters among them */
            str_puts(out, n->name);
        else
            print(n->arg[1], out, depth);
        str_puts(out, "_");
        print(n->arg[2], out, depth);
        break;
    case K_MATRIX:
        columns = n->rows ? n->n / n->rows : n->n;
        str_puts(out, "[[");
        for (int i = 0; i < n->n; i++) {
            if (i) str_puts(out, i % columns ? ", " : "], [");
            print(n->arg[i], out, depth + 1);
        }
        str_puts(out, "]]");
        break;
    case K_REL:
        for (int i = 0; i < n->n; i++) {
            if (i) {
                relation_print(n->name[i - 1], out);
                str_puts(out, " ");
            }
            print(n->arg[i], out, depth + 1);
        }
        break;
    case K_SETOP:
        print_parts(n,
                    n->op == 'u'   ? " union "
                    : n->op == 'n' ? " intersect "
                    : n->op == '^' ? "^"
                                   : " minus ",
                    out, depth);
        break;
    case K_NUMSET: str_addf(out, n->op == 'E' ? "{}" : "%c", n->op); break;
    case K_BUILDER:
        str_puts(out, "{");
        print_list(n, " : ", out, depth);
        str_puts(out, "}");
        break;
    case K_CASES:
        str_puts(out, "cases(");
        print_list(n, ", ", out, depth);
        str_puts(out, ")");
        break;
    case K_MOD:
        print(n->arg[0], out, depth + 1);
        str_puts(out, " (mod ");
        print(n->arg[1], out, depth + 1);
        str_puts(out, ")");
        break;
    case K_TEXT: str_addf(out, "\"%s\"", n->name); break;
    default: str_puts(out, "...");
    }
}

static void print(const struct node *n, struct str *out, int depth)
{
    if (depth > 60 || out->full) {
        str_puts(out, "...");
        return;
    }
    switch ((enum kind)n->kind) {
    case K_NUM: print_number(n, out); break;
    case K_SYM: str_puts(out, n->name); break;
    case K_CONST: str_puts(out, constants[n->op]); break;
    case K_ADD: print_sum(n, out, depth); break;
    case K_MUL: print_parts(n, "*", out, depth); break;
    case K_NEG:
        str_puts(out, "-");
        print_part(n->arg[0], out, depth);
        break;
    case K_DIV: print_parts(n, "/", out, depth); break;
    case K_POW: print_parts(n, "^", out, depth); break;
    case K_RATIO: print_parts(n, ":", out, depth); break;
    case K_PM:
        if (!node_is_int(n->arg[0], 0)) print_part(n->arg[0], out, depth);
        str_puts(out, n->op == '+' ? " +- " : " -+ ");
        print_part(n->arg[1], out, depth);
        break;
    case K_PERCENT:
        print_part(n->arg[0], out, depth);
        str_puts(out, "%");
        break;
    case K_DEGREE:
        print_part(n->arg[0], out, depth);
        str_puts(out, " deg");
        break;
    case K_ROOT:
        str_puts(out, node_is_int(n->arg[1], 2) ? "sqrt(" : "root(");
        print(n->arg[0], out, depth + 1);
        if (!node_is_int(n->arg[1], 2)) {
            str_puts(out, ", ");
            print(n->arg[1], out, depth + 1);
        }
        str_puts(out, ")");
        break;
    case K_FN:
    case K_APPLY:
        str_addf(out, "%s(", n->kind == K_APPLY ? n->name : functions[n->op] ? functions[n->op] : "f");
        print_list(n, ", ", out, depth);
        str_puts(out, ")");
        break;
    case K_SEQ: print_sequence(n, out, depth); break;
    default: print_other(n, out, depth);
    }
}

void node_print(const struct node *n, struct str *out)
{
    print(n, out, 0);
}

/* ---- as a tree ---------------------------------------------------------------------------------------- */

#define DRAW_LINES 40
#define DRAW_DEPTH 30

struct drawing {
    struct str *out;
    int indent, lines; /* lines: drawn so far */
    bool cut;
};

/* Up to `most`: parts may be shared, and be met many times. */
static int nodes_in(const struct node *n, int most)
{
    int count = 1;
    for (int i = 0; i < n->n && count < most; i++) count += nodes_in(n->arg[i], most - count);
    return count;
}

static void relation_label(const struct node *n, struct str *out)
{
    str_puts(out, "relation");
    for (int i = 0; i + 1 < n->n; i++) relation_print(n->name[i], out);
}

static void sequence_label(const struct node *n, struct str *out)
{
    if (!n->op)
        str_puts(out, n->rows == 'o' ? "one of" : "list");
    else
        str_addf(out, "%s %c %c", n->op == '{' ? "set" : "sequence", n->op, (char)n->rows);
}

/* What a node is, without its parts. */
static void node_label(const struct node *n, struct str *out)
{
    static const char *const plain[] = {
        [K_ADD] = "sum",         [K_MUL] = "product",        [K_NEG] = "minus",
        [K_DIV] = "quotient",    [K_POW] = "power",          [K_ROOT] = "root",
        [K_PERCENT] = "percent", [K_DEGREE] = "degrees",     [K_BASED] = "in a base",
        [K_RATIO] = "ratio",     [K_MOD] = "residue modulo", [K_BUILDER] = "set of all",
        [K_CASES] = "cases",     [K_ELLIPSIS] = "and so on"};
    switch ((enum kind)n->kind) {
    case K_SYM:
    case K_CONST:
    case K_TEXT:
    case K_NUMSET: print(n, out, 0); break;
    case K_NUM:
        print_number(n, out);
        if (n->decimal) str_puts(out, ", a decimal");
        break;
    case K_ROOT: str_puts(out, node_is_int(n->arg[1], 2) ? "square root" : plain[K_ROOT]); break;
    case K_FN: str_puts(out, functions[n->op] ? functions[n->op] : "function"); break;
    case K_APPLY: str_addf(out, "function %s", n->name); break;
    case K_PM: str_puts(out, n->op == '+' ? "plus or minus" : "minus or plus"); break;
    case K_UNIT: str_addf(out, "unit \"%s\"", n->name); break;
    case K_SEQ: sequence_label(n, out); break;
    case K_MATRIX: str_addf(out, "matrix of %d rows", n->rows); break;
    case K_REL: relation_label(n, out); break;
    case K_SETOP:
        str_puts(out, n->op == 'u'   ? "union"
                      : n->op == 'n' ? "intersection"
                      : n->op == '^' ? "power of a set"
                                     : "difference of sets");
        break;
    default: str_puts(out, plain[n->kind]);
    }
}

static void line_of(struct drawing *d, int depth)
{
    if (d->lines++) str_addf(d->out, "%*s", d->indent + 2 * depth, "");
}

static void draw(struct drawing *d, const struct node *n, int depth)
{
    struct str label;
    bool square = n->kind == K_ROOT && node_is_int(n->arg[1], 2);
    line_of(d, depth);
    str_init(&label, 200);
    node_label(n, &label);
    str_addf(d->out, "%s%s\n", label.p, label.full ? "..." : "");
    str_release(&label);
    for (int i = 0; i < (square ? 1 : n->n) && !d->cut; i++) {
        d->cut = d->lines >= DRAW_LINES;
        if (d->cut) break;
        if (depth < DRAW_DEPTH) {
            draw(d, n->arg[i], depth + 1);
        } else {
            line_of(d, depth + 1);
            str_addf(d->out, "... (%d nodes)\n", nodes_in(n->arg[i], NODES_MAX));
        }
    }
}

void node_draw(const struct node *n, struct str *out, int indent)
{
    struct drawing d = {.out = out, .indent = indent};
    draw(&d, n, 0);
    if (!d.cut) return;
    line_of(&d, 0);
    str_addf(out, "... (%d nodes)\n", nodes_in(n, NODES_MAX));
}
