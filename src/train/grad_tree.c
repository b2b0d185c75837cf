/* grad_tree.c: gradients of microbatches 0, 1, 2, ... are summed as a binary counter carries:
 *
 *      ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)) ...
 *
 * so that the order of additions depends on the numbers of the microbatches alone, and processes that own
 * aligned runs of them can later form the same sum. Level k holds the sum of an aligned run of 2^k; a level
 * is a buffer as large as the gradients. One microbatch needs none. A microbatch without gradient is an
 * absent node, not a zero.
 */
#include "train/train_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"
#include "kern/kern.h"

enum { TREE_CHUNK = 65536 };

struct tree_chunk {
    float *grad;
    size_t offset, n;
};

static int levels_for(long count)
{
    int n = 0;
    while ((1L << n) < count) n++;
    CHECK(n <= TREE_LEVELS, "%ld microbatches in a step", count);
    return n;
}

size_t grad_tree_bytes(const struct model *m, long max_count)
{
    return (size_t)levels_for(max_count) * (size_t)model_n_trained(m) * sizeof(float);
}

void grad_tree_init(struct grad_tree *g, struct model *m, long max_count)
{
    *g = (struct grad_tree){
        .model = m, .n_levels = levels_for(max_count), .n_floats = (size_t)model_n_trained(m)};
    size_t most = g->n_floats / TREE_CHUNK + (size_t)model_n_weights(m), offset = 0;
    g->chunks = alloc_zero(most, sizeof *g->chunks);
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        size_t total = w->grad ? (size_t)w->rows * (size_t)w->cols : 0;
        for (size_t at = 0; at < total; at += TREE_CHUNK) {
            size_t n = total - at < TREE_CHUNK ? total - at : TREE_CHUNK;
            g->chunks[g->n_chunks++] = (struct tree_chunk){w->grad + at, offset + at, n};
        }
        offset += total;
    }
    for (int k = 0; k < g->n_levels; k++) g->levels[k] = alloc_floats(g->n_floats);
}

void grad_tree_release(struct grad_tree *g)
{
    for (int k = 0; k < g->n_levels; k++) free(g->levels[k]);
    free(g->chunks);
    *g = (struct grad_tree){0};
}

void grad_tree_begin(struct grad_tree *g, long count)
{
    CHECK(levels_for(count) <= g->n_levels, "%ld microbatches, room for %d levels", count, g->n_levels);
    memset(g->full, 0, sizeof g->full);
    g->next = 0;
    g->count = count;
}

static void add_chunk(void *ctx, int item)
{
    const struct grad_tree *g = ctx;
    const struct tree_chunk *c = &g->chunks[item];
    kern()->add(c->grad, g->levels[g->at] + c->offset, c->grad, c->n);
}

static void fetch_chunk(void *ctx, int item)
{
    const struct grad_tree *g = ctx;
    const struct tree_chunk *c = &g->chunks[item];
    memcpy(c->grad, g->levels[g->at] + c->offset, c->n * sizeof *c->grad);
}

static void store_chunk(void *ctx, int item)
{
    const struct grad_tree *g = ctx;
    const struct tree_chunk *c = &g->chunks[item];
    memcpy(g->levels[g->at] + c->offset, c->grad, c->n * sizeof *c->grad);
}

/* Level `at` + what the model holds; either may be absent. */
static bool merge(struct grad_tree *g, int at, bool carried)
{
    if (!g->full[at]) return carried;
    g->at = at;
    pool_for(g->n_chunks, carried ? add_chunk : fetch_chunk, g);
    g->full[at] = false;
    return true;
}

void grad_tree_push(struct grad_tree *g, bool present)
{
    CHECK(g->next < g->count, "microbatch %ld of %ld", g->next, g->count);
    long number = g->next++;
    int at = 0;
    for (; number >> at & 1; at++) present = merge(g, at, present);
    if (g->next == g->count) {
        for (; at < g->n_levels; at++) present = merge(g, at, present);
        if (!present) model_zero_grad(g->model);
        return;
    }
    g->full[at] = present;
    g->at = at;
    if (present) pool_for(g->n_chunks, store_chunk, g);
}
