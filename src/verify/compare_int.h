/* compare_int.h: what compare.c and assign.c share. */
#ifndef VERIFY_COMPARE_INT_H
#define VERIFY_COMPARE_INT_H

#include "verify/verify_int.h"

/* Without looking at names in front: two values, whatever their kinds. */
enum truth compare_values(struct judge *j, struct node *g, struct node *a);
/* Elements of lists: a value may carry a name (x = 2). */
enum truth compare_item(struct judge *j, struct node *g, struct node *a);
enum truth ordered_same(struct judge *j, struct node *const *g, struct node *const *a, int n);
/* Values of which at least one has a unit, or other words, behind it. (quantity.c) */
enum truth quantity_same(struct judge *j, struct node *g, struct node *a);
/* Takes the units off two relations, x > 5 m; false when they name different ones. */
bool units_left_out(struct judge *j, struct node **g, struct node **a);
/* Does x have the value shown, in the digits that are shown? (rounded.c) */
bool rounds_to(struct judge *j, struct node *x, struct node *shown);
/* Formulas of which at least one has cases in it. (cases.c) */
enum truth cases_same(struct judge *j, struct node *g, struct node *a);
/* Words, or values that are spelled as such. */
enum truth words_same(struct judge *j, struct node *g, struct node *a);
/* Lists and sets with \pm inside have both signs as elements. */
struct node *spread_signs(struct judge *j, struct node *n);
/* The letter of a parameter that is declared whole, n in Z; in another set the set's letter is behind it. */
#define FAMILY_LETTER "n#"
/* Values with a whole parameter; UNKNOWN when the two are none. (family.c) */
enum truth family_same(struct judge *j, struct node *g, struct node *a);
/* x = v1 or ... or vn: exactly the roots of the equation? (relation.c) */
enum truth roots_same(struct judge *j, const char *var, struct node *const *value, int n,
                      const struct node *equation);
/* What "= value" may follow so that the whole answers the value. (names.c) */
bool is_name(const struct node *n);
/* dy/dx; f'(2): a derivative as a function, and at a point, where it is a condition on f. */
bool is_slope(const struct node *n);
bool is_slope_at(const struct node *n);
/* A list without what only says of which kind a letter is; `other` is compared with it. (tails.c) */
struct node *without_tails(struct judge *j, struct node *n, const struct node *other);
/* NAME = ... = value; with `loose` a closed left side too (5 + 6 = 11). (assign.c) */
bool is_assignment(const struct node *n, bool loose);
/* The relations in one unknown in n, the worst of them. (solved.c) */
enum form {
    FORM_NONE,   /* there are none */
    FORM_SOLVED, /* x = 3, 1 < x < 2, x in [1, 2] */
    FORM_NEAR,   /* 2x > 10, |x| < 1, x^2 = 4 */
    FORM_OPEN    /* 2x + 1 = 7, |x - 2| < 5 */
};
enum form form_of(const struct node *n);
/* Is the gold solved and the answer not? Near forms answer a gold that is a relation itself. */
bool repeats_question(const struct node *gold, const struct node *answer);

#endif
