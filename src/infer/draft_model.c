/* draft_model.c: a smaller model of the same tokenizer drafts (Leviathan et al. 2023, "Fast inference from
 * transformers via speculative decoding"; Chen et al. 2023).
 *
 * It draws each draft as the engine will draw the token: with the same parameters and the random number of
 * the same position. So a model that drafts for itself is always right, sampled or greedy, and two models
 * that agree nearly draw the same token nearly always.
 *
 * Its keys and values lie in a cache of its own, in the same blocks as the engine's. Pieces of prompts go
 * through it right after the pass that has them; a completion's tokens when it drafts, from the first one
 * that it has not seen (the last draft and what was drawn behind it, or a token that was drawn otherwise).
 */
#include "infer/infer_int.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/pool.h"

struct second {
    struct sampler sampler;
    int *tokens;        /* [max_rows] */
    struct span *spans; /* [max_rows] */
    int n_rows, n_spans;
};

static int check(struct model *m, const struct engine_limits *l, struct err *e)
{
    if (!l->draft.model) return err_usage(e, "a draft model is wanted, and none is given");
    const struct tokenizer *a = model_tokenizer(m), *b = model_tokenizer(l->draft.model);
    if (!a != !b)
        return err_set(e, "the %s has no tokenizer, the other one has", a ? "draft model" : "model");
    int n = a ? tokenizer_size(a) : model_config(m)->vocab;
    int other = a ? tokenizer_size(b) : model_config(l->draft.model)->vocab;
    if (n != other)
        return err_set(e,
                       "the draft model has another vocabulary: %d tokens, not %d; it must have the same "
                       "tokenizer",
                       other, n);
    for (int i = 0; a && i < n; i++) {
        const char *x = tokenizer_token(a, i), *y = tokenizer_token(b, i);
        if (!x != !y || (x && strcmp(x, y) != 0))
            return err_set(e, "the draft model has another vocabulary: its token %d is \"%s\", not \"%s\"", i,
                           y ? y : "", x ? x : "");
    }
    return 0;
}

static size_t bytes(const struct model *m, const struct engine_limits *l)
{
    (void)m;
    return sizeof(struct second) + sampler_bytes(model_config(l->draft.model)->vocab, pool_threads()) +
           (size_t)l->max_rows * (sizeof(int) + sizeof(struct span));
}

static void start(struct engine *e)
{
    size_t rows = (size_t)e->limits.max_rows;
    struct second *d = e->drafting = alloc_zero(1, sizeof *d);
    sampler_init(&d->sampler, model_config(e->limits.draft.model)->vocab, pool_threads());
    d->tokens = alloc_zero(rows, sizeof *d->tokens);
    d->spans = alloc_zero(rows, sizeof *d->spans);
}

static void stop(struct engine *e)
{
    struct second *d = e->drafting;
    sampler_release(&d->sampler);
    free(d->tokens);
    free(d->spans);
    free(d);
}

static void plan(struct tape *t, struct model *m, const struct engine_limits *l, int len)
{
    struct model *own = l->draft.model;
    struct kv_cache shape = model_cache_shape(own, l->n_blocks);
    struct batch *b = plan_batch(l->max_rows, len, &shape);
    int rows = logits_rows(m, l);
    tape_start(t, false);
    struct tensor *x = model_forward(own, t, b, true);
    op_logits_run(t, x, model_head(own), b->tokens, rows < l->max_rows ? rows : l->max_rows, NULL);
    tape_start(t, false);
    free(b);
}

/* ---- passes of the draft model ------------------------------------------------------------------------- */

static void rows_clear(struct second *d)
{
    d->n_rows = d->n_spans = 0;
}

/* A token that only the larger model has room for (tables are often padded) is seen as token 0. */
static void rows_add(struct second *d, const int *tokens, int n, int first_pos, const int *blocks)
{
    for (int i = 0; i < n; i++) d->tokens[d->n_rows + i] = tokens[i] < d->sampler.vocab ? tokens[i] : 0;
    d->spans[d->n_spans++] = (struct span){d->n_rows, n, first_pos, -1, blocks};
    d->n_rows += n;
}

static struct tensor *rows_run(struct engine *e, struct second *d)
{
    struct batch b = {.n_rows = d->n_rows,
                      .tokens = d->tokens,
                      .n_spans = d->n_spans,
                      .spans = d->spans,
                      .cache = e->beside};
    tape_start(e->tape, false);
    return model_forward(e->limits.draft.model, e->tape, &b, true);
}

static void prompts(struct run *r)
{
    struct engine *e = r->e;
    struct second *d = e->drafting;
    rows_clear(d);
    for (int i = 0; i < e->n_prompts; i++) {
        if (e->prompts[i]->span < 0) continue;
        const struct span *s = &e->spans[e->prompts[i]->span];
        rows_add(d, e->tokens + s->row, s->len, s->first_pos, s->blocks);
    }
    if (d->n_rows) rows_run(e, d);
}

/* The next tokens of s through the draft model: with no drafts yet all those it has not seen, then the last
 * draft. */
static void add_sequence(struct run *r, struct sequence *s)
{
    struct engine *e = r->e;
    struct second *d = e->drafting;
    int n_prompt = r->requests[s->request].n_prompt, end = n_prompt + s->out->n + s->n_drafts;
    int from = s->n_drafts ? end - 1 : s->n_settled;
    for (int pos = from; pos < end; pos++) blocks_write(&e->blocks, &s->table, pos);
    rows_add(d, s->out->ids + from - n_prompt, end - from, from, s->table.block);
    s->n_settled = end;
    e->heads[e->n_heads] = d->n_rows - 1;
    e->entries[e->n_entries++] = (struct entry){s, e->n_heads++, s->n_drafts};
}

static void propose(struct run *r)
{
    struct engine *e = r->e;
    struct second *d = e->drafting;
    for (int i = 0; i < e->n_running; i++) { /* drafts that were wrong are forgotten */
        struct sequence *s = e->sequences[i];
        int n = sequence_positions(&r->requests[s->request], s);
        if (s->out->n && s->n_settled > n) s->n_settled = n;
    }
    for (int k = 0; k < e->limits.draft.n; k++) {
        rows_clear(d);
        pass_clear_draws(e);
        for (int i = 0; i < e->n_running; i++) {
            struct sequence *s = e->sequences[i];
            if (s->n_drafts == k && draft_room(r, s) > k) add_sequence(r, s);
        }
        if (!d->n_rows) return;
        struct tensor *x = rows_run(e, d);
        pass_draw(r, &(struct drawing){x, model_head(e->limits.draft.model), &d->sampler});
        for (int i = 0; i < e->n_entries; i++) {
            struct sequence *s = e->entries[i].s;
            if (e->draws[i].bad || e->draws[i].id >= e->sampler.vocab) continue;
            s->out->ids[s->out->n + s->n_drafts++] = e->draws[i].id;
        }
    }
}

const struct drafter draft_model = {.name = "draft",
                                    .n = 4,
                                    .model = true,
                                    .check = check,
                                    .bytes = bytes,
                                    .start = start,
                                    .stop = stop,
                                    .plan = plan,
                                    .prompts = prompts,
                                    .propose = propose};
