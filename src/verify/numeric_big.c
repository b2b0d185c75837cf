/* numeric_big.c: sums, products, integrals and limits as numbers.
 *
 * Sums and products of at most TERMS_MAX terms are balls like everything else; infinite sums are series.c's.
 * A definite integral is computed by double exponential quadrature (Takahasi and Mori 1974) at two step
 * sizes, of which |f| is asked for roughly the same; a limit by the value at two points very near, on both
 * sides unless it names one. Both give a ball around the value as wide as the two
 * results differ: a stated numerical criterion, no proof. When the two do not agree to INTEGRAL_BITS bits,
 * there is no value.
 */
#include <string.h>

#include "verify/verify_int.h"

#define TERMS_MAX     3000
#define INTEGRAL_BITS 60
#define LIMIT_BITS    64
#define ABSOLUTE_BITS 8 /* of integrals of |f|, whose kinks slow them; a pole adds a multiple of ln 2 */
#define NODES_RADIUS  6 /* the quadrature's variable runs over -R..R */

/* ---- sums and products -------------------------------------------------------------------------------- */

static bool whole_at(struct eval *v, const struct node *n, fmpz_t out)
{
    acb_t x;
    acb_init(x);
    bool good = eval_node(v, n, x) && arb_is_zero(acb_imagref(x)) && arb_get_unique_fmpz(out, acb_realref(x));
    acb_clear(x);
    return good;
}

static bool summed(struct eval *v, const struct node *n, acb_t out)
{
    fmpz_t lo, hi, count;
    acb_t term;
    struct spread spread = {.any = false};
    slong before, deepest = 0;
    fmpz_init(lo);
    fmpz_init(hi);
    fmpz_init(count);
    acb_init(term);
    bool good = whole_at(v, n->arg[2], lo) && whole_at(v, n->arg[3], hi);
    fmpz_sub(count, hi, lo);
    good = good && fmpz_cmp_si(count, TERMS_MAX) <= 0 && env_push(v->env, n->arg[1]->name);
    before = v->hidden;
    if (good) {
        acb_set_si(out, n->op == F_PROD);
        for (; good && fmpz_cmp(lo, hi) <= 0; fmpz_add_ui(lo, lo, 1)) {
            acb_set_fmpz(&v->env->value[v->env->n - 1], lo);
            v->hidden = 0;
            good = eval_node(v, n->arg[0], term);
            if (v->hidden > deepest) deepest = v->hidden;
            if (good && n->op == F_SUM) {
                spread_see(&spread, term);
                acb_add(out, out, term, v->prec);
            } else if (good) {
                acb_mul(out, out, term, v->prec);
            }
        }
        env_pop(v->env);
    }
    v->hidden = before + deepest + spread.most - spread.least;
    fmpz_clear(lo);
    fmpz_clear(hi);
    fmpz_clear(count);
    acb_clear(term);
    return good;
}

/* ---- integrals ---------------------------------------------------------------------------------------- */

enum range { RANGE_FINITE, RANGE_HALF, RANGE_WHOLE };
struct quadrature {
    struct eval *v;
    const struct node *body;
    enum range range;
    arb_t size;      /* the sum of |f| */
    arb_t lo, width; /* half: from lo in the direction of width's sign */
};

/* x(t) and x'(t): finite lo + w (1 + tanh(pi/2 sinh t))/2; half lo + exp(pi/2 sinh t); whole sinh(pi/2
 * sinh t). */
static void point_at(struct quadrature *q, const arb_t t, arb_t x, arb_t dx)
{
    slong prec = q->v->prec;
    arb_t s, c, u, e;
    arb_init(s);
    arb_init(c);
    arb_init(u);
    arb_init(e);
    arb_sinh_cosh(s, c, t, prec);
    arb_const_pi(u, prec);
    arb_mul_2exp_si(u, u, -1);
    arb_mul(c, c, u, prec); /* du/dt */
    arb_mul(u, u, s, prec);
    if (q->range == RANGE_FINITE) {
        /* (1 + tanh u)/2 = 1/(1 + exp(-2u)), without cancellation near either end */
        arb_mul_2exp_si(e, u, 1);
        arb_neg(e, e);
        arb_exp(e, e, prec);
        arb_add_ui(s, e, 1, prec);
        arb_mul(x, s, s, prec);
        arb_div(dx, e, x, prec);
        arb_mul_2exp_si(dx, dx, 1);
        arb_mul(dx, dx, q->width, prec);
        arb_div(x, q->width, s, prec);
        arb_add(x, x, q->lo, prec);
    } else if (q->range == RANGE_HALF) {
        arb_exp(e, u, prec);
        arb_mul(dx, e, q->width, prec);
        arb_add(x, q->lo, dx, prec);
    } else {
        arb_sinh_cosh(x, dx, u, prec);
    }
    arb_mul(dx, dx, c, prec);
    arb_clear(s);
    arb_clear(c);
    arb_clear(u);
    arb_clear(e);
}

/* The sum over t = k h (odd k only, when refining), added to out. Midpoints are enough: errors are judged by
 * comparison of two steps. */
static bool quadrature_sum(struct quadrature *q, int level, bool odd, acb_t out)
{
    slong prec = q->v->prec;
    long count = (long)NODES_RADIUS << level;
    arb_t t, x, dx;
    acb_t y;
    struct env *env = q->v->env;
    arb_init(t);
    arb_init(x);
    arb_init(dx);
    acb_init(y);
    bool good = true;
    int lost = 0;
    for (long k = -count; k <= count && good; k++) {
        if (odd && k % 2 == 0) continue;
        arb_set_si(t, k);
        arb_mul_2exp_si(t, t, -level);
        point_at(q, t, x, dx);
        mag_zero(arb_radref(x));
        mag_zero(arb_radref(dx));
        acb_set_arb(&env->value[env->n - 1], x);
        if (!eval_node(q->v, q->body,
                       y)) { /* at an end the integrand may be undefined, or zero in the limit */
            good = !q->v->w->over && ++lost < 2 * count * 3 / 4;
            continue;
        }
        mag_zero(arb_radref(acb_realref(y)));
        mag_zero(arb_radref(acb_imagref(y)));
        acb_mul_arb(y, y, dx, prec);
        acb_add(out, out, y, prec);
        acb_abs(t, y, prec);
        arb_add(q->size, q->size, t, prec);
    }
    arb_clear(t);
    arb_clear(x);
    arb_clear(dx);
    acb_clear(y);
    return good;
}

static int infinite_sign(const struct node *n)
{
    if (n->kind == K_CONST && n->op == C_INF) return 1;
    return n->kind == K_NEG && n->arg[0]->kind == K_CONST && n->arg[0]->op == C_INF ? -1 : 0;
}

/* out becomes a ball around b that contains a; false when they are not close. */
static bool agreed(acb_t out, const acb_t a, const acb_t b, slong bits, slong prec)
{
    acb_t d;
    arf_t size, apart;
    acb_init(d);
    arf_init(size);
    arf_init(apart);
    acb_sub(d, a, b, prec);
    acb_get_abs_ubound_arf(apart, d, 30);
    acb_get_abs_ubound_arf(size, b, 30);
    if (arf_cmpabs_2exp_si(size, 0) < 0) arf_one(size);
    arf_mul_2exp_si(size, size, -bits);
    bool good = arf_is_finite(apart) && arf_cmp(apart, size) <= 0;
    acb_set(out, b);
    if (good) {
        mag_t m;
        mag_init(m);
        arf_get_mag(m, size);
        bool real = arb_is_zero(acb_imagref(b));
        if (real)
            arb_add_error_mag(acb_realref(out), m);
        else
            acb_add_error_mag(out, m);
        mag_clear(m);
    }
    acb_clear(d);
    arf_clear(size);
    arf_clear(apart);
    return good;
}

/* Around a pole inside the sums may cancel; those of |f| then grow with every level. */
static bool integral_over(struct quadrature *q, acb_t out)
{
    acb_t sum, before, scaled, size, size_before;
    bool done = false, good;
    acb_init(size);
    acb_init(size_before);
    acb_init(sum);
    acb_init(before);
    acb_init(scaled);
    good = quadrature_sum(q, 3, false, sum);
    acb_mul_2exp_si(before, sum, -3);
    arb_mul_2exp_si(acb_realref(size_before), q->size, -3);
    for (int level = 4; level <= 6 && good && !done; level++) {
        good = quadrature_sum(q, level, true, sum);
        acb_mul_2exp_si(scaled, sum, -level);
        arb_mul_2exp_si(acb_realref(size), q->size, -level);
        done = good && agreed(out, size_before, size, ABSOLUTE_BITS, q->v->prec) &&
               agreed(out, before, scaled, INTEGRAL_BITS, q->v->prec);
        acb_set(size_before, size);
        acb_set(before, scaled);
    }
    acb_clear(sum);
    acb_clear(before);
    acb_clear(scaled);
    acb_clear(size);
    acb_clear(size_before);
    return done;
}

static bool integral(struct eval *v, const struct node *n, acb_t out)
{
    if (n->n != 4) return false;
    slong prec = v->prec;
    int below = infinite_sign(n->arg[2]), above = infinite_sign(n->arg[3]);
    struct quadrature q = {.v = v, .body = n->arg[0]};
    acb_t lo, hi;
    bool good;
    acb_init(lo);
    acb_init(hi);
    arb_init(q.size);
    arb_init(q.lo);
    arb_init(q.width);
    if (v->prec > 192) v->prec = 192;
    good = (below || eval_node(v, n->arg[2], lo)) && (above || eval_node(v, n->arg[3], hi)) && below <= 0 &&
           above >= 0;
    q.range = below && above ? RANGE_WHOLE : below || above ? RANGE_HALF : RANGE_FINITE;
    if (q.range == RANGE_HALF) {
        arb_set(q.lo, acb_realref(below ? hi : lo));
        arb_set_si(q.width, below ? -1 : 1);
    } else {
        arb_set(q.lo, acb_realref(lo));
        arb_sub(q.width, acb_realref(hi), acb_realref(lo), v->prec);
    }
    good = good && env_push(v->env, n->arg[1]->name);
    if (good) {
        good = integral_over(&q, out);
        if (q.range == RANGE_HALF && below) acb_neg(out, out); /* dx ran downwards */
        env_pop(v->env);
    }
    v->prec = prec;
    acb_clear(lo);
    acb_clear(hi);
    arb_clear(q.size);
    arb_clear(q.lo);
    arb_clear(q.width);
    return good;
}

/* ---- limits ------------------------------------------------------------------------------------------- */

/* x = to + side 2^-bits; at infinity +-(2^bits + thirds / 3). */
static bool near_value(struct eval *v, const struct node *n, int side, int bits, int thirds, acb_t out)
{
    int infinite = infinite_sign(n->arg[2]);
    acb_ptr x = &v->env->value[v->env->n - 1];
    acb_t to, step;
    acb_init(to);
    acb_init(step);
    bool good = infinite || eval_node(v, n->arg[2], to);
    acb_set_si(step, thirds);
    acb_div_si(step, step, 3, v->prec);
    acb_one(x);
    acb_mul_2exp_si(x, x, infinite ? bits : -bits);
    acb_add(step, step, x, v->prec);
    if ((infinite ? infinite : side) < 0) acb_neg(step, step);
    acb_add(x, to, step, v->prec);
    good = good && eval_node(v, n->arg[0], out);
    acb_clear(to);
    acb_clear(step);
    return good;
}

/* From one side. NO: there are values, which do not agree; UNKNOWN: there are none. At infinity the next
 * whole number, and one that is not whole where there is a value, must agree too: (-1)^n, sin n. */
static enum truth limit_from(struct eval *v, const struct node *n, int side, acb_t out)
{
    acb_t a, b;
    acb_init(a);
    acb_init(b);
    enum truth t = UNKNOWN;
    if (near_value(v, n, side, 200, 0, a) && near_value(v, n, side, 300, 0, b)) {
        t = agreed(out, a, b, LIMIT_BITS, v->prec) ? YES : NO;
        for (int thirds = 1; infinite_sign(n->arg[2]) && thirds <= 3 && t == YES; thirds += 2)
            if (near_value(v, n, side, 300, thirds, a) && !agreed(out, a, b, LIMIT_BITS, v->prec)) t = NO;
    }
    acb_clear(a);
    acb_clear(b);
    return t;
}

/* From both sides, but where the limit names one or the formula has values on one only. */
static bool limit(struct eval *v, const struct node *n, acb_t out)
{
    slong prec = v->prec;
    int side = node_is_int(n->arg[3], -1) ? -1 : node_is_int(n->arg[3], 1);
    bool both = side == 0 && !infinite_sign(n->arg[2]);
    acb_t left, right;
    acb_init(left);
    acb_init(right);
    v->prec = 1600;
    bool good = env_push(v->env, n->arg[1]->name);
    if (good) {
        enum truth t = limit_from(v, n, both ? 1 : side, right);
        enum truth u = both ? limit_from(v, n, -1, left) : UNKNOWN;
        good = t != NO && u != NO && (t == YES || u == YES);
        acb_set(out, t == YES ? right : left);
        if (good && t == YES && u == YES) good = agreed(out, left, right, LIMIT_BITS - 2, v->prec);
        env_pop(v->env);
    }
    v->prec = prec;
    acb_clear(left);
    acb_clear(right);
    return good;
}

bool eval_big(struct eval *v, const struct node *n, acb_t out)
{
    switch (n->op) {
    case F_SUM:
        if (infinite_sign(n->arg[3]) > 0) return series_value(v, n, out);
        return summed(v, n, out);
    case F_PROD: return summed(v, n, out);
    case F_INT:
    case F_LIM: {
        slong hidden = v->hidden; /* the points on the way say nothing about the value */
        bool good = n->op == F_INT ? integral(v, n, out) : limit(v, n, out);
        v->hidden = hidden;
        return good;
    }
    default: return false;
    }
}
