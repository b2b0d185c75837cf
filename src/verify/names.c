/* names.c: what may stand before "= value" so that the whole answers that value.
 *
 * A name does: a letter (x, x_1, \bar{x}), a word, the value of a function that nothing is known of (f(2),
 * P(A)), a figure or what is measured of it (AB, \angle ABC, |\vec{a}|, \sin A, AB : CD), a product or
 * quotient of names (xy, c/b), a union of sets. Anything else describes its letters by an equation that is
 * still to be solved for them: |x| = 5, x + y = 5, 2x = 6, \sin x = 5.
 *
 * Of what is measured, small Latin letters are unknowns; capitals, Greek letters and letters with a mark
 * above name things that have a length, an angle, a value.
 */
#include <ctype.h>
#include <string.h>

#include "verify/compare_int.h"
#include "verify/parse_int.h"

/* x, x_1, y'. */
static bool is_unknown(const char *name)
{
    return islower((unsigned char)name[0]) && strcspn(name, "_'") == 1;
}

/* A, A', \vec{a}: a point, a set, a vector. */
static bool is_object(const char *name)
{
    return isupper((unsigned char)name[0]) || strchr(name, '{');
}

static bool is_known(const char *name)
{
    return !is_unknown(name);
}

static bool all_names(const struct node *n, bool (*test)(const char *name))
{
    struct names names = {0};
    names_free_in(n, &names);
    bool all = names.n > 0 && !names.many;
    for (int i = 0; i < names.n; i++) all = all && test(names.name[i]);
    return all;
}

/* A name that is no lone unknown. */
static bool is_thing(const struct node *n)
{
    return is_name(n) && !(n->kind == K_SYM && is_unknown(n->name));
}

/* \angle, \triangle and the like, which say that letters beside them are points. */
static bool is_figure_sign(const struct node *n)
{
    static const char *const signs[] = {"angle", "triangle", "square", "odot", "dim", "deg", NULL};
    return n->kind == K_SYM && is_among(n->name, strlen(n->name), signs);
}

/* Names side by side: a word (area), points (AB), a figure (\angle ABC, m\angle 1), a product that is asked
 * for (xy, \sin x \cos x). Numbers only beside the sign of a figure: 2x = 6 is still to be solved. */
static bool is_joint_name(const struct node *n)
{
    bool sign = false, number = false;
    for (int i = 0; i < n->n; i++) {
        const struct node *part = n->arg[i];
        sign = sign || is_figure_sign(part);
        number = number || part->kind == K_NUM;
        if (part->kind != K_NUM && !is_name(part) && !(part->kind == K_FN && part->n == 1)) return false;
    }
    return sign || !number;
}

bool is_slope(const struct node *n)
{
    if (n->kind != K_DIV) return false;
    for (int i = 0; i < 2; i++) {
        const struct node *d = n->arg[i];
        bool small = d->kind == K_MUL && d->n == 2 && d->arg[0]->kind == K_SYM && d->arg[1]->kind == K_SYM &&
                     (strcmp(d->arg[0]->name, "d") == 0 || strcmp(d->arg[0]->name, "partial") == 0);
        if (!small) return false;
    }
    return true;
}

bool is_slope_at(const struct node *n)
{
    struct names names = {0};
    names_free_in(n, &names);
    return n->kind == K_APPLY && n->name[strlen(n->name) - 1] == '\'' && names.n == 0;
}

/* What is measured of a thing: |AB|, |z|, \det A, \arg z, \sin A, \cos(\alpha + \beta), \|v\|. */
static bool is_measured(const struct node *n)
{
    const struct node *of = n->arg[0];
    bool complex = of->kind == K_SYM && is_unknown(of->name) && strchr("zw", of->name[0]);
    switch ((enum function)n->op) {
    case F_RE:
    case F_IM:
    case F_ARG:
    case F_DET:
    case F_TRACE:
    case F_NORM: return is_name(of);
    case F_MIN:
    case F_MAX: return of->kind == K_APPLY;
    case F_ABS:
        if (of->kind == K_MUL || of->kind == K_DIV) return all_names(of, is_object);
        return complex || is_thing(of) || all_names(of, is_object);
    case F_SIN:
    case F_COS:
    case F_TAN:
    case F_COT:
    case F_SEC:
    case F_CSC: return all_names(of, is_known);
    default: return false;
    }
}

bool is_name(const struct node *n)
{
    switch ((enum kind)n->kind) {
    case K_SYM:
    case K_TEXT:
    case K_APPLY: return true;
    case K_CONST: return n->op == C_I || n->op == C_E; /* letters like others, when they stand among names */
    case K_MUL: return is_joint_name(n);
    case K_DIV: return is_slope(n) || (is_name(n->arg[0]) && is_name(n->arg[1]));
    case K_RATIO: /* x : y = 2 : 3 says what is asked of x and y */
    case K_SEQ:
        for (int i = 0; i < n->n; i++)
            if (!is_name(n->arg[i])) return false;
        return n->n > 0;
    case K_UNIT:
    case K_DEGREE: return is_name(n->arg[0]);
    case K_SETOP: return all_names(n, is_object);
    case K_FN: return n->n == 1 && is_measured(n);
    default: return false;
    }
}
