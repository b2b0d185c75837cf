/* expand.c: what has one exact meaning is written out, so that only expressions are left to compare. */
#include <stdlib.h>
#include <string.h>

#include "verify/verify_int.h"

#define UNROLL_MAX 120

static bool is_angle_function(int f)
{
    return (f >= F_SIN && f <= F_CSC) || f == F_CIS;
}

/* ---- gcd and lcm of formulas -------------------------------------------------------------------------- */

/* n as a rational content times the rest (NULL: 1). */
static void content_of(struct work *w, struct node *n, fmpq_t content, struct node **rest)
{
    fmpq_t v;
    *rest = NULL;
    fmpq_one(content);
    if (exact_value(w, n, content)) return;
    fmpq_one(content);
    if (n->kind == K_NEG) {
        content_of(w, n->arg[0], content, rest);
        return;
    }
    *rest = n;
    if (n->kind != K_MUL) return;
    struct node *left[64];
    int k = 0;
    fmpq_init(v);
    for (int i = 0; i < n->n; i++) {
        if (exact_value(w, n->arg[i], v))
            fmpq_mul(content, content, v);
        else if (k < 64)
            left[k++] = n->arg[i];
    }
    fmpq_clear(v);
    fmpq_abs(content, content);
    *rest = k == 1 ? left[0] : node_of(w, K_MUL, 0, left, k);
}

/* gcd and lcm where letters or roots stand: of the whole contents, times the common or the different
 * rests. */
static struct node *symbolic_gcd(struct work *w, struct node *n)
{
    struct node *rests[16], *out;
    fmpq_t content, c, g;
    bool whole = true, all_same = true, lcm = n->op == F_LCM;
    int k = 0;
    if (n->n > 16) return n;
    fmpq_init(content);
    fmpq_init(c);
    fmpq_init(g);
    for (int i = 0; i < n->n; i++) {
        struct node *rest;
        content_of(w, n->arg[i], c, &rest);
        whole = whole && fmpz_is_one(fmpq_denref(c));
        fmpq_gcd(g, content, c);
        if (i == 0) {
            fmpq_set(content, c);
        } else if (lcm) {
            fmpq_mul(content, content, c);
            if (!fmpq_is_zero(g)) fmpq_div(content, content, g);
        } else {
            fmpq_set(content, g);
        }
        bool known = false;
        for (int m = 0; m < k; m++) known = known || (rest && node_same(rests[m], rest));
        all_same = all_same && (i == 0 || known || (!rest && k == 0));
        if (rest && !known) rests[k++] = rest;
        if (!rest && k > 0) all_same = false;
    }
    if (!whole) fmpq_one(content);
    out = node_num(w, content);
    if (lcm)
        for (int m = 0; m < k; m++) out = node_2(w, K_MUL, 0, out, rests[m]);
    else if (all_same && k == 1)
        out = node_2(w, K_MUL, 0, out, rests[0]);
    fmpq_clear(content);
    fmpq_clear(c);
    fmpq_clear(g);
    return out;
}

static struct node *gcd_written(struct work *w, struct node *n)
{
    fmpq_t q;
    fmpq_init(q);
    bool number = exact_value(w, n, q);
    struct node *out = number ? node_num(w, q) : symbolic_gcd(w, n);
    fmpq_clear(q);
    return out;
}

/* ---- sums with letters -------------------------------------------------------------------------------- */

static struct node *unrolled(struct work *w, struct node *n)
{
    fmpz_t lo, hi;
    struct node *terms[UNROLL_MAX], *out = n;
    fmpz_init(lo);
    fmpz_init(hi);
    struct names names = {0};
    names_free_in(n, &names);
    bool good = names.n > 0 && exact_integer(w, n->arg[2], lo) && exact_integer(w, n->arg[3], hi);
    fmpz_sub(hi, hi, lo);
    if (good && fmpz_sgn(hi) >= 0 && fmpz_cmp_si(hi, UNROLL_MAX) < 0 && fmpz_fits_si(lo)) {
        int count = (int)fmpz_get_si(hi) + 1;
        long from = fmpz_get_si(lo);
        for (int i = 0; i < count; i++)
            terms[i] = node_replace(w, n->arg[0], n->arg[1]->name, node_int(w, from + i));
        out = count == 1 ? terms[0] : node_of(w, n->op == F_SUM ? K_ADD : K_MUL, 0, terms, count);
    }
    fmpz_clear(lo);
    fmpz_clear(hi);
    return out;
}

/* ---- norms, determinants ------------------------------------------------------------------------------ */

static struct node *norm_of(struct work *w, struct node *n)
{
    struct node *in = n->arg[0], *terms[64];
    if ((in->kind != K_SEQ && in->kind != K_MATRIX) || in->n > 64) return n;
    if (in->kind == K_MATRIX && in->rows > 1 && in->rows != in->n) return n;
    for (int i = 0; i < in->n; i++) terms[i] = node_2(w, K_POW, 0, in->arg[i], node_int(w, 2));
    struct node *sum = in->n == 1 ? terms[0] : node_of(w, K_ADD, 0, terms, in->n);
    return node_2(w, K_ROOT, 0, sum, node_int(w, 2));
}

static struct node *trace_of(struct work *w, struct node *n, const struct node *m)
{
    struct node *terms[64];
    if (!m || m->rows * m->rows != m->n || m->rows > 64) return n;
    for (int i = 0; i < m->rows; i++) terms[i] = m->arg[i * m->rows + i];
    return m->rows == 1 ? terms[0] : node_of(w, K_ADD, 0, terms, m->rows);
}

static struct node *function_written(struct work *w, struct node *n)
{
    struct node *d;
    switch (n->op) {
    case F_GCD:
    case F_LCM: return gcd_written(w, n);
    case F_SUM:
    case F_PROD: return unrolled(w, n);
    case F_DIFF: d = derivative(w, n->arg[0], n->arg[1]->name); return d ? d : n;
    case F_DET:
    case F_ABS:
        d = node_has(n, K_MATRIX) ? determinant(w, matrix_value(w, n->arg[0])) : NULL;
        return d ? d : n;
    case F_TRACE: return trace_of(w, n, matrix_value(w, n->arg[0]));
    case F_NORM: return norm_of(w, n);
    default: return n;
    }
}

/* ---- counts ------------------------------------------------------------------------------------------- */

/* C_10^2, A_5^3 with the larger number below, as many write binom(10, 2) and 5!/2!. */
static struct node *raised_count(struct work *w, struct node *n)
{
    const struct node *base = n->arg[0], *k = n->arg[1];
    if (base->kind != K_SYM || k->kind != K_NUM || !strchr("CA", base->name[0]) || base->name[1] != '_')
        return n;
    const char *digits = base->name + 2;
    size_t length = strspn(digits, "0123456789");
    if (!length || length > 6 || digits[length]) return n;
    long below = strtol(digits, NULL, 10);
    bool whole = fmpz_is_one(fmpq_denref(k->q)) && fmpq_sgn(k->q) > 0;
    if (!whole || fmpz_cmp_si(fmpq_numref(k->q), below) >= 0) return n;
    return node_2(w, K_FN, base->name[0] == 'C' ? F_BINOM : F_PERM, node_int(w, below), n->arg[1]);
}

/* C(10, 2), P(5, 2), C(n, 2) */
struct node *called_count(struct work *w, struct node *n)
{
    if (n->kind != K_APPLY || n->n != 2 || n->name[1] || !strchr("CP", n->name[0])) return n;
    bool comb = n->name[0] == 'C', letter = n->arg[0]->kind == K_SYM;
    if (n->arg[1]->kind != K_NUM || !(n->arg[0]->kind == K_NUM || (letter && comb))) return n;
    return node_2(w, K_FN, comb ? F_BINOM : F_PERM, n->arg[0], n->arg[1]);
}

/* ---- the tree ----------------------------------------------------------------------------------------- */

static struct node *degree_written(struct work *w, struct node *n)
{
    struct node *half_turn = node_2(w, K_DIV, 0, node_const(w, C_PI), node_int(w, 180));
    return node_2(w, K_MUL, 0, n, half_turn);
}

/* Is what stands inside n computed with, so that percent and units are mere factors there? */
static bool is_computing(const struct node *n)
{
    return n->kind == K_ADD || n->kind == K_MUL || n->kind == K_NEG || n->kind == K_DIV || n->kind == K_POW ||
           n->kind == K_ROOT || n->kind == K_FN || n->kind == K_PM;
}

/* -50% is (-50)%. */
static struct node *signed_inside(struct work *w, struct node *n)
{
    if (!n || n->kind != K_NEG) return n;
    struct node *in = n->arg[0];
    if (in->kind != K_PERCENT && in->kind != K_DEGREE && in->kind != K_UNIT) return n;
    struct node *minus = node_1(w, K_NEG, 0, in->arg[0]);
    return node_with(w, in, &minus, 1);
}

static struct node *written(struct work *w, struct node *n, bool angle, bool inside)
{
    struct node *out = n;
    if (!n || w->over) return NULL;
    if (!work_step(w, 1)) return NULL;
    if (n->n) {
        bool changed = false, inner = angle || (n->kind == K_FN && is_angle_function(n->op)),
             computes = inside || is_computing(n);
        struct node **args = work_alloc(w, (size_t)n->n * sizeof *args);
        if (!args) return NULL;
        for (int i = 0; i < n->n; i++) {
            args[i] = written(w, n->arg[i], inner, computes);
            if (!args[i]) return NULL;
            changed = changed || args[i] != n->arg[i];
        }
        if (changed) out = node_with(w, n, args, n->n);
        if (!out) return NULL;
    }
    switch ((enum kind)out->kind) {
    case K_PERCENT: return inside ? node_2(w, K_DIV, 0, out->arg[0], node_int(w, 100)) : out;
    case K_DEGREE: return angle ? degree_written(w, out->arg[0]) : inside ? out->arg[0] : out;
    case K_UNIT: return inside ? out->arg[0] : out;
    case K_BASED: return out->op == 0 && inside ? out->arg[0] : out;
    case K_FN: return function_written(w, out);
    case K_APPLY: return inside ? called_count(w, out) : out;
    case K_NEG:
    case K_ADD:
    case K_MUL:
    case K_DIV:
    case K_POW: {
        struct node *m = !inside && node_has(out, K_MATRIX) ? matrix_value(w, out) : NULL;
        return m ? m : out->kind == K_POW ? raised_count(w, out) : out;
    }
    default: return out;
    }
}

struct node *expand(struct work *w, struct node *n)
{
    struct node *out = written(w, signed_inside(w, n), false, false);
    if (out && node_has(out, K_MATRIX) && out->kind != K_MATRIX) {
        struct node *m = matrix_value(w, out);
        if (m) return m;
    }
    return out;
}

/* ---- signs -------------------------------------------------------------------------------------------- */

/* How many signs have to be chosen? Those of one formula independently of each other, as in the four values
 * of \pm 2 \pm 3; where a \mp stands, and in the coordinates of a tuple, all at once. */
static int choices_in(const struct node *n, bool *linked)
{
    int count = n->kind == K_PM;
    *linked = *linked || n->kind == K_SEQ || (n->kind == K_PM && n->op == '-');
    for (int i = 0; i < n->n; i++) count += choices_in(n->arg[i], linked);
    return count;
}

/* Every \pm by its own bit of `lower`, the first by the lowest; *next: those met so far. When linked all by
 * the first. */
static struct node *signs_chosen(struct work *w, struct node *n, unsigned lower, bool linked, int *next)
{
    if (!n || !node_has(n, K_PM)) return n;
    struct node **args = work_alloc(w, (size_t)n->n * sizeof *args);
    if (!args) return NULL;
    bool low = n->kind == K_PM && (lower >> (linked ? 0 : (*next)++) & 1u);
    for (int i = 0; i < n->n; i++) args[i] = signs_chosen(w, n->arg[i], lower, linked, next);
    if (n->kind != K_PM) return node_with(w, n, args, n->n);
    bool minus = (n->op == '-') != low;
    struct node *right = minus ? node_1(w, K_NEG, 0, args[1]) : args[1];
    return node_is_int(n->arg[0], 0) ? right : node_2(w, K_ADD, 0, args[0], right);
}

int expand_signs(struct work *w, struct node *n, struct node **out, int max)
{
    bool linked = false;
    int bits = choices_in(n, &linked);
    if (linked && bits) bits = 1;
    if (bits > 4 || 1 << bits > max) return 0;
    for (int i = 0; i < 1 << bits; i++) {
        int next = 0;
        out[i] = signs_chosen(w, n, (unsigned)i, linked, &next);
        if (!out[i]) return 0;
    }
    return 1 << bits;
}
