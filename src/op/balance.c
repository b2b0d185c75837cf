/* balance.c: how evenly a sequence uses the experts, as a loss (DeepSeek-AI 2024, "DeepSeek-V3 technical
 * report", equations 17-20).
 *
 *   L = sum_e f_e P_e,  f_e = E/(K T) #{rows with e among the K largest s},
 *   P_e = (1/T) sum_t s_te / sum_j s_tj
 *
 * for each span of T rows; 1 when all experts are used alike. f counts by the scores alone (no correction, no
 * groups) and is held fixed. With q = s / sum s and u_e = dL f_e / T:
 *   ds_e = (u_e - sum_k u_k q_k) / sum s, then to z as in route.c
 *
 * A mixture lies inside a layer, which may be recomputed in backward, while the trainer sees the model's
 * result only. So the term is tied to a tensor that the layer passes on: balance_tie gives it its gradient,
 * a fixed factor, when that tensor gets its own.
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

struct balance_node {
    struct node node;
    struct tensor *z;
    const struct batch *batch;
    struct route how;
    float *f; /* [n_spans, E] */
    float *dz;
};

/* s / sum s of one row into q; returns sum s. */
static float shares(const struct balance_node *n, size_t row, float *s, float *q)
{
    int count = n->how.n_experts;
    float sum = 0;
    route_scores(s, n->z->data + row * (size_t)count, count, n->how.score);
    for (int e = 0; e < count; e++) sum += s[e];
    for (int e = 0; e < count; e++) q[e] = s[e] / sum;
    return sum;
}

static void balance_spans(void *ctx, struct range r)
{
    const struct balance_node *n = ctx;
    size_t count = (size_t)n->how.n_experts;
    struct route plain = n->how;
    plain.n_groups = 1;
    for (size_t i = r.from; i < r.to; i++) {
        const struct span *span = &n->batch->spans[i];
        float s[ROUTE_EXPERTS_MAX], q[ROUTE_EXPERTS_MAX], p[ROUTE_EXPERTS_MAX] = {0}, *f = n->f + i * count;
        float loss = 0, length = (float)span->len;
        int chosen[ROUTE_EXPERTS_MAX];
        memset(f, 0, count * sizeof *f);
        for (int row = span->row; row < span->row + span->len; row++) {
            shares(n, (size_t)row, s, q);
            kern()->add(p, p, q, count);
            route_choose(&plain, s, chosen);
            for (int j = 0; j < plain.top_k; j++) f[chosen[j]] += 1;
        }
        for (size_t e = 0; e < count; e++) {
            f[e] *= (float)count / ((float)plain.top_k * length);
            loss = fmaf(f[e], p[e] / length, loss);
        }
        n->node.y->data[i] = loss;
    }
}

static void balance_spans_back(void *ctx, struct range r)
{
    const struct balance_node *n = ctx;
    int count = n->how.n_experts;
    for (size_t i = r.from; i < r.to; i++) {
        const struct span *span = &n->batch->spans[i];
        const float *f = n->f + i * (size_t)count;
        float s[ROUTE_EXPERTS_MAX], q[ROUTE_EXPERTS_MAX], ds[ROUTE_EXPERTS_MAX];
        float scale = n->node.y->grad[i] / (float)span->len;
        for (size_t row = (size_t)span->row; row < (size_t)span->row + (size_t)span->len; row++) {
            float sum = shares(n, row, s, q), mean = 0;
            for (int e = 0; e < count; e++) mean = fmaf(scale * f[e], q[e], mean);
            for (int e = 0; e < count; e++) ds[e] = (scale * f[e] - mean) / sum;
            route_scores_back(n->dz + row * (size_t)count, ds, s, count, n->how.score);
        }
    }
}

enum { BALANCE_COST = 64 /* steps per expert and row */ };

static void balance_run(struct balance_node *n, void (*f)(void *, struct range))
{
    double rows = (double)n->z->rows / n->batch->n_spans;
    work_over((size_t)n->batch->n_spans, 1, rows * n->how.n_experts * BALANCE_COST, f, n);
}

static void balance_backward(struct tape *t, struct node *node)
{
    struct balance_node *n = (struct balance_node *)node;
    n->dz = tape_grad_zeroed(t, n->z);
    if (!tape_planning(t)) balance_run(n, balance_spans_back);
}

struct tensor *op_balance_run(struct tape *t, struct tensor *z, const struct batch *b,
                              const struct route *how)
{
    CHECK(z->rows == b->n_rows && z->cols == how->n_experts && z->cols <= ROUTE_EXPERTS_MAX,
          "logits [%d, %d] of %d rows, %d experts", z->rows, z->cols, b->n_rows, how->n_experts);
    struct tensor *y = tape_result(t, b->n_spans, 1, z->wants_grad);
    struct balance_node saved = {{.y = y}, .z = z, .batch = b, .how = *how};
    saved.f = tape_floats(t, (size_t)b->n_spans * (size_t)how->n_experts);
    if (!tape_planning(t)) balance_run(&saved, balance_spans);
    if (!tape_records(t, y)) return y;
    struct balance_node *n = tape_node(t, sizeof *n, y, balance_backward);
    saved.node = n->node;
    *n = saved;
    return y;
}

/* ---- tied to what the layer passes on ------------------------------------------------------------------ */

struct tie_node {
    struct node node;
    struct tensor *x, *term;
    float factor;
};

static void tie_backward(struct tape *t, struct node *node)
{
    struct tie_node *n = (struct tie_node *)node;
    tape_grad_pass(t, n->x, node->y);
    bool first;
    float *g = tape_grad(t, n->term, &first);
    for (int i = 0; g && !tape_planning(t) && i < n->term->rows * n->term->cols; i++)
        g[i] = first ? n->factor : g[i] + n->factor;
}

struct tensor *op_balance_tie(struct tape *t, struct tensor *x, struct tensor *term, float factor)
{
    if (!tape_recording(t)) return x;
    struct tensor *y = tape_own(t, sizeof *y);
    *y = (struct tensor){.rows = x->rows, .cols = x->cols, .data = x->data};
    y->wants_grad = x->wants_grad || term->wants_grad;
    if (!tape_records(t, y)) return y;
    struct tie_node *n = tape_node(t, sizeof *n, y, tie_backward);
    n->x = x;
    n->term = term;
    n->factor = factor;
    return y;
}

static struct tensor *balance_case(struct tape *t, int c)
{
    static const struct span spans[] = {{0, 3, 0, -1, NULL}, {3, 1, 0, -1, NULL}, {4, 2, 3, 0, NULL}};
    static const struct batch batch = {.n_rows = 6, .n_spans = 3, .spans = spans};
    static const struct route ways[] = {{7, 2, ROUTE_SIGMOID, 1, 1, 1, true, 1},
                                        {7, 3, ROUTE_SOFTMAX, 1, 1, 1, false, 1}};
    struct tensor *z = op_case_input(t, 6, 7, 2);
    return op_balance_run(t, z, &batch, &ways[c]);
}

const struct op op_balance = {
    .name = "balance",
    .formula = "L = sum_e f_e P_e, f_e = E/(K T) times chosen, P_e = mean share of the scores",
    .n_cases = 2,
    .build_case = balance_case,
};
