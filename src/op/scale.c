/* scale.c: y = a x, a fixed number.
 *
 *   dx += a dy: y's own buffer where nobody else needs it.
 */
#include "op/op_int.h"

enum { SCALE_COST = 2 };

struct scale_node {
    struct node node;
    struct tensor *x;
    const float *from;
    float *to, factor;
    bool add;
};

static void scale_range(void *ctx, struct range r)
{
    const struct scale_node *n = ctx;
    if (n->add)
        kern()->axpy(n->to + r.from, n->factor, n->from + r.from, r.to - r.from);
    else
        kern()->scale(n->to + r.from, n->factor, n->from + r.from, r.to - r.from);
}

static void scale_all(struct scale_node *n)
{
    work_over((size_t)n->node.y->rows * (size_t)n->node.y->cols, KERN_PANEL, SCALE_COST, scale_range, n);
}

static void scale_backward(struct tape *t, struct node *node)
{
    struct scale_node *n = (struct scale_node *)node;
    bool first = tape_grad_take(n->x, node->y);
    n->to = first ? n->x->grad : tape_grad(t, n->x, &first);
    n->from = node->y->grad;
    n->add = !first;
    if (!tape_planning(t)) scale_all(n);
}

struct tensor *op_scale_run(struct tape *t, struct tensor *x, float factor)
{
    struct tensor *y = tape_result(t, x->rows, x->cols, x->wants_grad);
    struct scale_node saved = {{.y = y}, .x = x, .from = x->data, .to = y->data, .factor = factor};
    if (!tape_idle(t)) scale_all(&saved);
    if (!tape_records(t, y)) return y;
    struct scale_node *n = tape_node(t, sizeof *n, y, scale_backward);
    n->x = x;
    n->factor = factor;
    return y;
}

static struct tensor *scale_case(struct tape *t, int c)
{
    struct tensor *x = op_case_input(t, 3, 7, 1), *y = op_scale_run(t, x, -1.5F);
    /* Then: x's gradient comes twice. */
    return c == 0 ? y : op_add_run(t, y, x);
}

const struct op op_scale = {
    .name = "scale",
    .formula = "y = a x",
    .n_cases = 2,
    .build_case = scale_case,
};
