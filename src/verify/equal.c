/* equal.c: are two numbers or expressions equal? Each question is asked of the cheapest way that can answer
 * it:
 *
 *   the same formula; exact rationals; a decimal rounded; residues at random points (modular.c), confirmed by
 *   expansion (poly.c); balls around the difference (numeric.c) with growing precision, and where they always
 *   contain zero, the separation bound of algebraic numbers (bound.c). What stays open is taken as equal
 *   when it
 *   agrees to AGREE_BITS bits, and the reason says so. With variables: balls at random points.
 */
#include <string.h>

#include "verify/explain.h"

#define AGREE_BITS  1000  /* a constant that no bound decides: 300 digits */
#define PROOF_BITS  24000 /* precision up to which a separation bound is followed */
#define APPROX_BITS 50    /* agreement asked of integrals and limits */
#define POINTS      14
#define POINTS_MIN  4
#define SIDES       4  /* lines through the origin of several variables, to look for breaks */
#define LINES       8  /* with those along the axes */
#define LINE_NAME   "t#"
#define LINE_NODES  2000
#define POINT_BITS  90 /* agreement asked at a point */
/* To each of these twice the bits are added in which a difference may hide (struct eval). */

/* ---- decimals ----------------------------------------------------------------------------------------- */

/* x rounded to a whole number, half upwards; false when the ball cannot tell. */
static bool rounded(const arb_t x, fmpz_t out, slong prec)
{
    arb_t t;
    arb_init(t);
    arb_set_d(t, 0.5);
    arb_add(t, t, x, prec);
    arb_floor(t, t, prec);
    bool good = arb_get_unique_fmpz(out, t);
    arb_clear(t);
    return good;
}

static void rounded_show(struct judge *j, const fmpz_t p, const fmpz_t q, slong places)
{
    if (!j->w->explain) return;
    char *x = fmpz_get_str(NULL, 10, p), *y = fmpz_get_str(NULL, 10, q);
    explain_line(j->w->explain, "rounded", "%s and %s, in units of 10^-%ld", x, y, (long)places);
    flint_free(x);
    flint_free(y);
}

/* The decimals to round to: those asked, or, when both numbers are below a thousandth, three digits at
 * least. */
static slong places_for(const arb_t x, const arb_t y, slong asked)
{
    arf_t a, b;
    arf_init(a);
    arf_init(b);
    arb_get_abs_ubound_arf(a, x, 30);
    arb_get_abs_ubound_arf(b, y, 30);
    if (arf_cmp(a, b) < 0) arf_swap(a, b);
    slong places = asked;
    arf_set_d(b, 0.001);
    bool tiny = arf_cmp(a, b) < 0;
    while (tiny && places < asked + 400) {
        fmpz_t ten;
        fmpz_init(ten);
        fmpz_ui_pow_ui(ten, 10, (ulong)places);
        arf_mul_fmpz(b, a, ten, 30, ARF_RND_DOWN);
        fmpz_clear(ten);
        if (arf_cmp_si(b, 100) >= 0) break;
        places++;
    }
    arf_clear(a);
    arf_clear(b);
    return places;
}

static bool decimals_agree(struct judge *j, const acb_t x, const acb_t y, slong prec)
{
    if (!arb_is_zero(acb_imagref(x)) || !arb_is_zero(acb_imagref(y))) return false;
    arb_srcptr a = acb_realref(x), b = acb_realref(y);
    if (arb_contains_zero(a) || arb_contains_zero(b)) return false;
    slong places = places_for(a, b, j->w->p->float_rounding);
    arb_t s, t, ten;
    fmpz_t p, q;
    arb_init(s);
    arb_init(t);
    arb_init(ten);
    fmpz_init(p);
    fmpz_init(q);
    fmpz_ui_pow_ui(p, 10, (ulong)places);
    arb_set_fmpz(ten, p);
    arb_mul(s, a, ten, prec);
    arb_mul(t, b, ten, prec);
    bool known = rounded(s, p, prec) && rounded(t, q, prec), same = known && fmpz_equal(p, q);
    if (known) rounded_show(j, p, q, places);
    if (same) j->rests |= RESTS_ROUNDING;
    judge_say(j, same ? "equal when rounded to %ld decimals" : "different when rounded to %ld decimals",
              (long)places);
    arb_clear(s);
    arb_clear(t);
    arb_clear(ten);
    fmpz_clear(p);
    fmpz_clear(q);
    return same;
}

/* 3.14159...: the digits given are the beginning of the other number. */
static const struct node *broken_off(const struct node *n)
{
    bool negative = n->kind == K_NEG;
    const struct node *v = negative ? n->arg[0] : n;
    return v->kind == K_NUM && v->ellipsis && v->rows >= 3 ? v : NULL;
}

static bool begins_with(const acb_t x, const acb_t y, int decimals, slong prec)
{
    arb_t d, unit;
    fmpz_t ten;
    arb_init(d);
    arb_init(unit);
    fmpz_init(ten);
    fmpz_ui_pow_ui(ten, 10, (ulong)decimals);
    arb_sub(d, acb_realref(x), acb_realref(y), prec);
    arb_abs(d, d);
    arb_mul_fmpz(d, d, ten, prec);
    arb_one(unit);
    bool good = arb_lt(d, unit);
    arb_clear(d);
    arb_clear(unit);
    fmpz_clear(ten);
    return good;
}

/* ---- constants ---------------------------------------------------------------------------------------- */

/* Does |d| <= 2^-bits max(|x|, |y|) hold for sure? */
static bool negligible(const acb_t d, const acb_t x, const acb_t y, slong bits)
{
    arf_t size, a, b;
    arf_init(size);
    arf_init(a);
    arf_init(b);
    acb_get_abs_ubound_arf(size, d, 30);
    acb_get_abs_lbound_arf(a, x, 30);
    acb_get_abs_lbound_arf(b, y, 30);
    if (arf_cmp(a, b) < 0) arf_swap(a, b);
    if (arf_cmpabs_2exp_si(a, 0) < 0) arf_one(a); /* near zero: absolutely */
    arf_mul_2exp_si(a, a, -bits);
    bool good = arf_cmp(size, a) <= 0;
    arf_clear(size);
    arf_clear(a);
    arf_clear(b);
    return good;
}

static bool below_bound(const acb_t d, double log2_bound)
{
    arf_t size;
    arf_init(size);
    acb_get_abs_ubound_arf(size, d, 30);
    bool good = arf_cmpabs_2exp_si(size, (slong)log2_bound) < 0;
    arf_clear(size);
    return good;
}

/* Numerical values that only approximate (integrals, limits) come as balls of some 60 bits. */
static bool is_approximate(const struct node *n)
{
    return node_has_fn(n, F_INT) || node_has_fn(n, F_LIM);
}

struct constants {
    struct node *g, *a, *difference;
    acb_t x, y, d;
    slong hidden, prec; /* prec: of the values; 0: there are none */
    bool complex, decimal;
};

static bool values_at(struct judge *j, struct constants *c, slong prec)
{
    struct env env = {.n = 0};
    struct eval v = {.w = j->w, .env = &env, .prec = prec, .complex = c->complex};
    bool good = eval_node(&v, c->g, c->x) && eval_node(&v, c->a, c->y);
    if (good) acb_sub(c->d, c->x, c->y, prec);
    c->hidden = 2 * v.hidden;
    c->prec = good ? prec : 0;
    return good;
}

static void values_show(struct judge *j, const struct constants *c)
{
    struct explain *x = j->w->explain;
    if (!x || !c->prec) return;
    explain_line(x, "enclosure", "balls that hold the values, computed with %ld bits", (long)c->prec);
    explain_ball(x, "", c->x, c->prec);
    explain_ball(x, "", c->y, c->prec);
    explain_ball(x, "difference", c->d, 20);
}

/* The differences that decimals excuse. */
static enum truth excused(struct judge *j, struct constants *c)
{
    const struct node *broken = broken_off(c->g) ? broken_off(c->g) : broken_off(c->a);
    if (broken && begins_with(c->x, c->y, broken->rows, 256)) {
        judge_say(j, "the %d decimals given agree", broken->rows);
        j->rests |= RESTS_BROKEN_OFF;
        return YES;
    }
    if (c->decimal && decimals_agree(j, c->x, c->y, 256)) return YES;
    if (!c->decimal) judge_say(j, "the numbers differ");
    return NO;
}

/* The balls of x and y meet at this precision: can it be said that the numbers are equal? */
static enum truth constants_meet(struct judge *j, struct constants *c, slong prec, const double *log2_bound)
{
    slong asked = AGREE_BITS + c->hidden;
    if (is_approximate(c->difference)) {
        bool near = c->hidden < APPROX_BITS && negligible(c->d, c->x, c->y, APPROX_BITS);
        if (near) j->rests |= RESTS_QUADRATURE;
        judge_say(j, near ? "equal to 15 digits, computed numerically"
                          : "the numbers could not be told apart, nor shown to be equal");
        return near ? YES : UNKNOWN;
    }
    if (log2_bound && below_bound(c->d, *log2_bound)) {
        judge_say(j, "equal: the difference is an algebraic number below its separation bound");
        return YES;
    }
    bool followed = log2_bound && -*log2_bound < PROOF_BITS - 200;
    if (followed || asked > PROOF_BITS || prec <= asked || !negligible(c->d, c->x, c->y, asked))
        return UNKNOWN;
    judge_say(j, "equal to %ld digits", (long)(asked * 3 / 10));
    j->rests |= RESTS_DIGITS;
    return YES;
}

/* NO: their balls are apart. */
static enum truth constants_apart(struct judge *j, struct constants *c)
{
    double log2_bound = 0;
    bool algebraic = zero_bound(j->w, c->difference, &log2_bound);
    bool approximate = is_approximate(c->difference);
    slong most = algebraic && -log2_bound < PROOF_BITS - 200 ? (slong)-log2_bound + 200 : 2 * AGREE_BITS;
    for (slong prec = 128;; prec *= 2) {
        if (!values_at(j, c, prec)) {
            judge_say(j, "%s", j->w->over ? j->w->over : "a value is undefined or too large to be computed");
            return UNKNOWN;
        }
        if (!acb_contains_zero(c->d)) return NO;
        enum truth t = constants_meet(j, c, prec, algebraic ? &log2_bound : NULL);
        if (t == YES || approximate) return t;
        if (most < AGREE_BITS + c->hidden && c->hidden < PROOF_BITS) most = AGREE_BITS + c->hidden;
        if (prec > 4 * most + 512) {
            judge_say(j, "the numbers could not be told apart, nor shown to be equal");
            return UNKNOWN;
        }
    }
}

static enum truth constants_decided(struct judge *j, struct constants *c)
{
    enum truth t = constants_apart(j, c);
    values_show(j, c);
    return t == NO && (values_at(j, c, 256) || values_at(j, c, 128)) ? excused(j, c) : t;
}

/* The same base or function of two different things decides without values: towers of powers. */
static enum truth towers(struct judge *j, struct node *g, struct node *a)
{
    if (g->kind != K_POW || a->kind != K_POW || !node_same(g->arg[0], a->arg[0])) return UNKNOWN;
    struct names names = {0};
    fmpq_t base;
    names_free_in(g->arg[0], &names);
    fmpq_init(base);
    bool good = names.n == 0 &&
                (exact_value(j->w, g->arg[0], base) ? fmpq_cmp_si(base, 1) > 0
                                                    : g->arg[0]->kind == K_CONST && g->arg[0]->op == C_E);
    fmpq_clear(base);
    return good ? equal_expression(j, g->arg[1], a->arg[1]) : UNKNOWN;
}

/* Is something divided by zero in n? */
static bool divides_by_zero(struct work *w, const struct node *n)
{
    fmpq_t q;
    fmpq_init(q);
    bool zero = n->kind == K_DIV && exact_value(w, n->arg[1], q) && fmpq_is_zero(q);
    fmpq_clear(q);
    for (int i = 0; i < n->n && !zero; i++) zero = divides_by_zero(w, n->arg[i]);
    return zero;
}

static enum truth equal_constants(struct judge *j, struct node *g, struct node *a, bool decimal)
{
    struct constants c = {
        .g = g, .a = a, .complex = node_has_const(g, C_I) || node_has_const(a, C_I), .decimal = decimal};
    c.difference = node_2(j->w, K_ADD, 0, g, node_1(j->w, K_NEG, 0, a));
    if (!c.difference) return UNKNOWN;
    if (divides_by_zero(j->w, c.difference)) {
        judge_say(j, "a division by zero has no value");
        return NO;
    }
    acb_init(c.x);
    acb_init(c.y);
    acb_init(c.d);
    enum truth t = constants_decided(j, &c);
    acb_clear(c.x);
    acb_clear(c.y);
    acb_clear(c.d);
    return t;
}

/* ---- variables ---------------------------------------------------------------------------------------- */

static uint32_t scattered(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Is this variable whole: it counts terms, or is the exponent of a negative base? */
static bool counts(const struct node *n, const char *name)
{
    bool counting = n->kind == K_FN && (n->op == F_SUM || n->op == F_PROD || n->op == F_FACT2 ||
                                        n->op == F_GCD || n->op == F_LCM);
    bool endless = n->kind == K_FN && n->op == F_SUM && n->arg[3]->kind == K_CONST && n->arg[3]->op == C_INF;
    if (counting && !endless && node_uses(n, name)) return true;
    if (n->kind == K_POW && n->arg[0]->kind == K_NEG && node_uses(n->arg[1], name) &&
        !node_uses(n->arg[0], name))
        return true;
    if (n->kind == K_POW && n->arg[0]->kind == K_NUM && fmpq_sgn(n->arg[0]->q) < 0 &&
        node_uses(n->arg[1], name))
        return true;
    for (int i = 0; i < n->n; i++)
        if (counts(n->arg[i], name)) return true;
    return false;
}

/* Points of several kinds: small and larger, of one sign and of both. */
static void point_set(struct env *env, int point, uint32_t *state, const struct node *g, const struct node *a)
{
    static const struct {
        int scale;
        bool both_signs;
    } kinds[] = {{3, false}, {1, false}, {3, true}, {12, false}, {1, true}, {40, true}, {6, false}};
    int kind = point % (int)(sizeof kinds / sizeof *kinds);
    for (int i = 0; i < env->n; i++) {
        uint32_t r = scattered(state);
        if (counts(g, env->name[i]) || counts(a, env->name[i])) {
            acb_set_ui(&env->value[i], r % 7 + (unsigned)point + 1);
            continue;
        }
        slong v = (slong)(r % 65521 + 7) * kinds[kind].scale;
        if (kinds[kind].both_signs && (scattered(state) & 1)) v = -v;
        acb_set_si(&env->value[i], v);
        acb_mul_2exp_si(&env->value[i], &env->value[i], -16);
    }
}

struct points {
    struct judge *j;
    struct node *pair[2];
    struct env env;
    bool complex, limited; /* limited: as of struct eval */
    bool domains;          /* a point of one side where no case of the other holds tells them apart */
    bool apart;            /* it did */
    int agree;
};

/* A point at which the two differ. */
static void point_show(const struct points *p, const acb_t x, const acb_t y, slong prec)
{
    struct explain *e = p->j->w->explain;
    for (int i = 0; e && i < p->env.n; i++) {
        char *s = arb_get_str(acb_realref(&p->env.value[i]), 10, ARB_STR_NO_RADIUS);
        bool line = strcmp(p->env.name[i], LINE_NAME) == 0;
        explain_line(e, i ? "" : "point", "%s = %s", line ? "along a line, t" : p->env.name[i], s);
        flint_free(s);
    }
    explain_ball(e, "enclosure", x, prec);
    explain_ball(e, "", y, prec);
}

/* Both values at the point; false when there are not two. */
static bool point_values(struct points *p, struct eval *v, acb_t x, acb_t y)
{
    bool good_x = eval_node(v, p->pair[0], x), outside_x = v->outside;
    v->outside = false;
    bool good_y = eval_node(v, p->pair[1], y);
    p->limited = p->limited || v->limited;
    p->apart = p->domains && ((good_x && v->outside) || (good_y && outside_x));
    return good_x && good_y;
}

/* At one point: YES equal, NO different, UNKNOWN says nothing. */
static enum truth point_decides(struct points *p)
{
    enum truth t = UNKNOWN;
    acb_t x, y, d;
    acb_init(x);
    acb_init(y);
    acb_init(d);
    for (slong prec = 192; prec <= 3072 && t == UNKNOWN; prec *= 4) {
        struct eval v = {
            .w = p->j->w, .env = &p->env, .prec = prec, .complex = p->complex, .real = !p->complex};
        if (!point_values(p, &v, x, y)) {
            t = p->apart ? NO : UNKNOWN;
            break;
        }
        acb_sub(d, x, y, prec);
        if (!acb_contains_zero(d)) {
            t = NO;
            point_show(p, x, y, prec);
        } else if (negligible(d, x, y, POINT_BITS + 2 * v.hidden)) {
            t = YES;
        }
    }
    acb_clear(x);
    acb_clear(y);
    acb_clear(d);
    p->agree += t == YES;
    return t;
}

static bool differ_at_random(struct points *p)
{
    uint32_t state = 20240229;
    for (int point = 0; point < POINTS && !p->j->w->over; point++) {
        point_set(&p->env, point, &state, p->pair[0], p->pair[1]);
        if (point_decides(p) == NO) return true;
    }
    return false;
}

/* Around the places where pieces meet, the pair being of one variable. */
static bool differ_around(struct points *p)
{
    struct break_point at[BREAK_POINTS_MAX];
    struct eval v = {.w = p->j->w, .env = &p->env, .prec = 128, .complex = p->complex};
    bool differ = false, domains = p->domains;
    int n = breaks_between(&v, p->pair, at);
    for (int k = 0; k < n; k++) {
        bool limited = p->limited;
        p->limited = false;
        p->domains = domains && !at[k].on;
        acb_zero(&p->env.value[0]);
        arf_set(arb_midref(acb_realref(&p->env.value[0])), &at[k].x);
        differ = differ || (!p->j->w->over && point_decides(p) == NO);
        p->limited = limited || (p->limited && at[k].near);
        arf_clear(&at[k].x);
    }
    p->domains = domains;
    return differ;
}

/* A line: each variable is a point's plus t times a direction; whole ones stay. The first ones run through
 * the origin into its sides, the others along each axis through a random point. */
static struct node *line_value(struct points *p, const struct names *names, int line, int variable,
                               uint32_t *state)
{
    const char *name = names->name[variable];
    uint32_t r = scattered(state);
    struct work *w = p->j->w;
    bool axis = line >= SIDES;
    if (counts(p->pair[0], name) || counts(p->pair[1], name)) return node_int(w, r % 7 + 2);
    if (axis && (line - SIDES) % names->n == variable) return node_sym(w, LINE_NAME);
    bool negative = axis || variable > 1 ? r & 1 : line >> variable & 1;
    fmpq_t q;
    fmpq_init(q);
    fmpq_set_si(q, (long)(r >> 8 & 0xFFF) + 100, axis ? 1024 : 2048);
    if (negative) fmpq_neg(q, q);
    struct node *value = node_num(w, q);
    fmpq_clear(q);
    return axis ? value : node_2(w, K_MUL, 0, value, node_sym(w, LINE_NAME));
}

static int size_of(const struct node *n)
{
    int size = 1;
    for (int i = 0; i < n->n; i++) size += size_of(n->arg[i]);
    return size;
}

static bool differ_at_breaks(struct points *p, const struct names *names)
{
    uint32_t state = 20240301;
    bool differ = false;
    if (names->n == 1) {
        bool whole = counts(p->pair[0], names->name[0]) || counts(p->pair[1], names->name[0]);
        return !whole && differ_around(p);
    }
    if (size_of(p->pair[0]) + size_of(p->pair[1]) > LINE_NODES) return false;
    for (int line = 0; line < SIDES + names->n && line < LINES && !differ && !p->j->w->over; line++) {
        struct points q = {.j = p->j, .pair = {p->pair[0], p->pair[1]}, .complex = p->complex};
        q.domains = p->domains;
        for (int i = 0; i < names->n; i++) {
            struct node *value = line_value(p, names, line, i, &state);
            for (int k = 0; k < 2; k++) q.pair[k] = node_replace(p->j->w, q.pair[k], names->name[i], value);
        }
        if (!q.pair[0] || !q.pair[1]) return false;
        env_push(&q.env, LINE_NAME);
        differ = differ_around(&q);
        env_pop(&q.env);
        p->limited = p->limited || q.limited;
        p->apart = q.apart;
        p->agree += q.agree;
    }
    return differ;
}

/* Do the conditions of cases in n count with an index, n = 1, n >= 2? Between whole numbers none holds. */
static bool cases_count(const struct node *n)
{
    bool count = false;
    for (int i = 1; i < n->n && n->kind == K_CASES; i += 2) {
        struct names names = {0};
        names_free_in(n->arg[i], &names);
        for (int k = 0; k < names.n; k++) count = count || is_index(names.name[k]);
    }
    for (int i = 0; i < n->n && !count; i++) count = cases_count(n->arg[i]);
    return count;
}

static enum truth equal_at_points(struct judge *j, struct node *g, struct node *a, const struct names *names)
{
    struct points p = {.j = j, .pair = {g, a}, .domains = !cases_count(g) && !cases_count(a)};
    p.complex = node_has_const(g, C_I) || node_has_const(a, C_I);
    for (int i = 0; i < names->n; i++) env_push(&p.env, names->name[i]);
    bool differ = differ_at_random(&p);
    p.limited = false;
    differ = differ || differ_at_breaks(&p, names);
    while (p.env.n) env_pop(&p.env);
    if (differ) {
        judge_say(j, "%s",
                  p.apart ? "one has a value where no case of the other holds"
                          : "the formulas differ at a point");
        return NO;
    }
    if (p.agree >= POINTS_MIN && !p.limited && !j->w->over) {
        judge_say(j, "equal at %d points, to 27 digits each", p.agree);
        j->rests |= RESTS_POINTS;
        return YES;
    }
    judge_say(j, "%s", j->w->over ? j->w->over : "the formulas could not be evaluated at enough points");
    return UNKNOWN;
}

/* ---- together ----------------------------------------------------------------------------------------- */

static void rationals_show(struct judge *j, const fmpq_t x, const fmpq_t y)
{
    struct str a, b;
    if (!j->w->explain) return;
    str_init(&a, 0);
    str_init(&b, 0);
    rational_print(x, &a);
    rational_print(y, &b);
    explain_line(j->w->explain, "rational", "%s", a.p);
    explain_line(j->w->explain, "", "%s", b.p);
    str_release(&a);
    str_release(&b);
}

static enum truth by_exact_value(struct judge *j, struct node *g, struct node *a, bool decimal)
{
    fmpq_t x, y;
    enum truth t = UNKNOWN;
    fmpq_init(x);
    fmpq_init(y);
    if (exact_value(j->w, g, x) && exact_value(j->w, a, y)) {
        if (g->n || a->n) rationals_show(j, x, y);
        if (fmpq_equal(x, y)) {
            judge_say(j, "equal rational numbers");
            t = YES;
        } else if (!decimal) {
            judge_say(j, "different rational numbers");
            t = NO;
        } else {
            acb_t u, v;
            acb_init(u);
            acb_init(v);
            acb_set_fmpq(u, x, 256);
            acb_set_fmpq(v, y, 256);
            judge_say(j, "different rational numbers");
            t = decimals_agree(j, u, v, 256) ? YES : NO;
            acb_clear(u);
            acb_clear(v);
        }
    }
    fmpq_clear(x);
    fmpq_clear(y);
    return t;
}

/* One side is an integral without limits: its derivative decides. */
static enum truth by_derivative(struct judge *j, struct node *g, struct node *a)
{
    bool left = g->kind == K_FN && g->op == F_INT && g->n == 2,
         right = a->kind == K_FN && a->op == F_INT && a->n == 2;
    if (left && right && node_same(g->arg[1], a->arg[1])) return equal_expression(j, g->arg[0], a->arg[0]);
    if (left == right) return UNKNOWN;
    struct node *integral = left ? g : a, *other = left ? a : g;
    struct node *d = derivative(j->w, other, integral->arg[1]->name);
    return d ? equal_expression(j, integral->arg[0], d) : UNKNOWN;
}

/* 1, -1: plus or minus infinity; 2: the word "undefined", which is no number and no infinity; 0. */
static int improper(const struct node *n)
{
    int sign = n->kind == K_NEG ? -1 : 1;
    if (sign < 0) n = n->arg[0];
    if (n->kind != K_CONST) return 0;
    return n->op == C_INF ? sign : n->op == C_UNDEFINED ? 2 : 0;
}

/* A limit, an integral or a sum without end that has no finite value as far as is known. */
static bool may_diverge(struct judge *j, const struct node *n)
{
    struct env env = {.n = 0};
    struct eval v = {.w = j->w, .env = &env, .prec = 128};
    acb_t x;
    if (!is_approximate(n) && !(node_has_fn(n, F_SUM) && node_has_const(n, C_INF))) return false;
    acb_init(x);
    bool good = eval_node(&v, n, x);
    acb_clear(x);
    return !good;
}

static enum truth expression_same(struct judge *j, struct node *g, struct node *a)
{
    bool proof;
    int far_g = improper(g), far_a = improper(a);
    if ((far_g || far_a) && !(far_g && far_a) && may_diverge(j, far_g ? a : g)) {
        judge_say(j, "infinity against what was not computed");
        return UNKNOWN;
    }
    if (far_g || far_a) {
        judge_say(j, far_g == far_a                  ? "the same"
                     : far_g == 2 || far_a == 2      ? "undefined against a value"
                     : far_g && far_a                ? "the other infinity"
                                                     : "infinity against a number");
        return far_g == far_a ? YES : NO;
    }
    if (node_same(g, a)) {
        judge_say(j, "the same formula");
        return YES;
    }
    if (g->n || a->n) explain_line(j->w->explain, "structure", "different, terms and factors in any order");
    struct names names = {0};
    names_free_in(g, &names);
    names_free_in(a, &names);
    bool closed = names.n == 0, decimal = closed && (node_has_decimal(g) || node_has_decimal(a));
    enum truth t = closed ? by_exact_value(j, g, a, decimal) : UNKNOWN;
    if (t != UNKNOWN) return t;
    t = by_derivative(j, g, a);
    if (t != UNKNOWN) return t;
    t = modular_same(j->w, g, a, &proof);
    if (t == NO && proof && !decimal) {
        judge_say(j, closed ? "different numbers" : "different rational functions");
        return NO;
    }
    enum truth expanded = t == YES ? poly_same(j->w, g, a) : NO;
    if (expanded != NO) {
        judge_say(j, expanded == YES ? "the same after expansion"
                                     : "the same at random points of three prime fields");
        if (expanded != YES) j->rests |= RESTS_RESIDUES;
        return YES;
    }
    t = closed ? towers(j, g, a) : UNKNOWN;
    if (t != UNKNOWN) return t;
    if (closed) {
        decimal = decimal && !j->w->p->exact_irrationals;
        return equal_constants(j, g, a, decimal);
    }
    if (names.many) {
        judge_say(j, "more than %d variables", NAMES_MAX);
        return UNKNOWN;
    }
    return equal_at_points(j, g, a, &names);
}

enum truth equal_expression(struct judge *j, struct node *g, struct node *a)
{
    struct pair_shown before = explain_compare(j, g, a);
    return explain_result(j, before, expression_same(j, g, a));
}

int order_of(struct judge *j, struct node *a, struct node *b)
{
    int sa = improper(a), sb = improper(b), order = 2;
    if (sa == 2 || sb == 2) return 2;
    if (sa || sb) return (sa > sb) - (sa < sb);
    acb_t x, y;
    acb_init(x);
    acb_init(y);
    struct env env = {.n = 0};
    for (slong prec = 64; prec <= 1024 && order == 2; prec *= 4) {
        struct eval v = {.w = j->w, .env = &env, .prec = prec};
        if (!eval_node(&v, a, x) || !eval_node(&v, b, y) || !arb_is_zero(acb_imagref(x)) ||
            !arb_is_zero(acb_imagref(y)))
            break;
        if (arb_lt(acb_realref(x), acb_realref(y))) order = -1;
        if (arb_gt(acb_realref(x), acb_realref(y))) order = 1;
        if (order == 2 && prec == 64 && equal_expression(j, a, b) == YES) order = 0;
    }
    acb_clear(x);
    acb_clear(y);
    return order;
}
