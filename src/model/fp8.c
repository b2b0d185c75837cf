/* fp8.c: matrices of 8-bit floats with a scale for each block of 128 x 128, as DeepSeek-V3's checkpoints have
 * them (DeepSeek-AI 2024, "DeepSeek-V3 technical report", 3.3).
 *
 *   w[i][j] = e4m3(i, j) * scale[i / 128][j / 128]
 *
 * X.weight of type F8_E4M3 stands beside X.weight_scale_inv, F32 [ceil(rows/128), ceil(cols/128)]; "inv"
 * notwithstanding, it is multiplied by. The last blocks of a row or column may be smaller. The product stays
 * float32, rounded once.
 *
 * e4m3: sign, four bits of exponent (bias 7), three of fraction; no infinities, 0x7F and 0xFF are NaN.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/model_int.h"

enum { FP8_BLOCK = 128 };
#define FP8_MAX 448.0F

static int64_t blocks_of(int64_t n)
{
    return (n + FP8_BLOCK - 1) / FP8_BLOCK;
}

void fp8_scale_shape(const int64_t shape[2], int64_t scales[2])
{
    scales[0] = blocks_of(shape[0]);
    scales[1] = blocks_of(shape[1]);
}

/* ---- the numbers --------------------------------------------------------------------------------------- */

static float float_from_fp8(uint8_t b)
{
    int exponent = b >> 3 & 15, fraction = b & 7;
    float size = exponent ? ldexpf((float)(8 + fraction), exponent - 10) : ldexpf((float)fraction, -9);
    if ((b & 0x7F) == 0x7F) return NAN;
    return b & 0x80 ? -size : size;
}

void fp8_decode(const uint8_t *p, size_t blocks, float *y)
{
    float values[256];
    for (int b = 0; b < 256; b++) values[b] = float_from_fp8((uint8_t)b);
    for (size_t i = 0; i < blocks; i++) y[i] = values[p[i]];
}

/* The nearest e4m3, of two equally near the even one; beyond the largest, the largest. */
static uint8_t fp8_from_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint8_t sign = (uint8_t)(bits >> 31 << 7);
    float size = fabsf(x);
    if (isnan(x)) return sign | 0x7F;
    if (size >= FP8_MAX) return sign | 0x7E;
    /* Below the normals: a sum with 2^14 rounds to units of 2^-9. */
    if (size < 0x1p-6F) return sign | (uint8_t)((size + 0x1p14F - 0x1p14F) * 0x1p9F);
    bits &= 0x7FFFFFFF;
    bits += 0x7FFFF + (bits >> 20 & 1); /* 20 of 23 fraction bits go */
    return sign | (uint8_t)((bits >> 20) - ((127 - 7) << 3));
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int link_one(struct tensor_file *f, struct tensor_info *t, struct err *e)
{
    char name[ARCH_NAME_MAX];
    const char *path = f->map_paths[t->file];
    int64_t want[2];
    if (snprintf(name, sizeof name, "%s_scale_inv", t->name) >= (int)sizeof name) return 0;
    const struct tensor_info *scales = tensor_file_find(f, name);
    if (!scales) return 0;
    if (t->n_dims != 2) return err_set(e, "%s: tensor %.200s has scales, but is no matrix", path, t->name);
    fp8_scale_shape(t->shape, want);
    if (scales->dtype != DT_F32 || scales->n_dims != 2 || scales->shape[0] != want[0] ||
        scales->shape[1] != want[1])
        return err_set(e,
                       "%s: tensor %.200s must be F32 [%lld,%lld]: a scale for each %d x %d of %.200s "
                       "[%lld,%lld]",
                       path, name, (long long)want[0], (long long)want[1], FP8_BLOCK, FP8_BLOCK, t->name,
                       (long long)t->shape[0], (long long)t->shape[1]);
    t->scales = scales;
    return 0;
}

int fp8_link(struct tensor_file *f, struct err *e)
{
    for (int i = 0; i < f->n; i++)
        if (f->tensors[i].dtype == DT_F8_E4M3 && link_one(f, &f->tensors[i], e)) return -1;
    return 0;
}

struct fp8_scales fp8_scales_of(const struct tensor_file *f, const struct tensor_info *t)
{
    if (!t->scales) return (struct fp8_scales){NULL, 0};
    return (struct fp8_scales){f->maps[t->scales->file].p + t->scales->offset, t->scales->shape[1]};
}

void fp8_scale(const struct fp8_scales *s, int64_t row, int64_t col, int64_t n, float *y)
{
    CHECK(col % FP8_BLOCK == 0, "column %lld", (long long)col);
    for (int64_t j = 0; j < n; j += FP8_BLOCK) {
        float scale;
        int64_t end = j + FP8_BLOCK < n ? j + FP8_BLOCK : n;
        memcpy(&scale, s->p + (row / FP8_BLOCK * s->across + (col + j) / FP8_BLOCK) * 4, sizeof scale);
        for (int64_t k = j; k < end; k++) y[k] *= scale;
    }
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* The largest number of a block becomes the largest e4m3. */
float *fp8_scales_make(const struct weight *w)
{
    int64_t shape[2] = {w->rows, w->cols}, n[2];
    fp8_scale_shape(shape, n);
    float *scales = alloc_zero((size_t)(n[0] * n[1]), sizeof *scales), *row = alloc_floats((size_t)w->cols);
    for (int i = 0; i < w->rows; i++) {
        float *most = scales + i / FP8_BLOCK * n[1];
        weight_rows(w, i, 1, row);
        for (int j = 0; j < w->cols; j++) most[j / FP8_BLOCK] = fmaxf(most[j / FP8_BLOCK], fabsf(row[j]));
    }
    for (int64_t k = 0; k < n[0] * n[1]; k++) scales[k] = scales[k] > 0 ? scales[k] / FP8_MAX : 1;
    free(row);
    return scales;
}

void fp8_encode(const float *x, int64_t row, int64_t n, int64_t cols, const float *scales, uint8_t *y)
{
    for (int64_t i = 0; i < n; i++, x += cols, y += cols) {
        const float *own = scales + (row + i) / FP8_BLOCK * blocks_of(cols);
        for (int64_t j = 0; j < cols; j++) y[j] = fp8_from_float(x[j] / own[j / FP8_BLOCK]);
    }
}

json_t *fp8_config(void)
{
    return json_pack("{s:s, s:s, s:s, s:[i,i]}", "activation_scheme", "dynamic", "fmt", "e4m3",
                     "quant_method", "fp8", "weight_block_size", FP8_BLOCK, FP8_BLOCK);
}

bool fp8_holds(const struct model *m, int i)
{
    const struct arch_weight *row = m->placed[i].row;
    bool in_layer = strchr(row->name, '*') != NULL;
    return row->kind == WEIGHT_MATRIX && in_layer && row->slot != SLOT_ROUTER && row->slot != SLOT_MTP_JOIN;
}
