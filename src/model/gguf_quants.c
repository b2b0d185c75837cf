/* gguf_quants.c: one row for each type of number in a tensor file, and how a run of blocks becomes float32.
 *
 * Plain types have one element a block. The quantised ones are ggml's (ggml-quants.c in its repository; d, m
 * and dmin are IEEE halves, q small integers; a row of a tensor is a run of whole blocks):
 *   Q4_0, Q5_0   d, [qh], qs: y = (q - 8) d, y = (q - 16) d; 32 elements, low nibbles are the first half
 *   Q4_1, Q5_1   d, m, [qh], qs: y = q d + m
 *   Q8_0         d, 32 int8: y = q d
 *   Q2_K         16 pairs of 4-bit scale and minimum, qs, d, dmin: y = (d sc) q - (dmin mn); 256 elements
 *   Q3_K         hmask, qs, 16 6-bit scales, d: y = (d (sc - 32)) q; 256 elements
 *   Q4_K, Q5_K   d, dmin, 8 pairs of 6-bit scale and minimum, [qh], qs: y = (d sc) q - (dmin mn); 256
 *                elements
 *   Q6_K         ql, qh, 16 int8 scales, d: y = (d sc) (q - 32)
 *   Q8_K         float d, 256 int8, sums: y = q d
 *   IQ4_NL       d, qs: y = d v[q], v a table of 16 uneven steps; 32 elements
 *   IQ4_XS       d, 8 6-bit scales, qs: y = (d (sc - 32)) v[q]; 256 elements
 *   MXFP4        e, qs: y = 2^(e - 127) v[q], v the 4-bit floats (OCP Microscaling Formats 1.0); 32 elements
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

/* q d - 8 d is exact too, and gives 8 the zero that panels of these blocks have (kern.h). */
static void q4_0_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 18, y += 32) {
        float d = half_at(p);
        for (int j = 0; j < 16; j++) {
            y[j] = (float)(p[2 + j] & 15) * d - 8 * d;
            y[j + 16] = (float)(p[2 + j] >> 4) * d - 8 * d;
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

int five_bits(const uint8_t *qh, const uint8_t *qs, int j)
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

/* Two halves of 128 in Q2_K and Q3_K: element 32 r + i of a half has bits 2r, 2r+1 of byte i of its 32 bytes
 * of qs; its scale is number 2 r + i/16 of its 8. */
static void q2_k_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 84, y += 256) {
        const uint8_t *scales = p, *qs = p + 16;
        float d = half_at(p + 80), dmin = half_at(p + 82);
        for (int run = 0; run < 16; run++) {
            float ds = d * (float)(scales[run] & 15), dm = dmin * (float)(scales[run] >> 4);
            const uint8_t *from = qs + run / 8 * 32 + run % 2 * 16;
            for (int i = 0; i < 16; i++) {
                int q = from[i] >> (run % 8 / 2 * 2) & 3;
                y[16 * run + i] = ds * (float)q - dm;
            }
        }
    }
}

/* A scale's low 4 bits: nibble j of the first 8 bytes (low nibbles first); its high 2 bits: byte 8 + j%4. The
 * third bit of an element's number is bit 4 half + r of hmask[i], and stands for 4 when it is not set. */
static void q3_k_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 110, y += 256) {
        const uint8_t *hmask = p, *qs = p + 32, *scales = p + 96;
        float d = half_at(p + 108);
        for (int run = 0; run < 16; run++) {
            int scale = (scales[run % 8] >> (run / 8 * 4) & 15) | (scales[8 + run % 4] >> (run / 4 * 2) & 3)
                                                                      << 4;
            float ds = d * (float)(scale - 32);
            for (int i = 0; i < 16; i++) {
                int at = run % 2 * 16 + i, q = qs[run / 8 * 32 + at] >> (run % 8 / 2 * 2) & 3;
                if (!(hmask[at] >> (run / 2) & 1)) q -= 4;
                y[16 * run + i] = ds * (float)q;
            }
        }
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

static void q8_k_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 292, y += 256) {
        float d;
        memcpy(&d, p, sizeof d);
        for (int j = 0; j < 256; j++) y[j] = d * (float)(int8_t)p[4 + j];
    }
}

/* 32 elements by a table; low nibbles are the first half. */
static void nibbles_decode(const uint8_t *qs, const int8_t *values, float d, float *y)
{
    for (int j = 0; j < 16; j++) {
        y[j] = d * (float)values[qs[j] & 15];
        y[j + 16] = d * (float)values[qs[j] >> 4];
    }
}

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

static void iq4_nl_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 18, y += 32) nibbles_decode(p + 2, iq4_values, half_at(p), y);
}

/* A scale's low 4 bits are a nibble of bytes 4..7, its high 2 bits lie in the 16 of bytes 2 and 3. */
static void iq4_xs_decode(const uint8_t *p, size_t blocks, float *y)
{
    for (size_t b = 0; b < blocks; b++, p += 136, y += 256) {
        float d = half_at(p);
        for (int j = 0; j < 8; j++) {
            int scale = (p[4 + j / 2] >> (j % 2 * 4) & 15) | (p[2 + j / 4] >> (j % 4 * 2) & 3) << 4;
            nibbles_decode(p + 8 + 16 * j, iq4_values, d * (float)(scale - 32), y + 32 * j);
        }
    }
}

/* Values are twice the floats, so that they are whole, and the scale is half: 2^(e - 128), whose two least
 * are not normal. */
static void mxfp4_decode(const uint8_t *p, size_t blocks, float *y)
{
    static const int8_t values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    for (size_t b = 0; b < blocks; b++, p += 17, y += 32) {
        uint32_t bits = p[0] < 2 ? (uint32_t)0x200000 << p[0] : (uint32_t)(p[0] - 1) << 23;
        float d;
        memcpy(&d, &bits, sizeof d);
        nibbles_decode(p + 1, values, d, y);
    }
}

static void f32_encode(const float *x, size_t n, uint8_t *p)
{
    memcpy(p, x, n * sizeof *x);
}

static void f16_encode(const float *x, size_t n, uint8_t *p)
{
    kern()->f32_to_f16((uint16_t *)p, x, n);
}

static void bf16_encode(const float *x, size_t n, uint8_t *p)
{
    kern()->f32_to_bf16((uint16_t *)p, x, n);
}

static const struct dtype_info table[] = {
    [DT_F32] = {"F32", true, 0, 1, 4, f32_decode, f32_encode, 0x1.fffffep127},
    [DT_F16] = {"F16", true, 1, 1, 2, f16_decode, f16_encode, 65504},
    [DT_BF16] = {"BF16", true, 30, 1, 2, bf16_decode, bf16_encode, 0x1.fep127},
    [DT_F64] = {"F64", true, 28, 1, 8, f64_decode, NULL, 0},
    [DT_BOOL] = {"BOOL", true, -1, 1, 1, NULL, NULL, 0},
    [DT_U8] = {"U8", true, -1, 1, 1, NULL, NULL, 0},
    [DT_I8] = {"I8", true, 24, 1, 1, NULL, NULL, 0},
    [DT_I16] = {"I16", true, 25, 1, 2, NULL, NULL, 0},
    [DT_I32] = {"I32", true, 26, 1, 4, NULL, NULL, 0},
    [DT_I64] = {"I64", true, 27, 1, 8, NULL, NULL, 0},
    [DT_F8_E4M3] = {"F8_E4M3", true, -1, 1, 1, fp8_decode, NULL, 0x1.fffffep127},
    [DT_F8_E5M2] = {"F8_E5M2", true, -1, 1, 1, NULL, NULL, 0},
    [DT_Q4_0] = {"Q4_0", false, 2, 32, 18, q4_0_decode, NULL, 0},
    [DT_Q4_1] = {"Q4_1", false, 3, 32, 20, q4_1_decode, NULL, 0},
    [DT_Q5_0] = {"Q5_0", false, 6, 32, 22, q5_0_decode, q5_0_encode, 65504},
    [DT_Q5_1] = {"Q5_1", false, 7, 32, 24, q5_1_decode, NULL, 0},
    [DT_Q8_0] = {"Q8_0", false, 8, 32, 34, q8_0_decode, q8_0_encode, 65504},
    [DT_Q2_K] = {"Q2_K", false, 10, 256, 84, q2_k_decode, NULL, 0},
    [DT_Q3_K] = {"Q3_K", false, 11, 256, 110, q3_k_decode, NULL, 0},
    [DT_Q4_K] = {"Q4_K", false, 12, 256, 144, q4_k_decode, q4_k_encode, 65504},
    [DT_Q5_K] = {"Q5_K", false, 13, 256, 176, q5_k_decode, NULL, 0},
    [DT_Q6_K] = {"Q6_K", false, 14, 256, 210, q6_k_decode, q6_k_encode, 65504},
    [DT_Q8_K] = {"Q8_K", false, 15, 256, 292, q8_k_decode, NULL, 0},
    [DT_IQ4_NL] = {"IQ4_NL", false, 20, 32, 18, iq4_nl_decode, NULL, 0},
    [DT_IQ4_XS] = {"IQ4_XS", false, 23, 256, 136, iq4_xs_decode, NULL, 0},
    [DT_MXFP4] = {"MXFP4", false, 39, 32, 17, mxfp4_decode, NULL, 0},
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
