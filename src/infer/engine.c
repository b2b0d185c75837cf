/* engine.c: the engine's memory, all of it taken at the start, and a run: passes (pass.c) until all is done.
 */
#include "infer/infer_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"

enum {
    LOGITS_FLOATS = 1 << 22, /* logits at a time, about */
    LOGITS_ROWS_MIN = 32,
    DRAFT_MAX = 256
};

/* ---- memory -------------------------------------------------------------------------------------------- */

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Layers that predict further have their place behind the others. */
static struct kv_cache cache_shape(const struct model *m, const struct engine_limits *l)
{
    struct kv_cache c = model_cache_shape(m, l->n_blocks);
    if (l->draft.by && l->draft.by->modules) c.n_layers += l->draft.n;
    return c;
}

/* In all caches. */
static size_t block_bytes(const struct model *m, const struct engine_limits *l)
{
    struct kv_cache c = cache_shape(m, l);
    size_t bytes = kv_cache_bytes(c.n_layers, c.n_kv, c.width, 1);
    if (!l->draft.by || !l->draft.by->model) return bytes;
    c = model_cache_shape(l->draft.model, 1);
    return bytes + kv_cache_bytes(c.n_layers, c.n_kv, c.width, 1);
}

int tokens_ahead(const struct engine_limits *l)
{
    return l->draft.by && l->draft.by->modules ? l->draft.n : 0;
}

/* Blocks of a prompt that its completions copy: the partly filled one, and those whose last positions depend
 * on tokens behind the prompt. */
static int blocks_copied(const struct engine_limits *l)
{
    return blocks_for(KERN_KEYS - 1 + tokens_ahead(l));
}

struct engine_limits limits_resolve(const struct model *m, const struct engine_limits *given)
{
    struct engine_limits l = *given;
    if (!l.draft.by)
        l.draft.n = 0;
    else if (!l.draft.n)
        l.draft.n = l.draft.by->modules ? model_config(m)->mtp : l.draft.by->n;
    l.max_running = min_int(l.max_running, l.max_rows / (1 + l.draft.n));
    if (l.n_blocks) return l;
    l.n_blocks = l.max_running * blocks_for(l.max_tokens) + blocks_copied(&l);
    size_t fit = l.kv_bytes / block_bytes(m, &l);
    if (l.kv_bytes && fit < (size_t)l.n_blocks) l.n_blocks = (int)fit;
    return l;
}

static int limits_check_drafter(struct model *m, const struct engine_limits *l, struct err *e)
{
    if (!l->draft.by) return 0;
    if (l->draft.n < 0 || l->draft.n > DRAFT_MAX)
        return err_set(e, "%d tokens to draft; expected 1 to %d", l->draft.n, DRAFT_MAX);
    if (l->draft.by->check && l->draft.by->check(m, l, e)) return -1;
    if (limits_resolve(m, l).max_running) return 0;
    return err_set(e, "max_rows is %d; a sequence with %d drafted tokens needs %d", l->max_rows,
                   limits_resolve(m, l).draft.n, limits_resolve(m, l).draft.n + 1);
}

static int limits_check(struct model *m, const struct engine_limits *l, struct err *e)
{
    if (l->max_running < 1) return err_set(e, "max_running is %d; expected at least 1", l->max_running);
    if (l->max_rows < 1) return err_set(e, "max_rows is %d; expected at least 1", l->max_rows);
    if (l->max_tokens < 2) return err_set(e, "max_tokens is %d; expected at least 2", l->max_tokens);
    if ((long)l->max_running * blocks_for(l->max_tokens) >= 1L << 30)
        return err_set(e, "%d sequences of %d tokens are too many for one engine", l->max_running,
                       l->max_tokens);
    if (limits_check_drafter(m, l, e)) return -1;
    struct engine_limits whole = limits_resolve(m, l);
    int least = blocks_for(l->max_tokens) + blocks_copied(&whole);
    if (whole.n_blocks < least)
        return err_set(e,
                       "a key-value cache of %d blocks of %d positions cannot hold a sequence of %d tokens: "
                       "give it at least %d blocks (%.1f MiB), or shorten the sequences",
                       whole.n_blocks, KERN_KEYS, l->max_tokens, least,
                       (double)block_bytes(m, &whole) * least / (1 << 20));
    return 0;
}

static size_t places(const struct engine_limits *l)
{
    return (size_t)l->max_running * (size_t)(1 + l->draft.n);
}

/* The larger one, if there is a draft model. */
static int vocab_max(const struct model *m, const struct engine_limits *l)
{
    int own = model_config(m)->vocab;
    int other = l->draft.by && l->draft.by->model ? model_config(l->draft.model)->vocab : 0;
    CHECK(own > 0, "a vocabulary of %d", own);
    return own > other ? own : other;
}

int logits_rows(const struct model *m, const struct engine_limits *l)
{
    int n = LOGITS_FLOATS / vocab_max(m, l);
    return min_int(n > LOGITS_ROWS_MIN ? n : LOGITS_ROWS_MIN, (int)places(l));
}

struct batch *plan_batch(int rows, int len, struct kv_cache *shape)
{
    int n_spans = (rows + len - 1) / len;
    size_t tokens = (size_t)rows * sizeof(int), spans = (size_t)n_spans * sizeof(struct span);
    struct batch *b = alloc_zero(1, sizeof *b + spans + tokens);
    struct span *span = (struct span *)(b + 1);
    int *zeros = (int *)(span + n_spans);
    for (int i = 0, row = 0; i < n_spans; i++, row += len)
        span[i] = (struct span){row, min_int(len, rows - row), 0, -1, zeros};
    *b = (struct batch){.n_rows = rows, .tokens = zeros, .n_spans = n_spans, .spans = span, .cache = shape};
    return b;
}

/* As they are in every pass. */
static void suppose_packed(struct model *m, const struct engine_limits *l, bool packed)
{
    model_suppose_packed(m, packed);
    if (l->draft.by && l->draft.by->model) model_suppose_packed(l->draft.model, packed);
}

/* Step memory of a pass with so many rows in spans of `len`. */
static size_t step_bytes(struct model *m, const struct engine_limits *l, int rows, int len)
{
    struct kv_cache cache = cache_shape(m, l);
    struct batch *b = plan_batch(rows, len, &cache);
    struct arena arena;
    arena_init_plan(&arena);
    struct tape *t = tape_new(&arena);
    tape_start(t, false);
    suppose_packed(m, l, true);
    struct tensor *x = model_forward(m, t, b, true);
    op_logits_run(t, x, model_head(m), b->tokens, min_int(rows, logits_rows(m, l)), NULL);
    if (l->draft.by && l->draft.by->plan) l->draft.by->plan(t, m, l, len);
    suppose_packed(m, l, false);
    size_t bytes = arena.peak;
    tape_free(t);
    arena_release(&arena);
    free(b);
    return bytes;
}

static size_t step_bytes_max(struct model *m, const struct engine_limits *l, int rows)
{
    size_t whole = step_bytes(m, l, rows, rows), single = step_bytes(m, l, rows, 1);
    return whole > single ? whole : single;
}

/* Weights that products read have panels, and these are those of the weights as they are now. */
bool weights_packed(struct model *m)
{
    for (int i = 0; i < model_n_weights(m); i++)
        if (model_weight(m, i)->panels && !model_weight(m, i)->panels_fresh) return false;
    return model_head(m)->panels || !weight_packs(model_head(m));
}

size_t engine_bytes(const struct model *model, const struct engine_limits *limits)
{
    struct model *m = (struct model *)model; /* a planning pass changes nothing */
    const struct model_config *c = model_config(m);
    if (limits_check(m, limits, NULL)) return 0;
    struct engine_limits l = limits_resolve(m, limits);
    size_t running = (size_t)l.max_running, rows = (size_t)l.max_rows, vocab = (size_t)c->vocab;
    size_t bytes = block_bytes(m, &l) * (size_t)l.n_blocks + step_bytes_max(m, &l, l.max_rows);
    bytes += sampler_bytes(c->vocab, pool_threads()) + (weights_packed(m) ? 0 : model_pack_bytes(m));
    bytes += ((size_t)logits_rows(m, &l) * (size_t)vocab_max(m, &l) + vocab) * sizeof(float);
    bytes += rows * (2 * sizeof(int) + sizeof(struct span)) + blocks_bytes(l.n_blocks);
    bytes += (2 * running + 1) * (size_t)blocks_for(l.max_tokens) * sizeof(int);
    bytes += places(&l) * (sizeof(struct entry) + sizeof(struct draw) + sizeof(int));
    if (l.keep_sets) bytes += places(&l) * SET_MAX * sizeof(int);
    if (l.draft.by && l.draft.by->model && !weights_packed(l.draft.model))
        bytes += model_pack_bytes(l.draft.model);
    if (l.draft.by && l.draft.by->bytes) bytes += l.draft.by->bytes(m, &l);
    return bytes + running * (sizeof(struct sequence) + sizeof(struct prompt));
}

size_t engine_untouched(const struct model *model, const struct engine_limits *limits,
                        const struct engine_use *use)
{
    struct model *m = (struct model *)model;
    struct engine_limits l = limits_resolve(m, limits);
    CHECK(use->rows <= l.max_rows && use->n_blocks <= l.n_blocks, "%d of %d rows, %d of %d blocks", use->rows,
          l.max_rows, use->n_blocks, l.n_blocks);
    size_t bytes = block_bytes(m, &l) * (size_t)(l.n_blocks - use->n_blocks);
    return bytes + step_bytes_max(m, &l, l.max_rows) - step_bytes_max(m, &l, use->rows);
}

void engine_lists(struct engine *e)
{
    size_t rows = (size_t)e->limits.max_rows, n = places(&e->limits);
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
    e->tokens = alloc_zero(rows, sizeof *e->tokens);
    e->spans = alloc_zero(rows, sizeof *e->spans);
    e->aside = alloc_zero(rows, sizeof *e->aside);
    e->heads = alloc_zero(n, sizeof *e->heads);
    e->entries = alloc_zero(n, sizeof *e->entries);
    e->draws = alloc_zero(n, sizeof *e->draws);
}

static void engine_results(struct engine *e)
{
    size_t vocab = (size_t)model_config(e->model)->vocab;
    if (e->limits.keep_sets) e->sets = alloc_zero(places(&e->limits), SET_MAX * sizeof *e->sets);
    e->logits_rows = logits_rows(e->model, &e->limits);
    e->logits = alloc_floats((size_t)e->logits_rows * (size_t)vocab_max(e->model, &e->limits));
    e->kept_logits = alloc_floats(vocab);
}

/* The weights of all models that run are packed, and fresh. */
static bool all_packed(const struct engine *e)
{
    const struct engine_limits *l = &e->limits;
    return weights_packed(e->model) && (!e->beside || weights_packed(l->draft.model));
}

static void pack_all(struct engine *e)
{
    if (!weights_packed(e->model)) model_pack(e->model);
    if (e->beside && !weights_packed(e->limits.draft.model)) model_pack(e->limits.draft.model);
}

static int engine_caches(struct engine *e, struct err *err)
{
    const struct engine_limits *l = &e->limits;
    struct kv_cache c = cache_shape(e->model, l);
    e->cache = kv_cache_new(c.n_layers, c.n_kv, c.width, c.n_blocks, err);
    if (!e->cache) return -1;
    if (l->draft.by && l->draft.by->model) {
        c = model_cache_shape(l->draft.model, l->n_blocks);
        e->beside = kv_cache_new(c.n_layers, c.n_kv, c.width, c.n_blocks, err);
        if (!e->beside) return -1;
    }
    blocks_init(&e->blocks, l->n_blocks, e->cache);
    e->blocks.beside = e->beside;
    e->blocks.ahead = tokens_ahead(l);
    return 0;
}

struct engine *engine_new(struct model *m, const struct engine_limits *limits, struct err *err)
{
    if (limits_check(m, limits, err)) return NULL;
    struct engine *e = alloc_zero(1, sizeof *e);
    e->model = m;
    e->limits = limits_resolve(m, limits);
    if (engine_caches(e, err)) {
        kv_cache_free(e->cache);
        free(e);
        return NULL;
    }
    pack_all(e);
    sampler_init(&e->sampler, model_config(m)->vocab, pool_threads());
    engine_lists(e);
    engine_results(e);
    if (e->limits.draft.by && e->limits.draft.by->start) e->limits.draft.by->start(e);
    size_t bytes = step_bytes_max(m, &e->limits, e->limits.max_rows);
    arena_init(&e->arena, bytes);
    arena_alloc(&e->arena, bytes); /* one chunk for all steps; each begins with a reset */
    e->tape = tape_new(&e->arena);
    return e;
}

void engine_free(struct engine *e)
{
    if (!e) return;
    if (e->limits.draft.by && e->limits.draft.by->stop) e->limits.draft.by->stop(e);
    tape_free(e->tape);
    arena_release(&e->arena);
    for (int i = 0; i < e->limits.max_running; i++) text_stream_release(&e->sequence_memory[i].stream);
    void *const all[] = {e->tables,      e->sequence_memory, e->sequences, e->prompt_memory, e->prompts,
                         e->tokens,      e->spans,           e->heads,     e->entries,       e->draws,
                         e->kept_logits, e->logits,          e->sets,      e->aside};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    sampler_release(&e->sampler);
    blocks_release(&e->blocks);
    kv_cache_free(e->cache);
    kv_cache_free(e->beside);
    free(e);
}

struct engine_use engine_used(const struct engine *e)
{
    return (struct engine_use){e->most_rows, e->blocks.n_used};
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
        const struct drafter *d = e->limits.draft.by;
        if (d) d->propose(r);
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
    if (!e->limits.keep_prompts || !all_packed(e)) engine_reset(e);
    pack_all(e);
    run_groups(&r);
    int failed = run_passes(&r, err);
    if (failed) run_abandon(&r);
    CHECK(e->blocks.n_free == e->blocks.n && !e->blocks.n_promised, "%d of %d blocks free, %d promised",
          e->blocks.n_free, e->blocks.n, e->blocks.n_promised);
    return failed;
}
