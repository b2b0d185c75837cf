/* numeric.c: the value of a formula as a ball that surely contains it (Arb's acb).
 *
 * Roots and powers of negative numbers are the real ones where there are any (the cube root of -8 is -2), as
 * school mathematics has it, unless the comparison is complex. A value that is undefined, or whose size
 * passes every bound, is none: the caller learns nothing from it.
 */
#include <string.h>

#include "verify/verify_int.h"

/* |log2| of a magnitude that is still computed with. */
#define EXPONENT_BITS_MAX 40

bool env_push(struct env *e, const char *name)
{
    if (e->n == (int)(sizeof e->name / sizeof *e->name)) return false;
    e->name[e->n] = name;
    acb_init(&e->value[e->n++]);
    return true;
}

void env_pop(struct env *e)
{
    acb_clear(&e->value[--e->n]);
}

static bool is_real(const acb_t x)
{
    return arb_is_zero(acb_imagref(x));
}

/* log2 of |x|, about; false for zero and what may be zero. */
static bool size_of(const acb_t x, slong *out)
{
    const slong far = (slong)1 << (EXPONENT_BITS_MAX + 1);
    if (acb_contains_zero(x)) return false;
    slong re = arf_abs_bound_lt_2exp_si(arb_midref(acb_realref(x))),
          im = arf_abs_bound_lt_2exp_si(arb_midref(acb_imagref(x)));
    *out = re > im ? re : im;
    if (*out > far) *out = far;
    if (*out < -far) *out = -far;
    return true;
}

void spread_see(struct spread *s, const acb_t x)
{
    slong size;
    if (!size_of(x, &size)) return;
    if (!s->any || size < s->least) s->least = size;
    if (!s->any || size > s->most) s->most = size;
    s->any = true;
}

/* f(tiny) may be f(0) but for what hides there: cos(10^-50), 1 + tiny in an exponent. */
static void hides_small(struct eval *v, const acb_t x)
{
    slong e;
    if (size_of(x, &e) && e < 0) v->hidden -= e;
}

/* ---- powers ------------------------------------------------------------------------------------------- */

/* Is exp(x) of a size that can be held? */
static bool exp_fits(struct eval *v, const acb_t x)
{
    arf_t upper;
    arf_init(upper);
    arb_get_abs_ubound_arf(upper, acb_realref(x), 30);
    bool fits = acb_is_finite(x) && arf_cmpabs_2exp_si(upper, EXPONENT_BITS_MAX) < 0;
    arf_clear(upper);
    v->limited = v->limited || (!fits && acb_is_finite(x));
    return fits;
}

static bool pow_general(struct eval *v, acb_t out, const acb_t base, const acb_t e)
{
    acb_t t;
    bool good;
    acb_init(t);
    acb_log(t, base, v->prec);
    acb_mul(t, t, e, v->prec);
    good = exp_fits(v, t);
    if (good && is_real(base) && is_real(e) && arb_is_positive(acb_realref(base)))
        arb_pow(acb_realref(out), acb_realref(base), acb_realref(e), v->prec), arb_zero(acb_imagref(out));
    else if (good)
        acb_pow(out, base, e, v->prec);
    acb_clear(t);
    return good;
}

static bool pow_whole(struct eval *v, acb_t out, const acb_t base, const fmpz_t e)
{
    fmpz_t size;
    arf_t upper;
    bool good = true;
    if (acb_is_zero(base)) {
        if (fmpz_sgn(e) <= 0) return false;
        acb_zero(out);
        return true;
    }
    fmpz_init(size);
    arf_init(upper);
    acb_get_abs_ubound_arf(upper, base, 30);
    arf_abs_bound_lt_2exp_fmpz(size, upper);
    fmpz_mul(size, size, e);
    good = arf_is_finite(upper) && fmpz_bits(size) <= EXPONENT_BITS_MAX && fmpz_bits(e) <= EXPONENT_BITS_MAX;
    if (good) acb_pow_fmpz(out, base, e, v->prec);
    v->limited = v->limited || !good;
    fmpz_clear(size);
    arf_clear(upper);
    return good;
}

/* (-x)^(p/q) with q odd is real. */
static bool pow_real_root(struct eval *v, acb_t out, const acb_t base, const fmpq_t e)
{
    acb_t x, k;
    acb_init(x);
    acb_init(k);
    acb_neg(x, base);
    acb_set_fmpq(k, e, v->prec);
    bool good = pow_general(v, out, x, k);
    if (good && fmpz_is_odd(fmpq_numref(e))) acb_neg(out, out);
    acb_clear(x);
    acb_clear(k);
    return good;
}

static bool power(struct eval *v, const struct node *n, acb_t out)
{
    fmpq_t e;
    acb_t base, k;
    bool good;
    fmpq_init(e);
    acb_init(base);
    acb_init(k);
    bool exact = !node_has(n->arg[1], K_SYM) && exact_value(v->w, n->arg[1], e);
    if (exact && fmpz_is_one(fmpq_denref(e))) {
        good = eval_node(v, n->arg[0], base) && pow_whole(v, out, base, fmpq_numref(e));
    } else if (n->arg[0]->kind == K_CONST && n->arg[0]->op == C_E) {
        good = eval_node(v, n->arg[1], k) && exp_fits(v, k);
        hides_small(v, k);
        if (good) acb_exp(out, k, v->prec);
    } else {
        good = eval_node(v, n->arg[0], base) && eval_node(v, n->arg[1], k);
        if (good) hides_small(v, k);
        bool negative = good && is_real(base) && arb_is_negative(acb_realref(base));
        if (!good) {
        } else if (acb_is_zero(base)) {
            good = is_real(k) && arb_is_positive(acb_realref(k));
            acb_zero(out);
        } else if (negative && exact && !v->complex && fmpz_is_odd(fmpq_denref(e))) {
            good = pow_real_root(v, out, base, e);
        } else {
            good = pow_general(v, out, base, k);
        }
    }
    fmpq_clear(e);
    acb_clear(base);
    acb_clear(k);
    return good;
}

static bool root(struct eval *v, const struct node *n, acb_t out)
{
    acb_t x, k;
    fmpz_t index;
    acb_init(x);
    acb_init(k);
    fmpz_init(index);
    bool good = eval_node(v, n->arg[0], x);
    bool whole = good && n->arg[1]->kind == K_NUM && exact_integer(v->w, n->arg[1], index) &&
                 fmpz_sgn(index) > 0 && fmpz_bits(index) < 30;
    if (whole) {
        ulong m = fmpz_get_ui(index);
        bool real = is_real(x), negative = real && arb_is_negative(acb_realref(x));
        /* An even root of what may be zero or a little below is the root of its non-negative part. */
        if (real && (arb_is_nonnegative(acb_realref(x)) || (negative && m % 2 == 1 && !v->complex))) {
            if (negative) arb_neg(acb_realref(x), acb_realref(x));
            arb_root_ui(acb_realref(out), acb_realref(x), m, v->prec);
            arb_zero(acb_imagref(out));
            if (negative) acb_neg(out, out);
        } else if (real && !negative && arb_contains_zero(acb_realref(x)) && !v->complex) {
            arb_nonnegative_part(acb_realref(x), acb_realref(x));
            arb_root_ui(acb_realref(out), acb_realref(x), m, v->prec);
            arb_zero(acb_imagref(out));
        } else {
            acb_root_ui(out, x, m, v->prec);
        }
    } else if (good) {
        good = eval_node(v, n->arg[1], k) && !acb_contains_zero(k);
        if (good) acb_inv(k, k, v->prec);
        if (good) hides_small(v, k);
        good = good && pow_general(v, out, x, k);
    }
    acb_clear(x);
    acb_clear(k);
    fmpz_clear(index);
    return good;
}

/* ---- functions ---------------------------------------------------------------------------------------- */

typedef void acb_function(acb_t, const acb_t, slong);
static acb_function *const direct[] = {
    [F_SIN] = acb_sin,     [F_COS] = acb_cos,     [F_TAN] = acb_tan,   [F_COT] = acb_cot,
    [F_SEC] = acb_sec,     [F_CSC] = acb_csc,     [F_ASIN] = acb_asin, [F_ACOS] = acb_acos,
    [F_ATAN] = acb_atan,   [F_SINH] = acb_sinh,   [F_COSH] = acb_cosh, [F_TANH] = acb_tanh,
    [F_COTH] = acb_coth,   [F_SECH] = acb_sech,   [F_CSCH] = acb_csch, [F_ASINH] = acb_asinh,
    [F_ACOSH] = acb_acosh, [F_ATANH] = acb_atanh, [F_EXP] = acb_exp,   [F_LN] = acb_log,
    [F_GAMMA] = acb_gamma,
};
/* acot x = atan(1/x), asec x = acos(1/x), acsc x = asin(1/x) */
static const struct {
    int f, of_inverse;
} by_inverse[] = {{F_ACOT, F_ATAN}, {F_ASEC, F_ACOS}, {F_ACSC, F_ASIN}};

static bool real_only(struct eval *v, int f, const acb_t x, acb_t out)
{
    if (!is_real(x)) return false;
    arb_srcptr a = acb_realref(x);
    arb_ptr r = acb_realref(out);
    acb_zero(out);
    switch (f) {
    case F_FLOOR: arb_floor(r, a, v->prec); break;
    case F_CEIL: arb_ceil(r, a, v->prec); break;
    case F_ROUND: {
        arb_t half;
        arb_init(half);
        arb_set_d(half, 0.5);
        arb_add(half, half, a, v->prec);
        arb_floor(r, half, v->prec);
        arb_clear(half);
        break;
    }
    default: arb_sgn(r, a);
    }
    return arb_is_exact(r);
}

static bool complex_part(struct eval *v, int f, const acb_t x, acb_t out)
{
    acb_zero(out);
    switch (f) {
    case F_ABS:
    case F_NORM: acb_abs(acb_realref(out), x, v->prec); break;
    case F_RE: arb_set(acb_realref(out), acb_realref(x)); break;
    case F_IM: arb_set(acb_realref(out), acb_imagref(x)); break;
    case F_ARG: acb_arg(acb_realref(out), x, v->prec); break;
    case F_CONJ: acb_conj(out, x); break;
    default: { /* F_CIS */ acb_mul_onei(out, x); acb_exp(out, out, v->prec);
    }
    }
    return true;
}

/* What hides in f(x) for x small, and for x large where f comes near to its asymptote: pi/2 - 1/x as a power
 * of x, 1 - 2 exp(-2x) exponentially. */
static void hides(struct eval *v, int f, const acb_t x)
{
    slong e;
    if (!size_of(x, &e)) return;
    bool exponential = f >= F_SINH && f <= F_CSCH, power = f == F_ATAN || (f >= F_ASINH && f <= F_ACOSH);
    if (e < 0)
        v->hidden -= e;
    else if (exponential)
        v->hidden += (slong)3 << (e < EXPONENT_BITS_MAX ? e : EXPONENT_BITS_MAX);
    else if (power)
        v->hidden += 2 * e;
}

/* n! and n!! of whole n, and n! = Gamma(n + 1) elsewhere. */
static bool factorial(struct eval *v, int f, const acb_t x, acb_t out)
{
    arf_t size;
    arf_init(size);
    acb_get_abs_ubound_arf(size, x, 30);
    bool small = arf_is_finite(size) && arf_cmpabs_2exp_si(size, 30) < 0;
    arf_clear(size);
    v->limited = v->limited || !small;
    if (!small) return false;
    if (f == F_FACT) {
        acb_add_ui(out, x, 1, v->prec);
        acb_gamma(out, out, v->prec);
        return true;
    }
    acb_t half, pi;
    fmpz_t n;
    fmpz_init(n);
    bool whole = arb_get_unique_fmpz(n, acb_realref(x)) && is_real(x) && fmpz_sgn(n) >= 0;
    bool odd = whole && fmpz_is_odd(n);
    fmpz_clear(n);
    if (!whole) return false;
    acb_init(half);
    acb_init(pi);
    /* even: 2^(n/2) (n/2)!; odd: 2^((n+1)/2) Gamma(n/2 + 1) / sqrt(pi) */
    acb_mul_2exp_si(half, x, -1);
    acb_add_ui(out, half, 1, v->prec);
    acb_gamma(out, out, v->prec);
    acb_set_d(pi, odd ? 0.5 : 0);
    acb_add(half, half, pi, v->prec);
    acb_set_ui(pi, 2);
    acb_pow(half, pi, half, v->prec);
    acb_mul(out, out, half, v->prec);
    if (odd) {
        acb_const_pi(pi, v->prec);
        acb_sqrt(pi, pi, v->prec);
        acb_div(out, out, pi, v->prec);
    }
    acb_clear(half);
    acb_clear(pi);
    return true;
}

static bool one_argument(struct eval *v, int f, acb_t x, acb_t out)
{
    arf_t size;
    if (f == F_FACT || f == F_FACT2) return factorial(v, f, x, out);
    if (f == F_FLOOR || f == F_CEIL || f == F_ROUND || f == F_SIGN) return real_only(v, f, x, out);
    if (f == F_ABS || f == F_NORM || (f >= F_RE && f <= F_CIS)) return complex_part(v, f, x, out);
    for (size_t i = 0; i < sizeof by_inverse / sizeof *by_inverse; i++)
        if (by_inverse[i].f == f) {
            if (acb_contains_zero(x)) return false;
            acb_inv(x, x, v->prec);
            f = by_inverse[i].of_inverse;
        }
    if (f >= (int)(sizeof direct / sizeof *direct) || !direct[f]) return false;
    /* Arguments beyond 2^40 would cost as many bits, and exp of them cannot be held. */
    arf_init(size);
    acb_get_abs_ubound_arf(size, x, 30);
    bool fits = arf_is_finite(size) && (f == F_LN || arf_cmpabs_2exp_si(size, EXPONENT_BITS_MAX) < 0);
    arf_clear(size);
    v->limited = v->limited || !fits;
    if (!fits || (f == F_LN && acb_contains_zero(x))) return false;
    hides(v, f, x);
    direct[f](out, x, v->prec);
    return true;
}

static bool folded(struct eval *v, const struct node *n, acb_t out)
{
    acb_t x;
    acb_init(x);
    bool good = eval_node(v, n->arg[0], out) && is_real(out);
    for (int i = 1; i < n->n && good; i++) {
        good = eval_node(v, n->arg[i], x) && is_real(x);
        if (!good) break;
        if (n->op == F_MAX)
            arb_max(acb_realref(out), acb_realref(out), acb_realref(x), v->prec);
        else
            arb_min(acb_realref(out), acb_realref(out), acb_realref(x), v->prec);
    }
    acb_clear(x);
    return good;
}

/* a - b floor(a/b), log_b a, C(a, b), P(a, b) */
static bool two_arguments(struct eval *v, int f, const acb_t a, const acb_t b, acb_t out)
{
    acb_t t;
    bool good = true;
    acb_init(t);
    switch (f) {
    case F_MODULO:
        good = !acb_contains_zero(b);
        if (!good) break;
        acb_div(t, a, b, v->prec);
        good = is_real(t);
        arb_floor(acb_realref(t), acb_realref(t), v->prec);
        good = good && arb_is_exact(acb_realref(t));
        acb_mul(t, t, b, v->prec);
        acb_sub(out, a, t, v->prec);
        break;
    case F_LOG:
        good = !acb_contains_zero(a) && !acb_contains_zero(b);
        if (!good) break;
        acb_log(t, b, v->prec);
        good = !acb_contains_zero(t);
        acb_log(out, a, v->prec);
        acb_div(out, out, t, v->prec);
        break;
    case F_BINOM:
    case F_PERM: {
        /* Gamma(a+1) / (Gamma(a-b+1) [Gamma(b+1)]) */
        good = factorial(v, F_FACT, a, out);
        acb_sub(t, a, b, v->prec);
        acb_add_ui(t, t, 1, v->prec);
        acb_rgamma(t, t, v->prec);
        acb_mul(out, out, t, v->prec);
        if (f == F_BINOM) {
            acb_add_ui(t, b, 1, v->prec);
            acb_rgamma(t, t, v->prec);
            acb_mul(out, out, t, v->prec);
        }
        break;
    }
    default: good = false;
    }
    acb_clear(t);
    return good;
}

static bool function(struct eval *v, const struct node *n, acb_t out)
{
    if (n->op == F_MAX || n->op == F_MIN) return folded(v, n, out);
    if (n->op == F_GCD || n->op == F_LCM) {
        fmpq_t q;
        fmpq_init(q);
        bool good = exact_value(v->w, n, q);
        if (good) acb_set_fmpq(out, q, v->prec);
        fmpq_clear(q);
        return good;
    }
    if (n->op >= F_SUM && n->op <= F_DIFF) return eval_big(v, n, out);
    if (n->n < 1 || n->n > 2) return false;
    acb_t a, b;
    acb_init(a);
    acb_init(b);
    bool good = eval_node(v, n->arg[0], a) && (n->n == 1 || eval_node(v, n->arg[1], b));
    good = good && (n->n == 1 ? one_argument(v, n->op, a, out) : two_arguments(v, n->op, a, b, out));
    acb_clear(a);
    acb_clear(b);
    return good;
}

/* A function that nothing is known of is taken as some function: sums of sines with constants from its
 * name. */
static bool applied(struct eval *v, const struct node *n, acb_t out)
{
    acb_t x;
    uint64_t h = 14695981039346656037u;
    for (const char *s = n->name; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    acb_init(x);
    acb_set_ui(out, h % 97 + 1);
    bool good = true;
    for (int i = 0; i < n->n && good; i++) {
        good = is_expression(n->arg[i]) && eval_node(v, n->arg[i], x);
        if (!good) break;
        acb_mul_ui(x, x, h % 13 + (ulong)i + 2, v->prec);
        acb_add_ui(x, x, h % 7 + 1, v->prec);
        acb_div_ui(x, x, 17, v->prec);
        acb_sin(x, x, v->prec);
        acb_mul_ui(x, x, 29 + (ulong)i, v->prec);
        acb_add(out, out, x, v->prec);
    }
    acb_clear(x);
    return good;
}

/* ---- the tree ----------------------------------------------------------------------------------------- */

int eval_condition(struct eval *v, const struct node *rel)
{
    if (rel->kind == K_SYM && strcmp(rel->name, "otherwise") == 0) return 1;
    if (rel->kind == K_SEQ && rel->op == 0 && rel->n > 0) {
        bool any = rel->rows == 'o';
        int result = !any;
        for (int i = 0; i < rel->n; i++) {
            int one = eval_condition(v, rel->arg[i]);
            if (one < 0) return -1;
            result = any ? result || one : result && one;
        }
        return result;
    }
    if (rel->kind != K_REL) return -1;
    acb_t d, e;
    int result = 1;
    acb_init(d);
    acb_init(e);
    for (int i = 0; i + 1 < rel->n && result == 1; i++) {
        bool good = is_expression(rel->arg[i]) && is_expression(rel->arg[i + 1]) &&
                    eval_node(v, rel->arg[i], d) && eval_node(v, rel->arg[i + 1], e);
        acb_sub(d, d, e, v->prec);
        bool zero = acb_is_zero(d), apart = good && !acb_contains_zero(d);
        bool positive = arb_is_positive(acb_realref(d));
        int r = (unsigned char)rel->name[i];
        bool decided = good && (zero || apart) && is_real(d) && r >= R_EQ && r <= R_GE;
        if (!decided)
            result = -1;
        else if (r == R_EQ || r == R_NE)
            result = zero == (r == R_EQ);
        else
            result = zero ? r == R_LE || r == R_GE : positive == (r == R_GT || r == R_GE);
    }
    acb_clear(d);
    acb_clear(e);
    return result;
}

/* Does a later case hold too, with another value? "Otherwise" is what no case before it holds for. */
static bool another_case(struct eval *v, const struct node *n, int from, const acb_t first)
{
    acb_t x;
    bool another = false;
    acb_init(x);
    for (int i = from; i + 1 < n->n && !another; i += 2) {
        if (n->arg[i + 1]->kind == K_SYM || eval_condition(v, n->arg[i + 1]) != 1) continue;
        another = !is_expression(n->arg[i]) || !eval_node(v, n->arg[i], x) || !acb_overlaps(first, x);
    }
    acb_clear(x);
    return another;
}

/* Cases that overlap with different values are no function. */
static bool cases(struct eval *v, const struct node *n, acb_t out)
{
    for (int i = 0; i + 1 < n->n; i += 2) {
        int holds = eval_condition(v, n->arg[i + 1]);
        if (holds < 0) return false;
        if (!holds) continue;
        if (!is_expression(n->arg[i]) || !eval_node(v, n->arg[i], out)) return false;
        bool another = another_case(v, n, i + 2, out);
        v->limited = v->limited || another;
        return !another;
    }
    v->outside = true;
    return false;
}

static bool arithmetic(struct eval *v, const struct node *n, acb_t out)
{
    acb_t x;
    struct spread spread = {.any = false};
    acb_init(x);
    bool good = eval_node(v, n->arg[0], out);
    if (good && n->kind == K_ADD) spread_see(&spread, out);
    for (int i = 1; i < n->n && good; i++) {
        good = eval_node(v, n->arg[i], x);
        if (!good) break;
        if (n->kind == K_ADD) {
            spread_see(&spread, x);
            acb_add(out, out, x, v->prec);
        } else if (n->kind == K_MUL) {
            acb_mul(out, out, x, v->prec);
        } else {
            good = !acb_contains_zero(x) && n->n == 2;
            acb_div(out, out, x, v->prec);
        }
    }
    v->hidden += spread.most - spread.least;
    acb_clear(x);
    return good;
}

static bool constant(struct eval *v, const struct node *n, acb_t out)
{
    switch (n->op) {
    case C_PI: acb_const_pi(out, v->prec); return true;
    case C_E:
        acb_zero(out);
        arb_const_e(acb_realref(out), v->prec);
        return true;
    case C_I: acb_onei(out); return true;
    default: return false;
    }
}

bool eval_node(struct eval *v, const struct node *n, acb_t out)
{
    bool good = false;
    if (!work_step(v->w, (int)(1 + v->prec / 512))) return false;
    switch ((enum kind)n->kind) {
    case K_NUM:
        acb_set_fmpq(out, n->q, v->prec);
        good = true;
        break;
    case K_SYM:
        for (int i = v->env->n; i-- > 0 && !good;)
            if (strcmp(v->env->name[i], n->name) == 0) {
                acb_set(out, &v->env->value[i]);
                good = true;
            }
        break;
    case K_CONST: good = constant(v, n, out); break;
    case K_ADD:
    case K_MUL:
    case K_DIV:
    case K_RATIO: good = arithmetic(v, n, out); break;
    case K_NEG:
        good = eval_node(v, n->arg[0], out);
        acb_neg(out, out);
        break;
    case K_POW: good = power(v, n, out); break;
    case K_ROOT: good = root(v, n, out); break;
    case K_FN: good = function(v, n, out); break;
    case K_APPLY: good = applied(v, n, out); break;
    case K_BASED: good = n->op == 0 && eval_node(v, n->arg[0], out); break;
    case K_CASES: good = cases(v, n, out); break;
    default: break;
    }
    return good && acb_is_finite(out) && (!v->real || arb_contains_zero(acb_imagref(out)));
}
