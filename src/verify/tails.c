/* tails.c: what stands behind an answer and only says of which kind a letter is: n in Z, for all x, n >= 1,
 * "n is an integer". A list such as "x = 2n, n in Z" has one item and a tail.
 *
 * A tail is left out where it says nothing: of a function's argument, of an unknown whose value stands before
 * it, of a real unknown, of an index that counts from 0 or 1. The letter of a parameter is a bound one and is
 * renamed, since another letter would do as well; in another set than Z only where the other side has such a
 * tail too. What restricts an answer is no tail: x > 0 behind f(x) = 2x, and x in Z behind x in [-1, 1].
 */
#include <string.h>
#include <strings.h>

#include "verify/compare_int.h"

struct tail {
    const char *letter;
    char set; /* Z N R C Q */
};

bool is_index(const char *name)
{
    return strchr("ijklmn", name[0]) && (!name[1] || name[1] == '_');
}

/* "is an integer", "any real number": the set; 0: other words (even, prime), which restrict. */
static char set_of_words(const char *words)
{
    static const char *const idle[] = {"is",   "are",   "an",     "a",       "any",
                                       "some", "where", "number", "numbers", NULL};
    static const char *const whole[] = {"integer", "integers", "whole", "integral", NULL};
    static const char *const counts[] = {"positive", "natural", "nonnegative", "non-negative", NULL};
    static const char *const real[] = {"real", "reals", "arbitrary", "constant", "parameter", NULL};
    bool has_whole = false, has_count = false, has_real = false;
    for (const char *s = words; *s;) {
        size_t blank = strspn(s, " ,."), n = strcspn(s + blank, " ,.");
        s += blank;
        if (!n) break;
        if (is_among(s, n, whole))
            has_whole = true;
        else if (is_among(s, n, counts))
            has_count = true;
        else if (is_among(s, n, real))
            has_real = true;
        else if (!is_among(s, n, idle))
            return 0;
        s += n;
    }
    if (has_count) return has_real ? 0 : 'N';
    return has_whole ? 'Z' : has_real ? 'R' : 0;
}

/* Whole numbers from 0 or 1 on: N, or what is left of Z above 0. */
static char set_of_node(const struct node *n)
{
    if (n->kind == K_NUMSET) return n->op == 'E' ? 0 : (char)n->op;
    bool half = n->kind == K_SETOP && n->op == 'n' && n->arg[0]->kind == K_NUMSET && n->arg[1]->kind == K_SEQ;
    return half && node_is_int(n->arg[1]->arg[0], 0) ? 'N' : 0;
}

/* n >= 0, n >= 1, n > 0, also turned round. */
static bool counts_from_start(const struct node *n)
{
    bool left = n->arg[0]->kind == K_SYM;
    const struct node *letter = n->arg[!left], *bound = n->arg[left];
    int r = (unsigned char)n->name[0];
    if (letter->kind != K_SYM || !is_index(letter->name)) return false;
    bool from = r == (left ? R_GE : R_LE), above = r == (left ? R_GT : R_LT);
    return (from && (node_is_int(bound, 0) || node_is_int(bound, 1))) || (above && node_is_int(bound, 0));
}

static bool tail_of(const struct node *n, struct tail *t)
{
    t->set = 0;
    if (n->kind == K_UNIT && n->n == 1 && n->arg[0]->kind == K_SYM) {
        t->letter = n->arg[0]->name;
        t->set = set_of_words(n->name);
    } else if (n->kind == K_REL && n->n == 2 && n->name[0] == R_IN && n->arg[0]->kind == K_SYM) {
        t->letter = n->arg[0]->name;
        t->set = set_of_node(n->arg[1]);
    } else if (n->kind == K_REL && n->n == 2 && counts_from_start(n)) {
        t->letter = n->arg[n->arg[0]->kind != K_SYM]->name;
        t->set = 'N';
    }
    return t->set != 0;
}

/* Also as the index in a name: a_n = 5. */
static bool uses(const struct node *n, const char *letter)
{
    const struct node *name = n->kind == K_REL ? n->arg[0] : n;
    const char *index = name->kind == K_SYM ? strchr(name->name, '_') : NULL;
    return node_uses(n, letter) || (index && strcmp(index + 1, letter) == 0);
}

static bool is_member(const struct node *n, const char *letter)
{
    for (int i = 0; i < n->n; i++)
        if (n->arg[i]->kind == K_SYM && strcmp(n->arg[i]->name, letter) == 0) return true;
    return false;
}

/* Is a value, x = 5, in the set that its tail names? Of other than numbers it is believed. */
static bool holds_in(struct judge *j, const struct node *value, char set)
{
    fmpq_t q;
    fmpq_init(q);
    bool exact = exact_value(j->w, value, q);
    bool holds = !exact || (set != 'Z' && set != 'N') ||
                 (fmpz_is_one(fmpq_denref(q)) && (set == 'Z' || fmpq_sgn(q) >= 0));
    fmpq_clear(q);
    return holds;
}

enum role { ROLE_NONE, ROLE_RESTRICTED, ROLE_SAID, ROLE_PARAMETER };

/* What is the letter in the items before its tail? An index is whole by itself, but where the other side is
 * no relation of it. */
static enum role role_of(struct judge *j, struct node *const *item, int n, const struct tail *t,
                         const struct node *other)
{
    bool every = t->set == 'R' || t->set == 'C';
    bool index = t->set != 'C' && is_index(t->letter) && other && node_uses(other, t->letter);
    enum role role = ROLE_NONE;
    for (int i = 0; i < n; i++) {
        struct node *rel = item[i];
        if (!uses(rel, t->letter)) continue;
        bool relation = rel->kind == K_REL, unknown = relation && is_member(rel, t->letter);
        bool argument = relation && rel->arg[0]->kind == K_APPLY && is_member(rel->arg[0], t->letter);
        struct names names = {0};
        names_free_in(rel, &names);
        enum role here = ROLE_PARAMETER;
        if (unknown && is_assignment(rel, false) && rel->name[0] == R_EQ)
            here = names.n == 1 && holds_in(j, rel->arg[rel->n - 1], t->set) ? ROLE_SAID : ROLE_RESTRICTED;
        else if (unknown)
            here = t->set == 'R' || index ? ROLE_SAID : ROLE_RESTRICTED;
        else if (argument)
            here = every || is_index(t->letter) ? ROLE_SAID : ROLE_RESTRICTED;
        else if (!every && !is_index(t->letter) && (t->set != 'Z' || strchr("xyz", t->letter[0])))
            here = ROLE_RESTRICTED; /* x is no parameter */
        if (role == ROLE_NONE || here < role) role = here;
    }
    return role;
}

/* The tail of the first `count` items: of how many it consists; 0: there is none. n = 1, 2, 3, ... are
 * several. */
static int tail_at(const struct node *n, int count, struct tail *t)
{
    int items = 1;
    if (count > 1 && tail_of(n->arg[count - 1], t)) return 1;
    if (count < 4 || n->arg[count - 1]->kind != K_ELLIPSIS) return 0;
    while (items < count - 1 && n->arg[count - 1 - items]->kind == K_NUM) items++;
    const struct node *first = n->arg[count - 1 - items];
    bool counts = items > 1 && items < count - 1 && first->kind == K_REL && first->n == 2 &&
                  first->name[0] == R_EQ && first->arg[0]->kind == K_SYM && is_index(first->arg[0]->name) &&
                  (node_is_int(first->arg[1], 0) || node_is_int(first->arg[1], 1));
    if (!counts) return 0;
    *t = (struct tail){.letter = first->arg[0]->name, .set = 'N'};
    return items + 1;
}

static bool has_tail(const struct node *n)
{
    struct tail t;
    return n && n->kind == K_SEQ && n->op == 0 && tail_at(n, n->n, &t);
}

struct node *without_tails(struct judge *j, struct node *n, const struct node *other)
{
    struct node *rest = n;
    struct tail t;
    bool both = has_tail(other);
    int count = n->n;
    for (int items; (items = tail_at(n, count, &t)); count -= items) {
        enum role role = role_of(j, n->arg, count - items, &t, other);
        if (role < ROLE_SAID) break;
        char letter[] = FAMILY_LETTER "?";
        letter[sizeof letter - 2] = (char)(t.set != 'Z' ? t.set : 0);
        if (role == ROLE_PARAMETER && (t.set == 'Z' || both))
            rest = node_replace(j->w, rest, t.letter, node_sym(j->w, letter));
        if (!rest) return NULL;
    }
    if (count == n->n) return n;
    if (count == 1) return rest->arg[0];
    struct node *out = node_of(j->w, K_SEQ, 0, rest->arg, count);
    if (out) out->rows = n->rows;
    return out;
}
