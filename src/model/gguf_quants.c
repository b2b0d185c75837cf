/* gguf_quants.c: one row for each type of number in a tensor file, and how a run of blocks becomes float32.
 *
 * Plain types have one element a block. The quantised ones are ggml's (ggml-quants.c in its repository; d, m
 * and dmin are IEEE halves, q small integers; a row of a tensor is a run of whole blocks):
 *   Q4_0, Q5_0   d, [qh], qs: y = (q - 8) d, y = (q - 16) d; 32 elements, low nibbles are the first half
 *   Q4_1, Q5_1   d, m, [qh], qs: y = q d + m
 *   Q8_0         d, 32 int8: y = q d
 *   Q4_K, Q5_K   d, dmin, 8 pairs of 6-bit scale and minimum, [qh], qs: y = (d sc) q - (dmin mn); 256
 *                elements
 *   Q6_K         ql, qh, 16 int8 scales, d: y = (d sc) (q - 32)
 * The order of roundings is that of gguf-py, with which tests compare bit for bit.
 */
#include <string.h>

#include "kern/kern.h"
#include "model/model_int.h"

static float half_at(const uint8_t *p)
{
    uint16_t h;
    float f;
    memcpy(&h, p, sizeof h);
    kern()->f16_to_f32(&f, &h, 1);
    return f;
}

static void f32_decode(const uint8_t *p, size_t n, float *y)
{
    memcpy(y, p, n * sizeof *y);
}

static void f64_decode(const uint8_t *p, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, p + i * sizeof x, sizeof x);
        y[i] = (float)x;
    }
}

/* Through a small buffer, since bytes in a file need not be aligned. */
static void wide_decode(void (*widen)(float *, const uint16_t *, size_t), const uint8_t *p, size_t n,
                        float *y)
{
    uint16_t buf[1024];
    for (size_t i = 0; i < n; i += 1024) {
        size_t part = n - i < 1024 ? n - i : 1024;
        memcpy(buf, p + i * sizeof *buf, part * sizeof *buf);
        widen(y + i, buf, part);
    }
}

static void f16_decode(const uint8_t *p, size_t n, float *y)
{
    wide_decode(kern()->f16_to_f32, p, n, y);
}

static void bf16_decode(const uint8_t *p, size_t n, float *y)
{
    wide_decode(kern()->bf16_to_f32, p, n, y);
}

static void q8_0_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 34, y += 32) {
        float d = half_at(p);
        for (int j = 0; j < 32; j++) y[j] = (float)(int8_t)p[2 + j] * d;
    }
}

static void q4_0_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 18, y += 32) {
        float d = half_at(p);
        for (int j = 0; j < 16; j++) {
            y[j] = (float)((p[2 + j] & 15) - 8) * d;
            y[j + 16] = (float)((p[2 + j] >> 4) - 8) * d;
        }
    }
}

static void q4_1_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 20, y += 32) {
        float d = half_at(p), m = half_at(p + 2);
        for (int j = 0; j < 16; j++) {
            y[j] = (float)(p[4 + j] & 15) * d + m;
            y[j + 16] = (float)(p[4 + j] >> 4) * d + m;
        }
    }
}

/* The 5-bit value of element j < 32: a nibble of qs and bit j of qh. */
static int five_bits(const uint8_t *qh, const uint8_t *qs, int j)
{
    int nibble = j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
    return nibble | ((qh[j / 8] >> (j % 8)) & 1) << 4;
}

static void q5_0_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 22, y += 32) {
        float d = half_at(p);
        for (int j = 0; j < 32; j++) y[j] = (float)(five_bits(p + 2, p + 6, j) - 16) * d;
    }
}

static void q5_1_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 24, y += 32) {
        float d = half_at(p), m = half_at(p + 2);
        for (int j = 0; j < 32; j++) y[j] = (float)five_bits(p + 4, p + 8, j) * d + m;
    }
}

/* The j-th of 8 pairs of 6 bits in 12 bytes: the first four whole in bytes j and j+4, whose top two bits
 * belong to the last four, the rest of which are nibbles of bytes 8..11. */
static void k_scale(const uint8_t *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

/* Eight runs of 32; run j takes the low (even j) or high nibbles of its 32 bytes of qs, and bit j of qh. */
static void k45_block(const uint8_t *p, const uint8_t *qh, const uint8_t *qs, float *y)
{
    float d = half_at(p), dmin = half_at(p + 2);
    for (int j = 0; j < 8; j++) {
        int scale, min;
        k_scale(p + 4, j, &scale, &min);
        float ds = d * (float)scale, dm = dmin * (float)min;
        for (int i = 0; i < 32; i++) {
            int q = qs[j / 2 * 32 + i] >> (j % 2 * 4) & 15;
            if (qh) q |= (qh[i] >> j & 1) << 4;
            y[32 * j + i] = ds * (float)q - dm;
        }
    }
}

static void q4_k_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 144, y += 256) k45_block(p, NULL, p + 16, y);
}

static void q5_k_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 176, y += 256) k45_block(p, p + 16, p + 48, y);
}

/* Two halves of 128: element 32 r + i of a half has its low nibble in ql[32 (r%2) + i] (high nibble of the
 * byte for r >= 2) and bits 2r, 2r+1 of qh[i]; its scale is number 2 r + i/16. */
static void q6_k_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 210, y += 256) {
        float d = half_at(p + 208);
        for (int half = 0; half < 2; half++) {
            const uint8_t *ql = p + 64 * half, *qh = p + 128 + 32 * half, *scales = p + 192 + 8 * half;
            for (int j = 0; j < 128; j++) {
                int r = j / 32, i = j % 32;
                int q = (ql[r % 2 * 32 + i] >> (r / 2 * 4) & 15) | (qh[i] >> (2 * r) & 3) << 4;
                y[128 * half + j] = d * (float)(int8_t)scales[2 * r + i / 16] * (float)(q - 32);
            }
        }
    }
}

static const struct dtype_info table[] = {
    [DT_F32] = {"F32", true, 0, 1, 4, f32_decode},
    [DT_F16] = {"F16", true, 1, 1, 2, f16_decode},
    [DT_BF16] = {"BF16", true, 30, 1, 2, bf16_decode},
    [DT_F64] = {"F64", true, 28, 1, 8, f64_decode},
    [DT_BOOL] = {"BOOL", true, -1, 1, 1, NULL},
    [DT_U8] = {"U8", true, -1, 1, 1, NULL},
    [DT_I8] = {"I8", true, 24, 1, 1, NULL},
    [DT_I16] = {"I16", true, 25, 1, 2, NULL},
    [DT_I32] = {"I32", true, 26, 1, 4, NULL},
    [DT_I64] = {"I64", true, 27, 1, 8, NULL},
    [DT_F8_E4M3] = {"F8_E4M3", true, -1, 1, 1, NULL},
    [DT_F8_E5M2] = {"F8_E5M2", true, -1, 1, 1, NULL},
    [DT_Q4_0] = {"Q4_0", false, 2, 32, 18, q4_0_decode},
    [DT_Q4_1] = {"Q4_1", false, 3, 32, 20, q4_1_decode},
    [DT_Q5_0] = {"Q5_0", false, 6, 32, 22, q5_0_decode},
    [DT_Q5_1] = {"Q5_1", false, 7, 32, 24, q5_1_decode},
    [DT_Q8_0] = {"Q8_0", false, 8, 32, 34, q8_0_decode},
    [DT_Q4_K] = {"Q4_K", false, 12, 256, 144, q4_k_decode},
    [DT_Q5_K] = {"Q5_K", false, 13, 256, 176, q5_k_decode},
    [DT_Q6_K] = {"Q6_K", false, 14, 256, 210, q6_k_decode},
};
_Static_assert(sizeof table / sizeof *table == DT_COUNT, "a row for every type");

const struct dtype_info *dtype_info(enum dtype t)
{
    CHECK((int)t >= 0 && (int)t < DT_COUNT, "dtype %d", (int)t);
    return &table[t];
}

const char *dtype_name(enum dtype t)
{
    return dtype_info(t)->name;
}

int dtype_find(const char *name)
{
    for (int i = 0; i < DT_COUNT; i++)
        if (table[i].safetensors && !strcmp(table[i].name, name)) return i;
    return -1;
}

int dtype_find_ggml(uint32_t type)
{
    for (int i = 0; i < DT_COUNT; i++)
        if (table[i].ggml >= 0 && (uint32_t)table[i].ggml == type) return i;
    return -1;
}
