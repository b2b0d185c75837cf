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

/* A chain written from left to right with < and <=. */
static struct node *forwards(struct judge *j, struct node *n)
{
    if (n->name[0] != R_GT && n->name[0] != R_GE) return n;
    struct node *members[64];
    char signs[64];
    int m = n->n;
    if (m > 64) return n;
    for (int i = 0; i < m; i++) members[i] = n->arg[m - 1 - i];
    for (int i = 0; i + 1 < m; i++) {
        int r = (unsigned char)n->name[m - 2 - i];
        signs[i] = (char)(r == R_GT ? R_LT : r == R_GE ? R_LE : r);
    }
    signs[m - 1] = 0;
    struct node *out = node_named(j->w, K_REL, signs, members, m);
    return out ? out : n;
}

static struct node *difference(struct judge *j, const struct node *n)
{
    return node_2(j->w, K_ADD, 0, n->arg[0], node_1(j->w, K_NEG, 0, n->arg[1]));
}

/* g / a at one point: false when it has no value there. */
static bool ratio_at(struct judge *j, const struct node *g, const struct node *a, struct env *env, acb_t out)
{
    struct eval v = {.w = j->w, .env = env, .prec = 256};
    acb_t d;
    acb_init(d);
    bool good = eval_node(&v, g, out) && eval_node(&v, a, d) && !acb_contains_zero(d);
    if (good) acb_div(out, out, d, 256);
    acb_clear(d);
    return good;
}

/* Is g a constant multiple of a? Asked at points; *sign is the constant's. */
static enum truth scaled(struct judge *j, const struct node *g, const struct node *a, int *sign)
{
    struct names names = {0};
    struct env env = {.n = 0};
    acb_t first, here;
    int seen = 0;
    enum truth t = UNKNOWN;
    uint32_t state = 7;
    names_free_in(g, &names);
    names_free_in(a, &names);
    if (names.many || names.n == 0) return UNKNOWN;
    acb_init(first);
    acb_init(here);
    for (int i = 0; i < names.n; i++) env_push(&env, names.name[i]);
    for (int point = 0; point < 3 * RATIO_POINTS && seen < RATIO_POINTS && t == UNKNOWN; point++) {
        for (int i = 0; i < env.n; i++) {
            state = state * 1664525u + 1013904223u;
            slong v = (slong)(state >> 12) - (point % 3 == 0 ? 0 : 1 << 19);
            acb_set_si(&env.value[i], v);
            acb_mul_2exp_si(&env.value[i], &env.value[i], -17);
        }
        if (!ratio_at(j, g, a, &env, here)) continue;
        if (seen++ == 0)
            acb_set(first, here);
        else if (!acb_overlaps(first, here))
            t = NO;
    }
    while (env.n) env_pop(&env);
    bool real = arb_contains_zero(acb_imagref(first));
    *sign = arb_is_positive(acb_realref(first)) ? 1 : arb_is_negative(acb_realref(first)) ? -1 : 0;
    if (t == UNKNOWN && seen >= 4) t = acb_contains_zero(first) || !real ? NO : YES;
    acb_clear(first);
    acb_clear(here);
    return t;
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
