/* compare.c: two trees, whatever their kinds. From outside to inside: assignments and relations, remarks and
 * units, lists and sets, matrices, intervals, words; what is left are expressions, for equal.c.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/compare_int.h"
#include "verify/explain.h"

#define ITEMS_MAX 256

static enum truth both(enum truth a, enum truth b)
{
    return a == NO || b == NO ? NO : a == YES && b == YES ? YES : UNKNOWN;
}

/* ---- remarks, units, percent -------------------------------------------------------------------------- */

static struct node *hundredth(struct judge *j, struct node *n)
{
    return node_2(j->w, K_DIV, 0, n, node_int(j->w, 100));
}

/* A gold in percent is also met by the bare number; a bare gold is not met by percent of the same number. */
static enum truth percent_same(struct judge *j, struct node *g, struct node *a)
{
    bool pg = g->kind == K_PERCENT, pa = a->kind == K_PERCENT;
    if (pg && pa) return compare_values(j, g->arg[0], a->arg[0]);
    struct node *in = pg ? g->arg[0] : a->arg[0];
    struct node *value = hundredth(j, in);
    if (!value) return UNKNOWN;
    enum truth t = pg ? compare_values(j, value, a) : compare_values(j, g, value);
    if (t == YES || !pg || j->w->p->percent_exact || node_has(a, K_PERCENT) || !is_expression(a)) return t;
    t = compare_values(j, in, a);
    if (t == YES) judge_say(j, "the number of percent, written without the sign");
    return t;
}

/* Is r one of 0, 1, ..., m - 1? */
static bool is_remainder(struct judge *j, struct node *r, struct node *m)
{
    fmpz_t x, y;
    fmpz_init(x);
    fmpz_init(y);
    bool least = exact_integer(j->w, r, x) && exact_integer(j->w, m, y) && fmpz_sgn(x) >= 0 &&
                 fmpz_cmp(x, y) < 0;
    fmpz_clear(x);
    fmpz_clear(y);
    return least;
}

/* Classes modulo m. A gold that is one is met by its number, because the question then names the modulus; a
 * bare number is met by a class that the number stands for as its least remainder: 5 by 5 (mod 7). */
static enum truth residue_same(struct judge *j, struct node *g, struct node *a)
{
    if (g->kind == K_MOD && a->kind != K_MOD) return compare_values(j, g->arg[0], a);
    if (g->kind != K_MOD) {
        if (is_remainder(j, a->arg[0], a->arg[1])) return compare_values(j, g, a->arg[0]);
        judge_say(j, "a residue class against a value");
        return NO;
    }
    if (compare_values(j, g->arg[1], a->arg[1]) != YES) return NO;
    struct node *d = node_2(j->w, K_ADD, 0, g->arg[0], node_1(j->w, K_NEG, 0, a->arg[0]));
    struct node *rest = node_2(j->w, K_FN, F_MODULO, d, g->arg[1]);
    return rest ? equal_expression(j, rest, node_int(j->w, 0)) : UNKNOWN;
}

/* 204_5: by value against another base; a gold with a base is also met by its digits alone, for then the
 * question names the base. */
static enum truth based_same(struct judge *j, struct node *g, struct node *a)
{
    bool both_based = g->kind == K_BASED && a->kind == K_BASED;
    if (both_based && (g->op || a->op))
        return both(compare_values(j, g->arg[1], a->arg[1]), compare_values(j, g->arg[2], a->arg[2]));
    if (both_based) return compare_values(j, g->arg[0], a->arg[0]);
    if (a->kind == K_BASED) return a->op ? NO : compare_values(j, g, a->arg[0]);
    struct node *letters = g->name ? node_named(j->w, K_TEXT, g->name, NULL, 0) : NULL; /* FF */
    if (letters) return words_same(j, letters, a);
    enum truth t = compare_values(j, g->arg[1], a);
    if (t == YES) judge_say(j, "the same digits, the base left out");
    return t;
}

static enum truth ratio_same(struct judge *j, struct node *g, struct node *a)
{
    if (g->kind == a->kind) {
        enum truth t = g->n == a->n ? YES : NO;
        for (int i = 1; i < g->n && t == YES; i++) /* g0 : gi = a0 : ai */
            t = equal_expression(j, node_2(j->w, K_MUL, 0, g->arg[0], a->arg[i]),
                                 node_2(j->w, K_MUL, 0, a->arg[0], g->arg[i]));
        judge_say(j, t == YES ? "the same ratio" : "different ratios");
        return t;
    }
    struct node *r = g->kind == K_RATIO ? g : a, *other = r == g ? a : g;
    if (r->n != 2 || !is_expression(other)) return NO;
    struct node *q = node_2(j->w, K_DIV, 0, r->arg[0], r->arg[1]);
    return q ? equal_expression(j, q, other) : UNKNOWN;
}

/* ---- sequences ---------------------------------------------------------------------------------------- */

static bool is_list(const struct node *n)
{
    return n->kind == K_SEQ && (n->op == 0 || n->op == '{');
}

static bool is_tuple(const struct node *n)
{
    return n->kind == K_SEQ && !is_list(n);
}

enum truth ordered_same(struct judge *j, struct node *const *g, struct node *const *a, int n)
{
    enum truth t = YES;
    for (int i = 0; i < n && t != NO; i++) t = both(t, compare_item(j, g[i], a[i]));
    if (n > 1)
        judge_say(j, t == YES  ? "equal part by part"
                     : t == NO ? "parts differ"
                               : "parts that could not be compared");
    return t;
}

/* In a set {2} is another element than 2. */
static bool is_set_beside_element(const struct node *g, const struct node *a)
{
    bool set_g = g->kind == K_SEQ && g->op == '{', set_a = a->kind == K_SEQ && a->op == '{';
    return set_g != set_a && (is_expression(g) || is_expression(a));
}

static enum truth element_same(struct judge *j, struct node *g, struct node *a, bool in_set)
{
    return in_set && is_set_beside_element(g, a) ? NO : compare_item(j, g, a);
}

/* Each has a partner on the other side; what is named twice counts once. */
static enum truth unordered_same(struct judge *j, struct node *const *g, int n, struct node *const *a, int m,
                                 bool in_set)
{
    bool met[ITEMS_MAX] = {false}, doubt = false;
    if (n > ITEMS_MAX || m > ITEMS_MAX || n * m > 10000) {
        judge_say(j, "the sets are too large");
        return UNKNOWN;
    }
    for (int i = 0; i < n; i++) {
        bool found = false;
        for (int k = 0; k < m; k++) {
            if (met[k] && found) continue;
            enum truth t = element_same(j, g[i], a[k], in_set);
            doubt = doubt || t == UNKNOWN;
            if (t == YES) found = met[k] = true;
        }
        if (!found) {
            judge_say(j, doubt ? "an element could not be compared" : "an element of the gold is missing");
            return doubt ? UNKNOWN : NO;
        }
    }
    for (int k = 0; k < m; k++)
        if (!met[k]) {
            judge_say(j, doubt ? "an element could not be compared" : "an element that is not in the gold");
            return doubt ? UNKNOWN : NO;
        }
    judge_say(j, "the same set of %d", n);
    return YES;
}

static int ellipsis_at(const struct node *n)
{
    for (int i = 0; i < n->n; i++)
        if (n->arg[i]->kind == K_ELLIPSIS) return i;
    return -1;
}

/* 1, 2, ..., 10 written out, when it is an arithmetic progression of at most ITEMS_MAX numbers. */
static struct node *progression(struct judge *j, struct node *n)
{
    struct node *items[ITEMS_MAX], *out = NULL;
    int dots = ellipsis_at(n), count = 0;
    if (dots < 1 || dots != n->n - 2 || dots > 20) return NULL;
    fmpq_t step, v, last;
    fmpq_init(step);
    fmpq_init(v);
    fmpq_init(last);
    fmpq_one(step);
    bool good = exact_value(j->w, n->arg[dots - 1], v) && exact_value(j->w, n->arg[n->n - 1], last);
    if (good && dots >= 2) {
        good = exact_value(j->w, n->arg[dots - 2], step);
        fmpq_sub(step, v, step);
        good = good && !fmpq_is_zero(step);
    }
    for (int i = 0; i < dots; i++) items[count++] = n->arg[i];
    while (good && count < ITEMS_MAX && fmpq_cmp(v, last) * fmpq_sgn(step) < 0) {
        fmpq_add(v, v, step);
        items[count++] = node_num(j->w, v);
    }
    if (good && fmpq_equal(v, last)) out = node_of(j->w, K_SEQ, n->op, items, count);
    if (out) out->rows = n->rows;
    fmpq_clear(step);
    fmpq_clear(v);
    fmpq_clear(last);
    return out;
}

static enum truth sequence_same(struct judge *j, struct node *g, struct node *a)
{
    bool dots_g = ellipsis_at(g) >= 0, dots_a = ellipsis_at(a) >= 0;
    if (dots_g != dots_a) {
        struct node *full = progression(j, dots_g ? g : a);
        if (full) return dots_g ? sequence_same(j, full, a) : sequence_same(j, g, full);
    }
    if (dots_g || dots_a) {
        if (g->n == a->n && ellipsis_at(g) == ellipsis_at(a)) return ordered_same(j, g->arg, a->arg, g->n);
        judge_say(j, "a list that goes on");
        return NO;
    }
    if (is_list(g) && is_list(a))
        return unordered_same(j, g->arg, g->n, a->arg, a->n, g->op == '{' || a->op == '{');
    if (g->n != a->n) {
        judge_say(j, "%d parts, not %d", a->n, g->n);
        return NO;
    }
    if ((g->op == 0 && g->rows == 'o' && is_tuple(a)) || (a->op == 0 && a->rows == 'o' && is_tuple(g))) {
        judge_say(j, "a tuple against values of which each is one");
        return NO;
    }
    /* [1,3] and (1,3) are different intervals; [1,3] is no pair. */
    bool bracket_g = is_tuple(g) && (g->op == '[' || g->rows == ']'),
         bracket_a = is_tuple(a) && (a->op == '[' || a->rows == ']');
    bool same_ends = g->op == a->op && g->rows == a->rows;
    if (g->n == 2 && !same_ends && (bracket_g || bracket_a)) {
        int o = is_expression(g->arg[0]) && is_expression(g->arg[1]) ? order_of(j, g->arg[0], g->arg[1]) : 2;
        if (o == -1 || o == 0 || (is_tuple(g) && is_tuple(a))) {
            judge_say(j, "other ends");
            return NO;
        }
    }
    for (int i = 0; i < g->n && (g->op == '{' || a->op == '{'); i++)
        if (is_set_beside_element(g->arg[i], a->arg[i])) return NO;
    return ordered_same(j, g->arg, a->arg, g->n);
}

/* [[1, 2], [3, 4]] as a matrix: rows of one length in square brackets. Else n. */
static struct node *rows_as_matrix(struct judge *j, struct node *n)
{
    struct node *entries[ITEMS_MAX];
    int count = 0;
    if (n->kind != K_SEQ || n->op != '[' || n->rows != ']') return n;
    for (int i = 0; i < n->n; i++) {
        const struct node *row = n->arg[i];
        if (row->kind != K_SEQ || row->op != '[' || row->rows != ']' || row->n != n->arg[0]->n ||
            count + row->n > ITEMS_MAX)
            return n;
        for (int k = 0; k < row->n; k++) entries[count++] = row->arg[k];
    }
    struct node *m = node_of(j->w, K_MATRIX, 0, entries, count);
    if (m) m->rows = (short)n->n;
    return m;
}

/* A column against a tuple, a matrix against a matrix. */
static enum truth matrix_same(struct judge *j, struct node *g, struct node *a)
{
    g = rows_as_matrix(j, g);
    a = rows_as_matrix(j, a);
    if (!g || !a) return UNKNOWN;
    if (g->kind == K_MATRIX && a->kind == K_MATRIX) {
        if (g->rows != a->rows || g->n != a->n) {
            judge_say(j, "matrices of different shape");
            return NO;
        }
        return ordered_same(j, g->arg, a->arg, g->n);
    }
    struct node *m = g->kind == K_MATRIX ? g : a, *s = m == g ? a : g;
    if (m->n == 1 && is_expression(s))
        return m == g ? compare_values(j, m->arg[0], s) : compare_values(j, s, m->arg[0]);
    if (s->kind == K_FN && s->op == F_BINOM && m->rows == 2 && m->n == 2) /* \binom{1}{2} for a column */
        return m == g ? ordered_same(j, m->arg, s->arg, 2) : ordered_same(j, s->arg, m->arg, 2);
    if (s->kind != K_SEQ || is_list(s) || m->rows != m->n || s->n != m->n) {
        judge_say(j, "a matrix against something else");
        return NO;
    }
    return ordered_same(j, g->arg, a->arg, m->n);
}

/* ---- sets --------------------------------------------------------------------------------------------- */

static bool is_set(const struct node *n)
{
    return n->kind == K_SETOP || n->kind == K_NUMSET || n->kind == K_BUILDER;
}

static int operands(struct node *n, struct node **out, int count, int max)
{
    if (n->kind == K_SETOP && n->op == 'u') {
        count = operands(n->arg[0], out, count, max);
        return count < 0 ? -1 : operands(n->arg[1], out, count, max);
    }
    if (n->kind == K_SEQ && n->op == '{') {
        for (int i = 0; i < n->n; i++) {
            if (count == max) return -1;
            out[count++] = n->arg[i];
        }
        return count;
    }
    if (count == max) return -1;
    out[count++] = n;
    return count;
}

/* The x of {x | ...}, the n of {2n | n in N}; NULL. */
static const struct node *bound_name(const struct node *builder)
{
    const struct node *what = builder->arg[0], *condition = builder->arg[1];
    if (what->kind == K_SYM) return what;
    bool member = condition->kind == K_REL && condition->name[0] == R_IN && condition->arg[0]->kind == K_SYM;
    return member ? condition->arg[0] : NULL;
}

static enum truth set_same(struct judge *j, struct node *g, struct node *a)
{
    struct realset x, y;
    struct node *p[32], *q[32];
    if (g->kind == K_NUMSET && a->kind == K_NUMSET) {
        judge_say(j, g->op == a->op ? "the same set" : "different sets");
        return g->op == a->op ? YES : NO;
    }
    if (realset_of(j, g, &x) && realset_of(j, a, &y)) return realset_same(j, &x, &y);
    if (node_same(g, a)) {
        judge_say(j, "the same set");
        return YES;
    }
    if (g->kind == K_BUILDER && a->kind == K_BUILDER) {
        const struct node *name_g = bound_name(g), *name_a = bound_name(a);
        struct node *moved =
            name_g && name_a ? node_replace(j->w, a, name_a->name, node_sym(j->w, name_g->name)) : a;
        return moved ? both(compare_item(j, g->arg[0], moved->arg[0]),
                            compare_nodes(j, g->arg[1], moved->arg[1]))
                     : UNKNOWN;
    }
    int n = operands(g, p, 0, 32), m = operands(a, q, 0, 32);
    if (n > 0 && m > 0 && (n > 1 || m > 1)) return unordered_same(j, p, n, q, m, true);
    judge_say(j, "sets that could not be compared, or differ");
    return NO;
}

/* ---- words -------------------------------------------------------------------------------------------- */

/* The letters of a product as a word: Even read as E v e n. */
static bool spell(const struct node *n, struct str *out)
{
    switch ((enum kind)n->kind) {
    case K_TEXT:
    case K_SYM: str_puts(out, n->name); return true;
    case K_CONST:
        str_puts(out, n->op == C_E ? "e" : n->op == C_I ? "i" : "undefined");
        return n->op == C_E || n->op == C_I || n->op == C_UNDEFINED;
    case K_NUM: node_print(n, out); return true;
    case K_NUMSET: str_puts(out, n->op == 'E' ? "emptyset" : ""); return n->op == 'E';
    case K_MUL:
    case K_UNIT:
        for (int i = 0; i < n->n; i++)
            if (!spell(n->arg[i], out)) return false;
        if (n->kind == K_UNIT) {
            str_puts(out, " ");
            str_puts(out, n->name);
        }
        return true;
    case K_SEQ:
        if (n->op) str_add(out, (const char[]){(char)n->op}, 1);
        for (int i = 0; i < n->n; i++) {
            if (i) str_puts(out, ", ");
            if (!spell(n->arg[i], out)) return false;
        }
        if (n->op) str_add(out, (const char[]){(char)n->rows}, 1);
        return true;
    default: return false;
    }
}

/* Is it made of words, perhaps with numbers beside them (5 July, 2020), rather than a formula? */
static bool is_words(const struct node *n)
{
    bool words = false;
    switch ((enum kind)n->kind) {
    case K_TEXT:
    case K_SYM:
    case K_CONST:
    case K_NUMSET: return true;
    case K_UNIT: return n->arg[0]->kind == K_NUM || is_words(n->arg[0]);
    case K_MUL:
        for (int i = 0; i < n->n; i++)
            if (!is_words(n->arg[i])) return false;
        return true;
    case K_SEQ:
        for (int i = 0; i < n->n; i++) {
            if (n->arg[i]->kind != K_NUM && !is_words(n->arg[i])) return false;
            words = words || (n->arg[i]->kind != K_NUM && n->arg[i]->kind != K_SYM);
        }
        return words && !n->op;
    default: return false;
    }
}

/* Blanks aside, but for those that part digits. */
static bool same_but_blanks(const char *a, const char *b)
{
    for (const char *x = a, *y = b;; x++, y++) {
        const char *from_x = x, *from_y = y;
        while (isspace((unsigned char)*x)) x++;
        while (isspace((unsigned char)*y)) y++;
        if (*x != *y || !*x) return *x == *y;
        bool inside = isdigit((unsigned char)*x) && from_x > a && isdigit((unsigned char)from_x[-1]);
        if (inside && (x > from_x) != (y > from_y)) return false;
    }
}

/* Marks say nothing among words; where a formula is on either side every one of its letters does. */
enum truth words_same(struct judge *j, struct node *g, struct node *a)
{
    struct str x, y;
    str_init(&x, 2000);
    str_init(&y, 2000);
    enum truth t = NO;
    bool spelled = spell(g, &x) && spell(a, &y) && !x.full && !y.full;
    if (spelled && is_words(g) && is_words(a)) {
        t = text_same(j, x.p, y.p);
    } else {
        t = spelled && same_but_blanks(x.p, y.p) ? YES : NO;
        judge_say(j, t == YES ? "the same signs" : "words against a formula");
    }
    str_release(&x);
    str_release(&y);
    return t;
}

/* ---- by kind ------------------------------------------------------------------------------------------ */

static enum truth signs_same(struct judge *j, struct node *g, struct node *a)
{
    struct node *p[SIGNS_MAX], *q[SIGNS_MAX];
    int n = expand_signs(j->w, g, p, SIGNS_MAX), m = is_list(a) ? a->n : expand_signs(j->w, a, q, SIGNS_MAX);
    if (n == 0 || m == 0) return UNKNOWN;
    if (is_list(a)) return unordered_same(j, p, n, a->arg, a->n, false);
    return unordered_same(j, p, n, q, m, false);
}

static bool is_empty_set(const struct node *n)
{
    return (n->kind == K_NUMSET && n->op == 'E') || (n->kind == K_SEQ && n->op == '{' && n->n == 0);
}

/* A set of one is its element; but a set that holds a set stays one. */
static struct node *single(struct node *n)
{
    bool set = n->kind == K_SEQ && n->n == 1 && n->op == '{';
    return set && !is_empty_set(n->arg[0]) && n->arg[0]->kind != K_SEQ ? n->arg[0] : n;
}

/* \text{undefined} and what else says so. */
static bool is_undefined(const struct node *n)
{
    return n->kind == K_CONST && n->op == C_UNDEFINED;
}

/* Words that name a set of numbers, or beside a set a letter that does. */
static struct node *named_set(struct judge *j, struct node *n, bool beside_set)
{
    bool name = beside_set && (n->kind == K_SYM || n->kind == K_TEXT);
    if (name && n->name[0] && !n->name[1] && strchr("RZQNC", n->name[0]))
        return node_of(j->w, K_NUMSET, n->name[0], NULL, 0);
    static const char *const line[] = {"all real numbers", "all reals", "real numbers", "the real numbers"};
    if (n->kind != K_TEXT) return n;
    for (size_t i = 0; i < sizeof line / sizeof *line; i++)
        if (strcasecmp(n->name, line[i]) == 0) return node_of(j->w, K_NUMSET, 'R', NULL, 0);
    return n;
}

static bool either(const struct node *g, const struct node *a, enum kind k)
{
    return g->kind == k || a->kind == k;
}

/* The coordinates behind the name of a point, A(1, 2), against a tuple; C(10, 2) against a number. */
static struct node *named_point(struct judge *j, struct node *n, const struct node *other)
{
    bool tuple = is_tuple(other);
    if (n->kind == K_APPLY && !tuple && other->kind != K_APPLY && is_expression(other))
        return called_count(j->w, n);
    bool letter = n->kind == K_APPLY && !isalpha((unsigned char)n->name[1]); /* Cov(X, Y) is no point */
    bool capital = letter && isupper((unsigned char)n->name[0]);
    if (capital && tuple && n->n > 1) {
        struct node *point = node_of(j->w, K_SEQ, '(', n->arg, n->n);
        if (point) point->rows = ')';
        return point;
    }
    bool label = n->kind == K_MUL && n->n == 2 && n->arg[0]->kind == K_SYM && is_tuple(n->arg[1]) &&
                 isupper((unsigned char)n->arg[0]->name[0]);
    return label && tuple ? n->arg[1] : n;
}

static enum truth by_kind(struct judge *j, struct node *g, struct node *a)
{
    g = named_point(j, g, a);
    a = g ? named_point(j, a, g) : NULL;
    if (!g || !a) return UNKNOWN;
    enum truth family = family_same(j, g, a);
    if (family != UNKNOWN) return family;
    if (either(g, a, K_UNIT)) return quantity_same(j, g, a);
    if (either(g, a, K_PERCENT)) return percent_same(j, g, a);
    if (either(g, a, K_DEGREE)) return quantity_same(j, g, a);
    if (either(g, a, K_MOD)) return residue_same(j, g, a);
    if (either(g, a, K_BASED)) return based_same(j, g, a);
    if (g->kind != a->kind && (either(g, a, K_TEXT) || is_set(g) || is_set(a))) {
        bool set = is_set(g) || is_set(a);
        g = named_set(j, g, set);
        a = named_set(j, a, set);
        if (!g || !a) return UNKNOWN;
    }
    if (either(g, a, K_TEXT) || is_undefined(g) || is_undefined(a)) return words_same(j, g, a);
    if (either(g, a, K_MATRIX)) return matrix_same(j, g, a);
    if (either(g, a, K_BUILDER)) {
        g = single(builder_listed(j, g));
        a = g ? single(builder_listed(j, a)) : NULL;
        if (!g || !a) return UNKNOWN;
    }
    if (is_set(g) || is_set(a)) return set_same(j, g, a);
    if (g->kind == K_SEQ && a->kind == K_SEQ) return sequence_same(j, g, a);
    if (node_has(g, K_PM) || node_has(a, K_PM))
        return is_list(g) ? signs_same(j, a, g) : g->kind == K_SEQ || is_tuple(a) ? NO : signs_same(j, g, a);
    if ((is_list(a) && is_expression(g)) || (is_list(g) && is_expression(a))) { /* x + 1 or 1 + x */
        struct node *list = is_list(a) ? a : g;
        enum truth t = list->n ? YES : NO;
        for (int i = 0; i < list->n && t == YES; i++)
            t = list->arg[i]->kind == K_SEQ ? NO
                : list == a                 ? compare_item(j, g, a->arg[i])
                                            : compare_item(j, g->arg[i], a);
        if (t == YES) return t;
    }
    if (either(g, a, K_SEQ)) {
        judge_say(j, "a list against one value");
        return NO;
    }
    if (either(g, a, K_RATIO)) return ratio_same(j, g, a);
    if (!is_expression(g) || !is_expression(a)) {
        judge_say(j, "different kinds of answer");
        return NO;
    }
    return node_has(g, K_CASES) || node_has(a, K_CASES) ? cases_same(j, g, a) : equal_expression(j, g, a);
}

/* (\pm 1, 2) against a list of points: one for each sign. */
static struct node *tuple_signs(struct judge *j, struct node *n, const struct node *other)
{
    struct node *points[SIGNS_MAX];
    if (!n || !is_tuple(n) || !is_list(other) || !node_has(n, K_PM)) return n;
    int count = expand_signs(j->w, n, points, SIGNS_MAX);
    struct node *list = count ? node_of(j->w, K_SEQ, 0, points, count) : n;
    if (count && list) list->rows = ',';
    return list;
}

enum truth compare_values(struct judge *j, struct node *g, struct node *a)
{
    if (!g || !a || j->w->over || ++j->depth > 60) {
        judge_say(j, "%s", j->w->over ? j->w->over : "nested too deep");
        return UNKNOWN;
    }
    struct pair_shown before = explain_compare(j, g, a);
    g = tuple_signs(j, spread_signs(j, single(g)), a);
    a = g ? tuple_signs(j, spread_signs(j, single(a)), g) : NULL;
    enum truth t = UNKNOWN;
    if (g && a && g->kind == K_REL && a->kind == K_REL)
        t = relation_same(j, g, a);
    else if (g && a)
        t = by_kind(j, g, a);
    j->depth--;
    return explain_result(j, before, t);
}
