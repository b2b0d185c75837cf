/* breaks.c: where formulas change from one piece to another, so that points are tried on both sides.
 *
 * |x - 10^9| and 10^9 - x agree on a whole half line. Between two breaks a formula is analytic, and two
 * analytic functions that agree at a random point agree on the whole piece; so each piece needs its own.
 * Breaks are the changes of sign of "probes": what stands inside | |, sgn, roots, broken powers and
 * logarithms, and its slope (a square touches zero without changing sign); the differences of what max and
 * min choose between; the two sides of a condition; floors less -1, 0, 1 and 7; the poles inside all these.
 * Signs are taken on a grid that spans the magnitudes of the formulas' own constants and holds these
 * constants; a change of sign is closed in by halving. A piece that begins and ends between two points of the
 * grid, with no constant or other break in it, is not seen.
 */
#include <string.h>

#include "verify/verify_int.h"

#define PROBES_MAX    24
#define POOL_MAX      128
#define ROOTS_MAX     24
#define ROOTS_A_PROBE 6
#define CONSTANTS_MAX 16
#define EXPONENT_MAX  4096 /* of the largest constant, in bits */
#define GRID_STEPS    20
#define FAR_BITS      128 /* and some points beyond, where logarithms meet the constants */
#define HALVINGS      50
#define WHOLE_PROBE   7 /* floors are also tried at some larger number */
#define SLOPE_NODES   80
#define SHORT_BITS    40
#define NEAR_BITS     20 /* points next to a break r: r (1 +- 2^-20) */

struct breaks {
    struct eval *v;
    acb_ptr x; /* the variable's place in the environment */
    const char *var;
    struct node *probe[PROBES_MAX];
    int n_probes;
    arf_struct pool[POOL_MAX], root[ROOTS_MAX]; /* both sorted */
    int n_pool, n_roots, n_constants;
    slong top;
};

static bool insert(arf_struct *sorted, int *n, int max, const arf_t v)
{
    int at = *n;
    if (*n == max) return false;
    while (at > 0 && arf_cmp(&sorted[at - 1], v) > 0) at--;
    if (at > 0 && arf_equal(&sorted[at - 1], v)) return false;
    memmove(&sorted[at + 1], &sorted[at], (size_t)(*n - at) * sizeof *sorted);
    arf_init(&sorted[at]);
    arf_set(&sorted[at], v);
    ++*n;
    return true;
}

/* ---- probes ------------------------------------------------------------------------------------------- */

static void probe_add(struct breaks *b, struct node *u)
{
    if (!u || b->n_probes == PROBES_MAX || !node_uses(u, b->var)) return;
    for (int i = 0; i < b->n_probes; i++)
        if (node_same(b->probe[i], u)) return;
    b->probe[b->n_probes++] = u;
}

static void probe_difference(struct breaks *b, struct node *u, struct node *less)
{
    probe_add(b, node_2(b->v->w, K_ADD, 0, u, node_1(b->v->w, K_NEG, 0, less)));
}

static int size_up_to(const struct node *n, int max)
{
    int size = 1;
    for (int i = 0; i < n->n && size < max; i++) size += size_up_to(n->arg[i], max - size);
    return size;
}

static void probe_with_slope(struct breaks *b, struct node *u)
{
    probe_add(b, u);
    if (size_up_to(u, SLOPE_NODES) < SLOPE_NODES) probe_add(b, derivative(b->v->w, u, b->var));
}

static void probe_at(struct breaks *b, struct node *u, long from, long to)
{
    for (long k = from; k <= to; k++) probe_difference(b, u, node_int(b->v->w, k));
}

static void condition_probes(struct breaks *b, const struct node *rel)
{
    for (int i = 0; i + 1 < rel->n && rel->kind == K_REL; i++)
        if (is_expression(rel->arg[i]) && is_expression(rel->arg[i + 1]))
            probe_difference(b, rel->arg[i], rel->arg[i + 1]);
    for (int i = 0; i < rel->n && rel->kind == K_SEQ; i++) condition_probes(b, rel->arg[i]);
}

static void function_probes(struct breaks *b, const struct node *n)
{
    switch (n->op) {
    case F_ABS:
    case F_SIGN:
    case F_LN:
    case F_LOG:
    case F_ARG:
    case F_ACOT: probe_with_slope(b, n->arg[0]); break;
    case F_FLOOR:
    case F_CEIL:
    case F_ROUND:
        probe_at(b, n->arg[0], -1, 1);
        probe_at(b, n->arg[0], WHOLE_PROBE, WHOLE_PROBE);
        break;
    case F_MODULO: probe_at(b, node_2(b->v->w, K_DIV, 0, n->arg[0], n->arg[1]), -1, 1); break;
    case F_ASIN:
    case F_ACOS:
    case F_ASEC:
    case F_ACSC:
    case F_ACOSH:
    case F_ATANH:
        probe_with_slope(b, n->arg[0]);
        probe_at(b, n->arg[0], -1, 1);
        break;
    case F_MAX:
    case F_MIN:
        for (int i = 0; i < n->n; i++)
            for (int k = 0; k < i; k++) probe_difference(b, n->arg[i], n->arg[k]);
        break;
    default: break;
    }
}

static bool has_pieces(const struct node *n)
{
    if (n->kind == K_ROOT || n->kind == K_CASES) return true;
    return n->kind == K_FN &&
           ((n->op >= F_ASIN && n->op <= F_ACSC) || (n->op >= F_LN && n->op <= F_SIGN) || n->op == F_ACOSH ||
            n->op == F_ATANH || n->op == F_MIN || n->op == F_MAX || n->op == F_MODULO || n->op == F_ARG);
}

/* From inside to outside; `pieces`: n stands inside something that has pieces, so that its poles count. */
static void collect(struct breaks *b, struct node *n, bool pieces)
{
    bool binder = n->kind == K_FN && n->op >= F_SUM && n->op <= F_DIFF;
    bool power = n->kind == K_POW && !(n->arg[1]->kind == K_NUM && fmpz_is_one(fmpq_denref(n->arg[1]->q)));
    bool pole = n->kind == K_FN && n->op >= F_TAN && n->op <= F_CSC;
    if (binder || !work_step(b->v->w, 1)) return;
    bool inner = pieces || power || has_pieces(n);
    for (int i = 0; i < n->n; i++) collect(b, n->arg[i], inner);
    if (power || n->kind == K_ROOT) probe_with_slope(b, n->arg[0]);
    if (pieces && n->kind == K_DIV) probe_add(b, n->arg[1]);
    if (pieces && n->kind == K_POW && !power) probe_add(b, n->arg[0]);
    if (pieces && pole) probe_add(b, n);
    if (n->kind == K_FN) function_probes(b, n);
    for (int i = 1; i < n->n && n->kind == K_CASES; i += 2) condition_probes(b, n->arg[i]);
}

/* ---- the grid ----------------------------------------------------------------------------------------- */

static void constant_add(struct breaks *b, const struct node *n)
{
    acb_t c;
    arf_t v;
    acb_init(c);
    arf_init(v);
    if (is_expression(n) && b->n_constants < CONSTANTS_MAX && eval_node(b->v, n, c) &&
        arb_is_nonzero(acb_realref(c))) {
        arf_set_round(v, arb_midref(acb_realref(c)), 64, ARF_RND_DOWN);
        slong e = arf_abs_bound_lt_2exp_si(v);
        if (e < EXPONENT_MAX && e > -EXPONENT_MAX) {
            b->n_constants++;
            b->top += e > 0 ? e : 0;
            insert(b->pool, &b->n_pool, POOL_MAX, v);
            arf_neg(v, v);
            insert(b->pool, &b->n_pool, POOL_MAX, v);
        }
    }
    acb_clear(c);
    arf_clear(v);
}

/* Adds the largest parts of n without variables; is n itself one? */
static bool constants_of(struct breaks *b, const struct node *n)
{
    bool closed = n->kind != K_SYM, all = true;
    bool part[64];
    for (int i = 0; i < n->n; i++) {
        bool one = constants_of(b, n->arg[i]);
        if (i < 64) part[i] = one;
        all = all && one;
    }
    if (closed && all) return true;
    for (int i = 0; i < n->n && i < 64; i++)
        if (part[i]) constant_add(b, n->arg[i]);
    return false;
}

static void grid(struct breaks *b, struct node *const pair[2])
{
    arf_t v;
    arf_init(v);
    for (int k = -1; k <= 1; k++) {
        arf_set_si(v, k);
        insert(b->pool, &b->n_pool, POOL_MAX, v);
    }
    for (int i = 0; i < 2; i++)
        if (constants_of(b, pair[i])) constant_add(b, pair[i]);
    if (b->top > EXPONENT_MAX) b->top = EXPONENT_MAX;
    slong step = (b->top + 16) / GRID_STEPS + 1;
    for (slong e = -8; e <= b->top + FAR_BITS; e = e < b->top + 8 ? e + step : e + (e - b->top)) {
        arf_set_d(v, 1.37);
        arf_mul_2exp_si(v, v, e);
        insert(b->pool, &b->n_pool, POOL_MAX, v);
        arf_neg(v, v);
        insert(b->pool, &b->n_pool, POOL_MAX, v);
    }
    arf_clear(v);
}

/* ---- changes of sign ---------------------------------------------------------------------------------- */

/* -1, 0, 1; 2 where u has no real value. */
static int sign_at(struct breaks *b, const struct node *u, const arf_t at)
{
    acb_t y;
    int sign = 2;
    acb_init(y);
    acb_zero(b->x);
    arf_set(arb_midref(acb_realref(b->x)), at);
    if (eval_node(b->v, u, y) && arb_contains_zero(acb_imagref(y)))
        sign = arb_is_positive(acb_realref(y)) ? 1 : arb_is_negative(acb_realref(y)) ? -1 : 0;
    acb_clear(y);
    return sign;
}

/* The middle of two numbers; of two far apart on one side of zero in their exponents. */
static void middle(arf_t out, const arf_t lo, const arf_t hi)
{
    slong a = arf_abs_bound_lt_2exp_si(lo), c = arf_abs_bound_lt_2exp_si(hi);
    if (arf_sgn(lo) * arf_sgn(hi) > 0 && (a - c > 2 || c - a > 2)) {
        arf_mul_2exp_si(out, lo, (c - a) / 2);
    } else {
        arf_add(out, lo, hi, 128, ARF_RND_DOWN);
        arf_mul_2exp_si(out, out, -1);
    }
}

/* Between lo and hi u changes its sign from that of lo. */
static void close_in(struct breaks *b, const struct node *u, const arf_t from, const arf_t to, int sign,
                     arf_t root)
{
    arf_t lo, hi;
    arf_init(lo);
    arf_init(hi);
    arf_set(lo, from);
    arf_set(hi, to);
    arf_set(root, hi);
    for (int i = 0; i < HALVINGS; i++) {
        middle(root, lo, hi);
        int here = sign_at(b, u, root);
        if (here == 0 || here == 2) break;
        arf_set(here == sign ? lo : hi, root);
    }
    arf_set_round(lo, root, SHORT_BITS, ARF_RND_NEAR); /* a number of few digits is hit exactly */
    if (sign_at(b, u, lo) == 0) arf_set(root, lo);
    arf_clear(lo);
    arf_clear(hi);
}

static void roots_of(struct breaks *b, const struct node *u)
{
    int sign[POOL_MAX], found = 0, n = b->n_pool;
    arf_struct fresh[ROOTS_A_PROBE];
    for (int i = 0; i < n; i++) sign[i] = sign_at(b, u, &b->pool[i]);
    for (int i = 0; i < n && found < ROOTS_A_PROBE; i++) {
        bool crossed = i + 1 < n && sign[i] * sign[i + 1] == -1;
        if (sign[i] && !crossed) continue;
        arf_init(&fresh[found]);
        if (crossed)
            close_in(b, u, &b->pool[i], &b->pool[i + 1], sign[i], &fresh[found]);
        else
            arf_set(&fresh[found], &b->pool[i]);
        found++;
    }
    for (int i = 0; i < found; i++) {
        insert(b->pool, &b->n_pool, POOL_MAX, &fresh[i]);
        insert(b->root, &b->n_roots, ROOTS_MAX, &fresh[i]);
        arf_clear(&fresh[i]);
    }
}

/* ---- points ------------------------------------------------------------------------------------------- */

struct row_of_points {
    struct break_point *v;
    int n;
};

static arf_struct *next_point(struct row_of_points *out, bool near)
{
    struct break_point *p = &out->v[out->n++];
    p->near = near;
    p->on = false;
    arf_init(&p->x);
    return &p->x;
}

/* Adds a + (b - a) part / 256. */
static void between(struct row_of_points *out, const arf_t a, const arf_t b, int part)
{
    arf_struct *v = next_point(out, false);
    arf_sub(v, b, a, 192, ARF_RND_DOWN);
    arf_mul_si(v, v, part, 192, ARF_RND_DOWN);
    arf_mul_2exp_si(v, v, -8);
    arf_add(v, v, a, 192, ARF_RND_DOWN);
}

/* r and both its sides, near and, behind the first and the last root, far: to twice their size and more. */
static void points_around(const arf_t r, bool first, bool last, struct row_of_points *out)
{
    arf_t width, end;
    arf_init(width);
    arf_init(end);
    arf_abs(width, r);
    if (arf_is_zero(width)) arf_one(width);
    arf_set(next_point(out, false), r);
    out->v[out->n - 1].on = true;
    for (int side = -1; side <= 1; side += 2) {
        arf_struct *near = next_point(out, true);
        arf_mul_2exp_si(near, width, -NEAR_BITS);
        if (side < 0) arf_neg(near, near);
        arf_add(near, near, r, 192, ARF_RND_DOWN);
        arf_mul_si(end, width, 2 * side, 192, ARF_RND_DOWN);
        arf_add(end, end, r, 192, ARF_RND_DOWN);
        arf_add_si(end, end, side, 192, ARF_RND_DOWN);
        for (int part = 31; part < 256 && (side < 0 ? first : last); part += 27) between(out, r, end, part);
    }
    arf_clear(width);
    arf_clear(end);
}

int breaks_between(struct eval *v, struct node *const pair[2], struct break_point out[BREAK_POINTS_MAX])
{
    struct breaks b = {.v = v, .x = &v->env->value[0], .var = v->env->name[0]};
    struct row_of_points points = {.v = out};
    slong prec = v->prec;
    collect(&b, pair[0], false);
    collect(&b, pair[1], false);
    if (b.n_probes == 0) return 0;
    grid(&b, pair);
    v->prec += b.top;
    for (int i = 0; i < b.n_probes && !v->w->over; i++) roots_of(&b, b.probe[i]);
    v->prec = prec;
    for (int i = 0; i < b.n_roots; i++) {
        points_around(&b.root[i], i == 0, i + 1 == b.n_roots, &points);
        for (int part = 95; part < 256 && i + 1 < b.n_roots; part += 106)
            between(&points, &b.root[i], &b.root[i + 1], part);
    }
    for (int i = 0; i < b.n_pool; i++) arf_clear(&b.pool[i]);
    for (int i = 0; i < b.n_roots; i++) arf_clear(&b.root[i]);
    return points.n;
}
