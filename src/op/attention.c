/* attention.c: causal attention over spans, in blocks of keys, never with the whole score matrix
 * (FlashAttention: Dao et al. 2022).
 *
 *   o_i = sum_j p_ij v_j,  p_ij = exp(scale q_i.k_j - lse_i),  i - window < j <= i
 *   dv_j = sum_i p_ij do_i;  ds_ij = p_ij (do_i.v_j - do_i.o_i) scale;  dq_i = sum_j ds_ij k_j;  dk_j = sum_i
 *   ds_ij q_i
 *
 * Block b of a sequence is positions 32b..32b+31, wherever its keys come from: the cache, this batch, or a
 * parent span. So a query meets the same blocks in the same order when decoding with a cache, when a prompt
 * comes in pieces, when branches share a prompt and in training, and the bits are equal. Blocks that lie
 * wholly before the window (Beltagy et al. 2020, "Longformer"; Mistral) are passed over.
 *
 * Without a cache each span has blocks of its own from first_pos / 32 on, in scratch memory, in the cache's
 * layout. The first of them may begin with keys of the parents (copied: the only copies there are); lower
 * blocks are looked up in the parents. In backward each span's own blocks collect dk and dv of all queries
 * that saw them, for each query head; then heads are added in order, a first block's foreign part is added to
 * the parent's last block, children before parents, and what is left is the gradient of the span's own rows.
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"
#include "op/op_int.h"

enum { ATTENTION_TILE = 64 /* queries of one head worked on together: positions 64t..64t+63 */ };

/* Queries first..first+n-1 of a span, for one kv head. */
struct attention_unit {
    int span, first, n, kv;
};

/* Units in runs of about equal cost: item i does units start[i]..start[i+1]-1. */
struct attention_items {
    int n;
    int *start;
};

/* What follows from the batch alone: the same for all layers. */
struct attention_plan {
    int n_blocks; /* own blocks of all spans */
    int *base;    /* [n_spans] index of the span's first own block */
    int n_units;
    struct attention_unit *units;
    struct attention_items forward, backward;
    int n_trees;     /* spans that share a root */
    int *tree_start; /* [n_trees + 1] into */
    int *tree_spans; /* [n_spans] spans by tree, in order */
};

struct attention_run {
    const struct batch *b;
    const struct attention_plan *plan;
    struct attn a;
    int group; /* query heads of a kv head */
    const float *q, *k, *v;
    float *o, *lse; /* lse [H][N]; NULL when not recording */
    /* Blocks: (block, kv head) at blocks + block * block_step + head * head_step: K^T, then V. */
    float *blocks;
    size_t block_step, head_step;
    float *scratch; /* forward, per thread */
    size_t scratch_step;
    /* backward */
    const float *dout;
    float *delta;        /* [H][N] */
    float *dq, *dk, *dv; /* dk, dv may be NULL */
    bool first_q, first_k, first_v;
    float *dblocks; /* [H][n_blocks]: dK [32][hd], dV [32][hd] */
};

struct attention_node {
    struct node node;
    struct attention_run run;
    struct tensor *q, *k, *v;
};

/* ---- plan --------------------------------------------------------------------------------------------- */

static int span_first_block(const struct span *s)
{
    return s->first_pos / KERN_KEYS;
}

static int span_end(const struct span *s)
{
    return s->first_pos + s->len;
}

static int span_own_blocks(const struct span *s)
{
    return (span_end(s) - 1) / KERN_KEYS + 1 - span_first_block(s);
}

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

/* Forward units, the later (longer) tiles of a span first. */
static void attention_plan_units(struct tape *t, struct attention_plan *p, const struct batch *b,
                                 const struct attn *a)
{
    int n = 0;
    for (int i = 0; i < b->n_spans; i++) {
        const struct span *s = &b->spans[i];
        n += ((span_end(s) - 1) / ATTENTION_TILE + 1 - s->first_pos / ATTENTION_TILE) * a->n_kv;
    }
    p->n_units = n;
    p->units = tape_keep(t, (size_t)n * sizeof *p->units);
    double *cost = tape_keep(t, (size_t)n * sizeof *cost);
    n = 0;
    for (int i = 0; i < b->n_spans; i++) {
        const struct span *s = &b->spans[i];
        for (int end = span_end(s), from; end > s->first_pos; end = from) {
            from = (end - 1) / ATTENTION_TILE * ATTENTION_TILE;
            if (from < s->first_pos) from = s->first_pos;
            for (int kv = 0; kv < a->n_kv; kv++, n++) {
                p->units[n] = (struct attention_unit){i, from - s->first_pos, end - from, kv};
                cost[n] =
                    span_cost(s, p->units[n].first, p->units[n].n, a) * a->hd * 2 * a->n_heads / a->n_kv;
            }
        }
    }
    p->forward = attention_group(t, cost, n);
}

/* Trees of spans, and backward units (tree, query head). */
static void attention_plan_trees(struct tape *t, struct attention_plan *p, const struct batch *b,
                                 const struct attn *a)
{
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
    double *cost = tape_keep(t, (size_t)p->n_trees * (size_t)a->n_heads * sizeof *cost);
    for (int i = 0; i < p->n_trees * a->n_heads; i++) cost[i] = 0;
    for (int i = 0; i < b->n_spans; i++) {
        const struct span *s = &b->spans[i];
        p->tree_spans[next[tree[i]]++] = i;
        for (int h = 0; h < a->n_heads; h++)
            cost[tree[i] * a->n_heads + h] += span_cost(s, 0, s->len, a) * a->hd * 5;
    }
    p->backward = attention_group(t, cost, p->n_trees * a->n_heads);
}

static const struct attention_plan *attention_plan_for(struct tape *t, const struct batch *b,
                                                       const struct attn *a)
{
    struct {
        const struct batch *batch;
        const struct span *spans;
        int n_rows, n_spans, n_heads, n_kv, hd, window, threads;
    } key;
    memset(&key, 0, sizeof key);
    key.batch = b, key.spans = b->spans, key.n_rows = b->n_rows, key.n_spans = b->n_spans;
    key.n_heads = a->n_heads, key.n_kv = a->n_kv, key.hd = a->hd, key.window = a->window,
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

/* ---- blocks ------------------------------------------------------------------------------------------- */

/* Index of the block that holds positions 32*block.. as span s sees them. */
static int block_index(const struct attention_run *a, int s, int block)
{
    const struct span *spans = a->b->spans;
    if (a->b->cache) return spans[s].blocks[block];
    while (block < span_first_block(&spans[s])) s = spans[s].parent;
    return a->plan->base[s] + block - span_first_block(&spans[s]);
}

static float *block_at(const struct attention_run *a, int index, int kv)
{
    return a->blocks + (size_t)index * a->block_step + (size_t)kv * a->head_step;
}

/* Write key and value of a row to place j of a block, all heads. */
static void block_put(const struct attention_run *a, int index, int j, int row)
{
    size_t hd = (size_t)a->a.hd;
    for (int kv = 0; kv < a->a.n_kv; kv++) {
        size_t from = ((size_t)row * (size_t)a->a.n_kv + (size_t)kv) * hd;
        float *kt = block_at(a, index, kv), *v = kt + hd * KERN_KEYS;
        for (size_t d = 0; d < hd; d++) kt[d * KERN_KEYS + (size_t)j] = a->k[from + d];
        memcpy(v + (size_t)j * hd, a->v + from, hd * sizeof(float));
    }
}

/* Rows r to their places, and the parents' part of a span's first block with the span's first row. */
static void attention_store(void *ctx, struct range r)
{
    const struct attention_run *a = ctx;
    const struct span *spans = a->b->spans;
    int s = batch_span_at(a->b, (int)r.from);
    for (int row = (int)r.from; row < (int)r.to; row++) {
        while (row >= spans[s].row + spans[s].len) s++;
        int pos = spans[s].first_pos + row - spans[s].row;
        int index = block_index(a, s, pos / KERN_KEYS);
        block_put(a, index, pos % KERN_KEYS, row);
        if (a->b->cache || row != spans[s].row) continue;
        for (int p = pos - 1, owner = s; p >= pos - pos % KERN_KEYS; p--) {
            while (p < spans[owner].first_pos) owner = spans[owner].parent;
            block_put(a, index, p % KERN_KEYS, spans[owner].row + p - spans[owner].first_pos);
        }
    }
}

static void attention_store_all(struct attention_run *a)
{
    work_over((size_t)a->b->n_rows, 1, (double)a->a.n_kv * a->a.hd * 16, attention_store, a);
}

/* ---- what queries see --------------------------------------------------------------------------------- */

/* Of one block: queries from..to-1 of a tile see keys first[i]..valid[i]-1; the others see none. */
struct attention_sight {
    int from, to;
    int first[ATTENTION_TILE], valid[ATTENTION_TILE];
};

static int clamp_key(int n)
{
    return n < 0 ? 0 : n < KERN_KEYS ? n : KERN_KEYS;
}

/* n queries at pos, pos + step, ... */
static void attention_look(const struct attn *a, int pos, int step, int n, int block,
                           struct attention_sight *s)
{
    s->from = n, s->to = 0;
    for (int i = 0; i < n; i++) {
        int end = pos + i * step + 1 - block * KERN_KEYS;
        s->valid[i] = clamp_key(end);
        s->first[i] = a->window ? clamp_key(end - a->window) : 0;
        if (s->first[i] >= s->valid[i]) continue;
        if (s->from == n) s->from = i;
        s->to = i + 1;
    }
    CHECK(s->from < s->to, "nobody at %d.. sees block %d", pos, block);
}

/* The first block that the query at position pos sees. */
static int attention_first_block(const struct attn *a, int pos)
{
    return a->window && pos >= a->window ? (pos + 1 - a->window) / KERN_KEYS : 0;
}

/* ---- forward ------------------------------------------------------------------------------------------ */

/* n queries that see the same blocks: rows of one head (pos_step 1), or the heads of one row (pos_step 0). */
struct attention_queries {
    int span, kv, n, pos, pos_step;
    size_t at, step;         /* of the first query in q and o, and to the next */
    size_t lse_at, lse_step; /* the same in lse */
};

static void attention_queries(const struct attention_run *a, const struct attention_queries *u)
{
    size_t hd = (size_t)a->a.hd, n = (size_t)u->n;
    float *m = a->scratch + (size_t)pool_self() * a->scratch_step, *l = m + n, *acc = l + n;
    int last = (u->pos + (u->n - 1) * u->pos_step) / KERN_KEYS;
    for (size_t i = 0; i < n; i++) m[i] = -INFINITY;
    memset(l, 0, (n + n * hd) * sizeof(float));
    for (int block = attention_first_block(&a->a, u->pos); block <= last; block++) {
        struct attention_sight s;
        attention_look(&a->a, u->pos, u->pos_step, u->n, block, &s);
        int from = s.from;
        const float *kt = block_at(a, block_index(a, u->span, block), u->kv);
        struct kern_attn c = {.nq = s.to - from,
                              .hd = a->a.hd,
                              .scale = a->a.scale,
                              .q = a->q + u->at + (size_t)from * u->step,
                              .q_row = (ptrdiff_t)u->step,
                              .kt = kt,
                              .v = kt + hd * KERN_KEYS,
                              .valid = s.valid + from,
                              .m = m + from,
                              .l = l + from,
                              .acc = acc + (size_t)from * hd,
                              .first = a->a.window ? s.first + from : NULL,
                              .cap = a->a.cap};
        kern()->attn(&c);
    }
    for (size_t i = 0; i < n; i++) kern()->scale(a->o + u->at + i * u->step, 1 / l[i], acc + i * hd, hd);
    if (!a->lse) return;
    kern()->log(l, l, n);
    for (size_t i = 0; i < n; i++) a->lse[u->lse_at + i * u->lse_step] = m[i] + l[i];
}

static void attention_forward_unit(const struct attention_run *a, const struct attention_unit *unit)
{
    const struct span *s = &a->b->spans[unit->span];
    size_t row = (size_t)s->row + (size_t)unit->first, hd = (size_t)a->a.hd, n_rows = (size_t)a->b->n_rows;
    size_t width = (size_t)a->a.n_heads * hd, head = (size_t)unit->kv * (size_t)a->group;
    struct attention_queries u = {unit->span, unit->kv, .pos = s->first_pos + unit->first};
    if (unit->n == 1) {
        u.step = hd, u.lse_step = n_rows;
        for (int done = 0; done < a->group; done += u.n) {
            u.n = a->group - done < ATTENTION_TILE ? a->group - done : ATTENTION_TILE;
            u.at = row * width + (head + (size_t)done) * hd;
            u.lse_at = (head + (size_t)done) * n_rows + row;
            attention_queries(a, &u);
        }
        return;
    }
    u.n = unit->n, u.pos_step = 1, u.step = width, u.lse_step = 1;
    for (size_t h = head; h < head + (size_t)a->group; h++) {
        u.at = row * width + h * hd;
        u.lse_at = h * n_rows + row;
        attention_queries(a, &u);
    }
}

static void attention_forward_item(void *ctx, int item)
{
    const struct attention_run *a = ctx;
    const struct attention_plan *p = a->plan;
    for (int i = p->forward.start[item]; i < p->forward.start[item + 1]; i++)
        attention_forward_unit(a, &p->units[i]);
}

/* Where the blocks are: in the cache, or in scratch. */
static void attention_blocks(struct tape *t, struct attention_run *a)
{
    size_t one = (size_t)a->a.hd * 2 * KERN_KEYS, row = one * (size_t)a->a.n_kv;
    const struct kv_cache *c = a->b->cache;
    a->head_step = one;
    if (c) {
        a->block_step = row * (size_t)c->n_layers;
        a->blocks = c->data + row * (size_t)a->a.layer;
    } else {
        a->block_step = row;
        a->blocks = tape_floats(t, row * (size_t)a->plan->n_blocks);
    }
}

static void attention_forward(struct tape *t, struct attention_run *a)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    attention_blocks(t, a);
    a->scratch_step = (size_t)ATTENTION_TILE * ((size_t)a->a.hd + 2);
    a->scratch = tape_floats(t, a->scratch_step * (size_t)pool_threads());
    if (!tape_planning(t)) {
        attention_store_all(a);
        pool_for(a->plan->forward.n, attention_forward_item, a);
    }
    arena_back(tape_arena(t), mark);
}

/* ---- backward ----------------------------------------------------------------------------------------- */

static void attention_delta(void *ctx, struct range r)
{
    const struct attention_run *a = ctx;
    size_t hd = (size_t)a->a.hd, heads = (size_t)a->a.n_heads;
    for (size_t row = r.from; row < r.to; row++)
        for (size_t h = 0; h < heads; h++) {
            size_t at = (row * heads + h) * hd;
            a->delta[h * (size_t)a->b->n_rows + row] = kern()->dot(a->dout + at, a->o + at, hd);
        }
}

static size_t dblock_floats(const struct attention_run *a)
{
    return (size_t)a->a.hd * 2 * KERN_KEYS;
}

static float *dblock_at(const struct attention_run *a, int head, int index)
{
    return a->dblocks + ((size_t)head * (size_t)a->plan->n_blocks + (size_t)index) * dblock_floats(a);
}

/* Queries at positions pos..pos+n-1 of a span, one head. */
static void attention_backward_tile(const struct attention_run *a, int span, int head, int pos, int n)
{
    const struct span *s = &a->b->spans[span];
    size_t hd = (size_t)a->a.hd, width = (size_t)a->a.n_heads * hd,
           row = (size_t)(s->row + pos - s->first_pos);
    size_t at = row * width + (size_t)head * hd, stat = (size_t)head * (size_t)a->b->n_rows + row;
    int last = (pos + n - 1) / KERN_KEYS;
    for (int i = 0; a->first_q && i < n; i++) memset(a->dq + at + (size_t)i * width, 0, hd * sizeof(float));
    for (int block = attention_first_block(&a->a, pos); block <= last; block++) {
        struct attention_sight sight;
        attention_look(&a->a, pos, 1, n, block, &sight);
        int from = sight.from;
        int index = block_index(a, span, block);
        const float *kt = block_at(a, index, head / a->group);
        float *dk = dblock_at(a, head, index);
        size_t skip = (size_t)from * width;
        struct kern_attn_back c = {.nq = sight.to - from,
                                   .hd = a->a.hd,
                                   .scale = a->a.scale,
                                   .q = a->q + at + skip,
                                   .dout = a->dout + at + skip,
                                   .q_row = (ptrdiff_t)width,
                                   .dout_row = (ptrdiff_t)width,
                                   .kt = kt,
                                   .v = kt + hd * KERN_KEYS,
                                   .valid = sight.valid + from,
                                   .lse = a->lse + stat + from,
                                   .delta = a->delta + stat + from,
                                   .dq = a->dq + at + skip,
                                   .dk = dk,
                                   .dv = dk + hd * KERN_KEYS,
                                   .first = a->a.window ? sight.first + from : NULL,
                                   .cap = a->a.cap};
        kern()->attn_back(&c);
    }
}

/* All spans of a tree in order, one query head. */
static void attention_backward_unit(const struct attention_run *a, int tree, int head)
{
    const struct attention_plan *p = a->plan;
    for (int i = p->tree_start[tree]; i < p->tree_start[tree + 1]; i++) {
        int span = p->tree_spans[i];
        const struct span *s = &a->b->spans[span];
        memset(dblock_at(a, head, p->base[span]), 0,
               (size_t)span_own_blocks(s) * dblock_floats(a) * sizeof(float));
        for (int pos = s->first_pos, end; pos < span_end(s); pos = end) {
            end = (pos / ATTENTION_TILE + 1) * ATTENTION_TILE;
            if (end > span_end(s)) end = span_end(s);
            attention_backward_tile(a, span, head, pos, end - pos);
        }
    }
}

static void attention_backward_item(void *ctx, int item)
{
    const struct attention_run *a = ctx;
    const struct attention_items *items = &a->plan->backward;
    for (int u = items->start[item]; u < items->start[item + 1]; u++)
        attention_backward_unit(a, u / a->a.n_heads, u % a->a.n_heads);
}

/* One row's gradient from its place in a block to the [N, KV*hd] form. */
static void attention_row_out(float *to, const float *from, size_t hd, bool first)
{
    if (first)
        memcpy(to, from, hd * sizeof(float));
    else
        kern()->add(to, to, from, hd);
}

/* Sum a tree's dk and dv over the query heads of a kv head, hand the parents' part up, write rows. */
static void attention_collect_tree(const struct attention_run *a, int tree, int kv)
{
    const struct attention_plan *p = a->plan;
    size_t hd = (size_t)a->a.hd, half = hd * KERN_KEYS;
    int head = kv * a->group;
    for (int i = p->tree_start[tree + 1] - 1; i >= p->tree_start[tree]; i--) {
        int span = p->tree_spans[i];
        const struct span *s = &a->b->spans[span];
        float *own = dblock_at(a, head, p->base[span]);
        size_t n = (size_t)span_own_blocks(s) * dblock_floats(a);
        for (int h = head + 1; h < head + a->group; h++)
            kern()->add(own, own, dblock_at(a, h, p->base[span]), n);
        int foreign = s->first_pos % KERN_KEYS;
        if (foreign) {
            float *up = dblock_at(a, head, block_index(a, s->parent, span_first_block(s)));
            kern()->add(up, up, own, (size_t)foreign * hd);
            kern()->add(up + half, up + half, own + half, (size_t)foreign * hd);
        }
        for (int r = 0; r < s->len; r++) {
            size_t place = (size_t)foreign + (size_t)r;
            const float *from = own + place / KERN_KEYS * 2 * half + place % KERN_KEYS * hd;
            size_t at = ((size_t)(s->row + r) * (size_t)a->a.n_kv + (size_t)kv) * hd;
            if (a->dk) attention_row_out(a->dk + at, from, hd, a->first_k);
            if (a->dv) attention_row_out(a->dv + at, from + half, hd, a->first_v);
        }
    }
}

static void attention_collect(void *ctx, struct range r)
{
    const struct attention_run *a = ctx;
    for (size_t u = r.from; u < r.to; u++) attention_collect_tree(a, (int)u / a->a.n_kv, (int)u % a->a.n_kv);
}

static void attention_backward(struct tape *t, struct node *node)
{
    struct attention_node *n = (struct attention_node *)node;
    struct attention_run *a = &n->run;
    size_t n_rows = (size_t)a->b->n_rows, heads = (size_t)a->a.n_heads;
    a->dout = node->y->grad;
    a->dq = tape_grad(t, n->q, &a->first_q);
    a->dk = tape_grad(t, n->k, &a->first_k);
    a->dv = tape_grad(t, n->v, &a->first_v);
    struct arena_mark mark = arena_here(tape_arena(t));
    if (!a->dq) {
        a->dq = tape_floats(t, n_rows * heads * (size_t)a->a.hd);
        a->first_q = true;
    }
    attention_blocks(t, a);
    a->delta = tape_floats(t, heads * n_rows);
    a->dblocks = tape_floats(t, heads * (size_t)a->plan->n_blocks * dblock_floats(a));
    if (!tape_planning(t)) {
        attention_store_all(a);
        work_over(n_rows, 1, (double)heads * a->a.hd * 4, attention_delta, a);
        pool_for(a->plan->backward.n, attention_backward_item, a);
        work_over((size_t)a->plan->n_trees * (size_t)a->a.n_kv, 1,
                  (double)n_rows / a->plan->n_trees * a->group * a->a.hd * 16, attention_collect, a);
    }
    arena_back(tape_arena(t), mark);
}

/* ---- the op ------------------------------------------------------------------------------------------- */

static void attention_check(struct tensor *qkv[3], const struct batch *b, const struct attn *a)
{
    CHECK(a->hd > 0 && a->n_kv > 0 && a->n_heads % a->n_kv == 0, "%d query heads, %d kv heads of %d",
          a->n_heads, a->n_kv, a->hd);
    CHECK(a->window >= 0 && a->cap >= 0, "window %d, cap %g", a->window, (double)a->cap);
    for (int i = 0; i < 3; i++) {
        int cols = (i ? a->n_kv : a->n_heads) * a->hd;
        CHECK(qkv[i]->rows == b->n_rows && qkv[i]->cols == cols, "%c is [%d, %d], expected [%d, %d]",
              "qkv"[i], qkv[i] -> rows, qkv[i] -> cols, b -> n_rows, cols);
    }
    const struct kv_cache *c = b->cache;
    CHECK(!c || (c->n_kv == a->n_kv && c->hd == a->hd && a->layer >= 0 && a->layer < c->n_layers),
          "layer %d with %d kv heads of %d; cache has %d layers, %d of %d", a->layer, a->n_kv, a->hd,
          c->n_layers, c->n_kv, c->hd);
}

struct tensor *op_attention_run(struct tape *t, struct tensor *qkv[3], const struct batch *b,
                                const struct attn *a)
{
    attention_check(qkv, b, a);
    bool wants = qkv[0]->wants_grad || qkv[1]->wants_grad || qkv[2]->wants_grad;
    struct tensor *y = tape_result(t, qkv[0]->rows, qkv[0]->cols, wants);
    struct attention_run run = {.b = b, .a = *a, .group = a->n_heads / a->n_kv, .o = y->data};
    run.plan = attention_plan_for(t, b, a);
    run.q = qkv[0]->data, run.k = qkv[1]->data, run.v = qkv[2]->data;
    bool records = tape_records(t, y);
    CHECK(!records || !b->cache, "no gradient goes through a key-value cache");
    if (records) run.lse = tape_floats(t, (size_t)a->n_heads * (size_t)b->n_rows);
    attention_forward(t, &run);
    if (!records) return y;
    struct attention_node *n = tape_node(t, sizeof *n, y, attention_backward);
    n->run = run;
    n->q = qkv[0], n->k = qkv[1], n->v = qkv[2];
    return y;
}

static struct tensor *attention_case(struct tape *t, int c)
{
    /* A prompt of 35 with two branches, one of which branches again, and a second tree; then plain spans. */
    static const struct span tree[] = {{0, 35, 0, -1, NULL}, {35, 3, 35, 0, NULL}, {38, 2, 0, -1, NULL},
                                       {40, 4, 38, 1, NULL}, {44, 5, 35, 0, NULL}, {49, 1, 38, 1, NULL}};
    static const struct span plain[] = {{0, 3, 0, -1, NULL}, {3, 1, 0, -1, NULL}, {4, 7, 0, -1, NULL}};
    static const struct batch batches[] = {{.n_rows = 11, .n_spans = 3, .spans = plain},
                                           {.n_rows = 50, .n_spans = 6, .spans = tree}};
    static const struct attn attns[] = {
        {.n_heads = 2, .n_kv = 2, .hd = 5, .scale = 0.5F},
        {.n_heads = 2, .n_kv = 1, .hd = 4, .scale = 0.5F},
        {.n_heads = 3, .n_kv = 1, .hd = 8, .scale = 0.4F},
        {.n_heads = 2, .n_kv = 1, .hd = 6, .scale = 0.4F, .window = 4},
        {.n_heads = 1, .n_kv = 1, .hd = 6, .scale = 0.9F, .window = 33, .cap = 1}};
    const struct batch *b = &batches[c > 0];
    const struct attn *a = &attns[c];
    struct tensor *q = op_case_input(t, b->n_rows, a->n_heads * a->hd, 1);
    struct tensor *k = op_case_input(t, b->n_rows, a->n_kv * a->hd, 1);
    struct tensor *v = op_case_input(t, b->n_rows, a->n_kv * a->hd, 1);
    return op_attention_run(t, (struct tensor *[3]){q, k, v}, b, a);
}

const struct op op_attention = {
    .name = "attention",
    .formula = "o_i = sum_{i - window < j <= i} softmax_j(scale q_i.k_j) v_j",
    .n_cases = 5,
    .build_case = attention_case,
};
