/* op_table.c: the registry (op_list.h) as an array, and the inputs of test cases.
 *
 * A case builds its op on inputs that depend only on the probe's seed and on the order in which they are
 * made, so that a test can build it again with one element of one input moved and so form central
 * differences.
 */
#include "base/check.h"
#include "base/rng.h"
#include "op/op_int.h"

#define OP(name) extern const struct op op_##name;
#include "op/op_list.h"
#undef OP

const struct op *const *op_all(void)
{
    static const struct op *const all[] = {
#define OP(name) &op_##name,
#include "op/op_list.h"
#undef OP
        NULL};
    return all;
}

/* Fill the next input and note it in the probe. */
static void case_fill(struct tape *t, struct tensor *x, struct weight *w, size_t count, float scale)
{
    struct op_probe *p = tape_probe(t), none = {.leaf = -1};
    if (!p) p = &none;
    CHECK(p->n < OP_PROBE_MAX, "case with more than %d inputs", OP_PROBE_MAX);
    int i = p->n++;
    p->leaves[i].count = count, p->leaves[i].scale = scale;
    p->leaves[i].tensor = x, p->leaves[i].weight = w;
    if (tape_planning(t)) return;
    float *data = x ? x->data : w->data;
    rng_normal(&(struct rng_at){.seed = p->seed, .purpose = RNG_TEST, .sequence = (uint32_t)i}, data, count,
               0, scale);
    if (p->leaf != i) return;
    CHECK(p->at < count, "element %zu of %zu", p->at, count);
    data[p->at] += p->delta;
}

struct tensor *op_case_input(struct tape *t, int rows, int cols, float scale)
{
    struct tensor *x = tape_tensor(t, rows, cols);
    x->wants_grad = true;
    case_fill(t, x, NULL, (size_t)rows * (size_t)cols, scale);
    return x;
}

struct weight *op_case_weight(struct tape *t, int rows, int cols, float scale)
{
    struct weight *w = tape_own(t, sizeof *w);
    size_t count = (size_t)rows * (size_t)cols;
    *w = (struct weight){.name = "case", .rows = rows, .cols = cols};
    w->data = tape_floats(t, count);
    w->grad = tape_floats(t, count);
    if (!tape_planning(t))
        for (size_t i = 0; i < count; i++) w->grad[i] = 0;
    case_fill(t, NULL, w, count, scale);
    return w;
}
