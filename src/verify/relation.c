/* relation.c: equations and inequalities: the same up to turning them round and scaling them. */
#include <string.h>

#include <fmpz_poly.h>
#include <fmpq_poly.h>

#include "verify/compare_int.h"

#define RATIO_POINTS 8

static bool is_order(int r)
{
    return r >= R_LT && r <= R_GE;
}

/* The same relation between its members in the other order; 0: there is none known. */
static int converse(int r)
{
    static const unsigned char all[RELATIONS] = {
        [R_EQ] = R_EQ,                  [R_NE] = R_NE,                  [R_LT] = R_GT,
        [R_GT] = R_LT,                  [R_LE] = R_GE,                  [R_GE] = R_LE,
        [R_APPROX] = R_APPROX,          [R_EQUIV] = R_EQUIV,            [R_IN] = R_NI,
        [R_NI] = R_IN,                  [R_SUBSET] = R_SUPSET,          [R_SUPSET] = R_SUBSET,
        [R_PERP] = R_PERP,              [R_PARALLEL] = R_PARALLEL,      [R_SIM] = R_SIM,
        [R_CONG] = R_CONG,              [R_PROPTO] = R_PROPTO,          [R_LL] = R_GG,
        [R_GG] = R_LL,                  [R_PREC] = R_SUCC,              [R_SUCC] = R_PREC,
        [R_PRECEQ] = R_SUCCEQ,          [R_SUCCEQ] = R_PRECEQ,          [R_IMPLIES] = R_IMPLIED,
        [R_IMPLIED] = R_IMPLIES,        [R_IFF] = R_IFF,                [R_TO] = R_FROM,
        [R_FROM] = R_TO,                [R_BOTH_WAYS] = R_BOTH_WAYS,
    };
    int other = all[r & ~R_NOT];
    return other ? other | (r & R_NOT) : 0;
}

static bool is_understood(int r)
{
    return r < R_OTHER;
}

bool is_arrow(const struct node *n)
{
    return n->kind == K_REL && n->name[0] >= R_IMPLIES && n->name[0] <= R_MAPS_TO;
}

/* The chain from its other end; itself where a relation has no name in that direction. */
static struct node *turned_round(struct judge *j, struct node *n)
{
    struct node *members[64];
    char signs[64];
    int m = n->n;
    if (m > 64) return n;
    for (int i = 0; i < m; i++) members[i] = n->arg[m - 1 - i];
    for (int i = 0; i + 1 < m; i++) {
        signs[i] = (char)converse(n->name[m - 2 - i]);
        if (!signs[i]) return n;
    }
    signs[m - 1] = 0;
    struct node *out = node_named(j->w, K_REL, signs, members, m);
    return out ? out : n;
}

/* A chain written from left to right: with < and <=, \ll for \gg. */
static struct node *forwards(struct judge *j, struct node *n)
{
    int r = n->name[0] & ~R_NOT, other = converse(r);
    bool backward = is_understood(r) ? r == R_GT || r == R_GE : other && other < r;
    return backward ? turned_round(j, n) : n;
}

static struct node *difference(struct judge *j, const struct node *n)
{
    return node_2(j->w, K_ADD, 0, n->arg[0], node_1(j->w, K_NEG, 0, n->arg[1]));
}

/* -1, 0, 1 of a closed formula; 2 where it has no real value that can be told from zero. */
static int sign_of(struct judge *j, const struct node *n)
{
    struct env env = {.n = 0};
    struct eval v = {.w = j->w, .env = &env, .prec = 256};
    acb_t x;
    int sign = 2;
    acb_init(x);
    if (n && eval_node(&v, n, x) && arb_contains_zero(acb_imagref(x)))
        sign = arb_is_positive(acb_realref(x)) ? 1 : arb_is_negative(acb_realref(x)) ? -1 : 2;
    acb_clear(x);
    return sign;
}

/* n with numbers for its variables: whole ones at even points, quotients at odd ones. */
static struct node *at_point(struct judge *j, struct node *n, const struct names *names, int point)
{
    uint32_t state = 7u + (uint32_t)point;
    for (int i = 0; i < names->n && n; i++) {
        state = state * 1664525u + 1013904223u;
        long v = (long)(state >> 20) % 97 + 2;
        fmpq_t q;
        fmpq_init(q);
        fmpq_set_si(q, point % 4 < 2 ? v : -v, point % 2 ? 16 : 1);
        n = node_replace(j->w, n, names->name[i], node_num(j->w, q));
        fmpq_clear(q);
    }
    return n;
}

/* Is g a constant multiple of a? If so, of g(p) / a(p) at any point p: is g a(p) = a g(p)? *sign is the
 * constant's. */
static enum truth scaled(struct judge *j, struct node *g, struct node *a, int *sign)
{
    struct names names = {0};
    names_free_in(g, &names);
    names_free_in(a, &names);
    if (names.many || names.n == 0) return UNKNOWN;
    for (int point = 0; point < RATIO_POINTS; point++) {
        struct node *gp = at_point(j, g, &names, point), *ap = at_point(j, a, &names, point);
        int sign_g = sign_of(j, gp), sign_a = sign_of(j, ap);
        if (sign_g == 2 || sign_a == 2) continue;
        *sign = sign_g * sign_a;
        struct node *left = node_2(j->w, K_MUL, 0, g, ap), *right = node_2(j->w, K_MUL, 0, a, gp);
        return left && right ? equal_expression(j, left, right) : UNKNOWN;
    }
    return UNKNOWN;
}

/* ---- residues ----------------------------------------------------------------------------------------- */

static enum truth congruent(struct judge *j, struct node *g, struct node *a)
{
    if (g->arg[1]->kind != K_MOD || a->arg[1]->kind != K_MOD) return UNKNOWN;
    struct node *m = g->arg[1]->arg[1];
    if (equal_expression(j, g->arg[0], a->arg[0]) != YES || equal_expression(j, m, a->arg[1]->arg[1]) != YES)
        return NO;
    struct node *d = node_2(j->w, K_ADD, 0, g->arg[1]->arg[0], node_1(j->w, K_NEG, 0, a->arg[1]->arg[0]));
    struct node *rest = node_2(j->w, K_FN, F_MODULO, d, m);
    return rest ? equal_expression(j, rest, node_int(j->w, 0)) : UNKNOWN;
}

/* ---- roots -------------------------------------------------------------------------------------------- */

/* The number of different complex roots of a polynomial equation in one variable; -1 if it is none. */
static int root_count(struct judge *j, const struct node *equation, const char *var)
{
    fmpq c[33];
    struct node *d = difference(j, equation);
    for (int i = 0; i < 33; i++) fmpq_init(&c[i]);
    int degree = d ? poly_coefficients(j->w, d, var, c, 33) : -1;
    if (degree > 0) {
        fmpq_poly_t p, dp;
        fmpq_poly_init(p);
        fmpq_poly_init(dp);
        for (int i = 0; i <= degree; i++) fmpq_poly_set_coeff_fmpq(p, i, &c[i]);
        fmpq_poly_derivative(dp, p);
        fmpq_poly_gcd(dp, p, dp);
        degree -= (int)fmpq_poly_degree(dp);
        fmpq_poly_clear(p);
        fmpq_poly_clear(dp);
    }
    for (int i = 0; i < 33; i++) fmpq_clear(&c[i]);
    return degree;
}

/* x = v1 or ... or vn against an equation in x: all its roots, and no more? */
enum truth roots_same(struct judge *j, const char *var, struct node *const *value, int n,
                      const struct node *equation)
{
    int count = root_count(j, equation, var);
    if (count < 0) return UNKNOWN;
    for (int i = 0; i < n; i++) {
        struct node *d = node_replace(j->w, difference(j, equation), var, value[i]);
        if (!d) return UNKNOWN;
        enum truth t = equal_expression(j, d, node_int(j->w, 0));
        if (t != YES) return t;
        for (int k = 0; k < i; k++)
            if (equal_expression(j, value[i], value[k]) == YES) count++;
    }
    judge_say(j, count == n ? "exactly the roots of the equation" : "not all roots of the equation");
    return count == n ? YES : NO;
}

/* ---- together ----------------------------------------------------------------------------------------- */

static enum truth members_same(struct judge *j, struct node *g, struct node *a)
{
    if (g->n != a->n || strcmp(g->name, a->name) != 0) {
        judge_say(j, "chains of different relations");
        return NO;
    }
    enum truth all = YES;
    for (int i = 0; i < g->n && all == YES; i++) all = compare_nodes(j, g->arg[i], a->arg[i]);
    judge_say(j, all == YES ? "chains with equal members" : "chains with different members");
    return all;
}

/* Relations of which nothing but the name is known: the same members, of a symmetric one either way. */
static enum truth named_relation_same(struct judge *j, struct node *g, struct node *a)
{
    enum truth t = members_same(j, g, a);
    struct node *other = t == YES || converse(a->name[0]) != a->name[0] ? a : turned_round(j, a);
    return other == a ? t : members_same(j, g, other);
}

enum truth relation_same(struct judge *j, struct node *g, struct node *a)
{
    struct realset x, y;
    const char *var = NULL;
    int sign = 0;
    if (node_same(g, a)) {
        judge_say(j, "the same relation");
        return YES;
    }
    bool ordered = is_order(g->name[0]) && is_order(a->name[0]);
    bool region = g->name[0] == R_NE || a->name[0] == R_NE || g->name[0] == R_IN || a->name[0] == R_IN;
    bool gold_is_set = g->name[0] == R_IN && a->name[0] != R_IN;
    if (gold_is_set && !j->w->p->allow_set_relation_comp) {
        judge_say(j, "an inequality where a set is asked for");
        return NO;
    }
    if ((ordered || region) && realset_from_relation(j, g, &var, &x) && realset_from_relation(j, a, &var, &y))
        return realset_same(j, &x, &y);
    g = forwards(j, g);
    a = forwards(j, a);
    if (!is_understood(g->name[0]) || !is_understood(a->name[0])) return named_relation_same(j, g, a);
    if (g->name[0] == R_EQUIV && a->name[0] == R_EQUIV && g->n == 2 && a->n == 2) {
        enum truth t = congruent(j, g, a);
        if (t != UNKNOWN) return t;
    }
    if (g->n != 2 || a->n != 2 || !is_expression(g->arg[0]) || !is_expression(g->arg[1]) ||
        !is_expression(a->arg[0]) || !is_expression(a->arg[1]))
        return members_same(j, g, a);
    if (g->name[0] != a->name[0]) {
        judge_say(j, "different relations");
        return NO;
    }
    struct node *dg = expand(j->w, difference(j, g)), *da = expand(j->w, difference(j, a));
    if (!dg || !da) return UNKNOWN;
    enum truth t = scaled(j, dg, da, &sign);
    bool equation = g->name[0] == R_EQ || g->name[0] == R_NE || g->name[0] == R_APPROX;
    if (t == YES && !equation && sign < 0) t = NO;
    /* 1/x = y and x y = 1 */
    if (t != YES && equation && poly_proportional(j->w, dg, da) == YES) t = YES;
    judge_say(j, t == YES  ? "the same relation up to a factor"
                 : t == NO ? "no multiple of the other relation"
                           : "relations that could not be compared");
    return t;
}
