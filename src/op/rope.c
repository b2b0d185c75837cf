/* rope.c: rotary position embedding (Su et al. 2021), halves rotated as Hugging Face does it.
 *
 *   for i < hd/2, a = pos * inv_freq_i:  y_i = x_i cos a - x_{i+hd/2} sin a
 *                                        y_{i+hd/2} = x_{i+hd/2} cos a + x_i sin a
 *
 * Interleaved pairs (x_2i, x_{2i+1}) are brought to that order first (DeepSeek; queries and keys alike, so
 * their products are those of pairs turned in place). Backward rotates by -a. The table of cos and sin is
 * made once per batch and kept by the tape: one entry for each position between the smallest and the largest,
 * or one for each row if that is fewer.
 */
#include <string.h>

#include "base/check.h"
#include "base/fmath.h"
#include "op/op_int.h"

enum { ROPE_COST = 8, ROPE_TABLE_COST = 2000 };

struct rope_table {
    float *cs; /* [entries][hd]: cos, sin, cos, sin, ... */
    bool by_row;
    int first_pos;
};

struct rope_key {
    const struct batch *batch;
    const struct span *spans;
    const double *inv_freq;
    int n_rows, n_spans, hd;
    float attn_factor;
};

struct rope_node {
    struct node node;
    struct tensor *x;
    const struct batch *batch;
    const struct rope_table *table;
    const float *from; /* rotated into `to` by sign */
    float *to;
    int hd;
    float sign;
    bool interleaved;
};

struct rope_fill {
    struct rope_table *table;
    const struct batch *batch;
    const struct rope *rope;
};

static int row_position(const struct batch *b, int row, int *span)
{
    while (*span + 1 < b->n_spans && b->spans[*span + 1].row <= row) ++*span;
    return b->spans[*span].first_pos + row - b->spans[*span].row;
}

static void rope_fill_range(void *ctx, struct range r)
{
    const struct rope_fill *f = ctx;
    int half = f->rope->hd / 2;
    int span = f->table->by_row ? batch_span_at(f->batch, (int)r.from) : 0;
    for (size_t e = r.from; e < r.to; e++) {
        int pos = f->table->by_row ? row_position(f->batch, (int)e, &span) : f->table->first_pos + (int)e;
        float *cs = f->table->cs + e * 2 * (size_t)half;
        for (int i = 0; i < half; i++) {
            float angle = (float)pos * (float)f->rope->inv_freq[i];
            cs[2 * i] = (float)fm_cos((double)angle) * f->rope->attn_factor;
            cs[2 * i + 1] = (float)fm_sin((double)angle) * f->rope->attn_factor;
        }
    }
}

static const struct rope_table *rope_table_for(struct tape *t, const struct batch *b, const struct rope *r)
{
    struct rope_key key;
    memset(&key, 0, sizeof key);
    key.batch = b, key.spans = b->spans, key.inv_freq = r->inv_freq;
    key.n_rows = b->n_rows, key.n_spans = b->n_spans, key.hd = r->hd, key.attn_factor = r->attn_factor;
    static const char maker;
    struct rope_table *table = tape_memo_find(t, &maker, &key, sizeof key);
    if (table) return table;
    int low = b->spans[0].first_pos, high = low;
    for (int i = 0; i < b->n_spans; i++) {
        const struct span *s = &b->spans[i];
        if (s->first_pos < low) low = s->first_pos;
        if (s->first_pos + s->len > high) high = s->first_pos + s->len;
    }
    table = tape_keep(t, sizeof *table);
    *table = (struct rope_table){.by_row = high - low > b->n_rows, .first_pos = low};
    size_t entries = (size_t)(table->by_row ? b->n_rows : high - low);
    table->cs = tape_keep(t, entries * (size_t)r->hd * sizeof(float));
    if (!tape_planning(t))
        work_over(entries, 1, (double)r->hd * ROPE_TABLE_COST, rope_fill_range,
                  &(struct rope_fill){table, b, r});
    tape_memo_add(t, &maker, &key, sizeof key, table);
    return table;
}

enum { ROPE_HEAD_MAX = 1024 };

/* One head from `from` to `turned`; forward pairs are brought apart before, backward together after. */
static void rope_head(const struct rope_node *n, float *turned, const float *from, const float *cs)
{
    int half = n->hd / 2;
    float y[ROPE_HEAD_MAX];
    if (!n->interleaved) {
        memmove(turned, from, (size_t)n->hd * sizeof *turned);
        kern()->rope(turned, cs, n->hd, n->sign);
        return;
    }
    bool apart = n->sign > 0;
    for (int i = 0; i < n->hd; i++) y[apart ? i % 2 * half + i / 2 : i] = from[i];
    kern()->rope(y, cs, n->hd, n->sign);
    for (int i = 0; i < n->hd; i++) turned[i] = y[apart ? i : i % 2 * half + i / 2];
}

static void rope_rows(void *ctx, struct range r)
{
    const struct rope_node *n = ctx;
    size_t cols = (size_t)n->node.y->cols, hd = (size_t)n->hd;
    int span = batch_span_at(n->batch, (int)r.from);
    for (size_t i = r.from; i < r.to; i++) {
        int pos = row_position(n->batch, (int)i, &span);
        const float *cs = n->table->cs + (n->table->by_row ? i : (size_t)(pos - n->table->first_pos)) * hd;
        const float *from = n->from + i * cols;
        float *to = n->to + i * cols;
        for (size_t c = 0; c < cols; c += hd) rope_head(n, to + c, from + c, cs);
    }
}

static void rope_turn(struct rope_node *n)
{
    work_over((size_t)n->batch->n_rows, 1, (double)n->node.y->cols * ROPE_COST, rope_rows, n);
}

static void rope_backward(struct tape *t, struct node *node)
{
    struct rope_node *n = (struct rope_node *)node;
    struct tensor *x = n->x;
    bool first = true;
    n->to = tape_grad_take(x, node->y) ? x->grad : tape_grad(t, x, &first);
    n->from = node->y->grad;
    CHECK(first, "something read [%d, %d] after it was turned", x->rows, x->cols);
    n->sign = -1;
    if (!tape_planning(t)) rope_turn(n);
}

struct tensor *op_rope_run(struct tape *t, struct tensor *x, const struct batch *b, const struct rope *r)
{
    CHECK(r->hd % 2 == 0 && r->hd <= ROPE_HEAD_MAX && x->cols % r->hd == 0,
          "rope over heads of %d in %d columns", r->hd, x->cols);
    CHECK(x->rows == b->n_rows, "%d rows, batch of %d", x->rows, b->n_rows);
    struct tensor *y = tape_result_over(t, x, x->wants_grad);
    struct rope_node saved = {{.y = y},      .x = x,      .batch = b, .from = y->data,
                              .to = y->data, .hd = r->hd, .sign = 1,  .interleaved = r->interleaved};
    saved.table = rope_table_for(t, b, r);
    if (!tape_idle(t)) rope_turn(&saved);
    if (!tape_records(t, y)) return y;
    struct rope_node *n = tape_node(t, sizeof *n, y, rope_backward);
    n->x = x;
    n->batch = b;
    n->table = saved.table;
    n->hd = r->hd;
    n->interleaved = r->interleaved;
    return y;
}

static struct tensor *rope_case(struct tape *t, int c)
{
    static const double inv_freq[] = {1, 0.1F, 0.01F};
    static const struct span spans[] = {{0, 3, 0, -1, NULL}, {3, 2, 3, 0, NULL}, {5, 4, 3, 0, NULL}};
    static const struct span far[] = {{0, 2, 0, -1, NULL}, {2, 1, 40, -1, NULL}};
    static const struct batch batches[] = {{.n_rows = 9, .n_spans = 3, .spans = spans},
                                           {.n_rows = 3, .n_spans = 2, .spans = far}};
    static const struct rope ropes[] = {
        {.hd = 6, .inv_freq = inv_freq, .attn_factor = 1},
        {.hd = 4, .inv_freq = inv_freq, .attn_factor = 1.25F},
        {.hd = 6, .inv_freq = inv_freq, .attn_factor = 1, .interleaved = true},
        {.hd = 4, .inv_freq = inv_freq, .attn_factor = 1, .interleaved = true}};
    int which = c % 2;
    struct tensor *x = op_case_input(t, batches[which].n_rows, 12, 1);
    /* In most cases y's gradient is another's too, and in some x's comes twice. */
    struct tensor *other = c % 4 == 0  ? NULL
                           : c % 2     ? op_scale_run(t, x, 1)
                                       : op_case_input(t, batches[which].n_rows, 12, 1);
    struct tensor *y = op_rope_run(t, x, &batches[which], &ropes[which + (c > 2 ? 2 : 0)]);
    return other ? op_add_run(t, y, other) : y;
}

const struct op op_rope = {
    .name = "rope",
    .formula = "(y_i, y_{i+hd/2}) = (x_i, x_{i+hd/2}) rotated by pos * inv_freq_i",
    .n_cases = 6,
    .build_case = rope_case,
};
