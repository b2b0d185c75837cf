/* stored.c: weights that stay in their file: rows decoded where a product or a look-up asks for them; and
 * random weights that are nowhere: rows drawn when they are asked for.
 *
 * Rotary rows: files of GGUF's llama and llama2.c store, for each head, element 2i+j of the interleaved
 * layout where Hugging Face has element j*hd/2 + i (i < hd/2, j in {0,1}). Rows are decoded one by one, so
 * the right one is simply taken.
 */
#include <string.h>

#include "base/rng.h"
#include "model/model_int.h"

int rotary_row(int row, int head_dim)
{
    int half = head_dim / 2, in_head = row % head_dim;
    return row - in_head + in_head % half * 2 + in_head / half;
}

static void stored_tile(const struct stored *face, int row, int n, int col, int cols, float *out)
{
    const struct stored_tensor *s = (const struct stored_tensor *)face;
    const struct dtype_info *d = s->dtype;
    size_t at = (size_t)(col / d->block) * (size_t)d->bytes, blocks = (size_t)(cols / d->block);
    for (int i = 0; i < n; i++) {
        int from = s->head_dim ? rotary_row(row + i, s->head_dim) : row + i;
        float *y = out + (size_t)i * (size_t)cols;
        d->decode(s->p + (size_t)from * s->row_bytes + at, blocks, y);
        if (s->scales.p) fp8_scale(&s->scales, from, col, cols, y);
    }
}

void stored_init(struct stored_tensor *s, const struct tensor_file *f, const struct tensor_info *t,
                 int head_dim)
{
    const struct dtype_info *d = dtype_info(t->dtype);
    int64_t cols = t->shape[t->n_dims - 1];
    CHECK(d->decode && STORED_COLS % d->block == 0 && cols % d->block == 0, "%s: %s in blocks of %d", t->name,
          d->name, d->block);
    *s = (struct stored_tensor){.face = {stored_tile},
                                .p = f->maps[t->file].p + t->offset,
                                .dtype = d,
                                .row_bytes = (size_t)(cols / d->block) * (size_t)d->bytes,
                                .head_dim = head_dim,
                                .scales = fp8_scales_of(f, t)};
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
    *s = (struct stored_draw){{draw_tile}, index, m->weights[index].cols, seed, (float)m->config.init_range};
}
