/* stored.c: weights that stay in their file: rows decoded where a product or a look-up asks for them; and
 * random weights that are nowhere: rows drawn when they are asked for.
 *
 * Rotary rows: files of GGUF's llama and llama2.c store, for each head, element 2i+j of the interleaved
 * layout where Hugging Face has element j*hd/2 + i (i < hd/2, j in {0,1}). Rows are decoded one by one, so
 * the right one is simply taken.
 *
 * Latent attention's kv_b in two tensors (newer GGUF): its rows are, head by head, n for keys and n_values
 * for values. Those for values are rows of the one tensor; those for keys are columns of the other, which has
 * a row for each column of kv_b: it is decoded whole, and the columns that are asked for are taken from it.
 */
#include <string.h>

#include "base/rng.h"
#include "model/model_int.h"

int rotary_row(int row, int head_dim)
{
    int half = head_dim / 2, in_head = row % head_dim;
    return row - in_head + in_head % half * 2 + in_head / half;
}

static int file_row(const struct stored_tensor *s, int row)
{
    return s->head_dim ? rotary_row(row, s->head_dim) : row;
}

const uint8_t *stored_row(const struct stored_tensor *s, int row)
{
    return s->p + (size_t)file_row(s, row) * s->row_bytes;
}

static void stored_tile(const struct stored *face, int row, int n, int col, int cols, float *out)
{
    const struct stored_tensor *s = (const struct stored_tensor *)face;
    const struct dtype_info *d = s->dtype;
    size_t at = (size_t)(col / d->block) * (size_t)d->bytes, blocks = (size_t)(cols / d->block);
    for (int i = 0; i < n; i++) {
        float *y = out + (size_t)i * (size_t)cols;
        d->decode(stored_row(s, row + i) + at, blocks, y);
        if (s->scales.p) fp8_scale(&s->scales, file_row(s, row + i), col, cols, y);
    }
}

/* Columns col..col+cols-1 of n rows for keys of one head. */
static void keys_tile(const struct stored_keys *k, int row, int n, int col, int cols, float *out)
{
    float whole[LATENT_HEAD_MAX];
    int stride = k->n + k->n_values, head = row / stride, first = row % stride;
    for (int j = 0; j < cols; j++) {
        size_t at = (size_t)head * (size_t)k->rank + (size_t)(col + j);
        k->dtype->decode(k->p + at * k->row_bytes, (size_t)(k->n / k->dtype->block), whole);
        for (int i = 0; i < n; i++) out[(size_t)i * (size_t)cols + (size_t)j] = whole[first + i];
    }
}

static void split_tile(const struct stored *face, int row, int n, int col, int cols, float *out)
{
    const struct stored_keys *k = &((const struct stored_tensor *)face)->keys;
    int stride = k->n + k->n_values;
    for (int run; n > 0; row += run, n -= run, out += (size_t)run * (size_t)cols) {
        int head = row / stride, first = row % stride;
        int left = (first < k->n ? k->n : stride) - first;
        run = n < left ? n : left;
        if (first < k->n)
            keys_tile(k, row, run, col, cols, out);
        else
            stored_tile(face, head * k->n_values + first - k->n, run, col, cols, out);
    }
}

static size_t row_bytes(const struct tensor_info *t)
{
    const struct dtype_info *d = dtype_info(t->dtype);
    return (size_t)(t->shape[t->n_dims - 1] / d->block) * (size_t)d->bytes;
}

void stored_init(struct stored_tensor *s, const struct tensor_file *f, const struct weight_place *at)
{
    const struct tensor_info *t = at->t, *k = at->keys;
    const struct dtype_info *d = dtype_info(t->dtype);
    CHECK(d->decode && STORED_COLS % d->block == 0 && t->shape[t->n_dims - 1] % d->block == 0,
          "%s: %s in blocks of %d", t->name, d->name, d->block);
    *s = (struct stored_tensor){.face = {.tile = k ? split_tile : stored_tile},
                                .p = f->maps[t->file].p + t->offset + (size_t)at->row * row_bytes(t),
                                .dtype = d,
                                .row_bytes = row_bytes(t),
                                .cols = (int)t->shape[t->n_dims - 1],
                                .head_dim = at->head_dim,
                                .scales = fp8_scales_of(f, t),
                                .map = &f->maps[t->file]};
    s->bytes = t->offset + t->bytes - (size_t)(s->p - s->map->p);
    if (!k) {
        narrow_init(s, t->dtype);
        return;
    }
    CHECK(dtype_info(k->dtype)->decode && k->n_dims == 3 && k->shape[2] <= LATENT_HEAD_MAX, "%s", k->name);
    s->keys = (struct stored_keys){.p = f->maps[k->file].p + k->offset,
                                   .dtype = dtype_info(k->dtype),
                                   .row_bytes = row_bytes(k),
                                   .rank = (int)k->shape[1],
                                   .n = (int)k->shape[2],
                                   .n_values = (int)t->shape[1]};
}

void stored_in_memory(struct stored_tensor *s, enum dtype t, int cols)
{
    const struct dtype_info *d = dtype_info(t);
    CHECK(d->block == 1, "%s in blocks of %d", d->name, d->block);
    *s = (struct stored_tensor){
        .face = {.tile = stored_tile}, .dtype = d, .row_bytes = (size_t)(cols * d->bytes), .cols = cols};
    narrow_init(s, t);
}

void stored_forget(const struct stored_tensor *s)
{
    file_map_forget(s->map, (size_t)(s->p - s->map->p), s->bytes);
}

/* ---- drawn --------------------------------------------------------------------------------------------- */

static void draw_tile(const struct stored *face, int row, int n, int col, int cols, float *out)
{
    const struct stored_draw *s = (const struct stored_draw *)face;
    float *whole = cols < s->cols ? alloc_floats((size_t)s->cols) : NULL;
    for (int i = 0; i < n; i++) {
        struct rng_at at = {.seed = s->seed, .purpose = RNG_INIT, .step = (uint32_t)s->index};
        at.sequence = (uint32_t)(row + i);
        float *y = out + (size_t)i * (size_t)cols;
        rng_normal(&at, whole ? whole : y, (size_t)s->cols, 0, s->std);
        if (whole) memcpy(y, whole + col, (size_t)cols * sizeof *y);
    }
    free(whole);
}

void stored_draw_init(struct stored_draw *s, const struct model *m, int index, uint64_t seed)
{
    *s = (struct stored_draw){
        {.tile = draw_tile}, index, m->weights[index].cols, seed, (float)m->config.init_range};
}
