/* exact.c: the rational value of a closed formula, when it has one of bounded size.
 *
 * Roots, powers and logarithms give a value only where it is rational. Running variables of sums are kept
 * on a small stack. The cost of big numbers is counted in steps, so that the limit of the whole verdict
 * holds.
 */
#include <math.h>
#include <string.h>

#include "verify/verify_int.h"

#define COUNT_MAX    20000 /* terms of a sum, factors of a factorial */
#define BINDINGS_MAX 4

struct exact {
    struct work *w;
    const char *name[BINDINGS_MAX];
    fmpq *value[BINDINGS_MAX];
    int n;
};

static bool ex(struct exact *x, const struct node *n, fmpq_t out);

static slong bits_of(const fmpq_t q)
{
    return (slong)(fmpz_bits(fmpq_numref(q)) + fmpz_bits(fmpq_denref(q)));
}

/* Big numbers cost steps in proportion to their size. */
static bool affordable(struct exact *x, const fmpq_t q)
{
    slong bits = bits_of(q);
    return bits <= EXACT_BITS_MAX && work_step(x->w, 1 + (int)(bits / 256));
}

/* ---- powers, roots, logarithms ------------------------------------------------------------------------ */

/* The exact n-th root of z >= 0. */
static bool whole_root(fmpz_t out, const fmpz_t z, ulong n)
{
    fmpz_t back;
    if (fmpz_bits(z) <= 1) {
        fmpz_set(out, z);
        return true;
    }
    if (n > fmpz_bits(z)) return false;
    fmpz_init(back);
    fmpz_root(out, z, (slong)n);
    fmpz_pow_ui(back, out, n);
    bool exact = fmpz_equal(back, z);
    fmpz_clear(back);
    return exact;
}

static bool root_of(fmpq_t out, const fmpq_t q, ulong n)
{
    bool negative = fmpq_sgn(q) < 0;
    if (n == 0 || (negative && n % 2 == 0) || bits_of(q) > 100000) return false;
    fmpq_abs(out, q);
    fmpz_t a, b;
    fmpz_init(a);
    fmpz_init(b);
    bool exact = whole_root(a, fmpq_numref(out), n) && whole_root(b, fmpq_denref(out), n);
    if (exact) fmpq_set_fmpz_frac(out, a, b);
    if (negative) fmpq_neg(out, out);
    fmpz_clear(a);
    fmpz_clear(b);
    return exact;
}

static bool power_of(fmpq_t out, const fmpq_t base, const fmpq_t e)
{
    const fmpz *num = fmpq_numref(e), *den = fmpq_denref(e);
    if (fmpq_is_zero(base)) {
        if (fmpq_sgn(e) <= 0) return false;
        fmpq_zero(out);
        return true;
    }
    if (fmpz_abs_fits_ui(den) == 0) return false;
    fmpq_t b;
    fmpq_init(b);
    bool good = fmpz_is_one(den);
    if (good)
        fmpq_set(b, base);
    else
        good = root_of(b, base, fmpz_get_ui(den));
    if (good && fmpq_is_one(b)) {
        fmpq_one(out);
    } else if (good && fmpz_fits_si(num)) {
        slong k = fmpz_get_si(num), size = bits_of(b);
        good =
            k < EXACT_BITS_MAX && k > -EXACT_BITS_MAX && size * (k < 0 ? -k : k) <= 2 * (slong)EXACT_BITS_MAX;
        if (good) fmpq_pow_si(out, b, k);
    } else if (good) {
        good = fmpz_is_one(fmpq_denref(b)) && fmpz_is_pm1(fmpq_numref(b));
        if (good) fmpq_set_si(out, fmpz_is_even(num) ? 1 : -1, 1);
    }
    fmpq_clear(b);
    return good;
}

static double log_of(const fmpq_t q)
{
    return fmpz_dlog(fmpq_numref(q)) - fmpz_dlog(fmpq_denref(q));
}

/* log_b(x) when x^q = b^p for a small q. */
static bool logarithm_of(fmpq_t out, const fmpq_t v, const fmpq_t b)
{
    if (fmpq_sgn(v) <= 0 || fmpq_sgn(b) <= 0 || fmpq_is_one(b) || bits_of(v) > 20000 || bits_of(b) > 20000)
        return false;
    double ratio = log_of(v) / log_of(b);
    bool found = false;
    fmpq_t left, right;
    fmpq_init(left);
    fmpq_init(right);
    for (slong q = 1; q <= 12 && !found; q++) {
        double p = floor(ratio * (double)q + 0.5);
        if (p > 20000 || p < -20000 || fabs(ratio * (double)q - p) > 1e-6) continue;
        if ((double)bits_of(b) * fabs(p) > 1e6) break;
        fmpq_pow_si(left, v, q);
        fmpq_pow_si(right, b, (slong)p);
        found = fmpq_equal(left, right);
        if (found) fmpq_set_si(out, (slong)p, (ulong)q);
    }
    fmpq_clear(left);
    fmpq_clear(right);
    return found;
}

/* ---- functions ---------------------------------------------------------------------------------------- */

static bool small_count(const fmpq_t q, ulong *out)
{
    if (!fmpz_is_one(fmpq_denref(q)) || fmpq_sgn(q) < 0 || fmpz_cmp_ui(fmpq_numref(q), COUNT_MAX) > 0)
        return false;
    *out = fmpz_get_ui(fmpq_numref(q));
    return true;
}

static bool counting(struct exact *x, int f, const fmpq_t a, const fmpq_t b, fmpq_t out)
{
    ulong n, k = 0;
    bool whole = fmpz_is_one(fmpq_denref(a)) && small_count(b, &k);
    fmpz_one(fmpq_denref(out));
    if (f == F_FACT || f == F_GAMMA || f == F_FACT2) {
        if (!small_count(a, &n) || (f == F_GAMMA && n == 0)) return false;
        if (!work_step(x->w, (int)(n / 8))) return false;
        if (f == F_FACT2) {
            fmpz_one(fmpq_numref(out));
            for (; n > 1; n -= 2) fmpz_mul_ui(fmpq_numref(out), fmpq_numref(out), n);
        } else {
            fmpz_fac_ui(fmpq_numref(out), f == F_GAMMA ? n - 1 : n);
        }
        return true;
    }
    if (!whole || fmpq_sgn(a) < 0 || k * fmpz_bits(fmpq_numref(a)) > EXACT_BITS_MAX ||
        !work_step(x->w, (int)(k / 4)))
        return false;
    fmpz_t top, below;
    fmpz_init_set(top, fmpq_numref(a));
    fmpz_init_set_ui(below, 1);
    fmpz_one(fmpq_numref(out));
    for (ulong i = 0; i < k; i++) {
        fmpz_mul(fmpq_numref(out), fmpq_numref(out), top);
        fmpz_sub_ui(top, top, 1);
    }
    if (f == F_BINOM) {
        fmpz_fac_ui(below, k);
        fmpz_divexact(fmpq_numref(out), fmpq_numref(out), below);
    }
    fmpz_clear(top);
    fmpz_clear(below);
    return true;
}

static void floor_of(fmpq_t out, const fmpq_t a, int f)
{
    fmpz_t z;
    fmpz_init(z);
    if (f == F_CEIL) {
        fmpz_cdiv_q(z, fmpq_numref(a), fmpq_denref(a));
    } else if (f == F_ROUND) {
        fmpz_mul_ui(z, fmpq_numref(a), 2);
        fmpz_add(z, z, fmpq_denref(a));
        fmpz_t d;
        fmpz_init(d);
        fmpz_mul_ui(d, fmpq_denref(a), 2);
        fmpz_fdiv_q(z, z, d);
        fmpz_clear(d);
    } else {
        fmpz_fdiv_q(z, fmpq_numref(a), fmpq_denref(a));
    }
    fmpq_set_fmpz(out, z);
    fmpz_clear(z);
}

/* a mod b with the sign of b. */
static bool modulo_of(fmpq_t out, const fmpq_t a, const fmpq_t b)
{
    if (fmpq_is_zero(b)) return false;
    fmpq_t q;
    fmpq_init(q);
    fmpq_div(q, a, b);
    floor_of(q, q, F_FLOOR);
    fmpq_mul(q, q, b);
    fmpq_sub(out, a, q);
    fmpq_clear(q);
    return true;
}

static bool folded(struct exact *x, const struct node *n, fmpq_t out)
{
    fmpq_t v, g;
    bool good = ex(x, n->arg[0], out);
    fmpq_init(v);
    fmpq_init(g);
    if (good && (n->op == F_GCD || n->op == F_LCM)) fmpq_abs(out, out);
    for (int i = 1; i < n->n && good; i++) {
        good = ex(x, n->arg[i], v) && affordable(x, v);
        if (!good) break;
        if (n->op == F_GCD) {
            fmpq_gcd(out, out, v);
        } else if (n->op == F_LCM) {
            fmpq_gcd(g, out, v);
            fmpq_mul(out, out, v);
            fmpq_abs(out, out);
            if (!fmpq_is_zero(g)) fmpq_div(out, out, g);
        } else if ((fmpq_cmp(v, out) > 0) == (n->op == F_MAX)) {
            fmpq_set(out, v);
        }
    }
    fmpq_clear(v);
    fmpq_clear(g);
    return good && affordable(x, out);
}

static bool summed(struct exact *x, const struct node *n, fmpq_t out)
{
    fmpq_t lo, hi, term;
    fmpq_init(lo);
    fmpq_init(hi);
    fmpq_init(term);
    bool good = ex(x, n->arg[2], lo) && ex(x, n->arg[3], hi) && fmpz_is_one(fmpq_denref(lo)) &&
                fmpz_is_one(fmpq_denref(hi)) && x->n < BINDINGS_MAX;
    if (good) {
        fmpq_sub(term, hi, lo);
        good = fmpq_cmp_si(term, COUNT_MAX) <= 0;
    }
    fmpq_set_si(out, n->op == F_PROD, 1);
    if (good) {
        x->name[x->n] = n->arg[1]->name;
        x->value[x->n++] = lo;
        for (; good && fmpq_cmp(lo, hi) <= 0; fmpq_add_si(lo, lo, 1)) {
            good = ex(x, n->arg[0], term);
            if (good && n->op == F_SUM)
                fmpq_add(out, out, term);
            else if (good)
                fmpq_mul(out, out, term);
            good = good && affordable(x, out);
        }
        x->value[--x->n] = NULL;
    }
    fmpq_clear(lo);
    fmpq_clear(hi);
    fmpq_clear(term);
    return good;
}

static bool function_value(struct exact *x, const struct node *n, fmpq_t out)
{
    if (n->op == F_SUM || n->op == F_PROD) return summed(x, n, out);
    if (n->op == F_GCD || n->op == F_LCM || n->op == F_MIN || n->op == F_MAX) return folded(x, n, out);
    fmpq_t a, b;
    fmpq_init(a);
    fmpq_init(b);
    bool good = n->n >= 1 && n->n <= 2 && ex(x, n->arg[0], a) && (n->n < 2 || ex(x, n->arg[1], b));
    if (good) {
        switch (n->op) {
        case F_ABS: fmpq_abs(out, a); break;
        case F_RE:
        case F_CONJ: fmpq_set(out, a); break;
        case F_IM: fmpq_zero(out); break;
        case F_SIGN: fmpq_set_si(out, fmpq_sgn(a), 1); break;
        case F_FLOOR:
        case F_CEIL: floor_of(out, a, n->op); break;
        case F_ROUND:
            if (n->n == 2)
                good = false;
            else
                floor_of(out, a, n->op);
            break;
        case F_MODULO: good = modulo_of(out, a, b); break;
        case F_FACT:
        case F_FACT2:
        case F_GAMMA:
        case F_BINOM:
        case F_PERM: good = counting(x, n->op, a, b, out); break;
        case F_LOG: good = logarithm_of(out, a, b); break;
        case F_LN:
            good = fmpq_is_one(a);
            fmpq_zero(out);
            break;
        case F_EXP:
        case F_COS:
        case F_COSH:
            good = fmpq_is_zero(a);
            fmpq_one(out);
            break;
        case F_SIN:
        case F_TAN:
        case F_SINH:
        case F_TANH:
        case F_ASIN:
        case F_ATAN:
            good = fmpq_is_zero(a);
            fmpq_zero(out);
            break;
        default: good = false;
        }
    }
    fmpq_clear(a);
    fmpq_clear(b);
    return good;
}

/* ---- arithmetic --------------------------------------------------------------------------------------- */

static bool arithmetic(struct exact *x, const struct node *n, fmpq_t out)
{
    fmpq_t v;
    fmpq_init(v);
    bool good = ex(x, n->arg[0], out);
    for (int i = 1; i < n->n && good; i++) {
        good = ex(x, n->arg[i], v);
        if (!good) break;
        switch ((enum kind)n->kind) {
        case K_ADD: fmpq_add(out, out, v); break;
        case K_MUL: fmpq_mul(out, out, v); break;
        case K_POW: good = power_of(out, out, v); break;
        case K_ROOT:
            good = fmpz_is_one(fmpq_denref(v)) && fmpq_sgn(v) > 0 && fmpz_abs_fits_ui(fmpq_numref(v)) &&
                   root_of(out, out, fmpz_get_ui(fmpq_numref(v)));
            break;
        default: /* K_DIV, K_RATIO of two */
            good = !fmpq_is_zero(v) && n->n == 2;
            if (good) fmpq_div(out, out, v);
        }
        good = good && affordable(x, out);
    }
    fmpq_clear(v);
    return good;
}

static bool ex(struct exact *x, const struct node *n, fmpq_t out)
{
    bool good = false;
    if (!work_step(x->w, 1)) return false;
    switch ((enum kind)n->kind) {
    case K_NUM:
        fmpq_set(out, n->q);
        good = !n->ellipsis;
        break;
    case K_SYM:
        for (int i = x->n; i-- > 0 && !good;)
            if (strcmp(x->name[i], n->name) == 0) {
                fmpq_set(out, x->value[i]);
                good = true;
            }
        break;
    case K_ADD:
    case K_MUL:
    case K_DIV:
    case K_POW:
    case K_ROOT:
    case K_RATIO: good = arithmetic(x, n, out); break;
    case K_NEG:
        good = ex(x, n->arg[0], out);
        if (good) fmpq_neg(out, out);
        break;
    case K_PERCENT:
        good = ex(x, n->arg[0], out);
        if (good) {
            fmpz_t hundred;
            fmpz_init_set_ui(hundred, 100);
            fmpq_div_fmpz(out, out, hundred);
            fmpz_clear(hundred);
        }
        break;
    case K_BASED: good = n->op == 0 && ex(x, n->arg[0], out); break;
    case K_FN: good = function_value(x, n, out); break;
    default: break;
    }
    return good;
}

bool exact_value(struct work *w, const struct node *n, fmpq_t out)
{
    struct exact x = {.w = w};
    return ex(&x, n, out);
}

bool exact_integer(struct work *w, const struct node *n, fmpz_t out)
{
    fmpq_t q;
    fmpq_init(q);
    bool good = exact_value(w, n, q) && fmpz_is_one(fmpq_denref(q));
    if (good) fmpz_set(out, fmpq_numref(q));
    fmpq_clear(q);
    return good;
}
