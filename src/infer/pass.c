/* pass.c: one forward pass over whoever runs (continuous batching: Yu et al. 2022, "Orca"; prompts in pieces
 * beside decoding rows: Agrawal et al. 2024, "Sarathi-Serve"; drafts verified: Leviathan et al. 2023).
 *
 *   pass:  for each sequence that has a token to feed a row, and one for each of its drafts; then pieces of
 *          prompts, in order, while rows are left -> model_forward -> logits of the rows that somebody draws
 *          from -> draws -> tokens
 *
 * A row's hidden state depends on the keys and values of its own sequence up to its own position and on
 * nothing else in the pass (op.h), a draw on its logits and its key, so how passes are composed shows in no
 * result, and a draw behind drafts that were right is the draw that would have come without them.
 */
#include "infer/infer_int.h"

#include <string.h>

#include "base/check.h"
#include "base/pool.h"

enum { DRAWS_PER_THREAD = 4 };

static int min_int(int a, int b)
{
    return a < b ? a : b;
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

static void pass_add_entry(struct engine *e, struct sequence *s, int head, int drafts)
{
    e->entries[e->n_entries++] = (struct entry){s, head, drafts};
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
        pass_add_entry(e, s, -1, 0);
    }
}

static void pass_add_decoding(struct run *r)
{
    struct engine *e = r->e;
    for (int i = 0; i < e->n_running; i++) {
        struct sequence *s = e->sequences[i];
        if (!s->out->n) continue;
        s->row = e->n_rows;
        for (int j = 0; j <= s->n_drafts; j++) pass_add_entry(e, s, pass_add_head(e, s->row + j), j);
        int pos = sequence_positions(&r->requests[s->request], s);
        pass_add_span(e, &s->table, pos, &s->out->ids[s->out->n - 1], 1 + s->n_drafts);
        aside_span(r, s->request, s->index, s->out->n - 1, 1 + s->n_drafts);
    }
}

/* What another sequence has worked out already, or works out in this pass (a layer's keys and values are all
 * written before any is read). The last row is always our own: its logits are wanted. */
static void prompt_reuse(struct run *r, struct prompt *p)
{
    const struct request *q = &r->requests[p->request];
    int needed = KERN_KEYS + (r->e->blocks.ahead ? r->e->blocks.ahead : 1);
    if (q->aside) return;
    while (p->n_done % KERN_KEYS == 0 && p->n_done + needed <= q->n_prompt &&
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
    p->span = e->n_spans;
    pass_add_span(e, &p->table, from, q->prompt + from, n);
    aside_span(r, p->request, -1, from, n);
    p->n_done += n;
    r->progress.prompt_tokens += n;
    int settled = min_int(p->n_done, q->n_prompt - e->blocks.ahead);
    for (int i = from / KERN_KEYS; (i + 1) * KERN_KEYS <= settled; i++)
        blocks_know(&e->blocks, &p->table, i, q->prompt + i * KERN_KEYS);
    if (p->n_done < q->n_prompt) return;
    p->complete = true;
    int head = pass_add_head(e, e->n_rows - 1);
    if (p == r->open) e->head_to_keep = head;
    for (int i = 0; i < e->n_running; i++) {
        struct sequence *s = e->sequences[i];
        if (s->prompt != p) continue;
        sequence_start(r, s);
        pass_add_entry(e, s, head, 0);
    }
}

void pass_clear_draws(struct engine *e)
{
    e->n_heads = e->n_entries = 0;
    e->head_to_keep = -1;
}

void pass_build(struct run *r)
{
    struct engine *e = r->e;
    for (int i = 0; i < e->n_running; i++) e->sequences[i]->began = NULL;
    for (int i = 0; i < e->n_prompts; i++) e->prompts[i]->span = -1;
    e->n_rows = e->n_spans = 0;
    e->some_aside = false;
    aside_make_room(r);
    pass_clear_draws(e);
    pass_add_late(r);
    pass_add_decoding(r);
    for (int i = 0; i < e->n_prompts; i++) pass_add_prompt(r, e->prompts[i]);
    CHECK(e->n_entries || e->n_rows, "a pass without work; %d sequences run", e->n_running);
    if (e->n_rows > e->most_rows) e->most_rows = e->n_rows;
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
static void draw_entries(struct run *r, struct sampler *sampler, int first, int end, int first_head)
{
    struct engine *e = r->e;
    size_t vocab = (size_t)sampler->vocab;
    for (int i = first; i < end; i++) {
        const struct entry *n = &e->entries[i];
        const struct request *q = &r->requests[n->s->request];
        int n_ids = n->s->out->n + n->drafts;
        e->draws[i] = (struct draw){.z = n->head < 0 ? e->kept_logits
                                                     : e->logits + (size_t)(n->head - first_head) * vocab,
                                    .how = &q->sampling,
                                    .prompt = q->prompt,
                                    .n_prompt = q->n_prompt,
                                    .ids = n->s->out->ids,
                                    .n_ids = n_ids,
                                    .set = e->sets ? e->sets + (size_t)i * SET_MAX : NULL,
                                    .at = {.seed = q->seed,
                                           .purpose = RNG_SAMPLE,
                                           .step = q->step,
                                           .sequence = q->first_sequence + (uint32_t)n->s->index,
                                           .position = (uint32_t)n_ids}};
    }
    int n = end - first, most = DRAWS_PER_THREAD * pool_threads();
    struct draw_share d = {sampler, e->draws + first, n, min_int(n, most)};
    pool_for(d.n_items, draw_item, &d);
}

void pass_draw(struct run *r, const struct drawing *from)
{
    struct engine *e = r->e;
    size_t vocab = (size_t)from->sampler->vocab;
    int entry = 0, end = 0;
    while (end < e->n_entries && e->entries[end].head < 0) end++;
    draw_entries(r, from->sampler, entry, end, 0); /* before kept_logits may be needed for another prompt */
    for (int head = 0; head < e->n_heads; head += e->logits_rows) {
        int n = min_int(e->n_heads - head, e->logits_rows);
        op_logits_run(e->tape, from->x, from->head, e->heads + head, n, e->logits);
        if (e->head_to_keep >= head && e->head_to_keep < head + n)
            memcpy(e->kept_logits, e->logits + (size_t)(e->head_to_keep - head) * vocab,
                   vocab * sizeof(float));
        for (entry = end; end < e->n_entries && e->entries[end].head < head + n;) end++;
        draw_entries(r, from->sampler, entry, end, head);
    }
}

void pass_forward(struct run *r)
{
    struct engine *e = r->e;
    struct aside aside = {.of = r->hooks ? r->hooks->aside : NULL, .n = e->n_rows, .rows = e->aside};
    struct batch b = {.n_rows = e->n_rows,
                      .tokens = e->tokens,
                      .n_spans = e->n_spans,
                      .spans = e->spans,
                      .cache = e->cache,
                      .aside = e->some_aside ? &aside : NULL};
    tape_start(e->tape, false);
    e->hidden = e->n_rows ? model_forward(e->model, e->tape, &b, true) : NULL;
    pass_draw(r, &(struct drawing){e->hidden, model_head(e->model), &e->sampler});
    const struct drafter *d = e->limits.draft.by;
    if (d && d->prompts) d->prompts(r);
}

/* The draws of one sequence, of which the first is entry `first`; returns the entry behind them. */
static int sequence_take_all(struct run *r, int first, struct err *err)
{
    struct engine *e = r->e;
    struct sequence *s = e->entries[first].s;
    int n_drafts = s->n_drafts;
    bool as_drafted = true;
    s->n_drafts = s->n_taken = 0;
    for (int j = 0; j <= n_drafts && as_drafted && !s->ended; j++) {
        const struct draw *d = &e->draws[first + j];
        if (d->bad)
            return err_set(err,
                           "request %d, completion %d, position %d: the logits hold NaN or infinity; the "
                           "weights are damaged, or training has diverged",
                           s->request, s->index, r->requests[s->request].n_prompt + s->out->n);
        as_drafted = j < n_drafts && s->out->ids[s->out->n] == d->id;
        sequence_take(r, s, d);
        r->progress.accepted += as_drafted;
    }
    r->progress.turns++;
    r->progress.drafted += n_drafts;
    return first + n_drafts + 1;
}

int pass_take(struct run *r, struct err *err)
{
    for (int i = 0; i >= 0 && i < r->e->n_entries;) {
        i = sequence_take_all(r, i, err);
        if (i < 0) return -1;
    }
    return 0;
}
