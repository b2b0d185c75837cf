/* engine.c: forward passes over whoever runs (continuous batching: Yu et al. 2022, "Orca"; prompts in pieces
 * beside decoding rows: Agrawal et al. 2024, "Sarathi-Serve").
 *
 *   pass:  one row for each sequence that has a token to feed, then pieces of prompts, in order, while rows
 *          are left -> model_forward -> logits of the rows that somebody draws from -> draws -> tokens
 *
 * A row's hidden state depends on the keys and values of its own sequence and on nothing else in the pass
 * (op.h), a draw on its logits and its key, so how passes are composed shows in no result.
 */
#include "infer/infer_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"

enum {
    LOGITS_FLOATS = 1 << 22, /* logits at a time, about */
    LOGITS_ROWS_MIN = 32,
    DRAWS_PER_THREAD = 4
};

/* ---- memory -------------------------------------------------------------------------------------------- */

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static size_t block_bytes(const struct model *m)
{
    struct kv_cache c = model_cache_shape(m, 1);
    return kv_cache_bytes(c.n_layers, c.n_kv, c.width, 1);
}

static struct engine_limits limits_resolve(const struct model *m, const struct engine_limits *given)
{
    struct engine_limits l = *given;
    l.max_running = min_int(l.max_running, l.max_rows);
    if (l.n_blocks) return l;
    /* One more: a prompt's partly filled block, which its completions copy. */
    l.n_blocks = l.max_running * blocks_for(l.max_tokens) + 1;
    size_t fit = l.kv_bytes / block_bytes(m);
    if (l.kv_bytes && fit < (size_t)l.n_blocks) l.n_blocks = (int)fit;
    return l;
}

static int limits_check(const struct model *m, const struct engine_limits *l, struct err *e)
{
    if (l->max_running < 1) return err_set(e, "max_running is %d; expected at least 1", l->max_running);
    if (l->max_rows < 1) return err_set(e, "max_rows is %d; expected at least 1", l->max_rows);
    if (l->max_tokens < 2) return err_set(e, "max_tokens is %d; expected at least 2", l->max_tokens);
    if ((long)l->max_running * blocks_for(l->max_tokens) >= 1L << 30)
        return err_set(e, "%d sequences of %d tokens are too many for one engine", l->max_running,
                       l->max_tokens);
    int least = blocks_for(l->max_tokens) + 1, n = limits_resolve(m, l).n_blocks;
    if (n < least)
        return err_set(e,
                       "a key-value cache of %d blocks of %d positions cannot hold a sequence of %d tokens: "
                       "give it at least %d blocks (%.1f MiB), or shorten the sequences",
                       n, KERN_KEYS, l->max_tokens, least, (double)block_bytes(m) * least / (1 << 20));
    return 0;
}

static int logits_rows(int vocab, int max_running)
{
    int n = LOGITS_FLOATS / vocab;
    return min_int(n > LOGITS_ROWS_MIN ? n : LOGITS_ROWS_MIN, max_running);
}

/* Step memory of a pass with max_rows rows in spans of `len`. */
static size_t step_bytes(struct model *m, const struct engine_limits *l, int len)
{
    const struct model_config *c = model_config(m);
    struct kv_cache cache = model_cache_shape(m, l->n_blocks);
    int n_spans = (l->max_rows + len - 1) / len;
    int *zeros = alloc_zero((size_t)l->max_rows + 1, sizeof *zeros);
    struct span *spans = alloc_zero((size_t)n_spans, sizeof *spans);
    for (int i = 0, row = 0; i < n_spans; i++, row += len)
        spans[i] = (struct span){row, min_int(len, l->max_rows - row), 0, -1, zeros};
    struct batch b = {l->max_rows, zeros, n_spans, spans, &cache, NULL, NULL};
    struct arena arena;
    arena_init_plan(&arena);
    struct tape *t = tape_new(&arena);
    tape_start(t, false);
    struct tensor *x = model_forward(m, t, &b, true);
    op_logits_run(t, x, model_head(m), zeros, min_int(l->max_rows, logits_rows(c->vocab, l->max_running)),
                  NULL);
    size_t bytes = arena.peak;
    tape_free(t);
    arena_release(&arena);
    free(spans);
    free(zeros);
    return bytes;
}

static size_t step_bytes_max(struct model *m, const struct engine_limits *l)
{
    size_t whole = step_bytes(m, l, l->max_rows), single = step_bytes(m, l, 1);
    return whole > single ? whole : single;
}

/* Weights that products read have panels, and these are those of the weights as they are now. */
static bool weights_packed(struct model *m)
{
    for (int i = 0; i < model_n_weights(m); i++)
        if (model_weight(m, i)->panels && !model_weight(m, i)->panels_fresh) return false;
    return model_head(m)->panels || model_head(m)->stored;
}

static size_t panels_bytes(struct model *m)
{
    size_t n = 0;
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        if (w->rows > 1 && !w->panels && !w->stored) n += kern_panels_floats(w->rows, w->cols);
    }
    return n * sizeof(float);
}

size_t engine_bytes(const struct model *model, const struct engine_limits *limits)
{
    struct model *m = (struct model *)model; /* a planning pass changes nothing */
    const struct model_config *c = model_config(m);
    if (limits_check(m, limits, NULL)) return 0;
    struct engine_limits l = limits_resolve(m, limits);
    size_t running = (size_t)l.max_running, rows = (size_t)l.max_rows, vocab = (size_t)c->vocab;
    size_t bytes = block_bytes(m) * (size_t)l.n_blocks + step_bytes_max(m, &l);
    bytes += sampler_bytes(c->vocab, pool_threads()) + (weights_packed(m) ? 0 : panels_bytes(m));
    bytes += ((size_t)logits_rows(c->vocab, l.max_running) + 1) * vocab * sizeof(float);
    bytes += rows * (sizeof(int) + sizeof(struct span)) + blocks_bytes(l.n_blocks);
    bytes += (2 * running + 1) * (size_t)blocks_for(l.max_tokens) * sizeof(int);
    return bytes + running * (sizeof(struct sequence) + sizeof(struct prompt) + sizeof(struct entry) +
                              sizeof(struct draw) + sizeof(int));
}

static void engine_slots(struct engine *e)
{
    size_t running = (size_t)e->limits.max_running, prompts = running + 1;
    size_t cap = (size_t)blocks_for(e->limits.max_tokens);
    e->tables = alloc_zero((running + prompts) * cap, sizeof *e->tables);
    e->sequence_memory = alloc_zero(running, sizeof *e->sequence_memory);
    e->sequences = alloc_zero(running, sizeof *e->sequences);
    e->prompt_memory = alloc_zero(prompts, sizeof *e->prompt_memory);
    e->prompts = alloc_zero(prompts, sizeof *e->prompts);
    for (size_t i = 0; i < running; i++) {
        e->sequences[i] = &e->sequence_memory[i];
        e->sequences[i]->table.block = e->tables + i * cap;
        text_stream_init(&e->sequences[i]->stream);
    }
    for (size_t i = 0; i < prompts; i++) {
        e->prompts[i] = &e->prompt_memory[i];
        e->prompts[i]->table.block = e->tables + (running + i) * cap;
    }
}

static void engine_pass_memory(struct engine *e)
{
    size_t running = (size_t)e->limits.max_running, rows = (size_t)e->limits.max_rows;
    size_t vocab = (size_t)model_config(e->model)->vocab;
    e->tokens = alloc_zero(rows, sizeof *e->tokens);
    e->spans = alloc_zero(rows, sizeof *e->spans);
    e->heads = alloc_zero(running, sizeof *e->heads);
    e->entries = alloc_zero(running, sizeof *e->entries);
    e->draws = alloc_zero(running, sizeof *e->draws);
    e->logits_rows = logits_rows((int)vocab, e->limits.max_running);
    e->logits = alloc_floats((size_t)e->logits_rows * vocab);
    e->kept_logits = alloc_floats(vocab);
}

struct engine *engine_new(struct model *m, const struct engine_limits *limits, struct err *err)
{
    if (limits_check(m, limits, err)) return NULL;
    struct engine_limits l = limits_resolve(m, limits);
    const struct model_config *c = model_config(m);
    struct kv_cache shape = model_cache_shape(m, l.n_blocks);
    struct kv_cache *cache = kv_cache_new(shape.n_layers, shape.n_kv, shape.width, l.n_blocks, err);
    if (!cache) return NULL;
    struct engine *e = alloc_zero(1, sizeof *e);
    e->model = m;
    e->limits = l;
    e->cache = cache;
    if (!weights_packed(m)) model_pack(m);
    blocks_init(&e->blocks, l.n_blocks, cache);
    sampler_init(&e->sampler, c->vocab, pool_threads());
    engine_slots(e);
    engine_pass_memory(e);
    size_t bytes = step_bytes_max(m, &l);
    arena_init(&e->arena, bytes);
    arena_alloc(&e->arena, bytes); /* one chunk for all steps; each begins with a reset */
    e->tape = tape_new(&e->arena);
    return e;
}

void engine_free(struct engine *e)
{
    if (!e) return;
    tape_free(e->tape);
    arena_release(&e->arena);
    for (int i = 0; i < e->limits.max_running; i++) text_stream_release(&e->sequence_memory[i].stream);
    void *const all[] = {e->tables,  e->sequence_memory, e->sequences,   e->prompt_memory,
                         e->prompts, e->tokens,          e->spans,       e->heads,
                         e->entries, e->draws,           e->kept_logits, e->logits};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    sampler_release(&e->sampler);
    blocks_release(&e->blocks);
    kv_cache_free(e->cache);
    free(e);
}

/* ---- who is in the pass -------------------------------------------------------------------------------- */

/* The rows of the span must be writable. */
static void pass_add_span(struct engine *e, struct table *t, int first_pos, const int *tokens, int n)
{
    for (int pos = first_pos; pos < first_pos + n; pos = (pos / KERN_KEYS + 1) * KERN_KEYS)
        blocks_write(&e->blocks, t, pos);
    memcpy(e->tokens + e->n_rows, tokens, (size_t)n * sizeof *tokens);
    e->spans[e->n_spans++] = (struct span){e->n_rows, n, first_pos, -1, t->block};
    e->n_rows += n;
}

static void pass_add_entry(struct engine *e, struct sequence *s, int head)
{
    e->entries[e->n_entries++] = (struct entry){s, head};
}

static int pass_add_head(struct engine *e, int row)
{
    e->heads[e->n_heads] = row;
    return e->n_heads++;
}

/* Completions whose prompt was ready before they were let in. */
static void pass_add_late(struct run *r)
{
    struct engine *e = r->e;
    for (int i = 0; i < e->n_running; i++) {
        struct sequence *s = e->sequences[i];
        if (!s->prompt || !s->prompt->complete) continue;
        sequence_start(r, s);
        pass_add_entry(e, s, -1);
    }
}

static void pass_add_decoding(struct run *r)
{
    struct engine *e = r->e;
    for (int i = 0; i < e->n_running; i++) {
        struct sequence *s = e->sequences[i];
        if (!s->out->n) continue;
        pass_add_entry(e, s, pass_add_head(e, e->n_rows));
        pass_add_span(e, &s->table, s->n_pos++, &s->out->ids[s->out->n - 1], 1);
    }
}

/* What another sequence has worked out already, or works out in this pass (a layer's keys and values are all
 * written before any is read). The last row is always our own: its logits are wanted. */
static void prompt_reuse(struct run *r, struct prompt *p)
{
    const struct request *q = &r->requests[p->request];
    while (p->n_done % KERN_KEYS == 0 && p->n_done + KERN_KEYS < q->n_prompt &&
           blocks_reuse(&r->e->blocks, &p->table, q->prompt + p->n_done)) {
        p->n_done += KERN_KEYS;
        r->progress.prompt_reused += KERN_KEYS;
    }
}

/* The next piece of a prompt; with its last row, those who wait for it. */
static void pass_add_prompt(struct run *r, struct prompt *p)
{
    struct engine *e = r->e;
    const struct request *q = &r->requests[p->request];
    prompt_reuse(r, p);
    int n = min_int(q->n_prompt - p->n_done, e->limits.max_rows - e->n_rows), from = p->n_done;
    if (n <= 0) return;
    pass_add_span(e, &p->table, from, q->prompt + from, n);
    p->n_done += n;
    r->progress.prompt_tokens += n;
    for (int i = from / KERN_KEYS; (i + 1) * KERN_KEYS <= p->n_done; i++)
        blocks_know(&e->blocks, &p->table, i, q->prompt + i * KERN_KEYS);
    if (p->n_done < q->n_prompt) return;
    p->complete = true;
    int head = pass_add_head(e, e->n_rows - 1);
    if (p == r->open) e->head_to_keep = head;
    for (int i = 0; i < e->n_running; i++) {
        struct sequence *s = e->sequences[i];
        if (s->prompt != p) continue;
        sequence_start(r, s);
        pass_add_entry(e, s, head);
    }
}

static void pass_build(struct run *r)
{
    struct engine *e = r->e;
    e->n_rows = e->n_spans = e->n_heads = e->n_entries = 0;
    e->head_to_keep = -1;
    pass_add_late(r);
    pass_add_decoding(r);
    for (int i = 0; i < e->n_prompts; i++) pass_add_prompt(r, e->prompts[i]);
    CHECK(e->n_entries || e->n_rows, "a pass without work; %d sequences run", e->n_running);
}

/* ---- forward and draws --------------------------------------------------------------------------------- */

struct draw_share {
    struct sampler *sampler;
    struct draw *draws;
    int n, n_items;
};

static void draw_item(void *ctx, int item)
{
    const struct draw_share *d = ctx;
    int from = (int)((long)d->n * item / d->n_items), to = (int)((long)d->n * (item + 1) / d->n_items);
    for (int i = from; i < to; i++) sampler_draw(d->sampler, &d->draws[i]);
}

/* The draws of entries first..end-1; logits row 0 is that of head first_head. */
static void pass_draw(struct run *r, int first, int end, int first_head)
{
    struct engine *e = r->e;
    size_t vocab = (size_t)e->sampler.vocab;
    for (int i = first; i < end; i++) {
        const struct entry *n = &e->entries[i];
        const struct request *q = &r->requests[n->s->request];
        e->draws[i] = (struct draw){.z = n->head < 0 ? e->kept_logits
                                                     : e->logits + (size_t)(n->head - first_head) * vocab,
                                    .how = &q->sampling,
                                    .prompt = q->prompt,
                                    .n_prompt = q->n_prompt,
                                    .ids = n->s->out->ids,
                                    .n_ids = n->s->out->n,
                                    .at = {.seed = q->seed,
                                           .purpose = RNG_SAMPLE,
                                           .step = q->step,
                                           .sequence = q->first_sequence + (uint32_t)n->s->index,
                                           .position = (uint32_t)n->s->out->n}};
    }
    int n = end - first, most = DRAWS_PER_THREAD * pool_threads();
    struct draw_share d = {&e->sampler, e->draws + first, n, min_int(n, most)};
    pool_for(d.n_items, draw_item, &d);
}

static void pass_forward(struct run *r)
{
    struct engine *e = r->e;
    int entry = 0, end = 0;
    while (end < e->n_entries && e->entries[end].head < 0) end++;
    pass_draw(r, entry, end, 0); /* before kept_logits may be needed for another prompt */
    if (!e->n_rows) return;
    struct batch b = {e->n_rows, e->tokens, e->n_spans, e->spans, e->cache, NULL, NULL};
    tape_start(e->tape, false);
    struct tensor *x = model_forward(e->model, e->tape, &b, true);
    for (int head = 0; head < e->n_heads; head += e->logits_rows) {
        int n = min_int(e->n_heads - head, e->logits_rows);
        op_logits_run(e->tape, x, model_head(e->model), e->heads + head, n, e->logits);
        size_t vocab = (size_t)e->sampler.vocab;
        if (e->head_to_keep >= head && e->head_to_keep < head + n)
            memcpy(e->kept_logits, e->logits + (size_t)(e->head_to_keep - head) * vocab,
                   vocab * sizeof(float));
        for (entry = end; end < e->n_entries && e->entries[end].head < head + n;) end++;
        pass_draw(r, entry, end, head);
    }
}

static int pass_take(struct run *r, struct err *err)
{
    struct engine *e = r->e;
    for (int i = 0; i < e->n_entries; i++) {
        struct sequence *s = e->entries[i].s;
        if (e->draws[i].bad)
            return err_set(err,
                           "request %d, completion %d, position %d: the logits hold NaN or infinity; the "
                           "weights are damaged, or training has diverged",
                           s->request, s->index, r->requests[s->request].n_prompt + s->out->n);
        sequence_take(r, s, &e->draws[i]);
    }
    return 0;
}

void engine_reset(struct engine *e)
{
    blocks_forget(&e->blocks);
}

/* ---- a run --------------------------------------------------------------------------------------------- */

static int run_passes(struct run *r, struct err *err)
{
    struct engine *e = r->e;
    for (;;) {
        run_admit(r);
        if (!e->n_running) return 0;
        pass_build(r);
        pass_forward(r);
        if (pass_take(r, err)) return -1;
        run_drop_ended(r);
        run_drop_prompts(r);
        r->progress.running = e->n_running;
        if (r->hooks && r->hooks->watch && r->hooks->watch(r->hooks->ctx, &r->progress))
            return err_kind_set(err, ERR_STOPPED, "stopped after %ld of %ld completions",
                                r->progress.done_sequences, r->progress.total_sequences);
    }
}

int engine_run(struct engine *e, const struct request *requests, int n, struct group *groups,
               const struct engine_hooks *hooks, struct err *err)
{
    struct run r = {.e = e, .requests = requests, .n = n, .groups = groups, .hooks = hooks};
    for (int i = 0; i < n; i++) groups[i] = (struct group){0};
    if (run_check(&r, err)) return -1;
    if (!e->limits.keep_prompts || !weights_packed(e->model)) engine_reset(e);
    if (!weights_packed(e->model)) model_pack(e->model);
    run_groups(&r);
    int failed = run_passes(&r, err);
    if (failed) run_abandon(&r);
    CHECK(e->blocks.n_free == e->blocks.n && !e->blocks.n_promised, "%d of %d blocks free, %d promised",
          e->blocks.n_free, e->blocks.n, e->blocks.n_promised);
    return failed;
}
