/* rmsnorm.c: root mean square layer norm (Zhang & Sennrich 2019), over groups of D columns.
 *
 *   y = x r w,  r = 1 / sqrt(mean x^2 + eps)
 *   dx += r (dy w) - x (r^3 / D) sum(dy w x),   dw += sum over rows of dy x r
 *
 * w is the weight, or with plus_one the weight plus 1.
 * A tensor [N, heads*D] with a weight [1, D] is taken as N*heads rows (norm of queries and keys per head).
 * dw: rows are summed in blocks of NORM_ROWS, each in its own buffer, and the blocks are added in order; the
 * size is fixed, so the sum does not depend on the threads.
 */
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

enum { NORM_ROWS = 64, NORM_COST = 16 /* steps per element */ };

struct rmsnorm_node {
    struct node node;
    struct tensor *x;
    struct weight *w;
    float eps;
    const float *scale;      /* [D] what w stands for */
    float *r;                /* [rows], or NULL */
    float *y;                /* forward */
    size_t rows;             /* of D columns */
    float *dx, *dw, *unseen; /* backward: dw [blocks, D] or NULL; unseen: dx is not wanted [blocks, D] */
    bool first;
};

static void rmsnorm_forward(void *ctx, struct range rows)
{
    const struct rmsnorm_node *n = ctx;
    size_t d = (size_t)n->w->cols;
    for (size_t i = rows.from; i < rows.to; i++) {
        float r = kern()->rmsnorm(n->y + i * d, n->x->data + i * d, n->scale, (int)d, n->eps);
        if (n->r) n->r[i] = r;
    }
}

static void rmsnorm_make(const void *node, float *y)
{
    struct rmsnorm_node n = *(const struct rmsnorm_node *)node;
    n.y = y;
    work_over(n.rows, 1, (double)n.w->cols * NORM_COST, rmsnorm_forward, &n);
}

/* Blocks of NORM_ROWS rows, each wholly. */
static void rmsnorm_backward_blocks(void *ctx, struct range blocks)
{
    const struct rmsnorm_node *n = ctx;
    size_t d = (size_t)n->w->cols;
    for (size_t b = blocks.from; b < blocks.to; b++) {
        size_t end = (b + 1) * NORM_ROWS < n->rows ? (b + 1) * NORM_ROWS : n->rows;
        float *dw = n->dw ? n->dw + b * d : NULL;
        if (dw) memset(dw, 0, d * sizeof(float));
        for (size_t i = b * NORM_ROWS; i < end; i++) {
            float *dx = n->dx ? n->dx + i * d : n->unseen + b * d;
            if (!n->dx || n->first) memset(dx, 0, d * sizeof(float));
            kern()->rmsnorm_back(
                dx, dw,
                &(struct kern_norm){n->node.y->grad + i * d, n->x->data + i * d, n->scale, (int)d, n->r[i]});
        }
    }
}

static void rmsnorm_backward(struct tape *t, struct node *node)
{
    struct rmsnorm_node *n = (struct rmsnorm_node *)node;
    size_t d = (size_t)n->w->cols, blocks = (n->rows + NORM_ROWS - 1) / NORM_ROWS;
    n->dx = tape_grad(t, n->x, &n->first);
    struct arena_mark mark = arena_here(tape_arena(t));
    n->dw = n->w->grad ? tape_floats(t, blocks * d) : NULL;
    n->unseen = n->dx ? NULL : tape_floats(t, blocks * d);
    if (!tape_planning(t)) {
        work_over(blocks, 1, (double)NORM_ROWS * (double)d * NORM_COST, rmsnorm_backward_blocks, n);
        for (size_t b = 0; n->dw && b < blocks; b++) kern()->add(n->w->grad, n->w->grad, n->dw + b * d, d);
    }
    arena_back(tape_arena(t), mark);
}

/* The weight, or a copy with 1 added. */
static const float *rmsnorm_scale(struct tape *t, const struct weight *w)
{
    if (!w->plus_one) return w->data;
    float *scale = tape_floats(t, (size_t)w->cols);
    for (int i = 0; !tape_planning(t) && i < w->cols; i++) scale[i] = 1 + w->data[i];
    return scale;
}

/* What the node of y holds, but for struct node. */
static void rmsnorm_fill(struct tape *t, struct rmsnorm_node *n, struct tensor *x, struct weight *w,
                         float eps)
{
    CHECK(w->rows == 1 && x->cols % w->cols == 0, "%s [%d, %d] over x [%d, %d]", w->name, w->rows, w->cols,
          x->rows, x->cols);
    n->x = x;
    n->w = w;
    n->eps = eps;
    n->scale = rmsnorm_scale(t, w);
    n->rows = (size_t)x->rows * (size_t)(x->cols / w->cols);
    if (tape_recording(t)) n->r = tape_floats(t, n->rows);
}

struct tensor *op_rmsnorm_run(struct tape *t, struct tensor *x, struct weight *w, float eps)
{
    struct tensor *y = tape_result(t, x->rows, x->cols, x->wants_grad || w->grad);
    struct rmsnorm_node own = {.node = {.y = y}}, *n = &own;
    if (tape_records(t, y)) n = tape_node(t, sizeof *n, y, rmsnorm_backward);
    rmsnorm_fill(t, n, x, w, eps);
    if (!tape_planning(t)) rmsnorm_make(n, y->data);
    return y;
}

struct tensor *op_rmsnorm_fleeting(struct tape *t, struct tensor *x, struct weight *w, float eps)
{
    struct tensor *y = tape_result_fleeting(t, x->rows, x->cols, x->wants_grad || w->grad);
    struct rmsnorm_node *n = tape_node_fleeting(t, sizeof *n, y, rmsnorm_backward, rmsnorm_make);
    rmsnorm_fill(t, n, x, w, eps);
    tape_data(t, y); /* backward wants r, whether or not somebody reads y */
    return y;
}

static struct tensor *rmsnorm_case(struct tape *t, int c)
{
    static const int shapes[][3] = {{3, 8, 1}, {70, 5, 1}, {2, 33, 3}, {70, 5, 1}};
    struct tensor *x = op_case_input(t, shapes[c][0], shapes[c][1] * shapes[c][2], 1);
    struct weight *w = op_case_weight(t, 1, shapes[c][1], 1);
    w->plus_one = c == 2;
    return (c == 3 ? op_rmsnorm_fleeting : op_rmsnorm_run)(t, x, w, 1e-5F);
}

const struct op op_rmsnorm = {
    .name = "rmsnorm",
    .formula = "y = x w / sqrt(mean x^2 + eps)",
    .n_cases = 4,
    .build_case = rmsnorm_case,
};
