/* join.c: the columns of two tensors side by side in each head: a [N, heads*n], b [N, heads*m] ->
 * y [N, heads*(n+m)].
 *
 *   y[r, h] = (a[r, h], b[r, h]);  backward cuts y's gradient apart
 */
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

struct join_node {
    struct node node;
    struct tensor *a, *b;
    int heads;
    float *to; /* backward: the gradient of an input, [N, heads*width], which begins at `from` */
    int from, width;
};

static void join_rows(void *ctx, struct range r)
{
    const struct join_node *j = ctx;
    size_t n = (size_t)(j->a->cols / j->heads), m = (size_t)(j->b->cols / j->heads);
    for (size_t i = r.from * (size_t)j->heads; i < r.to * (size_t)j->heads; i++) {
        memcpy(j->node.y->data + i * (n + m), j->a->data + i * n, n * sizeof(float));
        memcpy(j->node.y->data + i * (n + m) + n, j->b->data + i * m, m * sizeof(float));
    }
}

static void join_rows_back(void *ctx, struct range r)
{
    const struct join_node *j = ctx;
    size_t all = (size_t)(j->node.y->cols / j->heads), width = (size_t)j->width;
    for (size_t i = r.from * (size_t)j->heads; i < r.to * (size_t)j->heads; i++)
        kern()->add(j->to + i * width, j->to + i * width, j->node.y->grad + i * all + (size_t)j->from, width);
}

static void join_back_one(struct tape *t, struct join_node *j, struct tensor *x, int from)
{
    j->to = tape_grad_zeroed(t, x), j->from = from, j->width = x->cols / j->heads;
    if (j->to && !tape_planning(t)) work_over((size_t)x->rows, 1, (double)x->cols * 2, join_rows_back, j);
}

static void join_backward(struct tape *t, struct node *node)
{
    struct join_node *j = (struct join_node *)node;
    if (j->a->wants_grad) join_back_one(t, j, j->a, 0);
    if (j->b->wants_grad) join_back_one(t, j, j->b, j->a->cols / j->heads);
}

struct tensor *op_join_run(struct tape *t, struct tensor *a, struct tensor *b, int heads)
{
    CHECK(a->rows == b->rows && heads > 0 && a->cols % heads == 0 && b->cols % heads == 0,
          "[%d, %d] beside [%d, %d] in %d heads", a->rows, a->cols, b->rows, b->cols, heads);
    struct tensor *y = tape_result(t, a->rows, a->cols + b->cols, a->wants_grad || b->wants_grad);
    struct join_node saved = {{.y = y}, .a = a, .b = b, .heads = heads};
    if (!tape_idle(t)) work_over((size_t)a->rows, 1, (double)y->cols * 2, join_rows, &saved);
    if (!tape_records(t, y)) return y;
    struct join_node *n = tape_node(t, sizeof *n, y, join_backward);
    saved.node = n->node;
    *n = saved;
    return y;
}

static struct tensor *join_case(struct tape *t, int c)
{
    struct tensor *a = op_case_input(t, 3, 6, 1);
    struct tensor *y = op_join_run(t, a, op_case_input(t, 3, 4, 1), c ? 2 : 1);
    return c < 2 ? y : op_join_run(t, y, a, 2); /* a's gradient comes twice */
}

const struct op op_join = {
    .name = "join",
    .formula = "y[r, h] = (a[r, h], b[r, h])",
    .n_cases = 3,
    .build_case = join_case,
};
