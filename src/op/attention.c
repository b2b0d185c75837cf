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
 * Where many query heads share a kv head, fixed runs of them add into one set of blocks, one head after the
 * other.
 *
 * Latent attention (DeepSeek-AI 2024, "DeepSeek-V2") has no values of its own: they are the first vd columns
 * of the keys. Blocks then hold keys alone, and values are turned out of them where they are needed.
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"
#include "op/attention_plan.h"
#include "op/op_int.h"

struct attention_run {
    const struct batch *b;
    const struct attention_plan *plan;
    struct attn a;
    int group;              /* query heads of a kv head */
    int share, parts;       /* query heads that share gradient blocks; such sets of a kv head */
    const float *q, *k, *v; /* v NULL: latent */
    float *o, *lse;         /* lse [N, H]; NULL: nobody wants it */
    /* Blocks: (block, kv head) at blocks + block * block_step + head * head_step: K^T; V if not latent. */
    float *blocks;
    size_t block_step, head_step;
    float *scratch; /* per thread; begins with the values of a block if latent */
    size_t scratch_step;
    /* backward */
    const float *dout;
    float *delta;        /* [N, H] */
    float *dq, *dk, *dv; /* dk, dv may be NULL */
    bool first_q, first_k, first_v;
    float *dblocks; /* [KV*parts][n_blocks]: dK [32][hd], dV [32][vd] */
};

struct attention_node {
    struct node node;
    struct attention_run run;
    struct tensor *q, *k, *v;
};

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
    size_t hd = (size_t)a->a.hd, vd = (size_t)a->a.vd;
    for (int kv = 0; kv < a->a.n_kv; kv++) {
        size_t from = (size_t)row * (size_t)a->a.n_kv + (size_t)kv;
        float *kt = block_at(a, index, kv), *v = kt + hd * KERN_KEYS;
        for (size_t d = 0; d < hd; d++) kt[d * KERN_KEYS + (size_t)j] = a->k[from * hd + d];
        if (a->v) memcpy(v + (size_t)j * vd, a->v + from * vd, vd * sizeof(float));
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

/* Values of the block whose keys are kt: behind them, or turned out of them into the thread's scratch. */
static const float *block_values(const struct attention_run *a, const float *kt)
{
    if (a->v) return kt + (size_t)a->a.hd * KERN_KEYS;
    float *v = a->scratch + (size_t)pool_self() * a->scratch_step;
    kern()->key_rows(v, kt, a->a.vd);
    return v;
}

static size_t block_values_scratch(const struct attention_run *a)
{
    return a->v ? 0 : (size_t)a->a.vd * KERN_KEYS;
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
    int span, row, head, n, pos, pos_step;
};

/* What is kept of each query while blocks pass: largest score, sum, weighted values [n][vd]. */
struct attention_state {
    float *m, *l, *acc;
};

/* The state of n queries, in the thread's scratch. */
static struct attention_state attention_begin(const struct attention_run *a, size_t n)
{
    struct attention_state s = {.m = a->scratch + (size_t)pool_self() * a->scratch_step +
                                     block_values_scratch(a)};
    s.l = s.m + n, s.acc = s.l + n;
    for (size_t i = 0; i < n; i++) s.m[i] = -INFINITY;
    memset(s.l, 0, (n + n * (size_t)a->a.vd) * sizeof(float));
    return s;
}

/* The state from query i on. */
static struct attention_state attention_state_at(const struct attention_run *a,
                                                 const struct attention_state *s, size_t i)
{
    return (struct attention_state){s->m + i, s->l + i, s->acc + i * (size_t)a->a.vd};
}

/* Queries q, q + q_row, .. and what they see of a block. */
static void attention_block(const struct attention_run *a, const struct attention_state *state, int index,
                            int head, struct kern_attn c)
{
    const float *kt = block_at(a, index, head / a->group);
    c.hd = a->a.hd, c.vd = a->a.vd, c.scale = a->a.scale, c.cap = a->a.cap;
    c.kt = kt, c.v = block_values(a, kt);
    c.m = state->m, c.l = state->l, c.acc = state->acc;
    counted_attn(&c);
}

/* From block `first` on, or the first that they see. */
static void attention_queries(const struct attention_run *a, const struct attention_queries *u,
                              const struct attention_state *state, int first)
{
    size_t hd = (size_t)a->a.hd, heads = (size_t)a->a.n_heads, step = u->pos_step ? heads : 1;
    const float *q = a->q + ((size_t)u->row * heads + (size_t)u->head) * hd;
    int last = (u->pos + (u->n - 1) * u->pos_step) / KERN_KEYS, seen = attention_first_block(&a->a, u->pos);
    for (int block = first > seen ? first : seen; block <= last; block++) {
        struct attention_sight s;
        attention_look(&a->a, u->pos, u->pos_step, u->n, block, &s);
        size_t from = (size_t)s.from;
        struct attention_state at = attention_state_at(a, state, from);
        attention_block(a, &at, block_index(a, u->span, block), u->head,
                        (struct kern_attn){.nq = s.to - s.from,
                                           .q = q + from * step * hd,
                                           .q_row = (ptrdiff_t)(step * hd),
                                           .valid = s.valid + from,
                                           .first = a->a.window ? s.first + from : NULL});
    }
}

static void attention_end(const struct attention_run *a, const struct attention_queries *u,
                          const struct attention_state *s)
{
    size_t vd = (size_t)a->a.vd, n = (size_t)u->n, heads = (size_t)a->a.n_heads;
    size_t at = (size_t)u->row * heads + (size_t)u->head, step = u->pos_step ? heads : 1;
    for (size_t i = 0; i < n; i++)
        kern()->scale(a->o + (at + i * step) * vd, 1 / s->l[i], s->acc + i * vd, vd);
    if (!a->lse) return;
    kern()->log(s->l, s->l, n);
    for (size_t i = 0; i < n; i++) a->lse[at + i * step] = s->m[i] + s->l[i];
}

/* Queries of several rows, row by row, against the blocks that all of them see whole. */
static void attention_shared(const struct attention_run *a, const struct attention_unit *unit,
                             const struct attention_state *state)
{
    size_t hd = (size_t)a->a.hd, heads = (size_t)unit->n_heads, n = (size_t)unit->rows * heads;
    float *q = state->acc + n * (size_t)a->a.vd;
    int valid[ATTENTION_TILE];
    for (size_t i = 0; i < n; i++) {
        size_t row = (size_t)a->b->spans[unit->span].row + i / heads;
        size_t head = (size_t)unit->head + i % heads;
        memcpy(q + i * hd, a->q + (row * (size_t)a->a.n_heads + head) * hd, hd * sizeof(float));
        valid[i] = KERN_KEYS;
    }
    for (int block = 0; block < unit->shared; block++)
        attention_block(a, state, block_index(a, unit->span, block), unit->head,
                        (struct kern_attn){.nq = (int)n, .q = q, .q_row = (ptrdiff_t)hd, .valid = valid});
}

/* The heads of siblings or of one row: blocks that they share with all at once, the others row by row. */
static void attention_rows(const struct attention_run *a, const struct attention_unit *unit)
{
    size_t heads = (size_t)unit->n_heads;
    struct attention_state all = attention_begin(a, (size_t)unit->rows * heads);
    if (unit->shared) attention_shared(a, unit, &all);
    for (int r = 0; r < unit->rows; r++) {
        const struct span *s = &a->b->spans[unit->span + r];
        struct attention_queries u = {unit->span + r, s->row + unit->first,       unit->head,
                                      unit->n_heads,  s->first_pos + unit->first, 0};
        struct attention_state own = attention_state_at(a, &all, (size_t)r * heads);
        attention_queries(a, &u, &own, unit->shared);
        attention_end(a, &u, &own);
    }
}

/* The heads of several rows of a span, one after the other. */
static void attention_heads(const struct attention_run *a, const struct attention_unit *unit)
{
    const struct span *s = &a->b->spans[unit->span];
    for (int head = unit->head; head < unit->head + unit->n_heads; head++) {
        struct attention_queries u = {unit->span, s->row + unit->first,       head,
                                      unit->n,    s->first_pos + unit->first, 1};
        struct attention_state state = attention_begin(a, (size_t)unit->n);
        attention_queries(a, &u, &state, 0);
        attention_end(a, &u, &state);
    }
}

static void attention_forward_item(void *ctx, int item)
{
    const struct attention_run *a = ctx;
    const struct attention_plan *p = a->plan;
    for (int i = p->forward.start[item]; i < p->forward.start[item + 1]; i++)
        (p->units[i].n == 1 ? attention_rows : attention_heads)(a, &p->units[i]);
}

/* Where the blocks are: in the cache, or in scratch. */
static void attention_blocks(struct tape *t, struct attention_run *a)
{
    size_t width = (size_t)(a->v ? a->a.hd + a->a.vd : a->a.hd);
    size_t one = width * KERN_KEYS, row = one * (size_t)a->a.n_kv;
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
    a->scratch_step =
        block_values_scratch(a) + (size_t)ATTENTION_TILE * ((size_t)a->a.vd + (size_t)a->a.hd + 2);
    a->scratch = tape_floats(t, a->scratch_step * (size_t)pool_threads());
    if (!tape_idle(t)) {
        attention_store_all(a);
        pool_for(a->plan->forward.n, attention_forward_item, a);
    }
    arena_back(tape_arena(t), mark);
}

/* ---- backward ----------------------------------------------------------------------------------------- */

static void attention_delta(void *ctx, struct range r)
{
    const struct attention_run *a = ctx;
    size_t vd = (size_t)a->a.vd, heads = (size_t)a->a.n_heads;
    for (size_t row = r.from; row < r.to; row++)
        for (size_t h = 0; h < heads; h++) {
            size_t at = (row * heads + h) * vd;
            a->delta[row * heads + h] = kern()->dot(a->dout + at, a->o + at, vd);
        }
}

static size_t dblock_floats(const struct attention_run *a)
{
    return (size_t)(a->a.hd + a->a.vd) * KERN_KEYS;
}

static float *dblock_at(const struct attention_run *a, int part, int index)
{
    return a->dblocks + ((size_t)part * (size_t)a->plan->n_blocks + (size_t)index) * dblock_floats(a);
}

/* Queries at positions pos..pos+n-1 of a span, one head. */
static void attention_backward_tile(const struct attention_run *a, int span, int head, int pos, int n)
{
    const struct span *s = &a->b->spans[span];
    size_t hd = (size_t)a->a.hd, vd = (size_t)a->a.vd, heads = (size_t)a->a.n_heads;
    size_t row = (size_t)(s->row + pos - s->first_pos), at = row * heads + (size_t)head;
    int last = (pos + n - 1) / KERN_KEYS, kv = head / a->group;
    int part = kv * a->parts + head % a->group / a->share;
    for (size_t i = 0; a->first_q && i < (size_t)n; i++)
        memset(a->dq + (at + i * heads) * hd, 0, hd * sizeof(float));
    for (int block = attention_first_block(&a->a, pos); block <= last; block++) {
        struct attention_sight sight;
        attention_look(&a->a, pos, 1, n, block, &sight);
        int from = sight.from;
        int index = block_index(a, span, block);
        const float *kt = block_at(a, index, kv);
        float *dk = dblock_at(a, part, index);
        size_t first = at + (size_t)from * heads;
        struct kern_attn_back c = {.nq = sight.to - from,
                                   .hd = a->a.hd,
                                   .vd = a->a.vd,
                                   .scale = a->a.scale,
                                   .q = a->q + first * hd,
                                   .dout = a->dout + first * vd,
                                   .q_row = (ptrdiff_t)(heads * hd),
                                   .dout_row = (ptrdiff_t)(heads * vd),
                                   .kt = kt,
                                   .v = block_values(a, kt),
                                   .valid = sight.valid + from,
                                   .lse = a->lse + first,
                                   .delta = a->delta + first,
                                   .stat_row = (ptrdiff_t)heads,
                                   .dq = a->dq + first * hd,
                                   .dk = dk,
                                   .dv = dk + hd * KERN_KEYS,
                                   .first = a->a.window ? sight.first + from : NULL,
                                   .cap = a->a.cap};
        counted_attn_back(&c);
    }
}

/* All spans of a tree in order, for one query head. */
static void attention_backward_head(const struct attention_run *a, int tree, int head)
{
    const struct attention_plan *p = a->plan;
    for (int i = p->tree_start[tree]; i < p->tree_start[tree + 1]; i++) {
        int span = p->tree_spans[i];
        const struct span *s = &a->b->spans[span];
        for (int pos = s->first_pos, end; pos < span_end(s); pos = end) {
            end = (pos / ATTENTION_TILE + 1) * ATTENTION_TILE;
            if (end > span_end(s)) end = span_end(s);
            attention_backward_tile(a, span, head, pos, end - pos);
        }
    }
}

static void attention_backward_unit(const struct attention_run *a, int tree, int part)
{
    const struct attention_plan *p = a->plan;
    for (int i = p->tree_start[tree]; i < p->tree_start[tree + 1]; i++) {
        int span = p->tree_spans[i];
        memset(dblock_at(a, part, p->base[span]), 0,
               (size_t)span_own_blocks(&a->b->spans[span]) * dblock_floats(a) * sizeof(float));
    }
    int first = part % a->parts * a->share, last = first + a->share < a->group ? first + a->share : a->group;
    for (int h = first; h < last; h++) attention_backward_head(a, tree, part / a->parts * a->group + h);
}

static void attention_backward_item(void *ctx, int item)
{
    const struct attention_run *a = ctx;
    const struct attention_items *items = &a->plan->backward;
    int parts = a->parts * a->a.n_kv;
    for (int u = items->start[item]; u < items->start[item + 1]; u++)
        attention_backward_unit(a, u / parts, u % parts);
}

/* One row's gradient from its place in a block to the [N, KV*width] form. */
static void attention_row_out(float *to, const float *from, size_t width, bool first)
{
    if (first)
        memcpy(to, from, width * sizeof(float));
    else
        kern()->add(to, to, from, width);
}

/* Rows of a span from its own blocks, which hold `foreign` keys of the parents first. */
static void attention_rows_out(const struct attention_run *a, int span, int kv, float *own)
{
    const struct span *s = &a->b->spans[span];
    size_t hd = (size_t)a->a.hd, vd = (size_t)a->a.vd, foreign = (size_t)(s->first_pos % KERN_KEYS);
    for (size_t r = 0; r < (size_t)s->len; r++) {
        size_t place = foreign + r, at = ((size_t)s->row + r) * (size_t)a->a.n_kv + (size_t)kv;
        float *block = own + place / KERN_KEYS * dblock_floats(a);
        float *k = block + place % KERN_KEYS * hd, *v = block + KERN_KEYS * hd + place % KERN_KEYS * vd;
        if (!a->v) kern()->add(k, k, v, vd); /* values were the keys' first columns */
        if (a->dk) attention_row_out(a->dk + at * hd, k, hd, a->first_k);
        if (a->dv) attention_row_out(a->dv + at * vd, v, vd, a->first_v);
    }
}

/* Sum a tree's dk and dv over the parts of a kv head, hand the parents' part up, write rows. */
static void attention_collect_tree(const struct attention_run *a, int tree, int kv)
{
    const struct attention_plan *p = a->plan;
    size_t hd = (size_t)a->a.hd, vd = (size_t)a->a.vd, keys = hd * KERN_KEYS;
    int part = kv * a->parts;
    for (int i = p->tree_start[tree + 1] - 1; i >= p->tree_start[tree]; i--) {
        int span = p->tree_spans[i];
        const struct span *s = &a->b->spans[span];
        float *own = dblock_at(a, part, p->base[span]);
        size_t n = (size_t)span_own_blocks(s) * dblock_floats(a);
        for (int k = part + 1; k < part + a->parts; k++)
            kern()->add(own, own, dblock_at(a, k, p->base[span]), n);
        int foreign = s->first_pos % KERN_KEYS;
        if (foreign) {
            float *up = dblock_at(a, part, block_index(a, s->parent, span_first_block(s)));
            kern()->add(up, up, own, (size_t)foreign * hd);
            kern()->add(up + keys, up + keys, own + keys, (size_t)foreign * vd);
        }
        attention_rows_out(a, span, kv, own);
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
    a->dv = n->v ? tape_grad(t, n->v, &a->first_v) : NULL;
    struct arena_mark mark = arena_here(tape_arena(t));
    if (!a->dq) {
        a->dq = tape_floats(t, n_rows * heads * (size_t)a->a.hd);
        a->first_q = true;
    }
    attention_blocks(t, a);
    a->scratch_step = block_values_scratch(a);
    a->scratch = tape_floats(t, a->scratch_step * (size_t)pool_threads());
    a->delta = tape_floats(t, heads * n_rows);
    size_t parts = (size_t)a->parts * (size_t)a->a.n_kv;
    a->dblocks = tape_floats(t, parts * (size_t)a->plan->n_blocks * dblock_floats(a));
    if (!tape_planning(t)) {
        attention_store_all(a);
        work_over(n_rows, 1, (double)heads * a->a.vd * 4, attention_delta, a);
        pool_for(a->plan->backward.n, attention_backward_item, a);
        work_over((size_t)a->plan->n_trees * (size_t)a->a.n_kv, 1,
                  (double)n_rows / a->plan->n_trees * a->parts * (a->a.hd + a->a.vd) * 8, attention_collect,
                  a);
    }
    arena_back(tape_arena(t), mark);
}

/* ---- the op ------------------------------------------------------------------------------------------- */

static void attention_check(struct tensor *qkv[3], const struct batch *b, const struct attn *a)
{
    int width = qkv[2] ? a->hd + a->vd : a->hd;
    CHECK(a->hd > 0 && a->vd > 0 && a->n_kv > 0 && a->n_heads % a->n_kv == 0,
          "%d query heads, %d kv heads of %d and %d", a->n_heads, a->n_kv, a->hd, a->vd);
    CHECK(a->window >= 0 && a->cap >= 0, "window %d, cap %g", a->window, (double)a->cap);
    CHECK(qkv[2] || a->vd <= a->hd, "values of %d columns in keys of %d", a->vd, a->hd);
    for (int i = 0; i < 3 && qkv[i]; i++) {
        const struct tensor *x = qkv[i];
        int cols = (i ? a->n_kv : a->n_heads) * (i < 2 ? a->hd : a->vd);
        const char name = "qkv"[i];
        CHECK(x->rows == b->n_rows && x->cols == cols, "%c is [%d, %d], expected [%d, %d]", name, x->rows,
              x->cols, b->n_rows, cols);
    }
    const struct kv_cache *c = b->cache;
    CHECK(!c || (c->n_kv == a->n_kv && c->width == width && a->layer >= 0 && a->layer < c->n_layers),
          "layer %d with %d kv heads of %d; cache has %d layers, %d of %d", a->layer, a->n_kv, width,
          c->n_layers, c->n_kv, c->width);
}

struct tensor *op_attention_run(struct tape *t, struct tensor *qkv[3], const struct batch *b,
                                const struct attn *a)
{
    attention_check(qkv, b, a);
    bool wants = qkv[0]->wants_grad || qkv[1]->wants_grad || (qkv[2] && qkv[2]->wants_grad);
    struct tensor *y = tape_result(t, qkv[0]->rows, a->n_heads * a->vd, wants);
    struct tensor *lse = tape_result(t, qkv[0]->rows, a->n_heads, false);
    struct attention_run run = {.b = b, .a = *a, .group = a->n_heads / a->n_kv, .o = y->data};
    run.parts = attention_parts(a);
    run.share = (run.group + run.parts - 1) / run.parts;
    run.plan = attention_plan_for(t, b, a);
    run.q = qkv[0]->data, run.k = qkv[1]->data, run.v = qkv[2] ? qkv[2]->data : NULL;
    bool records = tape_records(t, y);
    CHECK(!records || !b->cache, "no gradient goes through a key-value cache");
    if (records || b->aside) run.lse = lse->data;
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
    /* The last two: values narrower than keys; latent, with more heads than share gradient blocks. */
    static const struct attn attns[] = {
        {.n_heads = 2, .n_kv = 2, .hd = 5, .vd = 5, .scale = 0.5F},
        {.n_heads = 2, .n_kv = 1, .hd = 4, .vd = 4, .scale = 0.5F},
        {.n_heads = 3, .n_kv = 1, .hd = 8, .vd = 8, .scale = 0.4F},
        {.n_heads = 2, .n_kv = 1, .hd = 6, .vd = 6, .scale = 0.4F, .window = 4},
        {.n_heads = 1, .n_kv = 1, .hd = 6, .vd = 6, .scale = 0.9F, .window = 33, .cap = 1},
        {.n_heads = 2, .n_kv = 2, .hd = 6, .vd = 3, .scale = 0.4F},
        {.n_heads = 9, .n_kv = 1, .hd = 5, .vd = 3, .scale = 0.4F}};
    const struct batch *b = &batches[c > 0];
    const struct attn *a = &attns[c];
    struct tensor *q = op_case_input(t, b->n_rows, a->n_heads * a->hd, 1);
    struct tensor *k = op_case_input(t, b->n_rows, a->n_kv * a->hd, 1);
    struct tensor *v = c == 6 ? NULL : op_case_input(t, b->n_rows, a->n_kv * a->vd, 1);
    return op_attention_run(t, (struct tensor *[3]){q, k, v}, b, a);
}

const struct op op_attention = {
    .name = "attention",
    .formula = "o_i = sum_{i - window < j <= i} softmax_j(scale q_i.k_j) v_j",
    .n_cases = 7,
    .build_case = attention_case,
};
