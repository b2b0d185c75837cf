/* lane.c: prompts and sequences: who is let in, what a new token does, who leaves.
 *
 * Completions enter in the order of their requests. The first of a request brings its prompt, whose keys and
 * values are worked out once; when they are there every completion that waits takes the prompt's blocks by
 * reference and its first token from the logits of the prompt's last row. Completions that find no place then
 * come later: at most one prompt, that of the last request that was let in, has such, and its logits are
 * kept.
 *
 * Room: a sequence that ends with P + L tokens has written P + L - 1 positions (the last token is never fed
 * back). It may take blocks_for(P + L - 1) blocks less the P / 32 full ones of the prompt; the last
 * completion of a request also inherits the prompt's last, partly filled block. That much is promised before
 * it starts. Where what a cache holds of a position depends on `ahead` tokens behind it (modules that predict
 * further), the last `ahead` positions of a prompt are each completion's own: (P - ahead) / 32 are shared.
 * Drafts take no room of their own, as a draft is never the last token.
 */
#include "infer/infer_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { COMPLETION_CAP_FIRST = 32 };

/* ---- checks -------------------------------------------------------------------------------------------- */

static int request_check(const struct run *r, int i, struct err *e)
{
    const struct request *q = &r->requests[i];
    const struct engine *g = r->e;
    if (sampling_check(&q->sampling, e)) return err_wrap(e, "request %d", i);
    if (q->n_prompt < 1)
        return err_set(e,
                       "request %d: the prompt is empty; at least one token (such as the one that begins "
                       "a sequence) is needed to continue from",
                       i);
    if (q->n < 0) return err_set(e, "request %d: %d completions", i, q->n);
    if (q->n_prompt > g->limits.max_tokens - q->sampling.max_new_tokens)
        return err_set(
            e,
            "request %d: a prompt of %d tokens and up to %d new ones exceed the %d that a sequence "
            "may have: shorten the prompt or lower max_new_tokens",
            i, q->n_prompt, q->sampling.max_new_tokens, g->limits.max_tokens);
    for (int j = 0; j < q->n_prompt; j++)
        if (q->prompt[j] < 0 || q->prompt[j] >= g->sampler.vocab)
            return err_set(e, "request %d: token %d of the prompt is %d; the model has ids 0 to %d", i, j,
                           q->prompt[j], g->sampler.vocab - 1);
    if (q->sampling.n_stop_strings && !model_tokenizer(g->model))
        return err_set(e, "request %d has stop strings, but the model has no tokenizer to make text with", i);
    return 0;
}

int run_check(const struct run *r, struct err *e)
{
    for (int i = 0; i < r->n; i++)
        if (request_check(r, i, e)) return -1;
    return 0;
}

/* ---- results ------------------------------------------------------------------------------------------- */

void run_groups(struct run *r)
{
    for (int i = 0; i < r->n; i++) {
        int n = r->requests[i].n;
        r->groups[i] = (struct group){.n = n};
        if (n) r->groups[i].c = alloc_zero((size_t)n, sizeof *r->groups[i].c);
        r->progress.total_sequences += n;
    }
    aside_begin(r);
}

void group_release(struct group *g)
{
    for (int i = 0; i < g->n; i++) {
        free(g->c[i].ids);
        free(g->c[i].logps);
        free(g->c[i].entropies);
        free(g->c[i].set_ids);
        free(g->c[i].set_ends);
        free(g->c[i].text);
    }
    free(g->c);
    free(g->aside);
    *g = (struct group){0};
}

/* With room for `ahead` tokens behind it. */
static void completion_add(struct sequence *s, const struct draw *d, int ahead)
{
    struct completion *c = s->out;
    if (c->n + ahead >= s->cap) {
        while (c->n + ahead >= s->cap) s->cap = s->cap ? 2 * s->cap : COMPLETION_CAP_FIRST;
        c->ids = alloc_again(c->ids, (size_t)s->cap * sizeof *c->ids);
        c->logps = alloc_again(c->logps, (size_t)s->cap * sizeof *c->logps);
        c->entropies = alloc_again(c->entropies, (size_t)s->cap * sizeof *c->entropies);
    }
    c->ids[c->n] = d->id;
    c->logps[c->n] = d->logp;
    c->entropies[c->n++] = d->entropy;
}

/* The set that the token just added was drawn from. */
static void completion_add_set(struct sequence *s, const struct draw *d)
{
    struct completion *c = s->out;
    size_t from = c->n > 1 ? c->set_ends[c->n - 2] : 0, n = (size_t)d->n_set;
    c->set_ends = alloc_again(c->set_ends, (size_t)s->cap * sizeof *c->set_ends);
    if (from + n > s->sets_cap) {
        s->sets_cap = 2 * (from + n);
        c->set_ids = alloc_again(c->set_ids, s->sets_cap * sizeof *c->set_ids);
    }
    if (n) memcpy(c->set_ids + from, d->set, n * sizeof *c->set_ids);
    c->set_ends[c->n - 1] = from + n;
}

static void completion_text(const struct run *r, struct sequence *s)
{
    const struct tokenizer *t = model_tokenizer(r->e->model);
    struct str text;
    str_init(&text, 0);
    if (t) tokenizer_decode(t, s->out->ids, (size_t)s->out->n, true, &text);
    long cut = s->stream.stopped ? stop_find(&r->requests[s->request].sampling, text.p, text.len, 0) : -1;
    s->out->n_text = cut >= 0 ? (size_t)cut : text.len;
    text.p[s->out->n_text] = 0;
    s->out->text = str_take(&text);
    str_release(&text);
}

/* ---- letting in ---------------------------------------------------------------------------------------- */

/* Positions of a prompt whose keys and values are the same whatever follows. */
static int prompt_settled(const struct run *r, const struct request *q)
{
    int ahead = r->e->blocks.ahead;
    return q->n_prompt > ahead ? q->n_prompt - ahead : 0;
}

static int sequence_blocks(const struct run *r, const struct request *q, bool last)
{
    if (q->sampling.max_new_tokens == 1) return 0;
    int inherited = last ? blocks_for(q->n_prompt) : prompt_settled(r, q) / KERN_KEYS;
    return blocks_for(q->n_prompt + q->sampling.max_new_tokens - 1) - inherited;
}

static struct prompt *prompt_admit(struct run *r, int n_blocks)
{
    struct engine *e = r->e;
    CHECK(e->n_prompts <= e->limits.max_running, "%d prompts", e->n_prompts);
    struct prompt *p = e->prompts[e->n_prompts++];
    struct table table = p->table;
    CHECK(!table.n && !table.promised, "a spare prompt has %d blocks", table.n);
    *p = (struct prompt){.request = r->next, .table = table};
    CHECK(blocks_promise(&e->blocks, &p->table, n_blocks), "%d blocks for a prompt", n_blocks);
    return p;
}

static void sequence_admit(struct run *r, int n_blocks)
{
    struct engine *e = r->e;
    struct sequence *s = e->sequences[e->n_running++];
    struct prompt *p = r->open;
    CHECK(!s->table.n && !s->table.promised, "a spare sequence has %d blocks", s->table.n);
    s->request = r->next;
    s->index = p->n_started++;
    s->prompt = p;
    p->n_waiting++;
    s->cap = s->n_drafts = 0;
    s->sets_cap = 0;
    s->ended = false;
    s->began = NULL;
    s->out = &r->groups[r->next].c[s->index];
    text_stream_clear(&s->stream);
    CHECK(blocks_promise(&e->blocks, &s->table, n_blocks), "%d blocks for a sequence", n_blocks);
}

void run_admit(struct run *r)
{
    struct engine *e = r->e;
    while (r->next < r->n && e->n_running < e->limits.max_running) {
        const struct request *q = &r->requests[r->next];
        if (!q->n) {
            r->next++;
            continue;
        }
        bool last = (r->open ? r->open->n_started : 0) + 1 == q->n;
        int own = sequence_blocks(r, q, last), shared = r->open ? 0 : blocks_for(q->n_prompt);
        if (own + shared > e->blocks.n_free - e->blocks.n_promised) break;
        if (!r->open) r->open = prompt_admit(r, shared);
        sequence_admit(r, own);
        if (!last) continue;
        r->open = NULL;
        r->next++;
    }
    CHECK(e->n_running || r->next == r->n, "nothing runs, and request %d is not let in: %d of %d blocks free",
          r->next, e->blocks.n_free, e->blocks.n);
}

void sequence_start(struct run *r, struct sequence *s)
{
    struct prompt *p = s->prompt;
    CHECK(p && p->complete, "completion %d of request %d starts without its prompt", s->index, s->request);
    blocks_share(&r->e->blocks, &s->table, &p->table);
    s->n_settled = prompt_settled(r, &r->requests[s->request]);
    s->began = p;
    s->prompt = NULL;
    p->n_waiting--;
}

/* ---- a new token --------------------------------------------------------------------------------------- */

static bool sequence_ends(const struct run *r, struct sequence *s, int id)
{
    const struct sampling *how = &r->requests[s->request].sampling;
    const struct tokenizer *t = model_tokenizer(r->e->model);
    s->out->finish = FINISH_STOP;
    if (stop_is_id(how, id) || stop_is_token(how, t, id)) return true;
    if (how->n_stop_strings) {
        text_stream_push(&s->stream, t, how, id);
        if (s->stream.stopped) return true;
    }
    s->out->finish = FINISH_LENGTH;
    return s->out->n == how->max_new_tokens;
}

/* The next turn of a conversation may begin with all of this. */
static void sequence_know(struct run *r, const struct sequence *s)
{
    if (!r->e->limits.keep_prompts) return;
    const struct request *q = &r->requests[s->request];
    const struct drafter *d = r->e->limits.draft.by;
    int tokens[KERN_KEYS + AHEAD_MAX], n = sequence_positions(q, s);
    if (d && (d->modules || d->model) && s->n_settled < n) n = s->n_settled;
    for (int i = prompt_settled(r, q) / KERN_KEYS; (i + 1) * KERN_KEYS <= n; i++) {
        for (int j = 0; j < KERN_KEYS + r->e->blocks.ahead; j++) {
            int pos = i * KERN_KEYS + j;
            tokens[j] = pos < q->n_prompt ? q->prompt[pos] : s->out->ids[pos - q->n_prompt];
        }
        blocks_know(&r->e->blocks, &s->table, i, tokens);
    }
}

void sequence_take(struct run *r, struct sequence *s, const struct draw *d)
{
    completion_add(s, d, r->e->limits.draft.n);
    if (r->e->sets) completion_add_set(s, d);
    s->n_taken++;
    r->progress.tokens++;
    s->ended = sequence_ends(r, s, d->id);
    if (r->hooks && r->hooks->token) r->hooks->token(r->hooks->ctx, s->request, s->index, d->id);
    if (!s->ended) return;
    completion_text(r, s);
    sequence_know(r, s);
    blocks_drop(&r->e->blocks, &s->table);
    r->progress.done_sequences++;
}

/* ---- leaving ------------------------------------------------------------------------------------------- */

void run_drop_ended(struct run *r)
{
    struct engine *e = r->e;
    int n = 0;
    for (int i = 0; i < e->n_running; i++) {
        struct sequence *s = e->sequences[i];
        if (s->ended) continue;
        e->sequences[i] = e->sequences[n];
        e->sequences[n++] = s;
    }
    e->n_running = n;
}

static void prompts_drop(struct run *r, bool all)
{
    struct engine *e = r->e;
    int n = 0;
    for (int i = 0; i < e->n_prompts; i++) {
        struct prompt *p = e->prompts[i];
        if (!all && (p->n_waiting || p == r->open)) {
            e->prompts[i] = e->prompts[n];
            e->prompts[n++] = p;
        } else {
            blocks_drop(&e->blocks, &p->table);
        }
    }
    e->n_prompts = n;
}

void run_drop_prompts(struct run *r)
{
    prompts_drop(r, false);
}

void run_abandon(struct run *r)
{
    struct engine *e = r->e;
    for (int i = 0; i < e->n_running; i++) blocks_drop(&e->blocks, &e->sequences[i]->table);
    e->n_running = 0;
    prompts_drop(r, true);
    engine_reset(e); /* what is in the cache may be as bad as what came of it */
    for (int i = 0; i < r->n; i++) group_release(&r->groups[i]);
}
