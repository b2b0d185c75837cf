/* assign.c: names in front of values. "x = 5" answers a gold of 5 and the other way round; "2x = 6" and "x
 * + y = 1" are equations and answer nothing but equations.
 *
 * tidy() brings lists of assignments into one of three forms: a value, NAME = value(s), or a list of NAME
 * = value with different names, without the tails (tails.c) that say of which kind a letter is.
 */
#include <ctype.h>
#include <string.h>

#include "verify/compare_int.h"

#define LIST_MAX 256

/* ---- what is an assignment ----------------------------------------------------------------------------- */

static bool is_closed(const struct node *n)
{
    struct names names = {0};
    if (!is_expression(n)) return false;
    names_free_in(n, &names);
    return names.n == 0;
}

static bool is_equality(const struct node *n)
{
    if (n->kind != K_REL) return false;
    for (const char *s = n->name; *s; s++)
        if (*s != R_EQ && *s != R_APPROX && *s != R_IN) return false;
    return true;
}

static bool uses_any(const struct node *value, const struct node *name)
{
    struct names names = {0};
    names_free_in(name, &names);
    for (int i = 0; i < names.n; i++)
        if (node_uses(value, names.name[i])) return true;
    return false;
}

/* The last member that is held equal exactly: x = 1/3 ~ 0.33 and 1/3 ~ 0.33 are 1/3, x ~ 11 is 11. */
static struct node *value_of(struct node *rel)
{
    int last = rel->n - 1, least = is_name(rel->arg[0]);
    while (last > least && rel->name[last - 1] == R_APPROX) last--;
    return rel->arg[last];
}

bool is_assignment(const struct node *n, bool loose)
{
    if (!is_equality(n)) return false;
    const struct node *left = n->arg[0];
    if (is_slope_at(left)) return false;
    if (!is_name(left)) return loose && is_closed(left);
    if (left->kind == K_APPLY || left->kind == K_TEXT || is_slope(left)) return true;
    struct node *value = value_of((struct node *)n);
    return !uses_any(value, left) || (value->kind == K_FN && value->op == F_SUM);
}

/* ---- lists -------------------------------------------------------------------------------------------- */

static struct node *list_of(struct judge *j, struct node *const *items, int n, const struct node *like)
{
    struct node *out = node_of(j->w, K_SEQ, like->op, items, n);
    if (out) out->rows = like->rows;
    return out;
}

static struct node *assigned(struct judge *j, struct node *name, struct node *value)
{
    static const char sign[] = {R_EQ, 0};
    return node_named(j->w, K_REL, sign, (struct node *[]){name, value}, 2);
}

/* x = a, b, c and x = a or x = b: one name, several values. */
static struct node *one_name(struct judge *j, struct node *n)
{
    struct node *values[LIST_MAX];
    struct node *first = n->arg[0];
    if (n->n > LIST_MAX || !is_assignment(first, false) || first->name[0] == R_IN) return n;
    for (int i = 0; i < n->n; i++) {
        struct node *item = n->arg[i];
        if (i > 0 && item->kind == K_REL &&
            (!is_assignment(item, false) || !node_same(item->arg[0], first->arg[0])))
            return n;
        values[i] = item->kind == K_REL ? value_of(item) : item;
    }
    struct node *like = node_of(j->w, K_SEQ, 0, NULL, 0);
    if (!like) return NULL;
    like->rows = n->rows == 'o' ? 'o' : ',';
    return assigned(j, first->arg[0], list_of(j, values, n->n, like));
}

static bool names_differ(const struct node *list)
{
    for (int i = 0; i < list->n; i++) {
        if (!is_assignment(list->arg[i], false)) return false;
        for (int k = 0; k < i; k++)
            if (node_same(list->arg[i]->arg[0], list->arg[k]->arg[0])) return false;
    }
    return list->n > 1;
}

/* (x, y) = (2, 3) as x = 2, y = 3. */
static struct node *tuple_spread(struct judge *j, struct node *n)
{
    struct node *items[LIST_MAX];
    if (n->kind != K_REL || n->n != 2 || n->name[0] != R_EQ) return n;
    struct node *left = n->arg[0], *right = n->arg[1];
    if (left->kind != K_SEQ || right->kind != K_SEQ || left->n != right->n || right->op != '(' ||
        left->n > LIST_MAX || left->n < 2)
        return n;
    for (int i = 0; i < left->n; i++) items[i] = assigned(j, left->arg[i], right->arg[i]);
    struct node *like = node_of(j->w, K_SEQ, '(', NULL, 0);
    if (!like) return NULL;
    like->rows = ')';
    return list_of(j, items, left->n, like);
}

/* 5 = x as x = 5. */
static struct node *name_first(struct judge *j, struct node *n)
{
    bool turned = n->n == 2 && n->name[0] == R_EQ && is_closed(n->arg[0]) && !is_name(n->arg[0]) &&
                  is_name(n->arg[1]);
    return turned ? assigned(j, n->arg[1], n->arg[0]) : n;
}

/* x = y = z = 1 as x = 1, y = 1, z = 1. */
static bool is_chain_of_names(const struct node *n)
{
    if (n->kind != K_REL || n->n < 3 || n->arg[n->n - 1]->kind == K_SYM) return false;
    for (int i = 0; i + 1 < n->n; i++)
        if (n->name[i] != R_EQ || n->arg[i]->kind != K_SYM) return false;
    return true;
}

/* Chains of names, alone or in a list, against a list. */
static struct node *chains_spread(struct judge *j, struct node *n)
{
    struct node *items[LIST_MAX], *like = n->kind == K_SEQ ? n : node_of(j->w, K_SEQ, 0, NULL, 0);
    int count = 0, parts = n->kind == K_SEQ ? n->n : 1;
    bool any = false;
    if (!like || (n->kind == K_SEQ && n->op)) return n;
    for (int i = 0; i < parts; i++) {
        struct node *item = n->kind == K_SEQ ? n->arg[i] : n;
        bool chain = is_chain_of_names(item);
        any = any || chain;
        for (int k = 0; k < (chain ? item->n - 1 : 1); k++) {
            if (count == LIST_MAX) return n;
            items[count++] = chain ? assigned(j, item->arg[k], item->arg[item->n - 1]) : item;
        }
    }
    if (!any) return n;
    like->rows = ',';
    return list_of(j, items, count, like);
}

static struct node *tidy(struct judge *j, struct node *n, const struct node *other)
{
    if (n && n->kind == K_SEQ && n->op == 0) n = without_tails(j, n, other);
    if (n && n->kind == K_SEQ && (n->op == 0 || n->op == '{')) n = one_name(j, n);
    if (n && n->kind == K_REL) n = name_first(j, n);
    if (n && n->kind == K_REL) n = tuple_spread(j, n);
    return n;
}

struct node *spread_signs(struct judge *j, struct node *n)
{
    struct node *items[LIST_MAX];
    int count = 0;
    if (n->kind != K_SEQ || (n->op != 0 && n->op != '{') || !node_has(n, K_PM)) return n;
    for (int i = 0; i < n->n; i++) {
        int k = expand_signs(j->w, n->arg[i], items + count, LIST_MAX - count);
        if (!k) return n;
        count += k;
    }
    return list_of(j, items, count, n);
}

/* ---- named values ------------------------------------------------------------------------------------- */

/* x = 2, y = 3 against the same names in any order. */
static enum truth named_same(struct judge *j, struct node *g, struct node *a)
{
    enum truth t = g->n == a->n ? YES : NO;
    for (int i = 0; i < g->n && t != NO; i++) {
        int k = 0;
        while (k < a->n && !node_same(g->arg[i]->arg[0], a->arg[k]->arg[0])) k++;
        if (k == a->n) {
            judge_say(j, "a name of the gold is missing");
            return NO;
        }
        enum truth one = compare_values(j, value_of(g->arg[i]), value_of(a->arg[k]));
        if (one != YES) t = t == UNKNOWN && one != NO ? UNKNOWN : one;
    }
    judge_say(j, t == YES ? "the same values under the same names" : "other values");
    return t;
}

/* Is x_1 (also x_{1,2}) an index of x? */
static bool is_index_of(const char *indexed, const char *name)
{
    size_t n = strlen(name);
    return strncmp(indexed, name, n) == 0 && indexed[n] == '_';
}

/* x, and x_{1,2} for all its values. */
static bool same_name(const struct node *a, const struct node *b)
{
    if (node_same(a, b)) return true;
    if (a->kind != K_SYM || b->kind != K_SYM) return false;
    const char *longer = strlen(a->name) > strlen(b->name) ? a->name : b->name,
               *shorter = longer == a->name ? b->name : a->name;
    return is_index_of(longer, shorter) && strchr(longer + strlen(shorter), ',');
}

/* x_1, x_2: values of one unknown, in no order. */
static bool is_indexed(const struct node *named)
{
    const struct node *first = named->arg[0]->arg[0];
    if (first->kind != K_SYM) return false;
    size_t stem = strcspn(first->name, "_");
    for (int i = 0; i < named->n; i++) {
        const struct node *name = named->arg[i]->arg[0];
        if (name->kind != K_SYM || strncmp(name->name, first->name, stem + 1) != 0 ||
            name->name[stem] != '_')
            return false;
    }
    return true;
}

/* Does name b follow name a: y behind x, x_2 behind x_1? */
static bool follows(const struct node *a, const struct node *b)
{
    if (a->kind != K_SYM || b->kind != K_SYM) return false;
    size_t n = strlen(a->name), last = n - 1;
    if (n == 0 || strlen(b->name) != n || memcmp(a->name, b->name, last) != 0) return false;
    return b->name[last] == a->name[last] + 1 && isalnum((unsigned char)b->name[last]);
}

/* Places of the names in their own order where they follow one another (x, y, z; a_1, a_2), whatever the
 * order in which they are written; else as written. */
static void names_order(const struct node *named, int *place)
{
    int first = 0;
    for (int i = 0; i < named->n; i++) {
        bool led = false;
        for (int k = 0; k < named->n; k++) led = led || follows(named->arg[k]->arg[0], named->arg[i]->arg[0]);
        if (!led) first = i;
    }
    place[0] = first;
    for (int i = 1; i < named->n; i++) {
        int next = 0;
        while (next < named->n && !follows(named->arg[place[i - 1]]->arg[0], named->arg[next]->arg[0]))
            next++;
        place[i] = next;
        if (next < named->n) continue;
        for (int k = 0; k < named->n; k++) place[k] = k;
        return;
    }
}

/* x_1 = 2, x_2 = -2 against the values of x: what follows the name, with both signs written out. */
static struct node *values_named(struct judge *j, const struct node *named, struct node *n)
{
    struct node *signs[16];
    if (n->kind == K_REL && is_assignment(n, false) && is_indexed(named) && n->arg[0]->kind == K_SYM &&
        is_index_of(named->arg[0]->arg[0]->name, n->arg[0]->name))
        n = value_of(n);
    int count = n->kind == K_PM ? expand_signs(j->w, n, signs, 16) : 0;
    struct node *list = count ? node_of(j->w, K_SEQ, 0, signs, count) : n;
    if (count && list) list->rows = ',';
    return list;
}

/* x = 2, y = 3 against a tuple or list. */
static enum truth named_against(struct judge *j, struct node *named, struct node *values, bool named_is_gold)
{
    struct node *plain[LIST_MAX];
    int place[LIST_MAX];
    values = values_named(j, named, values);
    if (!values) return UNKNOWN;
    if (values->kind != K_SEQ || values->n != named->n || named->n > LIST_MAX) {
        judge_say(j, "named values against another number of values");
        return NO;
    }
    names_order(named, place);
    for (int i = 0; i < named->n; i++) plain[i] = value_of(named->arg[place[i]]);
    if ((values->op == 0 || values->op == '{') && is_indexed(named)) {
        struct node *list = list_of(j, plain, named->n, values);
        if (!list) return UNKNOWN;
        return named_is_gold ? compare_values(j, list, values) : compare_values(j, values, list);
    }
    return named_is_gold ? ordered_same(j, plain, values->arg, named->n)
                         : ordered_same(j, values->arg, plain, named->n);
}

enum truth compare_item(struct judge *j, struct node *g, struct node *a)
{
    if (g->kind == K_REL && a->kind != K_REL && is_assignment(g, false))
        g = value_of(g);
    else if (a->kind == K_REL && g->kind != K_REL && is_assignment(a, false))
        a = value_of(a);
    else if (g->kind == K_REL && a->kind == K_REL)
        return compare_nodes(j, g, a);
    bool named_g = g->kind == K_SEQ && names_differ(g), named_a = a->kind == K_SEQ && names_differ(a);
    if (named_g && named_a) return named_same(j, g, a);
    if (named_g || named_a) return named_against(j, named_g ? g : a, named_g ? a : g, named_g);
    return compare_values(j, g, a);
}

/* ---- relations ---------------------------------------------------------------------------------------- */

static int values_in(struct judge *j, struct node *rel, struct node **out, int max)
{
    struct node *value = spread_signs(j, value_of(rel));
    if (value->kind != K_SEQ) return expand_signs(j->w, value, out, max);
    if (value->n > max || (value->op != 0 && value->op != '{')) return 0;
    for (int i = 0; i < value->n; i++) out[i] = value->arg[i];
    return value->n;
}

/* x = a or b against an equation in x that has exactly these roots. */
static enum truth solved(struct judge *j, struct node *g, struct node *a)
{
    struct node *values[32];
    struct node *list = is_assignment(g, false) ? g : a, *equation = list == g ? a : g;
    if (!is_assignment(list, false) || list->arg[0]->kind != K_SYM || equation->n != 2 ||
        equation->name[0] != R_EQ)
        return UNKNOWN;
    int n = values_in(j, list, values, 32);
    for (int i = 0; i < n; i++)
        if (!is_expression(values[i])) return UNKNOWN;
    return n ? roots_same(j, list->arg[0]->name, values, n, equation) : UNKNOWN;
}

/* x = 2 (mod 5): the class as the values 5n + 2; NULL: no such relation. */
static struct node *class_values(struct judge *j, const struct node *n)
{
    bool class = n->kind == K_REL && n->n == 2 && n->name[0] == R_EQUIV && n->arg[1]->kind == K_MOD;
    if (!class || !is_name(n->arg[0])) return NULL;
    struct node *multiple = node_2(j->w, K_MUL, 0, n->arg[1]->arg[1], node_sym(j->w, FAMILY_LETTER));
    return assigned(j, n->arg[0], node_2(j->w, K_ADD, 0, multiple, n->arg[1]->arg[0]));
}

/* A class against the same values with a parameter: x = 5k + 2. */
static enum truth class_same(struct judge *j, struct node *g, struct node *a)
{
    struct node *class_g = class_values(j, g), *class_a = class_values(j, a);
    if ((class_g != NULL) == (class_a != NULL)) return UNKNOWN;
    if (class_g) g = class_g;
    if (class_a) a = class_a;
    bool named = is_assignment(g, false) && is_assignment(a, false) && node_same(g->arg[0], a->arg[0]);
    return named ? family_same(j, value_of(g), value_of(a)) : UNKNOWN;
}

static enum truth both_relations(struct judge *j, struct node *g, struct node *a)
{
    enum truth family = class_same(j, g, a);
    if (family != UNKNOWN) return family;
    bool name_g = is_assignment(g, false), name_a = is_assignment(a, false);
    if (name_g && name_a && same_name(g->arg[0], a->arg[0]))
        return compare_values(j, value_of(g), value_of(a));
    if (name_g && name_a && g->n == 2 && a->n == 2 && g->arg[0]->kind == K_SYM && a->arg[0]->kind == K_SYM &&
        is_closed(value_of(g)) && is_closed(value_of(a))) {
        judge_say(j, "values of different names");
        return NO;
    }
    /* 2a = x */
    if (name_g && !name_a && a->n == 2 && a->name[0] == R_EQ && node_same(a->arg[1], g->arg[0]))
        return compare_values(j, value_of(g), a->arg[0]);
    if (name_a && !name_g && g->n == 2 && g->name[0] == R_EQ && node_same(g->arg[1], a->arg[0]))
        return compare_values(j, g->arg[0], value_of(a));
    if (name_g != name_a) {
        enum truth t = solved(j, g, a);
        if (t != UNKNOWN) return t;
    }
    return relation_same(j, g, a);
}

/* An inequality, or several, against a set. */
static enum truth region_same(struct judge *j, struct node *relation, struct node *set)
{
    struct realset x, y;
    const char *var = NULL;
    if (!realset_of(j, set, &y) || !realset_from_relation(j, relation, &var, &x)) return UNKNOWN;
    return realset_same(j, &x, &y);
}

static bool is_relation_list(const struct node *n)
{
    if (n->kind == K_REL) return !is_equality(n) || n->name[0] == R_IN;
    if (n->kind != K_SEQ || n->op != 0) return false;
    for (int i = 0; i < n->n; i++)
        if (n->arg[i]->kind != K_REL) return false;
    return n->n > 0;
}

static enum truth gold_relation(struct judge *j, struct node *g, struct node *a)
{
    if (is_assignment(g, false) || (is_assignment(g, true) && is_closed(value_of(g))) ||
        (is_equality(g) && is_slope_at(g->arg[0])) || class_values(j, g))
        return compare_nodes(j, value_of(g), a);
    if (is_relation_list(g)) {
        enum truth t = region_same(j, g, a);
        if (t != UNKNOWN) return t;
    }
    judge_say(j, "an equation or inequality is asked for");
    return NO;
}

/* 5 + 6 = 11, 2/7 ~ 0.9, of numbers alone: is it false? (73 = 74 answers neither.) */
static bool is_false_equation(struct judge *j, const struct node *n)
{
    if (is_name(n->arg[0])) return false;
    for (int i = 0; i + 1 < n->n; i++) {
        struct node *left = n->arg[i], *right = n->arg[i + 1];
        if (!is_closed(left) || !is_closed(right)) continue;
        if (node_has(left, K_APPLY) || node_has(right, K_APPLY)) continue;
        if (n->name[i] == R_EQ && equal_expression(j, left, right) == NO) return true;
        if (n->name[i] == R_APPROX && !rounds_to(j, left, right)) return true;
    }
    return false;
}

/* a + b = 3 + 4 = 7: whatever stands in front, its value was worked out from numbers. */
static bool is_worked_out(const struct node *n)
{
    return is_equality(n) && n->n > 2 && is_closed(n->arg[n->n - 2]) && is_closed(n->arg[n->n - 1]);
}

static enum truth answer_relation(struct judge *j, struct node *g, struct node *a)
{
    if (is_assignment(a, true) || is_worked_out(a)) {
        if (is_false_equation(j, a)) {
            judge_say(j, "an equation that is false");
            return NO;
        }
        enum truth t = compare_nodes(j, g, value_of(a));
        struct node *last = a->arg[a->n - 1];
        /* what is asked for may be the rounded number: 200/3 ~ 67 */
        return t == NO && !is_name(a->arg[0]) && last != value_of(a) ? compare_nodes(j, g, last) : t;
    }
    if (is_relation_list(a) && j->w->p->allow_set_relation_comp) {
        enum truth t = region_same(j, a, g);
        if (t != UNKNOWN) return t;
    }
    judge_say(j, "an equation or inequality instead of a value");
    return NO;
}

/* Inequalities side by side against a set in brackets, (2, 5) or {1}. */
static enum truth listed_region(struct judge *j, struct node *g, struct node *a)
{
    if (is_relation_list(g) == is_relation_list(a)) return UNKNOWN;
    if (is_relation_list(g)) return region_same(j, g, a);
    return j->w->p->allow_set_relation_comp ? region_same(j, a, g) : UNKNOWN;
}

static bool has_bound(const struct node *n)
{
    bool bound = n->kind == K_REL && !is_equality(n);
    for (int i = 0; n->kind == K_SEQ && i < n->n && !bound; i++) bound = has_bound(n->arg[i]);
    return bound;
}

enum truth compare_nodes(struct judge *j, struct node *g, struct node *a)
{
    struct realset x, y;
    const char *var = NULL;
    struct node *const gold = g;
    g = tidy(j, g, a);
    a = tidy(j, a, gold);
    if (g && a && a->kind == K_SEQ) g = chains_spread(j, g);
    if (g && a && g->kind == K_SEQ) a = chains_spread(j, a);
    if (g && a && (has_bound(g) || has_bound(a)) && !units_left_out(j, &g, &a)) return UNKNOWN;
    if (!g || !a || j->w->over || ++j->depth > 60) {
        judge_say(j, "%s", j->w->over ? j->w->over : "nested too deep");
        return UNKNOWN;
    }
    bool list_g = g->kind == K_SEQ, list_a = a->kind == K_SEQ, rel_g = g->kind == K_REL,
         rel_a = a->kind == K_REL;
    enum truth t;
    if (repeats_question(g, a)) {
        judge_say(j, "a relation that is not solved, as the gold is");
        t = NO;
    } else if (rel_g && rel_a) {
        t = both_relations(j, g, a);
    } else if (list_g && list_a && names_differ(g) && names_differ(a)) {
        t = named_same(j, g, a);
    } else if (list_g && names_differ(g)) {
        t = named_against(j, g, a, true);
    } else if (list_a && names_differ(a)) {
        t = named_against(j, a, g, false);
    } else if (is_relation_list(g) && is_relation_list(a) && realset_from_relation(j, g, &var, &x) &&
               realset_from_relation(j, a, &var, &y)) {
        t = realset_same(j, &x, &y);
    } else if (rel_g || (list_g && is_relation_list(g) && !list_a)) {
        t = list_a && is_relation_list(a) && is_relation_list(g) ? region_same(j, g, a)
                                                                 : gold_relation(j, g, a);
        if (t == UNKNOWN && rel_a) t = NO;
    } else if (rel_a || (list_a && is_relation_list(a) && !list_g)) {
        t = answer_relation(j, g, a);
    } else {
        t = list_g && list_a ? listed_region(j, g, a) : UNKNOWN;
        if (t == UNKNOWN) t = compare_values(j, g, a);
    }
    j->depth--;
    return t;
}
