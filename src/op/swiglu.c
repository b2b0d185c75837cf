/* swiglu.c: the gate of a Llama-like MLP (Shazeer 2020, "GLU variants improve transformer"), and Gemma's.
 *
 *   y = f(g) u,  f(g) = g s,  s = 1 / (1 + exp(-z))
 *   dg += dy u (s + g s (1 - s) dz/dg),   du += dy f(g)
 * SwiGLU: z = g. GeGLU: z = 2 sqrt(2/pi) (g + 0.044715 g^3), the usual approximation of the normal's.
 */
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

enum { SWIGLU_COST = 48, SWIGLU_PIECE = 2048 };

struct swiglu_node {
    struct node node;
    bool gelu;
    struct tensor *gate, *up;
    float *y; /* forward */
    float *dgate, *dup;
    bool first_gate, first_up;
};

static void swiglu_forward(void *ctx, struct range r)
{
    const struct swiglu_node *n = ctx;
    (n->gelu ? kern()->geglu : kern()->swiglu)(n->y + r.from, n->gate->data + r.from, n->up->data + r.from,
                                               r.to - r.from);
}

static void swiglu_make(const void *node, float *y)
{
    struct swiglu_node n = *(const struct swiglu_node *)node;
    n.y = y;
    work_over((size_t)n.gate->rows * (size_t)n.gate->cols, KERN_PANEL, SWIGLU_COST, swiglu_forward, &n);
}

/* In pieces that stay in the first-level cache between zeroing and adding; an unwanted gradient goes
 * nowhere. */
static void swiglu_backward_range(void *ctx, struct range r)
{
    const struct swiglu_node *n = ctx;
    float unseen[SWIGLU_PIECE];
    if (!n->dgate || !n->dup) memset(unseen, 0, sizeof unseen);
    for (size_t i = r.from; i < r.to; i += SWIGLU_PIECE) {
        size_t count = r.to - i < SWIGLU_PIECE ? r.to - i : SWIGLU_PIECE;
        float *dg = n->dgate ? n->dgate + i : unseen, *du = n->dup ? n->dup + i : unseen;
        if (n->first_gate) memset(dg, 0, count * sizeof(float));
        if (n->first_up) memset(du, 0, count * sizeof(float));
        (n->gelu ? kern()->geglu_back : kern()->swiglu_back)(dg, du, n->node.y->grad + i, n->gate->data + i,
                                                             n->up->data + i, count);
    }
}

static void swiglu_backward(struct tape *t, struct node *node)
{
    struct swiglu_node *n = (struct swiglu_node *)node;
    n->dgate = tape_grad(t, n->gate, &n->first_gate);
    n->dup = tape_grad(t, n->up, &n->first_up);
    if (tape_planning(t)) return;
    work_over((size_t)n->gate->rows * (size_t)n->gate->cols, KERN_PANEL, SWIGLU_COST, swiglu_backward_range,
              n);
}

static struct tensor *swiglu_run(struct tape *t, struct tensor *gate, struct tensor *up, bool gelu)
{
    CHECK(gate->rows == up->rows && gate->cols == up->cols && gate != up, "gate [%d, %d], up [%d, %d]",
          gate->rows, gate->cols, up->rows, up->cols);
    struct tensor *y =
        tape_result_fleeting(t, gate->rows, gate->cols, gate->wants_grad || up->wants_grad);
    struct swiglu_node *n = tape_node_fleeting(t, sizeof *n, y, swiglu_backward, swiglu_make);
    n->gelu = gelu;
    n->gate = gate;
    n->up = up;
    return y;
}

struct tensor *op_swiglu_run(struct tape *t, struct tensor *gate, struct tensor *up)
{
    return swiglu_run(t, gate, up, false);
}

struct tensor *op_geglu_run(struct tape *t, struct tensor *gate, struct tensor *up)
{
    return swiglu_run(t, gate, up, true);
}

static struct tensor *swiglu_case(struct tape *t, int c)
{
    struct tensor *gate = op_case_input(t, c ? 3 : 1, 21, 2);
    return swiglu_run(t, gate, op_case_input(t, c ? 3 : 1, 21, 1), c == 2);
}

const struct op op_swiglu = {
    .name = "swiglu",
    .formula = "y = gate / (1 + exp(-z)) * up, z = gate or gelu's 1.5957691 gate + 0.0713548 gate^3",
    .n_cases = 3,
    .build_case = swiglu_case,
};
