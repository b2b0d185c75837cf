/* family.c: values with a whole parameter: pi/4 + n pi for n in Z, {2n | n in Z}, 2Z + 1, "odd integers".
 *
 * Each is read as a formula in FAMILY_LETTER. Two linear ones, a + p n and b + q n, are the same set when
 * p = q or p = -q, and a - b is a whole multiple of p. Others are when one is the other with +-n + c for n.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "verify/compare_int.h"

#define SHIFTS 2 /* of the parameter of a family that is not linear */

/* ---- reading ------------------------------------------------------------------------------------------ */

static struct node *parameter(struct judge *j)
{
    return node_sym(j->w, FAMILY_LETTER);
}

/* p n + r */
static struct node *linear(struct judge *j, long p, long r)
{
    struct node *multiple = node_2(j->w, K_MUL, 0, node_int(j->w, p), parameter(j));
    return r ? node_2(j->w, K_ADD, 0, multiple, node_int(j->w, r)) : multiple;
}

/* "even integers", "all odd numbers", "multiples of 3". */
static struct node *from_words(struct judge *j, const char *s)
{
    static const struct {
        const char *words;
        long p, r;
    } all[] = {{"even integers", 2, 0}, {"even numbers", 2, 0}, {"odd integers", 2, 1},
               {"odd numbers", 2, 1},   {"integers", 1, 0},     {"whole multiples of", 0, 0},
               {"multiples of", 0, 0},  {"integer multiples of", 0, 0}};
    if (strncasecmp(s, "the ", 4) == 0) s += 4;
    if (strncasecmp(s, "all ", 4) == 0) s += 4;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t n = strlen(all[i].words);
        if (strncasecmp(s, all[i].words, n) != 0) continue;
        if (all[i].p) return s[n] ? NULL : linear(j, all[i].p, all[i].r);
        size_t digits = s[n] == ' ' ? strspn(s + n + 1, "0123456789") : 0;
        if (digits && digits < 9 && !s[n + 1 + digits]) return linear(j, strtol(s + n + 1, NULL, 10), 0);
    }
    return NULL;
}

/* n in Z: its letter; NULL if it is none. */
static const char *whole_letter(const struct node *n)
{
    bool whole = n->kind == K_REL && n->n == 2 && n->name[0] == R_IN && n->arg[0]->kind == K_SYM &&
                 n->arg[1]->kind == K_NUMSET && n->arg[1]->op == 'Z';
    return whole ? n->arg[0]->name : NULL;
}

/* {f(n) | n in Z} and {x | x = f(n), n in Z}. */
static struct node *from_builder(struct judge *j, const struct node *n)
{
    struct node *what = n->arg[0], *condition = n->arg[1];
    const char *letter = whole_letter(condition);
    if (!letter && condition->kind == K_SEQ && condition->n == 2 && what->kind == K_SYM) {
        const struct node *value = condition->arg[0];
        letter = whole_letter(condition->arg[1]);
        bool named = value->kind == K_REL && value->n == 2 && value->name[0] == R_EQ &&
                     node_same(value->arg[0], what);
        if (!named || node_uses(value->arg[1], what->name)) return NULL;
        what = value->arg[1];
    }
    return letter && is_expression(what) ? node_replace(j->w, what, letter, parameter(j)) : NULL;
}

/* 2Z + 1: every Z becomes the parameter. */
static struct node *from_whole_numbers(struct judge *j, struct node *n)
{
    if (n->kind == K_NUMSET) return n->op == 'Z' ? parameter(j) : NULL;
    if (!node_has(n, K_NUMSET)) return n;
    if (n->kind != K_MUL && n->kind != K_ADD && n->kind != K_NEG) return NULL;
    struct node **args = work_alloc(j->w, (size_t)n->n * sizeof *args);
    bool one = false;
    if (!args) return NULL;
    for (int i = 0; i < n->n; i++) {
        if (node_has(n->arg[i], K_NUMSET) && one) return NULL;
        one = one || node_has(n->arg[i], K_NUMSET);
        args[i] = from_whole_numbers(j, n->arg[i]);
    }
    return node_with(j->w, n, args, n->n);
}

static struct node *family_of(struct judge *j, struct node *n)
{
    struct node *out = n->kind == K_TEXT              ? from_words(j, n->name)
                       : n->kind == K_BUILDER         ? from_builder(j, n)
                       : node_has(n, K_NUMSET)        ? from_whole_numbers(j, n)
                                                      : n;
    return out && is_expression(out) && node_uses(out, FAMILY_LETTER) ? out : NULL;
}

/* A formula in one letter more than the declared family of the other side has: its letter counts too. */
static struct node *undeclared(struct judge *j, const struct node *declared, struct node *n)
{
    struct names known = {0}, names = {0};
    const char *letter = NULL;
    if (!is_expression(n)) return NULL;
    names_free_in(declared, &known);
    names_free_in(n, &names);
    for (int i = 0; i < names.n; i++) {
        if (node_uses(declared, names.name[i])) continue;
        if (letter || strlen(names.name[i]) != 1 || !strchr("klmnt", names.name[i][0])) return NULL;
        letter = names.name[i];
    }
    return letter && !names.many ? node_replace(j->w, n, letter, parameter(j)) : NULL;
}

/* ---- comparing ---------------------------------------------------------------------------------------- */

static struct node *at(struct judge *j, struct node *f, struct node *value)
{
    return node_replace(j->w, f, FAMILY_LETTER, value);
}

static struct node *minus(struct judge *j, struct node *a, struct node *b)
{
    return node_2(j->w, K_ADD, 0, a, node_1(j->w, K_NEG, 0, b));
}

/* The step of a linear family; NULL if it is none. */
static struct node *step_of(struct judge *j, struct node *f)
{
    struct node *start = at(j, f, node_int(j->w, 0)), *step = minus(j, at(j, f, node_int(j->w, 1)), start);
    struct node *line = node_2(j->w, K_ADD, 0, start, node_2(j->w, K_MUL, 0, step, parameter(j)));
    return line && equal_expression(j, f, line) == YES ? step : NULL;
}

/* Is d a whole multiple of step? */
static enum truth whole_multiple(struct judge *j, struct node *d, struct node *step)
{
    struct env env = {.n = 0};
    struct eval v = {.w = j->w, .env = &env, .prec = 128};
    struct node *ratio = node_2(j->w, K_DIV, 0, d, step);
    enum truth t = equal_expression(j, d, node_int(j->w, 0));
    acb_t x;
    arb_t half;
    fmpz_t k;
    acb_init(x);
    arb_init(half);
    fmpz_init(k);
    if (t != YES && ratio && eval_node(&v, ratio, x)) { /* the nearest whole number, asked exactly */
        arb_set_d(half, 0.5);
        arb_add(half, half, acb_realref(x), 128);
        arb_floor(half, half, 128);
        bool known = arb_get_unique_fmpz(k, half) && fmpz_fits_si(k);
        struct node *multiple = known ? node_2(j->w, K_MUL, 0, node_int(j->w, fmpz_get_si(k)), step) : NULL;
        t = multiple ? equal_expression(j, d, multiple) : UNKNOWN;
    }
    acb_clear(x);
    arb_clear(half);
    fmpz_clear(k);
    return t;
}

static enum truth linear_same(struct judge *j, struct node *g, struct node *step_g, struct node *a,
                              struct node *step_a)
{
    enum truth t = equal_expression(j, step_g, step_a);
    if (t != YES) t = equal_expression(j, step_g, node_1(j->w, K_NEG, 0, step_a));
    if (t != YES) return t;
    struct node *zero = node_int(j->w, 0);
    struct node *d = minus(j, at(j, g, zero), at(j, a, zero));
    return d ? whole_multiple(j, d, step_g) : UNKNOWN;
}

static enum truth shifted_same(struct judge *j, struct node *g, struct node *a)
{
    for (int sign = 1; sign >= -1; sign -= 2)
        for (int c = -SHIFTS; c <= SHIFTS; c++) {
            struct node *n = sign > 0 ? parameter(j) : node_1(j->w, K_NEG, 0, parameter(j));
            if (c) n = node_2(j->w, K_ADD, 0, n, node_int(j->w, c));
            struct node *moved = at(j, a, n);
            if (moved && equal_expression(j, g, moved) == YES) return YES;
        }
    return NO;
}

enum truth family_same(struct judge *j, struct node *g, struct node *a)
{
    struct node *x = family_of(j, g), *y = family_of(j, a);
    if (x && !y && x == g) y = undeclared(j, x, a);
    if (y && !x && y == a) x = undeclared(j, y, g);
    if (!x || !y) return UNKNOWN;
    struct node *step_x = step_of(j, x), *step_y = step_of(j, y);
    enum truth t = step_x && step_y ? linear_same(j, x, step_x, y, step_y)
                   : step_x || step_y ? NO
                                      : shifted_same(j, x, y);
    judge_say(j, t == YES ? "the same values for all whole numbers" : "other values for whole numbers");
    return t;
}
