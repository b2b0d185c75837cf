/* micro.c: a microbatch: tokens side by side without padding, spans that say who may see whom, and the rows
 * whose predictions have loss. The buffers are made once, for the largest microbatch of the run.
 */
#include "train/train_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void micro_init(struct micro *b, int max_rows, int max_spans, int max_heads)
{
    *b = (struct micro){.max_rows = max_rows, .max_spans = max_spans, .max_heads = max_heads};
    b->tokens = alloc_zero((size_t)max_rows, sizeof *b->tokens);
    b->spans = alloc_zero((size_t)max_spans, sizeof *b->spans);
    b->rows = alloc_zero((size_t)max_heads, sizeof *b->rows);
    b->targets = alloc_zero((size_t)max_heads, sizeof *b->targets);
}

void micro_release(struct micro *b)
{
    free(b->tokens);
    free(b->spans);
    free(b->rows);
    free(b->targets);
    free(b->sets);
    free(b->dlogp);
    free(b->dentropy);
    free(b->dmean);
    free(b->sequences);
    free(b->aside);
    free(b->widths);
    free(b->next);
    free(b->further_rows);
    free(b->further_targets);
    *b = (struct micro){0};
}

void micro_clear(struct micro *b)
{
    b->n_rows = b->n_spans = b->n_heads = b->n_aside = 0;
}

int micro_span(struct micro *b, const int *ids, int n, int parent)
{
    CHECK(n > 0 && n <= b->max_rows - b->n_rows && b->n_spans < b->max_spans,
          "span of %d rows, %d of %d rows and %d of %d spans in use", n, b->n_rows, b->max_rows, b->n_spans,
          b->max_spans);
    int first_pos = parent < 0 ? 0 : b->spans[parent].first_pos + b->spans[parent].len;
    b->spans[b->n_spans] =
        (struct span){.row = b->n_rows, .len = n, .first_pos = first_pos, .parent = parent};
    memcpy(b->tokens + b->n_rows, ids, (size_t)n * sizeof *ids);
    b->n_rows += n;
    return b->n_spans++;
}

void micro_head(struct micro *b, int row, int target)
{
    CHECK(b->n_heads < b->max_heads && row >= 0 && row < b->n_rows, "row %d of %d, head %d of %d", row,
          b->n_rows, b->n_heads, b->max_heads);
    if (b->sets) b->sets[b->n_heads] = (struct head_set){NULL, 0};
    b->rows[b->n_heads] = row;
    b->targets[b->n_heads++] = target;
}

void micro_sets(struct micro *b)
{
    b->sets = alloc_zero((size_t)b->max_heads, sizeof *b->sets);
}

void micro_head_set(struct micro *b, const int *ids, int n)
{
    CHECK(b->sets && b->n_heads > 0, "a set for prediction %d", b->n_heads - 1);
    b->sets[b->n_heads - 1] = (struct head_set){ids, n};
}

void micro_known(struct micro *b, bool entropy)
{
    size_t n = (size_t)b->max_heads;
    b->dlogp = alloc_zero(n, sizeof *b->dlogp);
    if (entropy) b->dentropy = alloc_zero(n, sizeof *b->dentropy);
    if (b->mean_logp) b->dmean = alloc_zero(n, sizeof *b->dmean);
}

void micro_noise(struct micro *b, uint64_t seed)
{
    if (!b->sequences) b->sequences = alloc_zero((size_t)b->max_spans, sizeof *b->sequences);
    b->widths = alloc_zero((size_t)b->max_spans, sizeof *b->widths);
    b->noise = (struct noise){{.seed = seed, .purpose = RNG_NOISE}, b->sequences, b->widths};
}

void micro_dropout(struct micro *b, uint64_t seed)
{
    if (!b->sequences) b->sequences = alloc_zero((size_t)b->max_spans, sizeof *b->sequences);
    b->dropout = (struct dropout){{.seed = seed, .purpose = RNG_DROPOUT}, b->sequences};
    b->drops = true;
}

void micro_span_sequence(struct micro *b, int span, uint32_t sequence)
{
    CHECK(span >= 0 && span < b->n_spans, "span %d of %d", span, b->n_spans);
    if (b->sequences) b->sequences[span] = sequence;
}

void micro_span_noise(struct micro *b, int span, float width)
{
    CHECK(b->widths && span >= 0 && span < b->n_spans, "span %d of %d", span, b->n_spans);
    b->widths[span] = width;
}

void micro_aside(struct micro *b, struct activations *store)
{
    b->store = store;
    b->aside = alloc_zero((size_t)b->max_rows, sizeof *b->aside);
}

void micro_span_aside(struct micro *b, int span, const int *rows)
{
    CHECK(b->store && span >= 0 && span < b->n_spans, "span %d of %d", span, b->n_spans);
    const struct span *s = &b->spans[span];
    if (!rows) return;
    memcpy(b->aside + s->row, rows, (size_t)s->len * sizeof *rows);
    b->n_aside += s->len;
}

bool micro_takes(const struct micro *b)
{
    return b->store && b->n_aside == b->n_rows;
}

void micro_further(struct micro *b, int n)
{
    CHECK(n > 0 && n <= FURTHER_MAX && !b->n_further, "%d modules, at most %d", n, FURTHER_MAX);
    b->n_further = n;
    b->next = alloc_zero((size_t)n * (size_t)b->max_rows, sizeof *b->next);
    b->further_rows = alloc_zero((size_t)n * (size_t)b->max_heads, sizeof *b->further_rows);
    b->further_targets = alloc_zero((size_t)n * (size_t)b->max_heads, sizeof *b->further_targets);
}

/* Tokens that follow each row k + 1 rows on (at a span's end its last one), and the predictions of module k:
 * those of the model, from k + 1 rows earlier in the span. Returns how many there are. */
static int shift(const struct micro *b, int k, int *next, int *rows, int *targets)
{
    int n = 0, head = 0;
    for (const struct span *s = b->spans; s < b->spans + b->n_spans; s++) {
        int last = s->row + s->len - 1;
        for (int r = s->row; r <= last; r++) next[r] = b->tokens[r + k + 1 < last ? r + k + 1 : last];
        for (; head < b->n_heads && b->rows[head] <= last; head++) {
            if (b->rows[head] - k - 1 < s->row) continue;
            rows[n] = b->rows[head] - k - 1;
            targets[n++] = b->targets[head];
        }
    }
    return n;
}

/* The modules behind the last layer, each on what the one before it gave. */
static void forward_further(const struct micro *b, struct model *m, struct tape *t, bool checkpoint,
                            struct forward *f, struct tensor *x)
{
    for (int k = 0; k < b->n_further; k++) {
        int *next = b->next + (size_t)k * (size_t)b->max_rows;
        int *rows = b->further_rows + (size_t)k * (size_t)b->max_heads;
        int *targets = b->further_targets + (size_t)k * (size_t)b->max_heads;
        int n = shift(b, k, next, rows, targets);
        f->further[k].module = (struct further){&f->batch, x, next, k};
        f->further[k].rows = (struct head_rows){
            .n = n, .rows = rows, .targets = targets, .temperature = f->rows.temperature};
        x = model_forward_further(m, t, &f->further[k].module, checkpoint);
        if (n) f->further[k].out = op_head_run(t, x, model_head(m), &f->further[k].rows);
    }
}

void micro_forward(const struct micro *b, struct model *m, struct tape *t, bool checkpoint, struct forward *f)
{
    f->aside = (struct aside){b->store, b->n_rows, b->aside};
    f->batch = (struct batch){.n_rows = b->n_rows,
                              .tokens = b->tokens,
                              .n_spans = b->n_spans,
                              .spans = b->spans,
                              .moe = b->moe,
                              .noise = b->widths ? &b->noise : NULL,
                              .drop = b->drops && tape_recording(t) ? &b->dropout : NULL,
                              .aside = micro_takes(b) && tape_recording(t) ? &f->aside : NULL};
    f->rows.n = b->n_heads;
    f->rows.rows = b->rows;
    f->rows.targets = b->targets;
    f->rows.sets = b->sets;
    f->rows.mean = b->mean_logp;
    f->known = (struct head_known){b->dlogp, b->dentropy, b->dmean};
    f->rows.known = b->dlogp && tape_recording(t) ? &f->known : NULL;
    struct tensor *x = model_forward(m, t, &f->batch, checkpoint);
    f->out = op_head_run(t, x, model_head(m), &f->rows);
    forward_further(b, m, t, checkpoint, f, x);
}
