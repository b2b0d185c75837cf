/* attention_plan.c: the work of attention in units of about equal cost.
 *
 * Forward, a unit is a tile of a span's queries, or the rows of siblings: completions of one prompt, a row
 * each, whose tables begin with the same blocks. All heads of all their rows meet those blocks at once, so
 * that a block is read once for all and the kernels get whole tiles of queries (as Juravsky et al. 2024,
 * "Hydragen", but block by block in order, so that each row gets the bits that it would get alone).
 * Backward, a unit is a tree of spans and a set of gradient blocks.
 */
#include "op/attention_plan.h"

#include <string.h>

#include "base/pool.h"
#include "op/op_int.h"

enum {
    ATTENTION_HEADS = 32,     /* query heads of a unit: some threads' worth where many share one kv head */
    ATTENTION_PER_THREAD = 4, /* units of siblings, at least */
    ATTENTION_SHARE = 8       /* query heads that add into one set of gradient blocks, if there are more */
};

static double span_cost(const struct span *s, int first, int n, const struct attn *a)
{
    double keys = s->first_pos + first + n * 0.5;
    return n * ((a->window && keys > a->window ? a->window : keys) + KERN_KEYS);
}

static struct attention_items attention_group(struct tape *t, const double *cost, int n)
{
    double total = 0, sum = 0;
    for (int i = 0; i < n; i++) total += cost[i];
    struct attention_items items = {.start = tape_keep(t, ((size_t)n + 1) * sizeof(int))};
    double share = total / work_items(total, n);
    for (int i = 0; i < n; i++) {
        if (sum == 0) items.start[items.n++] = i;
        sum += cost[i];
        if (sum >= share) sum = 0;
    }
    items.start[items.n] = n;
    return items;
}

/* Blocks that the rows of two spans have in common and see whole. */
static int blocks_in_common(const struct span *x, const struct span *y)
{
    int pos = x->first_pos < y->first_pos ? x->first_pos : y->first_pos, n = 0;
    while (n < (pos + 1) / KERN_KEYS && x->blocks[n] == y->blocks[n]) n++;
    return n;
}

/* How many spans from i on, at most so many, are rows that begin with the same blocks, and how many blocks:
 * as many as the first two have in common. 1 and 0: a span by itself. */
static int siblings_at(const struct batch *b, int i, int most, int *shared)
{
    int n = 1;
    *shared = 0;
    for (; n < most && i + n < b->n_spans && b->spans[i].len == 1 && b->spans[i + n].len == 1; n++) {
        int common = blocks_in_common(&b->spans[i], &b->spans[i + n]);
        if (!common || common < *shared) break;
        if (n == 1) *shared = common;
    }
    return n;
}

/* Rows of a unit of siblings, at most: its queries fill a tile, and there are units for all threads. */
static int siblings_most(const struct batch *b, const struct attn *a, int units_a_row)
{
    int rows = 0, heads = a->n_heads / a->n_kv;
    if (!b->cache || a->window) return 1;
    for (int i = 0; i < b->n_spans; i++) rows += b->spans[i].len == 1;
    int most = ATTENTION_TILE / (heads < ATTENTION_HEADS ? heads : ATTENTION_HEADS);
    int enough = pool_threads() == 1 ? most : rows * units_a_row / (ATTENTION_PER_THREAD * pool_threads());
    return enough < most ? enough : most;
}

/* The units of a run of heads for each kv head, over some queries of one span, or those of siblings. */
static void attention_add_units(struct attention_plan *p, const struct batch *b, const struct attn *a,
                                struct attention_unit u, double *cost)
{
    int group = a->n_heads / a->n_kv;
    double pairs = 0; /* of queries and keys */
    for (int r = 0; r < u.rows; r++) pairs += span_cost(&b->spans[u.span + r], u.first, u.n, a);
    for (int kv = 0; kv < a->n_kv; kv++)
        for (int head = 0; head < group; head += ATTENTION_HEADS) {
            u.head = kv * group + head;
            u.n_heads = group - head < ATTENTION_HEADS ? group - head : ATTENTION_HEADS;
            cost[p->n_units] = pairs * (a->hd + a->vd) * u.n_heads;
            p->units[p->n_units++] = u;
        }
}

/* Forward units, the later (longer) tiles of a span first. */
static void attention_plan_units(struct tape *t, struct attention_plan *p, const struct batch *b,
                                 const struct attn *a)
{
    int most = 0, group = a->n_heads / a->n_kv;
    int units_a_row = (group + ATTENTION_HEADS - 1) / ATTENTION_HEADS * a->n_kv;
    for (int i = 0; i < b->n_spans; i++) {
        const struct span *s = &b->spans[i];
        most += ((span_end(s) - 1) / ATTENTION_TILE + 1 - s->first_pos / ATTENTION_TILE) * units_a_row;
    }
    p->units = tape_keep(t, (size_t)most * sizeof *p->units);
    double *cost = tape_keep(t, (size_t)most * sizeof *cost);
    int rows_most = siblings_most(b, a, units_a_row);
    for (int i = 0, rows; i < b->n_spans; i += rows) {
        const struct span *s = &b->spans[i];
        int shared;
        rows = siblings_at(b, i, rows_most, &shared);
        for (int end = span_end(s), from; end > s->first_pos; end = from) {
            from = (end - 1) / ATTENTION_TILE * ATTENTION_TILE;
            if (from < s->first_pos) from = s->first_pos;
            struct attention_unit u = {i, from - s->first_pos, end - from, 0, 0, rows, shared};
            attention_add_units(p, b, a, u, cost);
        }
    }
    p->forward = attention_group(t, cost, p->n_units);
}

int attention_parts(const struct attn *a)
{
    int group = a->n_heads / a->n_kv;
    return group <= ATTENTION_SHARE ? group : (group + ATTENTION_SHARE - 1) / ATTENTION_SHARE;
}

/* Trees of spans, and backward units (tree, part). */
static void attention_plan_trees(struct tape *t, struct attention_plan *p, const struct batch *b,
                                 const struct attn *a)
{
    int parts = attention_parts(a) * a->n_kv;
    size_t n = (size_t)b->n_spans;
    int *tree = tape_keep(t, n * sizeof(int)), *next = tape_keep(t, (n + 1) * sizeof(int));
    p->tree_start = tape_keep(t, (n + 1) * sizeof(int));
    p->tree_spans = tape_keep(t, n * sizeof(int));
    memset(p->tree_start, 0, (n + 1) * sizeof(int));
    for (int i = 0; i < b->n_spans; i++) {
        tree[i] = b->spans[i].parent < 0 ? p->n_trees++ : tree[b->spans[i].parent];
        p->tree_start[tree[i] + 1]++;
    }
    for (int i = 0; i < p->n_trees; i++) p->tree_start[i + 1] += p->tree_start[i];
    memcpy(next, p->tree_start, n * sizeof(int));
    double *cost = tape_keep(t, (size_t)p->n_trees * (size_t)parts * sizeof *cost);
    for (int i = 0; i < p->n_trees * parts; i++) cost[i] = 0;
    for (int i = 0; i < b->n_spans; i++) {
        const struct span *s = &b->spans[i];
        p->tree_spans[next[tree[i]]++] = i;
        for (int k = 0; k < parts; k++)
            cost[tree[i] * parts + k] +=
                span_cost(s, 0, s->len, a) * (a->hd * 3 + a->vd * 2) * a->n_heads / parts;
    }
    p->backward = attention_group(t, cost, p->n_trees * parts);
}

const struct attention_plan *attention_plan_for(struct tape *t, const struct batch *b, const struct attn *a)
{
    struct {
        const struct batch *batch;
        const struct span *spans;
        int n_rows, n_spans, n_heads, n_kv, hd, vd, window, threads;
    } key;
    memset(&key, 0, sizeof key);
    key.batch = b, key.spans = b->spans, key.n_rows = b->n_rows, key.n_spans = b->n_spans;
    key.n_heads = a->n_heads, key.n_kv = a->n_kv, key.hd = a->hd, key.vd = a->vd, key.window = a->window;
    key.threads = pool_threads();
    static const char maker;
    struct attention_plan *p = tape_memo_find(t, &maker, &key, sizeof key);
    if (p) return p;
    batch_check(b);
    p = tape_keep(t, sizeof *p);
    *p = (struct attention_plan){.base = tape_keep(t, (size_t)b->n_spans * sizeof(int))};
    for (int i = 0; i < b->n_spans; i++) {
        p->base[i] = p->n_blocks;
        p->n_blocks += span_own_blocks(&b->spans[i]);
    }
    attention_plan_units(t, p, b, a);
    if (!b->cache) attention_plan_trees(t, p, b, a);
    tape_memo_add(t, &maker, &key, sizeof key, p);
    return p;
}
