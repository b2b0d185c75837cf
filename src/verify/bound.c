/* bound.c: how small an algebraic number can be without being zero.
 *
 * The root bound of Burnikel, Fleischer, Mehlhorn and Schirra ("A strong and easily computable separation
 * bound for arithmetic expressions involving radicals", Algorithmica 2000): write E = U / L with algebraic
 * integers whose conjugates are at most u and l in absolute value, and let D bound the degree; then E = 0
 * or |E| >= 1/(u^(D-1) l).
 *   whole n: |n|, 1    A +- B: u l' + l u', l l'    A B: u u', l l'    A / B: u l', l u'    root: roots of
 * both sin and cos of rational multiples of pi are half sums of roots of unity, whose conjugates are 1. D
 * is the product of the indices of the different roots and of the degree of one cyclotomic field that
 * holds all roots of unity.
 */
#include <ulong_extras.h>

#include "verify/verify_int.h"

#define RADICALS_MAX 40

struct bound {
    struct work *w;
    uint64_t radical[RADICALS_MAX]; /* hashes: the same root twice adds nothing to the degree */
    int n;
    double degree;
    ulong order; /* of the roots of unity */
};
struct size {
    double u, l; /* log2 */
};

static bool size_of(struct bound *b, const struct node *n, struct size *out);

static bool radical_add(struct bound *b, uint64_t hash, ulong index)
{
    for (int i = 0; i < b->n; i++)
        if (b->radical[i] == hash) return true;
    if (b->n == RADICALS_MAX || index < 1 || index > 1000) return false;
    b->radical[b->n++] = hash;
    b->degree *= (double)index;
    return b->degree < 1e6;
}

static bool unity_add(struct bound *b, ulong order)
{
    if (order == 0 || order > 5000) return false;
    b->order = b->order / n_gcd(b->order, order) * order;
    return b->order <= 100000;
}

/* n = q pi? */
static bool pi_multiple(struct work *w, const struct node *n, fmpq_t out)
{
    fmpq_t v;
    bool good = false, seen = false;
    fmpq_init(v);
    switch ((enum kind)n->kind) {
    case K_CONST:
        good = n->op == C_PI;
        fmpq_one(out);
        break;
    case K_NEG:
        good = pi_multiple(w, n->arg[0], out);
        fmpq_neg(out, out);
        break;
    case K_ADD:
        fmpq_zero(out);
        good = true;
        for (int i = 0; i < n->n && good; i++) {
            good = pi_multiple(w, n->arg[i], v);
            fmpq_add(out, out, v);
        }
        break;
    case K_MUL:
        fmpq_one(out);
        good = true;
        for (int i = 0; i < n->n && good; i++) {
            if (!seen && pi_multiple(w, n->arg[i], v))
                seen = true;
            else
                good = exact_value(w, n->arg[i], v);
            fmpq_mul(out, out, v);
        }
        good = good && seen;
        break;
    case K_DIV:
        good = pi_multiple(w, n->arg[0], out) && exact_value(w, n->arg[1], v) && !fmpq_is_zero(v);
        if (good) fmpq_div(out, out, v);
        break;
    default: break;
    }
    fmpq_clear(v);
    return good;
}

static bool number_size(const fmpq_t q, struct size *out)
{
    out->u = (double)fmpz_bits(fmpq_numref(q));
    out->l = fmpz_is_one(fmpq_denref(q)) ? 0 : (double)fmpz_bits(fmpq_denref(q));
    return true;
}

static double sum_log(double a, double b)
{
    return (a > b ? a : b) + 1;
}

static bool trigonometric(struct bound *b, const struct node *n, struct size *out)
{
    fmpq_t q;
    fmpq_init(q);
    bool good = pi_multiple(b->w, n->arg[0], q) && fmpz_cmp_ui(fmpq_denref(q), 2000) < 0 &&
                unity_add(b, 2 * fmpz_get_ui(fmpq_denref(q))) && (n->op == F_COS || unity_add(b, 4));
    fmpq_clear(q);
    out->u = out->l = 1;
    return good && (n->op == F_SIN || n->op == F_COS || n->op == F_TAN || n->op == F_COT || n->op == F_SEC ||
                    n->op == F_CSC);
}

static bool power_size(struct bound *b, const struct node *n, struct size *out)
{
    fmpq_t e;
    fmpq_init(e);
    bool good = exact_value(b->w, n->arg[1], e) && fmpz_cmp_ui(fmpq_denref(e), 1000) < 0 &&
                fmpz_cmp_si(fmpq_numref(e), 100000) < 0 && fmpz_cmp_si(fmpq_numref(e), -100000) > 0 &&
                size_of(b, n->arg[0], out);
    if (good) {
        slong k = fmpz_get_si(fmpq_numref(e));
        ulong d = fmpz_get_ui(fmpq_denref(e));
        double scale = (double)(k < 0 ? -k : k) / (double)d, u = out->u * scale, l = out->l * scale;
        if (d > 1) good = radical_add(b, n->arg[0]->hash ^ (d * 0x9E3779B97F4A7C15u), d);
        out->u = k < 0 ? l : u;
        out->l = k < 0 ? u : l;
    }
    fmpq_clear(e);
    return good;
}

static bool folded_size(struct bound *b, const struct node *n, struct size *out)
{
    struct size s;
    if (!size_of(b, n->arg[0], out)) return false;
    for (int i = 1; i < n->n; i++) {
        if (!size_of(b, n->arg[i], &s)) return false;
        if (n->kind == K_ADD) {
            double left = out->u + s.l, right = out->l + s.u;
            out->u = sum_log(left, right);
            out->l += s.l;
        } else if (n->kind == K_MUL) {
            out->u += s.u;
            out->l += s.l;
        } else {
            out->u += s.l;
            out->l += s.u;
        }
    }
    return true;
}

static bool size_of(struct bound *b, const struct node *n, struct size *out)
{
    if (!work_step(b->w, 1)) return false;
    bool good = false;
    ulong index = 0;
    fmpz_t k;
    switch ((enum kind)n->kind) {
    case K_NUM: good = !n->ellipsis && number_size(n->q, out); break;
    case K_CONST:
        good = n->op == C_I && unity_add(b, 4);
        out->u = out->l = 0;
        break;
    case K_NEG: good = size_of(b, n->arg[0], out); break;
    case K_ADD:
    case K_MUL:
    case K_DIV: good = folded_size(b, n, out); break;
    case K_POW: good = power_size(b, n, out); break;
    case K_ROOT:
        fmpz_init(k);
        if (exact_integer(b->w, n->arg[1], k) && fmpz_sgn(k) > 0 && fmpz_cmp_ui(k, 1000) < 0)
            index = fmpz_get_ui(k);
        fmpz_clear(k);
        good = index && size_of(b, n->arg[0], out) &&
               radical_add(b, n->arg[0]->hash ^ (index * 0x9E3779B97F4A7C15u), index);
        if (good) {
            out->u /= (double)index;
            out->l /= (double)index;
        }
        break;
    case K_FN:
        if (n->op >= F_SIN && n->op <= F_CSC) {
            good = trigonometric(b, n, out);
        } else {
            fmpq_t q;
            fmpq_init(q);
            good = exact_value(b->w, n, q) && number_size(q, out);
            fmpq_clear(q);
        }
        break;
    default: break;
    }
    return good;
}

bool zero_bound(struct work *w, const struct node *n, double *log2_bound)
{
    struct bound b = {.w = w, .degree = 1, .order = 1};
    struct size s;
    if (!size_of(&b, n, &s)) return false;
    b.degree *= (double)n_euler_phi(b.order);
    *log2_bound = -((b.degree - 1) * s.u + s.l) - 8;
    return true;
}
