/* tensor_write.c: numbers on their way into a file: a few rows at a time are read, checked and encoded on all
 * threads, then written; so a tensor of any size passes through some megabytes.
 */
#include <math.h>

#include "base/pool.h"
#include "model/model_int.h"

enum { ITEM_FLOATS = 1 << 16, ITEMS_PER_THREAD = 4 };

/* A unit is what cannot be split: a row of a weight, else a block of the type. */
struct batch_write {
    const struct tensor_source *source;
    const struct dtype_info *to;
    size_t unit, from, n; /* floats in a unit; units of this batch */
    size_t per_item;
    float *x;
    uint8_t *bytes;
    int *bad; /* [items] a weight's number that the type cannot hold */
};

static int cols_of(const struct tensor_source *s)
{
    return s->cols ? s->cols : s->weight->cols;
}

static void read_rows(const struct tensor_source *s, size_t row, size_t n, float *x)
{
    if (s->rows)
        s->rows(s, (int)row, (int)n, x);
    else
        weight_rows(s->weight, (int)row, (int)n, x);
    for (size_t i = 0; s->plus_one && i < n * (size_t)cols_of(s); i++) x[i] += 1;
}

static void batch_item(void *ctx, int item)
{
    const struct batch_write *b = ctx;
    size_t at = (size_t)item * b->per_item, n = b->n - at < b->per_item ? b->n - at : b->per_item;
    float *room = b->x + at * b->unit;
    const float *x = b->source->data ? b->source->data + (b->from + at) * b->unit : room;
    b->bad[item] = 0;
    if (!b->source->data) {
        read_rows(b->source, b->from + at, n, room);
        for (size_t i = 0; i < n * b->unit; i++)
            if (!(fabs((double)x[i]) <= b->to->max)) b->bad[item] = 1;
    }
    size_t blocks = b->unit / (size_t)b->to->block;
    if (b->source->fp8_scales)
        fp8_encode(x, (int64_t)(b->from + at), (int64_t)n, (int64_t)b->unit, b->source->fp8_scales,
                   b->bytes + at * b->unit);
    else
        b->to->encode(x, n * blocks, b->bytes + at * blocks * (size_t)b->to->bytes);
}

static int write_batch(struct file_out *o, struct batch_write *b, const char *name, struct err *e)
{
    int items = (int)((b->n + b->per_item - 1) / b->per_item);
    pool_for(items, batch_item, b);
    for (int i = 0; i < items; i++)
        if (b->bad[i])
            return err_set(e, "tensor %.200s holds NaN, infinity, or a number that %s cannot hold", name,
                           b->to->name);
    return file_out_write(o, b->bytes, b->n * b->unit / (size_t)b->to->block * (size_t)b->to->bytes, e);
}

int tensor_write(struct file_out *o, const struct tensor_out *t, struct err *e)
{
    const struct tensor_source *s = &t->source;
    const struct dtype_info *to = dtype_info(t->dtype);
    if (s->bytes) return file_out_write(o, s->bytes, s->n / (size_t)to->block * (size_t)to->bytes, e);
    CHECK((to->encode || s->fp8_scales) && (s->data || cols_of(s) % to->block == 0), "%s as %s", t->name,
          to->name);
    struct batch_write b = {.source = s, .to = to};
    b.unit = s->data ? (size_t)to->block : (size_t)cols_of(s);
    size_t units = s->n / b.unit;
    CHECK(units * b.unit == s->n, "%s: %zu numbers in units of %zu", t->name, s->n, b.unit);
    b.per_item = b.unit < ITEM_FLOATS ? ITEM_FLOATS / b.unit : 1;
    size_t items = (size_t)pool_threads() * ITEMS_PER_THREAD, most = items * b.per_item;
    if (most > units) most = units;
    b.x = s->data ? NULL : alloc_floats(most * b.unit);
    b.bytes = alloc_or_die(most * b.unit / (size_t)to->block * (size_t)to->bytes + 1);
    b.bad = alloc_zero(items, sizeof *b.bad);
    int result = 0;
    for (b.from = 0; b.from < units && !result; b.from += b.n) {
        b.n = units - b.from < most ? units - b.from : most;
        result = write_batch(o, &b, t->name, e);
    }
    free(b.x);
    free(b.bytes);
    free(b.bad);
    return result;
}
