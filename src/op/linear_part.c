/* linear_part.c: the three products of a linear layer, over a part of its weight's rows: a whole layer
 * (linear.c), one expert's rows (experts.c), one head's part of a weight (headwise.c).
 *
 * All are products of kern.h's one form. Their second factors: W by rows forward, W by columns and x by
 * columns backward; factor.c looks after the forms of W.
 */
#include "op/op_int.h"

/* y = x W^T without W's panels. */
// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
static struct kern_gemm forward_product(const struct linear_part *p, const float *x, float *y)
{
    return (struct kern_gemm){.m = p->n,
                              .n = p->out,
                              .k = p->w->cols,
                              .a = x,
                              .a_row = p->x_row,
                              .a_col = 1,
                              .c = y,
                              .c_row = p->y_row,
                              .accumulate = p->add};
}

void matrix_part_forward(struct tape *t, const struct linear_part *p, const float *x, float *y,
                         matmul_after after, void *ctx)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    struct factor w = factor_rows(t, p->w, p->first, p->out);
    struct kern_gemm g = forward_product(p, x, y);
    if (!tape_planning(t)) factor_product(&w, &g, after, ctx);
    arena_back(tape_arena(t), mark);
}

// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
void matrix_part_back_x(struct tape *t, const struct linear_part *p, const float *dy, float *dx)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    struct factor w = factor_cols(t, p->w, p->first, p->out);
    struct kern_gemm g = {.m = p->n,
                          .n = p->w->cols,
                          .k = p->out,
                          .a = dy,
                          .a_row = p->y_row,
                          .a_col = 1,
                          .c = dx,
                          .c_row = p->x_row,
                          .accumulate = p->add};
    if (!tape_planning(t)) factor_product(&w, &g, NULL, NULL);
    arena_back(tape_arena(t), mark);
}

static void matrix_part_back_w(struct tape *t, const struct linear_part *p, const float *dy, const float *x)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    float *panels = tape_floats(t, kern_panels_floats(p->w->cols, p->n));
    struct kern_gemm g = {.m = p->out,
                          .n = p->w->cols,
                          .k = p->n,
                          .a = dy,
                          .a_row = 1,
                          .a_col = p->y_row,
                          .panels = panels,
                          .c = p->w->grad + (size_t)p->first * (size_t)p->w->cols,
                          .c_row = p->w->cols,
                          .accumulate = true};
    if (!tape_planning(t)) {
        matmul_pack_cols(panels, x, p->x_row, p->w->cols, p->n);
        matmul_run(&g, NULL, NULL);
    }
    arena_back(tape_arena(t), mark);
}

void linear_part_forward(struct tape *t, const struct linear_part *p, const float *x, float *y,
                         matmul_after after, void *ctx)
{
    (weight_adapter(p->w) ? low_rank_forward : matrix_part_forward)(t, p, x, y, after, ctx);
}

bool linear_part_product(const struct linear_part *p, const float *x, float *y, struct kern_gemm *g)
{
    const void *panels = weight_adapter(p->w) ? NULL : factor_panels(p->w, p->first);
    if (!panels) return false;
    *g = forward_product(p, x, y);
    g->panels = panels;
    g->form = p->w->form;
    return true;
}

void linear_part_back_x(struct tape *t, const struct linear_part *p, const float *dy, float *dx)
{
    (weight_adapter(p->w) ? low_rank_back_x : matrix_part_back_x)(t, p, dy, dx);
}

void linear_part_back_w(struct tape *t, const struct linear_part *p, const float *dy, const float *x)
{
    if (p->w->grad) matrix_part_back_w(t, p, dy, x);
    if (weight_adapter(p->w)) low_rank_back_w(t, p, dy, x);
}
