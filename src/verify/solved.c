/* solved.c: does an answer answer, or does it repeat the question? "x = 3", "-3 < x < 7", "x in (2, 5)" say
 * what the unknown is; "2x + 1 = 7" and "|x - 2| < 5" leave that to the reader, though the same numbers
 * satisfy them.
 *
 * Asked of relations in one unknown. Those in several (y = 2x + 1) describe lines and curves, of which no
 * form is the solved one.
 */
#include <string.h>

#include "verify/compare_int.h"

static bool is_order(int r)
{
    return r >= R_LT && r <= R_GE;
}

static bool is_closed(const struct node *n)
{
    struct names names = {0};
    names_free_in(n, &names);
    return names.n == 0;
}

/* How far from the unknown itself is the side on which it stands? Bounds of |x| are a way to write an
 * interval around zero, and so solved; |x| = 2 and x^2 = 4 name both values, one step away. A multiple of the
 * unknown is one step away in an inequality; in an equation the value is still to be found by dividing. */
static enum form side_form(const struct node *n, int sign)
{
    enum form multiple = is_order(sign) ? FORM_NEAR : FORM_OPEN;
    switch ((enum kind)n->kind) {
    case K_SYM: return FORM_SOLVED;
    case K_UNIT:
    case K_DEGREE: return side_form(n->arg[0], sign);
    case K_NEG: return n->arg[0]->kind == K_SYM ? multiple : FORM_OPEN;
    case K_DIV: return n->arg[0]->kind == K_SYM && is_closed(n->arg[1]) ? multiple : FORM_OPEN;
    case K_MUL: {
        int unknown = 0;
        for (int i = 0; i < n->n; i++)
            if (!is_closed(n->arg[i])) unknown += n->arg[i]->kind == K_SYM ? 1 : 2;
        return unknown == 1 ? multiple : FORM_OPEN;
    }
    case K_POW:
        return sign == R_EQ && n->arg[0]->kind == K_SYM && node_is_int(n->arg[1], 2) ? FORM_NEAR : FORM_OPEN;
    case K_FN:
        if (n->op != F_ABS || n->arg[0]->kind != K_SYM) return FORM_OPEN;
        return is_order(sign) ? FORM_SOLVED : FORM_NEAR;
    default: return FORM_OPEN;
    }
}

static enum form relation_form(const struct node *n)
{
    struct names names = {0};
    enum form form = FORM_NONE;
    int sides = 0;
    names_free_in(n, &names);
    if (names.n != 1 || names.many) return FORM_NONE;
    for (int i = 0; i + 1 < n->n; i++) {
        int r = (unsigned char)n->name[i];
        if (r != R_EQ && r != R_NE && r != R_APPROX && r != R_IN && r != R_NOTIN && !is_order(r))
            return FORM_NONE;
    }
    if (is_assignment(n, false)) return FORM_SOLVED;
    if (n->name[0] == R_IN || n->name[0] == R_NOTIN) {
        form = form_of(n->arg[1]);
        return form > FORM_SOLVED ? form : FORM_SOLVED;
    }
    for (int i = 0; i < n->n; i++) {
        if (is_closed(n->arg[i])) continue;
        form = side_form(n->arg[i], (unsigned char)n->name[i ? i - 1 : 0]);
        sides++;
    }
    return sides == 1 ? form : FORM_OPEN;
}

enum form form_of(const struct node *n)
{
    enum form worst = FORM_NONE;
    if (n->kind == K_REL) return relation_form(n);
    bool parts = n->kind == K_SEQ || n->kind == K_SETOP;
    if (n->kind == K_BUILDER) return form_of(n->arg[1]);
    for (int i = 0; parts && i < n->n; i++) {
        enum form one = form_of(n->arg[i]);
        if (one > worst) worst = one;
    }
    return worst;
}

bool repeats_question(const struct node *gold, const struct node *answer)
{
    enum form g = form_of(gold), a = form_of(answer);
    bool set = g == FORM_NONE || gold->kind == K_BUILDER || gold->kind == K_SETOP;
    return (a == FORM_OPEN && g != FORM_OPEN) || (a == FORM_NEAR && set);
}
