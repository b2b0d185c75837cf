/* attention_plan.h: how the work of attention is shared out, which follows from a batch alone. */
#ifndef OP_ATTENTION_PLAN_H
#define OP_ATTENTION_PLAN_H

#include "kern/kern.h"
#include "op/op.h"

enum { ATTENTION_TILE = 64 }; /* queries worked on together: of one head, positions 64t..64t+63 */

/* Queries first..first+n-1 of a span, query heads head..head+n_heads-1 of one kv head. Where `rows` is more
 * than one, so many spans of one row each, from `span` on, whose first `shared` blocks are the same ones: the
 * completions of one prompt. */
struct attention_unit {
    int span, first, n, head, n_heads;
    int rows, shared;
};

/* Units in runs of about equal cost: item i does units start[i]..start[i+1]-1. */
struct attention_items {
    int n;
    int *start;
};

/* What follows from the batch alone: the same for all layers. */
struct attention_plan {
    int n_blocks; /* own blocks of all spans */
    int *base;    /* [n_spans] index of the span's first own block */
    int n_units;
    struct attention_unit *units;
    struct attention_items forward, backward;
    int n_trees;     /* spans that share a root */
    int *tree_start; /* [n_trees + 1] into */
    int *tree_spans; /* [n_spans] spans by tree, in order */
};

static inline int span_first_block(const struct span *s)
{
    return s->first_pos / KERN_KEYS;
}

static inline int span_end(const struct span *s)
{
    return s->first_pos + s->len;
}

static inline int span_own_blocks(const struct span *s)
{
    return (span_end(s) - 1) / KERN_KEYS + 1 - span_first_block(s);
}

/* How many sets of gradient blocks a kv head has. */
int attention_parts(const struct attn *a);
/* The plan for a batch, made once in a pass; it lives as long as what the tape keeps. */
const struct attention_plan *attention_plan_for(struct tape *t, const struct batch *b, const struct attn *a);

#endif
