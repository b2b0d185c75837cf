/* held.c: a frozen base in few bits: the matrices of the layers, quantised in memory as they are read from
 * their file, as bitsandbytes does it (Dettmers et al. 2023, "QLoRA"). Products decode what they need
 * (struct stored), so nothing becomes float32 as a whole.
 *
 *   nf4, fp4  blocks of 64 numbers, in the order in which they lie in the matrix: a block's largest absolute
 *             value, and a code of 4 bits for each number divided by it
 *   nested    those largest values, less their mean, are 8-bit codes (base/codes8.h) by blocks of 256
 *   int8      round(127 x / the row's largest absolute value)
 * Embeddings, the output head and routers stay as their file has them.
 */
#include <math.h>
#include <string.h>

#include "base/codes8.h"
#include "base/pool.h"
#include "model/model_int.h"

enum { BLOCK = 64, NEST = 256, ITEM_BLOCKS = 512, BINS = 1024 };

/* Quantiles of the normal distribution, and 4-bit floats; by code. */
static const float nf4[16] = {
    -1.0F,      -0.6961928F, -0.52507305F, -0.3949175F, -0.28444138F, -0.18477343F, -0.09105004F, 0.0F,
    0.0795803F, 0.1609302F,  0.2461123F,   0.33791524F, 0.44070983F,  0.562617F,    0.72295684F,  1.0F};
static const float fp4[16] = {0.0F,         0.0052083333F, 0.6666667F,   1.0F,           0.33333334F, 0.5F,
                              0.16666667F,  0.25F,         -0.0F,        -0.0052083333F, -0.6666667F, -1.0F,
                              -0.33333334F, -0.5F,         -0.16666667F, -0.25F};

/* ---- reading ------------------------------------------------------------------------------------------- */

static float scale_of(const struct held *h, size_t block)
{
    if (!h->nested) return h->scales[block];
    return codes8_map(true)[h->nested[block]] * h->scales[block / NEST] + h->mean;
}

static void tile4(const struct stored *face, int row, int n, int col, int cols, float *out)
{
    const struct held *h = (const struct held *)face;
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)(row + i) * (size_t)h->cols + (size_t)col, end = at + (size_t)cols;
        float *y = out + (size_t)i * (size_t)cols;
        while (at < end) {
            size_t block = at / BLOCK, stop = (block + 1) * BLOCK < end ? (block + 1) * BLOCK : end;
            float scale = scale_of(h, block);
            for (; at < stop; at++) *y++ = h->table[h->codes[at / 2] >> (at % 2 ? 0 : 4) & 15] * scale;
        }
    }
}

static void tile8(const struct stored *face, int row, int n, int col, int cols, float *out)
{
    const struct held *h = (const struct held *)face;
    for (int i = 0; i < n; i++) {
        const int8_t *codes = (const int8_t *)h->codes + (size_t)(row + i) * (size_t)h->cols + (size_t)col;
        float scale = h->scales[row + i] / 127;
        for (int c = 0; c < cols; c++) out[(size_t)i * (size_t)cols + (size_t)c] = (float)codes[c] * scale;
    }
}

/* ---- quantising ---------------------------------------------------------------------------------------- */

static float largest(const float *x, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

static uint8_t nearest(const float *table, float x)
{
    int best = 0;
    for (int i = 1; i < 16; i++)
        if (fabsf(table[i] - x) < fabsf(table[best] - x)) best = i;
    return (uint8_t)best;
}

/* The same for many x of -1..1. A bin is narrower than what any code is nearest to, so it holds numbers of at
 * most two codes: those of its ends, set apart by more than the bin's number is rounded. */
struct bins {
    uint8_t low[BINS + 1], high[BINS + 1];
};

static void bins_fill(struct bins *b, const float *table)
{
    const float width = 2.0F / BINS, more = 0x1p-20F;
    for (int i = 0; i <= BINS; i++) {
        uint8_t one = nearest(table, (float)i * width - 1 - more);
        uint8_t other = nearest(table, (float)(i + 1) * width - 1 + more);
        b->low[i] = one < other ? one : other;
        b->high[i] = one < other ? other : one;
    }
}

static uint8_t nearest_of(const struct bins *b, const float *table, float x)
{
    int i = (int)((x + 1) * ((float)BINS / 2));
    uint8_t low = b->low[i], high = b->high[i];
    return fabsf(table[high] - x) < fabsf(table[low] - x) ? high : low;
}

struct holding {
    struct held *h;
    const struct bins *bins;
    const struct weight *w;
    int *bad; /* [items] */
};

/* Numbers at..at+n-1 of the matrix, in its order. */
static void read_run(const struct weight *w, size_t at, size_t n, float *out)
{
    size_t cols = (size_t)w->cols;
    float *row = alloc_floats(cols);
    for (size_t done = 0; done < n;) {
        size_t skip = (at + done) % cols, part = cols - skip < n - done ? cols - skip : n - done;
        weight_rows(w, (int)((at + done) / cols), 1, row);
        memcpy(out + done, row + skip, part * sizeof *out);
        done += part;
    }
    free(row);
}

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static void hold4(void *ctx, int item)
{
    const struct holding *q = ctx;
    struct held *h = q->h;
    size_t total = (size_t)q->w->rows * (size_t)q->w->cols, from = (size_t)item * ITEM_BLOCKS * BLOCK;
    size_t n = total - from < ITEM_BLOCKS * BLOCK ? total - from : ITEM_BLOCKS * BLOCK;
    float *x = alloc_floats(n);
    read_run(q->w, from, n, x);
    q->bad[item] = !all_finite(x, n);
    for (size_t at = 0; at < n && !q->bad[item]; at += BLOCK) {
        size_t count = n - at < BLOCK ? n - at : BLOCK;
        float most = h->scales[(from + at) / BLOCK] = largest(x + at, count);
        for (size_t i = at; i < at + count; i++) {
            uint8_t code = nearest_of(q->bins, h->table, most > 0 ? x[i] / most : 0);
            h->codes[(from + i) / 2] |= (uint8_t)(code << (i % 2 ? 0 : 4));
        }
    }
    free(x);
}

static void hold8(void *ctx, int row)
{
    const struct holding *q = ctx;
    size_t cols = (size_t)q->w->cols;
    float *x = alloc_floats(cols);
    int8_t *codes = (int8_t *)q->h->codes + (size_t)row * cols;
    weight_rows(q->w, row, 1, x);
    q->bad[row] = !all_finite(x, cols);
    float most = q->h->scales[row] = largest(x, cols);
    for (size_t i = 0; i < cols && !q->bad[row]; i++)
        codes[i] = (int8_t)(most > 0 ? rintf(x[i] * (127 / most)) : 0);
    free(x);
}

/* Codes for the blocks' largest values, in place of them. */
static void nest(struct held *h, size_t blocks)
{
    const float *map = codes8_map(true);
    float *plain = h->scales;
    double sum = 0;
    for (size_t i = 0; i < blocks; i++) sum += (double)plain[i];
    h->mean = (float)(sum / (double)blocks);
    h->nested = alloc_zero(blocks, 1);
    h->scales = alloc_floats((blocks + NEST - 1) / NEST);
    for (size_t at = 0; at < blocks; at += NEST) {
        size_t n = blocks - at < NEST ? blocks - at : NEST;
        for (size_t i = 0; i < n; i++) plain[at + i] -= h->mean;
        float most = h->scales[at / NEST] = largest(plain + at, n);
        for (size_t i = 0; i < n; i++)
            h->nested[at + i] = codes8_nearest(map, most > 0 ? plain[at + i] / most : 0);
    }
    free(plain);
}

bool model_holds(int flags)
{
    return flags & (MODEL_NF4 | MODEL_FP4 | MODEL_INT8);
}

static bool is_held(const struct model *m, int i)
{
    return lora_fits(m, i) && m->placed[i].row->slot != SLOT_ROUTER;
}

int model_hold(struct model *m, int i, int flags, struct err *e)
{
    if (!is_held(m, i)) return 0;
    if (!m->held) m->held = alloc_zero((size_t)m->n_weights, sizeof *m->held);
    struct weight *w = &m->weights[i];
    struct held *h = &m->held[i];
    size_t n = (size_t)w->rows * (size_t)w->cols, blocks = (n + BLOCK - 1) / BLOCK;
    bool bytes = flags & MODEL_INT8;
    *h = (struct held){.face = {.tile = bytes ? tile8 : tile4}, .cols = w->cols};
    h->table = flags & MODEL_FP4 ? fp4 : nf4;
    h->codes = alloc_zero(bytes ? n : (n + 1) / 2, 1);
    h->scales = alloc_floats(bytes ? (size_t)w->rows : blocks);
    int items = bytes ? w->rows : (int)((blocks + ITEM_BLOCKS - 1) / ITEM_BLOCKS), bad = 0;
    struct bins bins;
    bins_fill(&bins, h->table);
    struct holding q = {h, &bins, w, alloc_zero((size_t)items, sizeof *q.bad)};
    pool_for(items, bytes ? hold8 : hold4, &q);
    for (int k = 0; k < items; k++) bad |= q.bad[k];
    free(q.bad);
    if (bad) return err_set(e, "%s: tensor %s holds NaN or infinity", m->path, w->name);
    if (flags & MODEL_NESTED && !bytes) nest(h, blocks);
    w->stored = &h->face;
    return 0;
}

size_t held_bytes(const struct model *m, int i, int flags)
{
    size_t rows = (size_t)m->weights[i].rows, n = rows * (size_t)m->weights[i].cols;
    size_t blocks = (n + BLOCK - 1) / BLOCK, nests = (blocks + NEST - 1) / NEST;
    if (!model_holds(flags) || !is_held(m, i)) return 0;
    if (flags & MODEL_INT8) return n + rows * sizeof(float);
    return (n + 1) / 2 + (flags & MODEL_NESTED ? blocks + nests * sizeof(float) : blocks * sizeof(float));
}

void held_release(struct model *m)
{
    for (int i = 0; i < m->n_weights && m->held; i++) {
        free(m->held[i].codes);
        free(m->held[i].scales);
        free(m->held[i].nested);
    }
    free(m->held);
}
