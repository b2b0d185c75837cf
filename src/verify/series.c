/* series.c: infinite sums as balls that surely contain the value.
 *
 * A term is R(k) c^k / (p k + q)! times a constant, R a quotient of polynomials with rational poles. With
 * partial fractions of R, and P its polynomial part:
 *   c = 1: 1/(k - a)^j from m on is zeta(j, m - a), and for j = 1, where the coefficients add up to zero,
 *     -psi(m - a) (digamma);
 *   c = -1: the same of every other term;
 *   |c| < 1: sum P(k) c^k = c^m sum_i (D^i P)(m) c^i / (1 - c)^(i+1) with differences D; poles by summation,
 *     the rest being below |c|^N / (1 - |c|) once k - a >= 1;
 *   with a factorial: by summation; once terms at least halve, the rest is below twice the next one.
 * Whatever is not of this form, or does not converge, has no value here.
 */
#include <string.h>

#include <fmpq_poly.h>
#include <fmpz_poly.h>
#include <fmpz_poly_factor.h>

#include "verify/verify_int.h"

#define SUMMED_MAX 6000 /* terms added one by one */
#define DEGREE_MAX 24
#define START_BITS 20

struct series {
    struct eval *v;
    const char *var;
    slong start;
    fmpq_poly_t num, den;
    acb_t ratio, factor; /* c and the constant */
    fmpq_t exact;        /* c, if it is rational */
    bool rational;
    slong p, q; /* of the factorial; p = 0: none */
};

/* ---- reading a term ----------------------------------------------------------------------------------- */

/* n = slope k + offset with whole numbers? */
static bool is_linear(struct series *s, const struct node *n, slong *slope, slong *offset)
{
    fmpq c[2];
    fmpq_init(&c[0]);
    fmpq_init(&c[1]);
    bool good = poly_coefficients(s->v->w, n, s->var, c, 2) == 1;
    for (int i = 0; i < 2; i++)
        good = good && fmpz_is_one(fmpq_denref(&c[i])) && fmpz_bits(fmpq_numref(&c[i])) < 16;
    *slope = good ? fmpz_get_si(fmpq_numref(&c[1])) : 0;
    *offset = good ? fmpz_get_si(fmpq_numref(&c[0])) : 0;
    fmpq_clear(&c[0]);
    fmpq_clear(&c[1]);
    return good;
}

static void multiply(struct series *s, acb_t by_what, const acb_t base, slong e)
{
    acb_t x;
    acb_init(x);
    acb_pow_si(x, base, e, s->v->prec);
    acb_mul(by_what, by_what, x, s->v->prec);
    acb_clear(x);
}

static bool constant_factor(struct series *s, const struct node *n, slong e)
{
    acb_t x;
    acb_init(x);
    bool good = eval_node(s->v, n, x) && (e > 0 || !acb_contains_zero(x));
    if (good) multiply(s, s->factor, x, e);
    acb_clear(x);
    return good;
}

/* base^(slope k + offset) */
static bool power_factor(struct series *s, const struct node *n, slong e)
{
    slong slope, offset;
    fmpq_t q;
    acb_t base;
    fmpq_init(q);
    acb_init(base);
    bool good = !node_uses(n->arg[0], s->var) && is_linear(s, n->arg[1], &slope, &offset) &&
                eval_node(s->v, n->arg[0], base) && !acb_contains_zero(base);
    if (good) {
        multiply(s, s->ratio, base, slope * e);
        multiply(s, s->factor, base, offset * e);
        bool exact = exact_value(s->v->w, n->arg[0], q) && fmpz_bits(fmpq_numref(q)) < 64 &&
                     fmpz_bits(fmpq_denref(q)) < 64;
        s->rational = s->rational && exact;
        if (s->rational) {
            fmpq_pow_si(q, q, slope * e);
            fmpq_mul(s->exact, s->exact, q);
        }
    }
    fmpq_clear(q);
    acb_clear(base);
    return good;
}

static bool rational_factor(struct series *s, const struct node *n, slong e)
{
    fmpq_poly_t num, den;
    fmpq_poly_init(num);
    fmpq_poly_init(den);
    bool good = poly_quotient(s->v->w, n, s->var, num, den);
    for (slong i = 0; i < (e < 0 ? -e : e) && good; i++) {
        fmpq_poly_mul(s->num, s->num, e > 0 ? num : den);
        fmpq_poly_mul(s->den, s->den, e > 0 ? den : num);
        good = fmpq_poly_degree(s->num) <= DEGREE_MAX && fmpq_poly_degree(s->den) <= DEGREE_MAX;
    }
    fmpq_poly_clear(num);
    fmpq_poly_clear(den);
    return good && !fmpq_poly_is_zero(s->den);
}

/* Takes n^e into the term. */
static bool factor_in(struct series *s, const struct node *n, slong e)
{
    fmpz_t k;
    bool good;
    if (!work_step(s->v->w, 1)) return false;
    if (!node_uses(n, s->var)) return constant_factor(s, n, e);
    if (rational_factor(s, n, e)) return true;
    switch ((enum kind)n->kind) {
    case K_NEG:
        if (e % 2) acb_neg(s->factor, s->factor);
        return factor_in(s, n->arg[0], e);
    case K_DIV: return factor_in(s, n->arg[0], e) && factor_in(s, n->arg[1], -e);
    case K_MUL:
        good = true;
        for (int i = 0; i < n->n && good; i++) good = factor_in(s, n->arg[i], e);
        return good;
    case K_POW:
        if (node_uses(n->arg[1], s->var)) return power_factor(s, n, e);
        fmpz_init(k);
        good = exact_integer(s->v->w, n->arg[1], k) && fmpz_bits(k) < 5;
        slong power = good ? fmpz_get_si(k) : 0;
        fmpz_clear(k);
        return good && power && factor_in(s, n->arg[0], e * power);
    case K_FN:
        good = n->op == F_FACT && e == -1 && s->p == 0;
        return good && is_linear(s, n->arg[0], &s->p, &s->q) && s->p > 0;
    default: return false;
    }
}

/* Is c one or minus one? */
static bool is_unit(const struct series *s)
{
    return s->rational && fmpz_is_one(fmpq_denref(s->exact)) && fmpz_is_pm1(fmpq_numref(s->exact));
}

/* ---- partial fractions -------------------------------------------------------------------------------- */

/* c^k / (k - a)^j from `start` on, c = 1 or -1; for j = 1 and c = 1 but for what all poles have in common. */
static void tail_of_pole(struct series *s, const fmpq_t a, slong j, bool alternating, acb_t out)
{
    slong prec = s->v->prec;
    acb_t x[2], order;
    fmpq_t q;
    fmpq_init(q);
    acb_init(order);
    acb_set_si(order, j);
    for (int i = 0; i < 2; i++) { /* start - a, or its half and the half of the next */
        acb_init(x[i]);
        fmpq_set_si(q, s->start + i, 1);
        fmpq_sub(q, q, a);
        if (alternating) fmpq_div_2exp(q, q, 1);
        acb_set_fmpq(x[i], q, prec);
        if (j == 1) {
            acb_digamma(x[i], x[i], prec);
            acb_neg(x[i], x[i]);
        } else {
            acb_hurwitz_zeta(x[i], order, x[i], prec);
        }
    }
    acb_set(out, x[0]);
    if (alternating) {
        acb_sub(out, out, x[1], prec);
        acb_mul_2exp_si(out, out, -j);
        if (s->start % 2) acb_neg(out, out);
    }
    for (int i = 0; i < 2; i++) acb_clear(x[i]);
    acb_clear(order);
    fmpq_clear(q);
}

/* c^k / (k - a)^j by summation, |c| < 1. */
static bool pole_summed(struct series *s, const fmpq_t a, slong j, acb_t out)
{
    slong prec = s->v->prec, k = s->start;
    acb_t power, term, below;
    mag_t rest, gap;
    fmpq_t q;
    bool done = false;
    fmpq_init(q);
    acb_init(power);
    acb_init(term);
    acb_init(below);
    mag_init(rest);
    mag_init(gap);
    acb_pow_si(power, s->ratio, k, prec);
    acb_zero(out);
    acb_get_mag(gap, s->ratio);
    mag_geom_series(gap, gap, 0); /* 1/(1 - |c|) */
    for (int n = 0; n < SUMMED_MAX && !done; n++, k++) {
        fmpq_set_si(q, k, 1);
        fmpq_sub(q, q, a);
        acb_get_mag(rest, power);
        mag_mul(rest, rest, gap);
        done = fmpz_cmp(fmpq_numref(q), fmpq_denref(q)) >= 0 && mag_cmp_2exp_si(rest, -prec) < 0;
        if (done) break;
        acb_set_fmpq(below, q, prec);
        acb_pow_si(below, below, j, prec);
        acb_div(term, power, below, prec);
        acb_add(out, out, term, prec);
        acb_mul(power, power, s->ratio, prec);
        done = !work_step(s->v->w, 1 + (int)(prec / 512));
    }
    acb_add_error_mag(out, rest);
    done = done && !s->v->w->over;
    fmpq_clear(q);
    acb_clear(power);
    acb_clear(term);
    acb_clear(below);
    mag_clear(rest);
    mag_clear(gap);
    return done;
}

/* Adds the parts of num/den at the pole a of order m. */
static bool pole_added(struct series *s, const fmpq_t a, slong m, acb_t out)
{
    fmpq_poly_t shift, top, below;
    fmpq_t c;
    acb_t part, x;
    bool good = true;
    fmpq_poly_init(shift);
    fmpq_poly_init(top);
    fmpq_poly_init(below);
    fmpq_init(c);
    acb_init(part);
    acb_init(x);
    fmpq_poly_set_coeff_fmpq(shift, 0, a);
    fmpq_poly_set_coeff_si(shift, 1, 1);
    fmpq_poly_compose(top, s->num, shift); /* num(a + t) / (den(a + t) / t^m), to t^(m-1) */
    fmpq_poly_compose(below, s->den, shift);
    fmpq_poly_shift_right(below, below, m);
    fmpq_poly_div_series(top, top, below, m);
    for (slong j = 1; j <= m && good; j++) {
        fmpq_poly_get_coeff_fmpq(c, top, m - j);
        if (fmpq_is_zero(c)) continue;
        if (is_unit(s))
            tail_of_pole(s, a, j, fmpq_sgn(s->exact) < 0, part);
        else
            good = pole_summed(s, a, j, part);
        acb_set_fmpq(x, c, s->v->prec);
        acb_addmul(out, part, x, s->v->prec);
    }
    fmpq_poly_clear(shift);
    fmpq_poly_clear(top);
    fmpq_poly_clear(below);
    fmpq_clear(c);
    acb_clear(part);
    acb_clear(x);
    return good;
}

static bool poles_added(struct series *s, acb_t out)
{
    fmpz_poly_t whole;
    fmpz_poly_factor_t f;
    fmpq_t a;
    fmpz_poly_init(whole);
    fmpz_poly_factor_init(f);
    fmpq_init(a);
    fmpq_poly_get_numerator(whole, s->den);
    fmpz_poly_factor(f, whole);
    bool good = true;
    for (slong i = 0; i < f->num && good; i++) {
        const fmpz_poly_struct *p = f->p + i;
        good = fmpz_poly_degree(p) == 1;
        if (!good) break;
        fmpq_set_fmpz_frac(a, fmpz_poly_get_coeff_ptr(p, 0), fmpz_poly_get_coeff_ptr(p, 1));
        fmpq_neg(a, a);
        bool met = fmpz_is_one(fmpq_denref(a)) && fmpz_cmp_si(fmpq_numref(a), s->start) >= 0;
        good = !met && pole_added(s, a, f->exp[i], out);
    }
    fmpz_poly_clear(whole);
    fmpz_poly_factor_clear(f);
    fmpq_clear(a);
    return good;
}

/* ---- polynomials -------------------------------------------------------------------------------------- */

/* sum P(k) c^k, |c| < 1 */
static void polynomial_added(struct series *s, const fmpq_poly_t polynomial, acb_t out)
{
    slong prec = s->v->prec;
    fmpq_poly_t p, next, shift;
    fmpq_t value, start;
    acb_t part, x, gap;
    fmpq_poly_init(p);
    fmpq_poly_init(next);
    fmpq_poly_init(shift);
    fmpq_init(value);
    fmpq_init(start);
    acb_init(part);
    acb_init(x);
    acb_init(gap);
    fmpq_poly_set(p, polynomial);
    fmpq_poly_set_coeff_si(shift, 0, 1);
    fmpq_poly_set_coeff_si(shift, 1, 1);
    fmpq_set_si(start, s->start, 1);
    acb_pow_si(part, s->ratio, s->start, prec);
    acb_sub_ui(gap, s->ratio, 1, prec);
    acb_neg(gap, gap);
    while (!fmpq_poly_is_zero(p)) {
        acb_div(part, part, gap, prec); /* c^(start + i) / (1 - c)^(i + 1) */
        fmpq_poly_evaluate_fmpq(value, p, start);
        acb_set_fmpq(x, value, prec);
        acb_addmul(out, part, x, prec);
        acb_mul(part, part, s->ratio, prec);
        fmpq_poly_compose(next, p, shift);
        fmpq_poly_sub(p, next, p);
    }
    fmpq_poly_clear(p);
    fmpq_poly_clear(next);
    fmpq_poly_clear(shift);
    fmpq_clear(value);
    fmpq_clear(start);
    acb_clear(part);
    acb_clear(x);
    acb_clear(gap);
}

/* sum P(k) c^k / (p k + q)!. The rest is bounded by that of sum |P|(k) |c|^k / (p k + q)!, |P| having the
 * absolute values of P's coefficients, whose terms fall by 2^deg |c| / (p k + q + 1) or more for k >= 1. */
static bool factorial_summed(struct series *s, acb_t out)
{
    slong prec = s->v->prec, degree = fmpq_poly_degree(s->num), k = s->start;
    if (fmpq_poly_degree(s->den) > 0 || s->p * k + s->q < 0 || k < 0) return false;
    fmpq_poly_t all;
    fmpq_t value, at;
    acb_t power, term, x;
    mag_t rest, fall;
    bool done = false;
    fmpq_poly_init(all);
    fmpq_init(value);
    fmpq_init(at);
    acb_init(power);
    acb_init(term);
    acb_init(x);
    mag_init(rest);
    mag_init(fall);
    fmpq_poly_get_coeff_fmpq(value, s->den, 0);
    fmpq_poly_scalar_div_fmpq(s->num, s->num, value);
    for (slong i = 0; i <= degree; i++) {
        fmpq_poly_get_coeff_fmpq(value, s->num, i);
        fmpq_abs(value, value);
        fmpq_poly_set_coeff_fmpq(all, i, value);
    }
    acb_set_si(x, s->p * k + s->q + 1);
    acb_rgamma(x, x, prec);
    acb_pow_si(power, s->ratio, k, prec);
    acb_mul(power, power, x, prec);
    acb_zero(out);
    for (int n = 0; n < SUMMED_MAX && !done && work_step(s->v->w, 1 + (int)(prec / 512)); n++, k++) {
        fmpq_set_si(at, k, 1);
        acb_get_mag(fall, s->ratio);
        mag_mul_2exp_si(fall, fall, degree + 1);
        fmpq_poly_evaluate_fmpq(value, all, at);
        acb_set_fmpq(x, value, prec);
        acb_mul(term, power, x, prec);
        acb_get_mag(rest, term);
        mag_mul_2exp_si(rest, rest, 1);
        done = k >= 1 && mag_cmp_2exp_si(rest, -prec) < 0 &&
               mag_cmp_2exp_si(fall, FLINT_BIT_COUNT(s->p * k + s->q + 1) - 1) <= 0;
        if (done) break;
        fmpq_poly_evaluate_fmpq(value, s->num, at);
        acb_set_fmpq(x, value, prec);
        acb_addmul(out, power, x, prec);
        acb_mul(power, power, s->ratio, prec);
        for (slong i = 1; i <= s->p; i++) acb_div_si(power, power, s->p * k + s->q + i, prec);
    }
    acb_add_error_mag(out, rest);
    fmpq_poly_clear(all);
    fmpq_clear(value);
    fmpq_clear(at);
    acb_clear(power);
    acb_clear(term);
    acb_clear(x);
    mag_clear(rest);
    mag_clear(fall);
    return done;
}

/* ---- together ----------------------------------------------------------------------------------------- */

static bool term_summed(struct series *s, acb_t out)
{
    fmpq_poly_t common, whole;
    bool unit = is_unit(s), good;
    arf_t size;
    acb_zero(out);
    if (fmpq_poly_is_zero(s->num)) return true;
    if (s->p) return factorial_summed(s, out);
    fmpq_poly_init(common);
    fmpq_poly_init(whole);
    arf_init(size);
    fmpq_poly_gcd(common, s->num, s->den);
    fmpq_poly_div(s->num, s->num, common);
    fmpq_poly_div(s->den, s->den, common);
    fmpq_poly_divrem(whole, s->num, s->num, s->den);
    slong fall = fmpq_poly_degree(s->den) - fmpq_poly_degree(s->num);
    acb_get_abs_ubound_arf(size, s->ratio, 64);
    if (unit)
        good = fmpq_poly_is_zero(whole) && fall >= (fmpq_is_one(s->exact) ? 2 : 1);
    else
        good = arf_cmpabs_2exp_si(size, 0) < 0;
    if (good && !unit) polynomial_added(s, whole, out);
    good = good && poles_added(s, out);
    fmpq_poly_clear(common);
    fmpq_poly_clear(whole);
    arf_clear(size);
    return good;
}

static bool product_summed(struct series *s, const struct node *body, acb_t out)
{
    struct spread spread = {.any = false};
    fmpq_poly_init(s->num);
    fmpq_poly_init(s->den);
    fmpq_poly_one(s->num);
    fmpq_poly_one(s->den);
    acb_init(s->ratio);
    acb_init(s->factor);
    acb_one(s->ratio);
    acb_one(s->factor);
    fmpq_init(s->exact);
    fmpq_one(s->exact);
    s->rational = true;
    s->p = 0;
    bool good = factor_in(s, body, 1);
    if (good) {
        spread_see(&spread, s->factor);
        acb_one(out);
        spread_see(&spread, out);
        spread_see(&spread, s->ratio); /* the second term may hide below the first */
        s->v->hidden += spread.most - spread.least;
        good = term_summed(s, out);
        acb_mul(out, out, s->factor, s->v->prec);
    }
    fmpq_poly_clear(s->num);
    fmpq_poly_clear(s->den);
    acb_clear(s->ratio);
    acb_clear(s->factor);
    fmpq_clear(s->exact);
    return good;
}

/* The sum as one term, or as many as a sum in it, or above its fraction's line, has. */
static bool body_summed(struct series *s, struct node *body, acb_t out)
{
    struct work *w = s->v->w;
    if (!body || product_summed(s, body, out)) return body != NULL;
    struct node *sum = body->kind == K_DIV ? body->arg[0] : body;
    if (sum->kind != K_ADD || w->over) return false;
    acb_t part, total;
    bool good = true;
    acb_init(part);
    acb_init(total);
    for (int i = 0; i < sum->n && good; i++) {
        struct node *one = sum == body ? sum->arg[i] : node_2(w, K_DIV, 0, sum->arg[i], body->arg[1]);
        good = body_summed(s, one, part);
        acb_add(total, total, part, s->v->prec);
    }
    acb_set(out, total);
    acb_clear(part);
    acb_clear(total);
    return good;
}

bool series_value(struct eval *v, const struct node *n, acb_t out)
{
    struct series s = {.v = v, .var = n->arg[1]->name};
    fmpz_t start;
    fmpz_init(start);
    bool good = exact_integer(v->w, n->arg[2], start) && fmpz_bits(start) < START_BITS;
    s.start = good ? fmpz_get_si(start) : 0;
    fmpz_clear(start);
    return good && body_summed(&s, n->arg[0], out) && acb_is_finite(out);
}
