/* low_rank.c: what adapter.c does, as an op of the registry: cases of a linear layer, of heads and of
 * experts whose matrix has an adapter.
 */
#include <string.h>

#include "base/rng.h"
#include "op/op_int.h"

/* A matrix that stays as it is. */
static struct weight *case_fixed(struct tape *t, int rows, int cols, int number)
{
    struct weight *w = tape_own(t, sizeof *w);
    *w = (struct weight){.name = "fixed", .rows = rows, .cols = cols};
    size_t n = (size_t)rows * (size_t)cols;
    w->data = tape_own(t, n * sizeof *w->data);
    rng_normal(&(struct rng_at){.seed = 3, .purpose = RNG_TEST, .sequence = (uint32_t)number}, w->data, n, 0,
               0.5F);
    return w;
}

enum { CASE_RANK = 2 };

/* Central differences see the lengths as they are in the first pass, where backward holds them. */
static struct weight *case_adapted(struct tape *t, int rows, int cols, bool magnitude)
{
    struct weight *w = case_fixed(t, rows, cols, rows * cols);
    struct adapter *a = w->adapter = tape_own(t, sizeof *a);
    *a = (struct adapter){.on = true, .scale = 1.5F, .module = 3};
    a->a = op_case_weight(t, CASE_RANK, cols, 0.5F);
    a->b = op_case_weight(t, rows, CASE_RANK, 0.5F);
    if (!magnitude) return w;
    a->magnitude = op_case_weight(t, 1, rows, 1);
    a->norms = tape_own(t, (size_t)rows * sizeof *a->norms);
    for (int i = 0; i < rows; i++) a->norms[i] = 1 + 0.25F * (float)i;
    return w;
}

static struct tensor *case_linear(struct tape *t, bool magnitude, bool dropout)
{
    enum { ROWS = 9 };
    static const struct span spans[] = {{0, 4, 0, -1, NULL}, {4, 5, 4, 0, NULL}};
    static const uint32_t sequences[] = {7, 8};
    static const struct dropout drop = {{.seed = 1, .purpose = RNG_DROPOUT, .step = 2}, sequences};
    static const struct batch batch = {.n_rows = ROWS, .n_spans = 2, .spans = spans, .drop = &drop};
    struct tensor *x = op_case_input(t, ROWS, 7, 1);
    struct weight *w = case_adapted(t, 20, 7, magnitude), *bias = op_case_weight(t, 1, 20, 1);
    w->adapter->dropout = dropout ? 0.4F : 0;
    return op_linear_of_batch(t, x, w, bias, &batch);
}

static struct tensor *case_headwise(struct tape *t, bool across, bool magnitude)
{
    struct tensor *x = op_case_input(t, 4, across ? 2 * 5 : 2 * 4, 1);
    struct headwise how = {.heads = 2, .first = across ? 4 : 0, .n = 3, .across = across};
    how.w = case_adapted(t, 14, 5, magnitude);
    return op_headwise_run(t, x, &how);
}

static struct tensor *case_experts(struct tape *t)
{
    static int chosen[] = {0, 1, 1, 0};
    struct tensor *x = op_case_input(t, 4, 5, 1), *gates = op_case_input(t, 4, 1, 1);
    struct weight *gate[] = {case_fixed(t, 7, 5, 1), case_adapted(t, 7, 5, false)};
    struct weight *up[] = {case_fixed(t, 7, 5, 2), case_adapted(t, 7, 5, false)};
    struct weight *down[] = {case_adapted(t, 5, 7, false), case_fixed(t, 5, 7, 3)};
    struct weight **w = tape_own(t, 6 * sizeof *w);
    memcpy(w, gate, sizeof gate), memcpy(w + 2, up, sizeof up), memcpy(w + 4, down, sizeof down);
    struct experts e = {2, w, w + 2, w + 4};
    return op_experts_run(t, x, &(struct routing){gates, chosen, 2}, &e);
}

static struct tensor *low_rank_case(struct tape *t, int c)
{
    return c < 3 ? case_linear(t, c == 1, c == 2) : c == 7 ? case_experts(t) : case_headwise(t, c % 2, c > 4);
}

const struct op op_low_rank = {
    .name = "low_rank",
    .formula = "y = x W^T + s (x A^T) B^T + b, W fixed; with m: rows of W + s B A scaled to lengths m",
    .n_cases = 8,
    .build_case = low_rank_case,
};
