/* draft_mtp.c: the model's own modules that predict further draft (DeepSeek-AI 2024, "DeepSeek-V3", 2.2).
 *
 * With N tokens known, module k = 0, 1, ... takes at position i the hidden state that module k-1 (the model
 * itself for k = 0) gave there and token i+1+k, and predicts token i+2+k. The model's last position is N-2,
 * as token N-1 has not been fed; so at N-2 module 0 predicts token N, the first draft, and module k, which
 * reads drafts as if they were tokens, the draft behind k others.
 *
 * Each module attends to what it has seen, so its keys and values are cached like a layer's, for position i
 * in place i. At the last k positions of module k they come from drafts and are worked out again when the
 * true tokens are there. When a of them have come, module k runs positions
 *
 *   N-a-1-k .. N-2:  the first on a hidden state kept from before, the others on what module k-1 gives now
 *
 * of which the last k are again provisional. A prompt's pieces run as far as its own tokens tell what
 * follows; its last positions are run by each completion for itself, as they depend on what it has drawn.
 * So the cache holds, bit for bit, what model_forward_further gives for the whole sequence.
 */
#include "infer/infer_int.h"

#include <stdlib.h>

#include "base/check.h"

/* One run of a module: pieces of sequences, side by side. */
struct course {
    struct batch batch;
    struct span *spans;
    int *next;            /* [rows] the token that each row reads */
    struct tensor *input; /* hidden states */
    int n_rows, n_spans;
};

struct mtp {
    int n, hidden; /* modules that run */
    /* One for each module and stage: memory of a batch must stay while the tape is not started anew. */
    struct course prompts[AHEAD_MAX], drafts[AHEAD_MAX];
    /* [sequences, then prompts][n][hidden]: the input of module k at position N-1-k (see above). */
    float *kept;
    int *rows; /* [sequences or prompts]: where its rows begin in the results of the module before */
};

/* Rows of a course: pieces of prompts are rows of the pass. With drafts, module k has 1 + n + k rows of a
 * sequence at most, k < n. */
static int prompt_rows(const struct engine_limits *l)
{
    return l->max_rows;
}

static int draft_rows(const struct engine_limits *l)
{
    return l->max_running * 2 * l->draft.n;
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static int check(struct model *m, const struct engine_limits *l, struct err *e)
{
    int modules = model_config(m)->mtp;
    if (!modules)
        return err_usage(e, "the model has no modules that predict further (num_nextn_predict_layers), so "
                            "it cannot draft for itself");
    if (l->draft.n <= modules) return 0;
    return err_usage(e,
                     "%d tokens to draft, but each takes a module that predicts further, and the model "
                     "has %d",
                     l->draft.n, modules);
}

static size_t slots(const struct engine_limits *l)
{
    return 2 * (size_t)l->max_running + 1;
}

static size_t kept_floats(const struct model *m, const struct engine_limits *l)
{
    return slots(l) * (size_t)l->draft.n * (size_t)model_config(m)->hidden;
}

static size_t bytes(const struct model *m, const struct engine_limits *l)
{
    size_t rows = (size_t)prompt_rows(l) + (size_t)draft_rows(l);
    size_t course = rows * sizeof(int) + slots(l) * sizeof(struct span);
    return sizeof(struct mtp) + kept_floats(m, l) * sizeof(float) + slots(l) * sizeof(int) +
           (size_t)l->draft.n * course;
}

static void course_init(struct course *c, int rows, int spans)
{
    c->next = alloc_zero((size_t)rows, sizeof *c->next);
    c->spans = alloc_zero((size_t)spans, sizeof *c->spans);
}

static void start(struct engine *e)
{
    const struct engine_limits *l = &e->limits;
    struct mtp *m = e->drafting = alloc_zero(1, sizeof *m);
    m->n = l->draft.n;
    m->hidden = model_config(e->model)->hidden;
    m->kept = alloc_floats(kept_floats(e->model, l));
    m->rows = alloc_zero((size_t)l->max_running + 1, sizeof *m->rows);
    for (int k = 0; k < m->n; k++) {
        course_init(&m->prompts[k], prompt_rows(l), l->max_running + 1);
        course_init(&m->drafts[k], draft_rows(l), l->max_running);
    }
}

static void stop(struct engine *e)
{
    struct mtp *m = e->drafting;
    for (int k = 0; k < m->n; k++) {
        free(m->prompts[k].next);
        free(m->prompts[k].spans);
        free(m->drafts[k].next);
        free(m->drafts[k].spans);
    }
    free(m->kept);
    free(m->rows);
    free(m);
}

static void plan_course(struct tape *t, struct model *m, struct batch *b, int k)
{
    struct further f = {b, tape_tensor(t, b->n_rows, model_config(m)->hidden), b->tokens, k};
    struct tensor *y = model_forward_further(m, t, &f, true);
    (void)y;
}

static void plan(struct tape *t, struct model *m, const struct engine_limits *l, int len)
{
    struct kv_cache shape = model_cache_shape(m, l->n_blocks);
    struct batch *batches[2 * AHEAD_MAX] = {NULL};
    shape.n_layers += l->draft.n;
    int n = draft_rows(l) < len ? draft_rows(l) : len;
    for (int k = 0; k < l->draft.n; k++)
        plan_course(t, m, batches[k] = plan_batch(prompt_rows(l), len, &shape), k);
    for (int k = 0; k < l->draft.n; k++) {
        struct batch *b = batches[l->draft.n + k] = plan_batch(draft_rows(l), n, &shape);
        plan_course(t, m, b, k);
    }
    for (int k = 0; k < 2 * l->draft.n; k++) free(batches[k]);
}

/* ---- one module ---------------------------------------------------------------------------------------- */

/* Where the input of module k is kept. */
static float *kept(const struct mtp *m, size_t slot, int k)
{
    return m->kept + (slot * (size_t)m->n + (size_t)k) * (size_t)m->hidden;
}

static size_t sequence_slot(const struct engine *e, const struct sequence *s)
{
    return (size_t)(s - e->sequence_memory);
}

static size_t prompt_slot(const struct engine *e, const struct prompt *p)
{
    return (size_t)e->limits.max_running + (size_t)(p - e->prompt_memory);
}

/* The rows of a course are counted first, so that its tensor can be made. */
static void course_begin(struct engine *e, struct course *c, int rows)
{
    c->n_rows = c->n_spans = 0;
    c->input = tape_tensor(e->tape, rows, ((struct mtp *)e->drafting)->hidden);
}

static void course_add(struct course *c, const float *hidden, int n)
{
    size_t width = (size_t)c->input->cols;
    CHECK(c->n_rows + n <= c->input->rows, "%d rows and %d more of %d", c->n_rows, n, c->input->rows);
    memcpy(c->input->data + (size_t)c->n_rows * width, hidden, (size_t)n * width * sizeof *hidden);
    c->n_rows += n;
}

/* The rows from `row` on are positions first_pos, ... of one sequence. */
static void course_close_span(struct course *c, int row, int first_pos, const int *blocks, const int *next)
{
    int len = c->n_rows - row;
    memcpy(c->next + row, next, (size_t)len * sizeof *next);
    c->spans[c->n_spans++] = (struct span){row, len, first_pos, -1, blocks};
}

static struct tensor *course_run(struct engine *e, struct course *c, int k)
{
    CHECK(c->n_rows == c->input->rows, "%d rows of %d", c->n_rows, c->input->rows);
    c->batch = (struct batch){
        .n_rows = c->n_rows, .tokens = c->next, .n_spans = c->n_spans, .spans = c->spans, .cache = e->cache};
    struct further f = {&c->batch, c->input, c->next, k};
    return model_forward_further(e->model, e->tape, &f, true);
}

static const float *row_of(const struct tensor *x, int row)
{
    return x->data + (size_t)row * (size_t)x->cols;
}

/* ---- prompts ------------------------------------------------------------------------------------------- */

/* Rows of the pass's piece of a prompt that module k runs: those of which the token k + 1 on is of the prompt
 * too. Module -1 is the model itself. */
static int piece_rows(const struct run *r, const struct prompt *p, int k)
{
    if (p->span < 0) return 0;
    const struct span *s = &r->e->spans[p->span];
    int left = r->requests[p->request].n_prompt - 1 - k - s->first_pos;
    return left < 0 ? 0 : left < s->len ? left : s->len;
}

/* The piece of prompt number i through module k; x: results of the module before. */
static void add_piece(struct run *r, int i, int k, const struct tensor *x)
{
    struct engine *e = r->e;
    struct mtp *m = e->drafting;
    struct course *c = &m->prompts[k];
    const struct prompt *p = e->prompts[i];
    const struct request *q = &r->requests[p->request];
    const struct span *s = &e->spans[p->span];
    int before = k ? m->rows[i] : s->row, n = piece_rows(r, p, k), keep = q->n_prompt - 1 - k - s->first_pos;
    if (keep >= 0 && keep < piece_rows(r, p, k - 1))
        memcpy(kept(m, prompt_slot(e, p), k), row_of(x, before + keep), (size_t)m->hidden * sizeof(float));
    m->rows[i] = c->n_rows;
    if (!n) return;
    course_add(c, row_of(x, before), n);
    course_close_span(c, m->rows[i], s->first_pos, s->blocks, q->prompt + s->first_pos + 1 + k);
}

static void prompts(struct run *r)
{
    struct engine *e = r->e;
    struct mtp *m = e->drafting;
    const struct tensor *x = e->hidden;
    for (int k = 0; k < m->n; k++) {
        int rows = 0, before = 0;
        for (int i = 0; i < e->n_prompts; i++) {
            rows += piece_rows(r, e->prompts[i], k);
            before += piece_rows(r, e->prompts[i], k - 1);
        }
        if (!before) return;
        course_begin(e, &m->prompts[k], rows);
        for (int i = 0; i < e->n_prompts; i++)
            if (piece_rows(r, e->prompts[i], k - 1)) add_piece(r, i, k, x);
        if (!rows) return;
        x = course_run(e, &m->prompts[k], k);
    }
}

/* ---- drafts -------------------------------------------------------------------------------------------- */

/* What module k runs of a sequence, from position `first` on. */
struct stretch {
    int first, len;
    bool from_kept; /* the first row's input is one that was kept */
};

static struct stretch stretch_of(const struct run *r, const struct sequence *s, int k)
{
    int known_before = r->requests[s->request].n_prompt + s->out->n - s->n_taken,
        first = known_before - 1 - k;
    struct stretch x = {first, s->n_taken + k, first >= 0 && (k || s->began)};
    if (first < 0) x.first = 0, x.len += first;
    return x;
}

static void add_sequence(struct run *r, int i, int k, const struct tensor *x)
{
    struct engine *e = r->e;
    struct mtp *m = e->drafting;
    struct course *c = &m->drafts[k];
    struct sequence *s = e->sequences[i];
    const struct stretch t = stretch_of(r, s, k);
    const int *next = s->out->ids + t.first + 1 + k - r->requests[s->request].n_prompt;
    int row = c->n_rows, before = k ? m->rows[i] : s->row;
    size_t slot = sequence_slot(e, s);
    if (t.from_kept) course_add(c, kept(m, s->began ? prompt_slot(e, s->began) : slot, k), 1);
    if (t.len > t.from_kept) course_add(c, row_of(x, before), t.len - t.from_kept);
    int keep = t.len - k; /* position N-1-k; the last row is position N-2 */
    if (k && keep >= 0)
        memcpy(kept(m, slot, k), row_of(c->input, row + keep), (size_t)m->hidden * sizeof(float));
    for (int pos = t.first; pos < t.first + t.len; pos++) blocks_write(&e->blocks, &s->table, pos);
    course_close_span(c, row, t.first, s->table.block, next);
    m->rows[i] = row;
    e->heads[e->n_heads] = c->n_rows - 1;
    e->entries[e->n_entries++] = (struct entry){s, e->n_heads++, k};
}

/* Drafts of module k; of a module whose logits are bad nothing is taken, nor of those behind it. */
static void take_drafts(struct engine *e, int k)
{
    for (int i = 0; i < e->n_entries; i++) {
        struct sequence *s = e->entries[i].s;
        const struct draw *d = &e->draws[i];
        s->out->ids[s->out->n + k] = d->bad ? 0 : d->id;
        if (s->n_drafts == k && !d->bad) s->n_drafts++;
    }
}

static void propose(struct run *r)
{
    struct engine *e = r->e;
    struct mtp *m = e->drafting;
    struct tensor *x = e->hidden;
    for (int k = 0; k < m->n; k++) {
        int rows = 0;
        for (int i = 0; i < e->n_running; i++)
            if (draft_room(r, e->sequences[i]) > k) rows += stretch_of(r, e->sequences[i], k).len;
        if (!rows) return;
        pass_clear_draws(e);
        course_begin(e, &m->drafts[k], rows);
        for (int i = 0; i < e->n_running; i++)
            if (draft_room(r, e->sequences[i]) > k) add_sequence(r, i, k, x);
        x = course_run(e, &m->drafts[k], k);
        pass_draw(r, &(struct drawing){x, model_head(e->model), &e->sampler});
        take_drafts(e, k);
    }
    for (int i = 0; i < e->n_running; i++) {
        struct sequence *s = e->sequences[i];
        if (draft_room(r, s) == m->n) s->n_settled = r->requests[s->request].n_prompt + s->out->n - m->n;
    }
}

const struct drafter draft_mtp = {.name = "mtp",
                                  .modules = true,
                                  .check = check,
                                  .bytes = bytes,
                                  .start = start,
                                  .stop = stop,
                                  .plan = plan,
                                  .prompts = prompts,
                                  .propose = propose};
