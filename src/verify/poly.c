/* poly.c: formulas as quotients of polynomials with whole coefficients (FLINT's fmpz_mpoly).
 *
 * Variables are the symbols and, one each, the different subformulas that are not rational. Two quotients
 * are equal when a.num b.den - b.num a.den is zero: a proof. Whatever would grow past TERMS_MAX terms is
 * left alone.
 */
#include <string.h>

#include <fmpq_poly.h>
#include <fmpz_mpoly.h>
#include <fmpz_vec.h>

#include "verify/explain.h"

#define GENERATORS_MAX 10
#define TERMS_MAX      600
#define POWER_MAX      120

struct poly {
    struct work *w;
    fmpz_mpoly_ctx_t ctx;
    const struct node *generator[GENERATORS_MAX];
    int n;
};
struct quotient {
    fmpz_mpoly_t num, den;
};

static bool is_rational_kind(struct work *w, const struct node *n, slong *power)
{
    fmpz_t e;
    bool good;
    switch ((enum kind)n->kind) {
    case K_NUM: return !n->ellipsis;
    case K_ADD:
    case K_MUL:
    case K_NEG:
    case K_DIV: return true;
    case K_POW:
        fmpz_init(e);
        good = !node_has(n->arg[1], K_SYM) && exact_integer(w, n->arg[1], e) &&
               fmpz_cmp_si(e, POWER_MAX) <= 0 && fmpz_cmp_si(e, -POWER_MAX) >= 0;
        *power = good ? fmpz_get_si(e) : 0;
        fmpz_clear(e);
        return good;
    default: return false;
    }
}

/* Collects the generators; false when there are too many. */
static bool collect(struct poly *p, const struct node *n)
{
    slong power;
    if (!work_step(p->w, 1)) return false;
    if (!is_rational_kind(p->w, n, &power)) {
        for (int i = 0; i < p->n; i++)
            if (node_same(p->generator[i], n)) return true;
        if (p->n == GENERATORS_MAX || !is_expression(n)) return false;
        p->generator[p->n++] = n;
        return true;
    }
    bool good = true;
    for (int i = 0; i < (n->kind == K_POW ? 1 : n->n) && good; i++) good = collect(p, n->arg[i]);
    return good;
}

static void quotient_init(struct poly *p, struct quotient *q)
{
    fmpz_mpoly_init(q->num, p->ctx);
    fmpz_mpoly_init(q->den, p->ctx);
    fmpz_mpoly_one(q->den, p->ctx);
}

static void quotient_clear(struct poly *p, struct quotient *q)
{
    fmpz_mpoly_clear(q->num, p->ctx);
    fmpz_mpoly_clear(q->den, p->ctx);
}

static bool multiply(struct poly *p, fmpz_mpoly_t out, const fmpz_mpoly_t a, const fmpz_mpoly_t b)
{
    slong terms = fmpz_mpoly_length(a, p->ctx) * fmpz_mpoly_length(b, p->ctx);
    if (terms > 20 * TERMS_MAX || !work_step(p->w, 1 + (int)(terms / 8))) return false;
    fmpz_mpoly_mul(out, a, b, p->ctx);
    return fmpz_mpoly_length(out, p->ctx) <= TERMS_MAX && fmpz_mpoly_max_bits(out) < 20000 &&
           fmpz_mpoly_max_bits(out) > -20000;
}

/* out = out op v */
static bool combine(struct poly *p, struct quotient *out, const struct quotient *v, int kind)
{
    fmpz_mpoly_t t;
    bool good;
    fmpz_mpoly_init(t, p->ctx);
    if (kind == K_ADD && fmpz_mpoly_equal(out->den, v->den, p->ctx)) {
        fmpz_mpoly_add(out->num, out->num, v->num, p->ctx);
        good = true;
    } else if (kind == K_ADD) {
        good = multiply(p, t, v->num, out->den) && multiply(p, out->num, out->num, v->den) &&
               multiply(p, out->den, out->den, v->den);
        if (good) fmpz_mpoly_add(out->num, out->num, t, p->ctx);
    } else if (kind == K_MUL) {
        good = multiply(p, out->num, out->num, v->num) && multiply(p, out->den, out->den, v->den);
    } else {
        good = !fmpz_mpoly_is_zero(v->num, p->ctx) && multiply(p, t, out->num, v->den) &&
               multiply(p, out->den, out->den, v->num);
        if (good) fmpz_mpoly_swap(out->num, t, p->ctx);
    }
    fmpz_mpoly_clear(t, p->ctx);
    return good && fmpz_mpoly_length(out->num, p->ctx) <= TERMS_MAX;
}

static bool quotient_of(struct poly *p, const struct node *n, struct quotient *out);

static bool power_of(struct poly *p, const struct node *n, slong k, struct quotient *out)
{
    struct quotient base;
    quotient_init(p, &base);
    bool good = quotient_of(p, n->arg[0], &base);
    if (good && k < 0) {
        good = !fmpz_mpoly_is_zero(base.num, p->ctx);
        fmpz_mpoly_swap(base.num, base.den, p->ctx);
        k = -k;
    }
    fmpz_mpoly_one(out->num, p->ctx);
    fmpz_mpoly_one(out->den, p->ctx);
    for (slong i = 0; i < k && good; i++) good = combine(p, out, &base, K_MUL);
    quotient_clear(p, &base);
    return good;
}

static bool quotient_of(struct poly *p, const struct node *n, struct quotient *out)
{
    slong power = 0;
    if (!work_step(p->w, 1)) return false;
    if (!is_rational_kind(p->w, n, &power)) {
        int i = 0;
        while (i < p->n && !node_same(p->generator[i], n)) i++;
        if (i == p->n) return false;
        fmpz_mpoly_gen(out->num, i, p->ctx);
        return true;
    }
    if (n->kind == K_NUM) {
        fmpz_mpoly_set_fmpz(out->num, fmpq_numref(n->q), p->ctx);
        fmpz_mpoly_set_fmpz(out->den, fmpq_denref(n->q), p->ctx);
        return fmpz_bits(fmpq_numref(n->q)) < 20000 && fmpz_bits(fmpq_denref(n->q)) < 20000;
    }
    if (n->kind == K_POW) return power_of(p, n, power, out);
    bool good = quotient_of(p, n->arg[0], out);
    if (n->kind == K_NEG) fmpz_mpoly_neg(out->num, out->num, p->ctx);
    for (int i = 1; i < n->n && good; i++) {
        struct quotient v;
        quotient_init(p, &v);
        good = quotient_of(p, n->arg[i], &v) && combine(p, out, &v, n->kind);
        quotient_clear(p, &v);
    }
    return good;
}

/* Both as quotients over the same variables. Release with pair_release when true. */
static bool pair_of(struct poly *p, struct work *w, const struct node *a, const struct node *b,
                    struct quotient q[2])
{
    *p = (struct poly){.w = w};
    if (!collect(p, a) || !collect(p, b)) return false;
    fmpz_mpoly_ctx_init(p->ctx, p->n ? p->n : 1, ORD_LEX);
    quotient_init(p, &q[0]);
    quotient_init(p, &q[1]);
    if (quotient_of(p, a, &q[0]) && quotient_of(p, b, &q[1])) return true;
    quotient_clear(p, &q[0]);
    quotient_clear(p, &q[1]);
    fmpz_mpoly_ctx_clear(p->ctx);
    return false;
}

static void pair_release(struct poly *p, struct quotient q[2])
{
    quotient_clear(p, &q[0]);
    quotient_clear(p, &q[1]);
    fmpz_mpoly_ctx_clear(p->ctx);
}

/* Both quotients, under a name for what they are compared as. */
static void pair_show(const struct poly *p, const struct quotient q[2], const char *label)
{
    struct str name[GENERATORS_MAX];
    const char *names[GENERATORS_MAX] = {"x"};
    if (!p->w->explain) return;
    for (int i = 0; i < p->n; i++) {
        str_init(&name[i], 60);
        node_print(p->generator[i], &name[i]);
        names[i] = name[i].p;
    }
    for (int i = 0; i < 2; i++) {
        char *num = fmpz_mpoly_get_str_pretty(q[i].num, names, p->ctx);
        char *den = fmpz_mpoly_get_str_pretty(q[i].den, names, p->ctx);
        if (strcmp(den, "1") == 0)
            explain_line(p->w->explain, i ? "" : label, "%s", num);
        else
            explain_line(p->w->explain, i ? "" : label, "(%s)/(%s)", num, den);
        flint_free(num);
        flint_free(den);
    }
    for (int i = 0; i < p->n; i++) str_release(&name[i]);
}

enum truth poly_same(struct work *w, const struct node *a, const struct node *b)
{
    struct poly p;
    struct quotient q[2];
    if (!pair_of(&p, w, a, b, q)) return UNKNOWN;
    pair_show(&p, q, "polynomial");
    fmpz_mpoly_t left, right;
    fmpz_mpoly_init(left, p.ctx);
    fmpz_mpoly_init(right, p.ctx);
    enum truth t = UNKNOWN;
    if (multiply(&p, left, q[0].num, q[1].den) && multiply(&p, right, q[1].num, q[0].den))
        t = fmpz_mpoly_equal(left, right, p.ctx) ? YES : NO;
    fmpz_mpoly_clear(left, p.ctx);
    fmpz_mpoly_clear(right, p.ctx);
    pair_release(&p, q);
    return t;
}

/* The numerator alone, without what it shares with the denominator, and without its content; first
 * coefficient > 0. */
static bool numerator_normal(struct poly *p, struct quotient *q)
{
    fmpz_mpoly_t g;
    fmpz_t content;
    fmpz_mpoly_init(g, p->ctx);
    fmpz_init(content);
    bool good = fmpz_mpoly_gcd(g, q->num, q->den, p->ctx) && fmpz_mpoly_divides(q->num, q->num, g, p->ctx);
    if (good && !fmpz_mpoly_is_zero(q->num, p->ctx)) {
        _fmpz_vec_content(content, q->num->coeffs, q->num->length);
        if (fmpz_sgn(q->num->coeffs) < 0) fmpz_neg(content, content);
        fmpz_mpoly_scalar_divexact_fmpz(q->num, q->num, content, p->ctx);
    }
    fmpz_mpoly_one(q->den, p->ctx);
    fmpz_mpoly_clear(g, p->ctx);
    fmpz_clear(content);
    return good;
}

enum truth poly_proportional(struct work *w, const struct node *a, const struct node *b)
{
    struct poly p;
    struct quotient q[2];
    if (!pair_of(&p, w, a, b, q)) return UNKNOWN;
    enum truth t = UNKNOWN;
    if (numerator_normal(&p, &q[0]) && numerator_normal(&p, &q[1])) {
        pair_show(&p, q, "numerators");
        t = fmpz_mpoly_equal(q[0].num, q[1].num, p.ctx) ? YES : NO;
    }
    pair_release(&p, q);
    return t;
}

/* The univariate polynomial, in the variable of generator 0. */
static void univariate(struct poly *p, fmpz_mpoly_t from, fmpq_poly_t out)
{
    fmpz_t c;
    fmpz_init(c);
    fmpq_poly_zero(out);
    for (slong i = fmpz_mpoly_degree_si(from, 0, p->ctx); i >= 0; i--) {
        ulong e = (ulong)i;
        fmpz_mpoly_get_coeff_fmpz_ui(c, from, &e, p->ctx);
        fmpq_poly_set_coeff_fmpz(out, i, c);
    }
    fmpz_clear(c);
}

static bool only_variable(const struct poly *p, const char *var)
{
    const struct node *g = p->n ? p->generator[0] : NULL;
    return !g || (p->n == 1 && g->kind == K_SYM && strcmp(g->name, var) == 0);
}

bool poly_quotient(struct work *w, const struct node *a, const char *var, fmpq_poly_t num, fmpq_poly_t den)
{
    struct poly p;
    struct quotient q[2];
    struct node *one = node_int(w, 1);
    if (!one || !pair_of(&p, w, a, one, q)) return false;
    bool good = only_variable(&p, var) && fmpz_mpoly_degree_si(q[0].num, 0, p.ctx) < TERMS_MAX &&
                fmpz_mpoly_degree_si(q[0].den, 0, p.ctx) < TERMS_MAX;
    if (good) {
        univariate(&p, q[0].num, num);
        univariate(&p, q[0].den, den);
    }
    pair_release(&p, q);
    return good;
}

int poly_coefficients(struct work *w, const struct node *a, const char *var, fmpq *out, int max)
{
    struct poly p;
    struct quotient q[2];
    int degree = -1;
    struct node *one = node_int(w, 1);
    if (!one || !pair_of(&p, w, a, one, q)) return -1;
    if (only_variable(&p, var) && fmpz_mpoly_is_fmpz(q[0].den, p.ctx) &&
        !fmpz_mpoly_is_zero(q[0].num, p.ctx) && fmpz_mpoly_degree_si(q[0].num, 0, p.ctx) < max) {
        fmpz_t c, d;
        fmpz_init(c);
        fmpz_init(d);
        degree = (int)fmpz_mpoly_degree_si(q[0].num, 0, p.ctx);
        fmpz_mpoly_get_fmpz(d, q[0].den, p.ctx);
        for (int i = 0; i <= degree; i++) {
            ulong e = (ulong)i;
            fmpz_mpoly_get_coeff_fmpz_ui(c, q[0].num, &e, p.ctx);
            fmpq_set_fmpz_frac(&out[i], c, d);
        }
        fmpz_clear(c);
        fmpz_clear(d);
    }
    pair_release(&p, q);
    return degree;
}
