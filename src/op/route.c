/* route.c: which experts a row goes to, and with what weight (Shazeer et al. 2017; the grouped choice with a
 * correction: DeepSeek-AI 2024, "DeepSeek-V3 technical report", equations 12-16).
 *
 *   s = sigmoid(z) or softmax(z);  c = s + bias (for the choice alone)
 *   a group of experts counts as the sum of its group_best largest c; experts outside the top_groups best
 *   groups cannot be chosen; I = the top_k largest c of the others; of equals the lowest index wins
 *   gate_j = scale s_j (/ sum of the chosen s + 1e-20),  j in I
 *
 * Backward: the choice has no gradient. With S the sum (1 when it is not divided by) and g_j of the gates:
 *   ds_j = scale/S (g_j - sum_k g_k s_k / S), or scale g_j;  0 for experts not chosen
 *   dz = ds s (1 - s), or s (ds - sum_e ds_e s_e)
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

enum { ROUTE_COST = 16 /* steps per expert and slot */ };
static const float route_floor = 1e-20F; /* keeps a sum of nothing from dividing by zero */

struct route_node {
    struct node node;
    struct tensor *z;
    const struct weight *bias;
    struct route how;
    float *scores; /* [N, E] */
    int *experts;  /* [N, top_k] */
    float *dz;     /* backward */
};

static float chosen_sum(const struct route *how, const float *s, const int *experts)
{
    float sum = 0;
    for (int j = 0; j < how->top_k; j++) sum += s[experts[j]];
    return sum + route_floor;
}

static void route_rows(void *ctx, struct range r)
{
    const struct route_node *n = ctx;
    const struct route *how = &n->how;
    float c[ROUTE_EXPERTS_MAX];
    for (size_t i = r.from; i < r.to; i++) {
        float *s = n->scores + i * (size_t)how->n_experts, *gates = n->node.y->data + i * (size_t)how->top_k;
        int *experts = n->experts + i * (size_t)how->top_k;
        route_scores(s, n->z->data + i * (size_t)how->n_experts, how->n_experts, how->score);
        for (int e = 0; e < how->n_experts; e++) c[e] = n->bias ? s[e] + n->bias->data[e] : s[e];
        route_choose(how, c, experts);
        float sum = how->normalise ? chosen_sum(how, s, experts) : 1;
        for (int j = 0; j < how->top_k; j++) gates[j] = s[experts[j]] / sum * how->scale;
    }
}

/* ---- backward ----------------------------------------------------------------------------------------- */

static void route_rows_back(void *ctx, struct range r)
{
    const struct route_node *n = ctx;
    const struct route *how = &n->how;
    float ds[ROUTE_EXPERTS_MAX];
    for (size_t i = r.from; i < r.to; i++) {
        const float *s = n->scores + i * (size_t)how->n_experts,
                    *g = n->node.y->grad + i * (size_t)how->top_k;
        const int *experts = n->experts + i * (size_t)how->top_k;
        float sum = how->normalise ? chosen_sum(how, s, experts) : 1, mean = 0;
        for (int j = 0; how->normalise && j < how->top_k; j++) mean = fmaf(g[j], s[experts[j]] / sum, mean);
        memset(ds, 0, (size_t)how->n_experts * sizeof *ds);
        for (int j = 0; j < how->top_k; j++) ds[experts[j]] = how->scale / sum * (g[j] - mean);
        route_scores_back(n->dz + i * (size_t)how->n_experts, ds, s, how->n_experts, how->score);
    }
}

static double route_cost(const struct route *how)
{
    return (double)how->n_experts * (how->top_k + 2) * ROUTE_COST;
}

static void route_backward(struct tape *t, struct node *node)
{
    struct route_node *n = (struct route_node *)node;
    n->dz = tape_grad_zeroed(t, n->z);
    if (!tape_planning(t)) work_over((size_t)n->z->rows, 1, route_cost(&n->how), route_rows_back, n);
}

/* ---- the op ------------------------------------------------------------------------------------------- */

static void route_check(const struct tensor *z, const struct weight *bias, const struct route *how)
{
    int n = how->n_experts, groups = how->n_groups;
    CHECK(n >= 1 && n <= ROUTE_EXPERTS_MAX && z->cols == n, "%d experts, %d logits", n, z->cols);
    CHECK(groups >= 1 && n % groups == 0 && how->top_groups >= 1 && how->top_groups <= groups,
          "%d of %d groups of %d experts", how->top_groups, groups, n);
    CHECK(groups == 1 || (how->group_best >= 1 && how->group_best <= n / groups), "best %d of %d experts",
          how->group_best, n / groups);
    CHECK(how->top_k >= 1 && how->top_k <= n / groups * how->top_groups, "%d experts a row of %d", how->top_k,
          n / groups * how->top_groups);
    CHECK(!bias || (bias->rows == 1 && bias->cols == n), "%s [%d, %d] for %d experts", bias->name, bias->rows,
          bias->cols, n);
}

struct routing op_route_run(struct tape *t, struct tensor *z, const struct weight *bias,
                            const struct route *how)
{
    route_check(z, bias, how);
    size_t rows = (size_t)z->rows;
    struct tensor *y = tape_result(t, z->rows, how->top_k, z->wants_grad);
    struct route_node saved = {{.y = y}, .z = z, .bias = bias, .how = *how};
    saved.scores = tape_floats(t, rows * (size_t)how->n_experts);
    saved.experts = arena_alloc(tape_arena(t), rows * (size_t)how->top_k * sizeof(int));
    if (!tape_planning(t)) work_over(rows, 1, route_cost(how), route_rows, &saved);
    struct routing result = {y, saved.experts, how->n_experts};
    if (!tape_records(t, y)) return result;
    struct route_node *n = tape_node(t, sizeof *n, y, route_backward);
    saved.node = n->node;
    *n = saved;
    return result;
}

/* The bias decides the choice alone, so that no step of central differences can change it. */
static struct tensor *route_case(struct tape *t, int c)
{
    static float bias_data[] = {0, 9, 3, -40, 7, -9, 20, 5};
    static const struct weight bias = {.name = "bias", .rows = 1, .cols = 8, .data = bias_data};
    static const struct route ways[] = {
        {8, 3, ROUTE_SIGMOID, 4, 2, 2, true, 2.5F},
        {8, 3, ROUTE_SOFTMAX, 1, 1, 1, false, 1.5F},
        {8, 2, ROUTE_SOFTMAX, 2, 1, 1, true, 1},
        {8, 1, ROUTE_SIGMOID, 1, 1, 1, false, 1},
    };
    struct tensor *z = op_case_input(t, 5, 8, 1);
    /* Then z's gradient comes twice. */
    struct tensor *y = op_route_run(t, z, &bias, &ways[c]).gates;
    return c != 3 ? y : op_add_run(t, y, op_route_run(t, z, &bias, &ways[c]).gates);
}

const struct op op_route = {
    .name = "route",
    .formula = "gate_j = scale s_j / sum s, s = sigmoid(z) or softmax(z), j in the top_k of s + bias",
    .n_cases = 4,
    .build_case = route_case,
};
