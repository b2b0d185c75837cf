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

/* The scale of block (i, j) of a matrix: its largest number becomes the largest e4m3. */
static float block_scale(const float *w, int64_t rows, int64_t cols, int64_t i, int64_t j)
{
    float most = 0;
    for (int64_t r = i * FP8_BLOCK; r < rows && r < (i + 1) * FP8_BLOCK; r++)
        for (int64_t c = j * FP8_BLOCK; c < cols && c < (j + 1) * FP8_BLOCK; c++)
            most = fmaxf(most, fabsf(w[r * cols + c]));
    return most > 0 ? most / FP8_MAX : 1;
}

void fp8_quantise(const float *w, const int64_t shape[2], uint8_t *q, float *scales)
{
    int64_t rows = shape[0], cols = shape[1], across = blocks_of(cols);
    for (int64_t i = 0; i < blocks_of(rows); i++)
        for (int64_t j = 0; j < across; j++) {
            float scale = block_scale(w, rows, cols, i, j);
            if (scales) scales[i * across + j] = scale;
            for (int64_t r = i * FP8_BLOCK; q && r < rows && r < (i + 1) * FP8_BLOCK; r++)
                for (int64_t c = j * FP8_BLOCK; c < cols && c < (j + 1) * FP8_BLOCK; c++)
                    q[r * cols + c] = fp8_from_float(w[r * cols + c] / scale);
        }
}

bool fp8_holds(const struct model *m, int i)
{
    const struct arch_weight *row = m->placed[i].row;
    bool in_layer = strchr(row->name, '*') != NULL;
    return row->kind == WEIGHT_MATRIX && in_layer && row->slot != SLOT_ROUTER && row->slot != SLOT_MTP_JOIN;
}
