/* headwise.c: each head through its own part of one weight.
 *
 * W has heads*stride rows; head h has rows h*stride + first .. + n-1, called W_h [n, D].
 *   y_h = x_h W_h     (x_h [N, n] -> [N, D])      the first n columns of each head of x
 *   y_h = x_h W_h^T   (x_h [N, D] -> [N, n])      `across`
 *
 * With it keys and values of latent attention are never expanded: a query is brought into the latent space
 * (q W_h for k = W_h c, since q.(W_h c) = (q W_h).c), and the attention's result is brought out of it
 * (DeepSeek-AI 2024, "DeepSeek-V2", section 2.1.2).
 */
#include "base/check.h"
#include "op/op_int.h"

struct headwise_node {
    struct node node;
    struct tensor *x;
    struct headwise how;
};

/* Head h: x_h and y_h as the two sides of a linear layer with weight W_h: in [D], out [n]. */
static struct linear_part head_part(const struct headwise_node *n, int h)
{
    const struct headwise *how = &n->how;
    struct linear_part p = {.w = how->w, .out = how->n, .n = n->x->rows};
    p.first = h * (how->w->rows / how->heads) + how->first;
    p.x_row = how->across ? n->x->cols : n->node.y->cols;
    p.y_row = how->across ? n->node.y->cols : n->x->cols;
    return p;
}

static float *head_of(float *data, const struct tensor *x, int heads, int h)
{
    return data + (size_t)h * (size_t)(x->cols / heads);
}

static void headwise_forward(struct tape *t, const struct headwise_node *n)
{
    for (int h = 0; h < n->how.heads; h++) {
        struct linear_part p = head_part(n, h);
        const float *x = head_of(n->x->data, n->x, n->how.heads, h);
        float *y = head_of(n->node.y->data, n->node.y, n->how.heads, h);
        if (n->how.across)
            linear_part_forward(t, &p, x, y, NULL, NULL);
        else
            linear_part_back_x(t, &p, x, y);
    }
}

static void headwise_backward(struct tape *t, struct node *node)
{
    struct headwise_node *n = (struct headwise_node *)node;
    float *dx = tape_grad_zeroed(t, n->x);
    for (int h = 0; h < n->how.heads; h++) {
        struct linear_part p = head_part(n, h);
        const float *x = head_of(n->x->data, n->x, n->how.heads, h);
        const float *dy = head_of(node->y->grad, node->y, n->how.heads, h);
        float *dx_h = dx ? head_of(dx, n->x, n->how.heads, h) : NULL;
        p.add = true;
        if (dx && n->how.across) linear_part_back_x(t, &p, dy, dx_h);
        if (dx && !n->how.across) linear_part_forward(t, &p, dy, dx_h, NULL, NULL);
        linear_part_back_w(t, &p, n->how.across ? dy : x, n->how.across ? x : dy);
    }
}

struct tensor *op_headwise_run(struct tape *t, struct tensor *x, const struct headwise *how)
{
    const struct weight *w = how->w;
    int stride = w->rows / how->heads, in = x->cols / how->heads;
    CHECK(w->rows % how->heads == 0 && x->cols % how->heads == 0 && how->first >= 0 && how->n > 0 &&
              how->n <= stride - how->first && in >= (how->across ? w->cols : how->n),
          "%s [%d, %d], rows %d+%d of each of %d heads; x [%d, %d]", w->name, w->rows, w->cols, how->first,
          how->n, how->heads, x->rows, x->cols);
    int out = how->across ? how->n : w->cols;
    struct tensor *y = tape_result(t, x->rows, how->heads * out, x->wants_grad || weight_learns(w));
    struct headwise_node saved = {{.y = y}, x, *how};
    if (!tape_takes(t)) headwise_forward(t, &saved);
    if (!tape_records(t, y)) return y;
    struct headwise_node *n = tape_node(t, sizeof *n, y, headwise_backward);
    n->x = x;
    n->how = *how;
    return y;
}

static struct tensor *headwise_case(struct tape *t, int c)
{
    /* Two heads of 7 rows of which 3 are used; x has a column more than is read. */
    struct tensor *x = op_case_input(t, 4, c % 2 ? 2 * 5 : 2 * 4, 1);
    struct headwise how = {op_case_weight(t, 14, 5, 0.5F), .heads = 2, .first = c % 2 ? 4 : 0, .n = 3};
    how.across = c % 2;
    struct tensor *y = op_headwise_run(t, x, &how);
    return c < 2 ? y : op_add_run(t, y, op_headwise_run(t, x, &how));
}

const struct op op_headwise = {
    .name = "headwise",
    .formula = "y_h = x_h W_h or x_h W_h^T, W_h some rows of W",
    .n_cases = 4,
    .build_case = headwise_case,
};
