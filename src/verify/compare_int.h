/* compare_int.h: what compare.c and assign.c share. */
#ifndef VERIFY_COMPARE_INT_H
#define VERIFY_COMPARE_INT_H

#include "verify/verify_int.h"

/* Without looking at names in front: two values, whatever their kinds. */
enum truth compare_values(struct judge *j, struct node *g, struct node *a);
/* Elements of lists: a value may carry a name (x = 2). */
enum truth compare_item(struct judge *j, struct node *g, struct node *a);
enum truth ordered_same(struct judge *j, struct node *const *g, struct node *const *a, int n);
/* Lists and sets with \pm inside have both signs as elements. */
struct node *spread_signs(struct judge *j, struct node *n);
/* x = v1 or ... or vn: exactly the roots of the equation? (relation.c) */
enum truth roots_same(struct judge *j, const char *var, struct node *const *value, int n,
                      const struct node *equation);

#endif
