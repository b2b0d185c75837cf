/* cases.c: formulas with cases. Rows of the same condition are held together first, for a condition may be no
 * inequality of real numbers (n even, x in Q); then values at points, as of other formulas, and at the edges.
 */
#include <ctype.h>
#include <string.h>

#include "verify/compare_int.h"

#define ROWS_MAX 32

/* ---- rows --------------------------------------------------------------------------------------------- */

/* The words of a condition without those that only join them: "n even" of "if n is even". */
static bool condition_words(const struct node *n, struct str *out)
{
    static const char *const idle[] = {"if", "for", "when", "is", "are", NULL};
    struct str all;
    if (n->kind != K_TEXT && n->kind != K_UNIT) return false;
    str_init(&all, 2000);
    if (n->kind == K_UNIT) node_print(n->arg[0], &all);
    str_addf(&all, " %s", n->name);
    for (size_t at = 0; at < all.len;) {
        size_t from = at;
        while (at < all.len && !isspace((unsigned char)all.p[at])) at++;
        if (at > from && !is_among(all.p + from, at - from, idle))
            str_addf(out, " %.*s", (int)(at - from), all.p + from);
        at++;
    }
    bool whole = !all.full && !out->full;
    str_release(&all);
    return whole;
}

static bool condition_same(struct judge *j, struct node *g, struct node *a)
{
    struct str x, y;
    if (node_same(g, a)) return true;
    if (g->kind == K_REL && a->kind == K_REL) return relation_same(j, g, a) == YES;
    str_init(&x, 2000);
    str_init(&y, 2000);
    bool same = condition_words(g, &x) && condition_words(a, &y) && text_same(j, x.p, y.p) == YES;
    str_release(&x);
    str_release(&y);
    return same;
}

/* YES: each row has its partner, with the same condition and the same value. Nothing is said otherwise, since
 * values may agree where their condition holds, and nowhere else. */
static enum truth rows_same(struct judge *j, struct node *g, struct node *a)
{
    bool met[ROWS_MAX] = {false};
    if (g->kind != K_CASES || a->kind != K_CASES || g->n != a->n || g->n > 2 * ROWS_MAX) return UNKNOWN;
    for (int i = 0; i + 1 < g->n; i += 2) {
        int k = 0;
        while (k + 1 < a->n && (met[k / 2] || !condition_same(j, g->arg[i + 1], a->arg[k + 1]))) k += 2;
        if (k + 1 >= a->n || compare_values(j, g->arg[i], a->arg[k]) != YES) return UNKNOWN;
        met[k / 2] = true;
    }
    judge_say(j, "the same values under the same conditions");
    return YES;
}

/* ---- edges -------------------------------------------------------------------------------------------- */

/* Does no condition of the cases in a number hold? */
static bool is_outside(struct judge *j, const struct node *n)
{
    struct env env = {.n = 0};
    struct eval v = {.w = j->w, .env = &env, .prec = 128};
    acb_t x;
    acb_init(x);
    bool outside = !eval_node(&v, n, x) && v.outside;
    acb_clear(x);
    return outside;
}

/* At one edge of cases. A formula without cases may have a value there that the cases leave out. */
static bool edge_differs(struct judge *j, struct node *x, struct node *y)
{
    bool out_x = is_outside(j, x), out_y = is_outside(j, y);
    if (out_x && out_y) return false;
    if (out_x || out_y) return node_has(out_x ? y : x, K_CASES);
    return equal_expression(j, x, y) == NO;
}

/* Do two formulas differ where a case of n begins or ends, x < c? Points near it say nothing of c itself. */
static bool edges_differ(struct judge *j, const struct node *n, struct node *g, struct node *a)
{
    struct names names = {0};
    for (int i = 1; n->kind == K_CASES && i < n->n; i += 2) {
        const struct node *rel = n->arg[i];
        for (int k = 0; rel->kind == K_REL && k + 1 < rel->n; k++) {
            bool left = rel->arg[k]->kind == K_SYM;
            const struct node *letter = rel->arg[left ? k : k + 1];
            struct node *edge = rel->arg[left ? k + 1 : k];
            names.n = 0;
            names_free_in(edge, &names);
            if (letter->kind != K_SYM || names.n || !is_expression(edge)) continue;
            struct node *x = node_replace(j->w, g, letter->name, edge),
                        *y = node_replace(j->w, a, letter->name, edge);
            if (x && y && edge_differs(j, x, y)) return true;
        }
    }
    for (int i = 0; i < n->n && n->kind != K_CASES && node_has(n, K_CASES); i++)
        if (edges_differ(j, n->arg[i], g, a)) return true;
    return false;
}

enum truth cases_same(struct judge *j, struct node *g, struct node *a)
{
    if (rows_same(j, g, a) == YES) return YES;
    enum truth t = equal_expression(j, g, a);
    if (t == YES && (edges_differ(j, g, g, a) || edges_differ(j, a, g, a))) {
        judge_say(j, "another value where two cases meet");
        return NO;
    }
    return t;
}
