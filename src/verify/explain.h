/* explain.h: the explanation of a verdict, as it is written while the verdict is found. (explain.c)
 *
 * Every function does nothing where x is NULL, which is so unless an explanation was asked for.
 */
#ifndef VERIFY_EXPLAIN_H
#define VERIFY_EXPLAIN_H

#include "verify/verify_int.h"

struct explain {
    struct str *out;
    size_t from;                      /* length of out when this began */
    int depth;                        /* of comparisons inside comparisons */
    int compared;                     /* comparisons so far */
    int hidden;                       /* inside of comparisons that are not shown any more */
    int told;                         /* how often the judge had spoken when a result was shown last */
    bool cut;                         /* the body is full */
    const struct node *gold, *answer; /* what the innermost comparison shown is of */
};

/* As steps_line. */
void explain_line(struct explain *x, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void explain_node(struct explain *x, const char *label, const struct node *n); /* on one line */
void explain_tree(struct explain *x, const char *label, const struct node *n); /* a line for each node */
void explain_ball(struct explain *x, const char *label, const acb_t v, slong prec);

/* A comparison begins, and ends with what was said last. One of the same two inside it is the same one. */
struct pair_shown {
    const struct node *gold, *answer;
    int said;
    bool open, hidden;
};
struct pair_shown explain_compare(struct judge *j, const struct node *g, const struct node *a);
enum truth explain_result(struct judge *j, struct pair_shown before, enum truth t); /* t */

/* What decided, and what it rests on: never cut off. */
void explain_verdict(struct judge *j, const struct receipt *r);

#endif
