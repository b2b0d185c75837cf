/* linear.c: y = x W^T + b, with W [out, in] as Hugging Face stores it.
 *
 *   dx += dy W           contraction over out features
 *   dW += dy^T x         contraction over rows, in order, in blocks of KERN_K_BLOCK rows
 *   db += sum_r dy_r     in the same blocks
 *
 * The products are those of linear_part.c, over all rows of W.
 */
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

struct linear_node {
    struct node node;
    struct tensor *x;
    struct weight *w, *bias;
    const struct batch *drop; /* as in struct linear_part */
};

static void linear_add_bias(void *ctx, const struct kern_gemm *tile, int row, int col)
{
    (void)row;
    const struct weight *bias = ctx;
    for (int r = 0; r < tile->m; r++) {
        float *c = tile->c + r * tile->c_row;
        kern()->add(c, c, bias->data + col, (size_t)tile->n);
    }
}

static struct linear_part linear_whole(const struct linear_node *n)
{
    struct linear_part p = linear_part_of(n->w, n->x->rows);
    p.drop = n->drop;
    return p;
}

static void linear_backward_x(struct tape *t, const struct linear_node *n)
{
    bool first;
    float *dx = tape_grad(t, n->x, &first);
    struct linear_part p = linear_whole(n);
    p.add = !first;
    if (dx) linear_part_back_x(t, &p, n->node.y->grad, dx);
}

static void linear_backward_w(struct tape *t, const struct linear_node *n)
{
    struct linear_part p = linear_whole(n);
    if (weight_learns(n->w)) linear_part_back_w(t, &p, n->node.y->grad, tape_data(t, n->x));
}

enum { BIAS_COLUMNS = 64 };

/* Column sums of rows in blocks, for columns c. */
static void linear_backward_bias(void *ctx, struct range c)
{
    const struct linear_node *n = ctx;
    const struct tensor *y = n->node.y;
    for (size_t from = c.from; from < c.to; from += BIAS_COLUMNS) {
        size_t width = c.to - from < BIAS_COLUMNS ? c.to - from : BIAS_COLUMNS;
        for (int block = 0; block < y->rows; block += KERN_K_BLOCK) {
            int end = block + KERN_K_BLOCK < y->rows ? block + KERN_K_BLOCK : y->rows;
            float sum[BIAS_COLUMNS] = {0};
            for (int r = block; r < end; r++)
                kern()->add(sum, sum, y->grad + (size_t)r * (size_t)y->cols + from, width);
            kern()->add(n->bias->grad + from, n->bias->grad + from, sum, width);
        }
    }
}

static void linear_backward(struct tape *t, struct node *node)
{
    struct linear_node *n = (struct linear_node *)node;
    linear_backward_x(t, n);
    linear_backward_w(t, n);
    if (!n->bias || !n->bias->grad || tape_planning(t)) return;
    work_over((size_t)node->y->cols, BIAS_COLUMNS, (double)node->y->rows * 8, linear_backward_bias, n);
}

static struct linear_node linear_begin(struct tape *t, struct tensor *x, const struct linear_of *of,
                                       const struct batch *b)
{
    struct weight *w = of->w, *bias = of->bias;
    CHECK(x->cols == w->cols, "%s [%d, %d] times x [%d, %d]", w->name, w->rows, w->cols, x->rows, x->cols);
    CHECK(!bias || (bias->rows == 1 && bias->cols == w->rows), "bias %s [%d, %d] of %s [%d, %d]", bias->name,
          bias->rows, bias->cols, w->name, w->rows, w->cols);
    struct tensor *y =
        tape_result(t, x->rows, w->rows, x->wants_grad || weight_learns(w) || (bias && bias->grad));
    const struct adapter *a = weight_adapter(w);
    return (struct linear_node){{.y = y}, x, w, bias, a && a->dropout > 0 && b && b->drop ? b : NULL};
}

static void linear_end(struct tape *t, const struct linear_node *made)
{
    if (!tape_records(t, made->node.y)) return;
    struct linear_node *n = tape_node(t, sizeof *n, made->node.y, linear_backward);
    n->x = made->x;
    n->w = made->w;
    n->bias = made->bias;
    n->drop = made->drop;
}

void op_linears_run(struct tape *t, struct tensor *x, const struct linear_of *of, int n,
                    const struct batch *b, struct tensor **y)
{
    struct matmul together[MATMULS_MOST];
    int n_together = 0;
    CHECK(n <= MATMULS_MOST, "%d linear layers at once", n);
    for (int i = 0; i < n; i++) {
        struct linear_node made = linear_begin(t, x, &of[i], b);
        struct linear_part p = linear_whole(&made);
        struct matmul *one = &together[n_together];
        *one = (struct matmul){.after = made.bias ? linear_add_bias : NULL, .ctx = made.bias};
        y[i] = made.node.y;
        linear_end(t, &made);
        if (tape_takes(t)) continue;
        const float *data = tape_data(t, x);
        if (tape_planning(t) || !linear_part_product(&p, data, y[i]->data, &one->g))
            linear_part_forward(t, &p, data, y[i]->data, one->after, one->ctx);
        else
            n_together++;
    }
    matmul_run_all(together, n_together);
}

struct tensor *op_linear_of_batch(struct tape *t, struct tensor *x, struct weight *w, struct weight *bias,
                                  const struct batch *b)
{
    struct tensor *y;
    op_linears_run(t, x, &(struct linear_of){w, bias}, 1, b, &y);
    return y;
}

struct tensor *op_linear_run(struct tape *t, struct tensor *x, struct weight *w, struct weight *bias)
{
    return op_linear_of_batch(t, x, w, bias, NULL);
}

static struct tensor *linear_case(struct tape *t, int c)
{
    static const struct {
        int rows, in, out;
        bool bias;
    } shapes[] = {{5, 7, 3, false}, {1, 16, 33, true}, {9, 20, 17, true}, {261, 3, 2, true}};
    struct tensor *x = op_case_input(t, shapes[c].rows, shapes[c].in, 1);
    struct weight *w = op_case_weight(t, shapes[c].out, shapes[c].in, 0.5F);
    return op_linear_run(t, x, w, shapes[c].bias ? op_case_weight(t, 1, shapes[c].out, 1) : NULL);
}

const struct op op_linear = {
    .name = "linear",
    .formula = "y = x W^T + b",
    .n_cases = 4,
    .build_case = linear_case,
};
