/* slice.c: some columns of each head: x [N, heads*w] -> y [N, heads*n], columns from..from+n-1 of every w.
 *
 *   y[r, h*n + i] = x[r, h*w + from + i];  backward adds to the same places
 */
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

struct slice_node {
    struct node node;
    struct tensor *x;
    int heads, from;
    float *dx;
};

static void slice_rows(void *ctx, struct range r)
{
    const struct slice_node *n = ctx;
    size_t n_out = (size_t)(n->node.y->cols / n->heads), w = (size_t)(n->x->cols / n->heads);
    for (size_t i = r.from * (size_t)n->heads; i < r.to * (size_t)n->heads; i++)
        memcpy(n->node.y->data + i * n_out, n->x->data + i * w + (size_t)n->from, n_out * sizeof(float));
}

static void slice_rows_back(void *ctx, struct range r)
{
    const struct slice_node *n = ctx;
    size_t n_out = (size_t)(n->node.y->cols / n->heads), w = (size_t)(n->x->cols / n->heads);
    for (size_t i = r.from * (size_t)n->heads; i < r.to * (size_t)n->heads; i++) {
        float *to = n->dx + i * w + (size_t)n->from;
        kern()->add(to, to, n->node.y->grad + i * n_out, n_out);
    }
}

static void slice_backward(struct tape *t, struct node *node)
{
    struct slice_node *n = (struct slice_node *)node;
    n->dx = tape_grad_zeroed(t, n->x);
    if (!tape_planning(t)) work_over((size_t)n->x->rows, 1, (double)node->y->cols * 2, slice_rows_back, n);
}

struct tensor *op_slice_run(struct tape *t, struct tensor *x, int heads, int from, int n)
{
    CHECK(heads > 0 && x->cols % heads == 0 && from >= 0 && n > 0 && n <= x->cols / heads - from,
          "columns %d+%d of %d heads in %d", from, n, heads, x->cols);
    struct tensor *y = tape_result(t, x->rows, heads * n, x->wants_grad);
    struct slice_node saved = {{.y = y}, .x = x, .heads = heads, .from = from};
    if (!tape_idle(t)) work_over((size_t)x->rows, 1, (double)y->cols * 2, slice_rows, &saved);
    if (!tape_records(t, y)) return y;
    struct slice_node *at = tape_node(t, sizeof *at, y, slice_backward);
    saved.node = at->node;
    *at = saved;
    return y;
}

static struct tensor *slice_case(struct tape *t, int c)
{
    struct tensor *x = op_case_input(t, 3, 12, 1), *y = op_slice_run(t, x, c ? 2 : 1, c ? 4 : 0, c ? 2 : 7);
    return c == 2 ? op_add_run(t, y, op_slice_run(t, x, 2, 3, 2)) : y;
}

const struct op op_slice = {
    .name = "slice",
    .formula = "y[r, h n + i] = x[r, h w + from + i]",
    .n_cases = 3,
    .build_case = slice_case,
};
