/* quantise.c: float32 into ggml's blocks, for the types that are written.
 *
 * Q8_0 and Q5_0 follow from the largest number of a block. Q4_K and Q6_K have two levels: a scale (and
 * minimum) for each run of 32 or 16, in 6 or 8 bits of a half for the block. Runs are fitted first, by least
 * squares for each of some roundings, the best of which is kept; then the scales are rounded, and the numbers
 * once more to the scales that resulted. Errors count more where numbers are large. (The method of
 * ggml-quants.c; layouts in gguf_quants.c.)
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "kern/kern.h"
#include "model/model_int.h"

/* d as the half that is stored at p. */
static float half_put(uint8_t *p, float d)
{
    uint16_t h;
    kern()->f32_to_f16(&h, &d, 1);
    memcpy(p, &h, sizeof h);
    kern()->f16_to_f32(&d, &h, 1);
    return d;
}

static int nearest(float x, int lo, int hi)
{
    return x <= (float)lo ? lo : x >= (float)hi ? hi : (int)roundf(x);
}

/* The element of largest magnitude, with its sign. */
static float extreme(const float *x, int n)
{
    float best = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(best)) best = x[i];
    return best;
}

void q8_0_encode(const float *x, size_t blocks, uint8_t *p)
{
    for (size_t b = 0; b < blocks; b++, x += 32, p += 34) {
        float d = fabsf(extreme(x, 32)) / 127, inverse = d > 0 ? 1 / d : 0;
        half_put(p, d);
        for (int i = 0; i < 32; i++) p[2 + i] = (uint8_t)nearest(x[i] * inverse, -127, 127);
    }
}

void q5_0_encode(const float *x, size_t blocks, uint8_t *p)
{
    for (size_t b = 0; b < blocks; b++, x += 32, p += 22) {
        float d = extreme(x, 32) / -16, inverse = d != 0 ? 1 / d : 0;
        half_put(p, d);
        memset(p + 2, 0, 20);
        for (int i = 0; i < 32; i++) {
            float y = x[i] * inverse + 16.5F;
            int q = y >= 31 ? 31 : y <= 0 ? 0 : (int)y;
            p[2 + i / 8] |= (uint8_t)((q >> 4) << (i % 8));
            p[6 + i % 16] |= (uint8_t)((q & 15) << (i / 16 * 4));
        }
    }
}

/* ---- Q4_K ---------------------------------------------------------------------------------------------- */

enum { RUN4 = 32, MAX4 = 15, TRIES4 = 20 };

/* x_i is about scale q_i - min, scale and min not negative. */
struct affine {
    float scale, min;
};

struct fit4 {
    const float *x;
    float weight[RUN4], sum_w, sum_wx, low;
};

/* Least squares for q_i = round(steps (x_i - low)), or these steps themselves if all q_i are equal; the
 * weighted squared error. */
static float affine_try(const struct fit4 *f, float steps, struct affine *a)
{
    float sum_q = 0, sum_qq = 0, sum_xq = 0, error = 0;
    int q[RUN4];
    for (int i = 0; i < RUN4; i++) {
        q[i] = nearest(steps * (f->x[i] - f->low), 0, MAX4);
        float wq = f->weight[i] * (float)q[i];
        sum_q += wq;
        sum_qq += wq * (float)q[i];
        sum_xq += wq * f->x[i];
    }
    float det = f->sum_w * sum_qq - sum_q * sum_q;
    *a = (struct affine){1 / steps, -f->low};
    if (det > 0) {
        a->scale = (f->sum_w * sum_xq - f->sum_wx * sum_q) / det;
        a->min = (sum_q * sum_xq - sum_qq * f->sum_wx) / det;
    }
    if (a->min < 0) {
        a->min = 0;
        a->scale = sum_xq / sum_qq;
    }
    for (int i = 0; i < RUN4; i++) {
        float off = a->scale * (float)q[i] - a->min - f->x[i];
        error += f->weight[i] * off * off;
    }
    return error;
}

static struct affine affine_fit(const float *x)
{
    struct fit4 f = {.x = x};
    float squares = 0, high = x[0], best = INFINITY;
    f.low = x[0];
    for (int i = 0; i < RUN4; i++) {
        squares += x[i] * x[i];
        if (x[i] < f.low) f.low = x[i];
        if (x[i] > high) high = x[i];
    }
    if (f.low > 0) f.low = 0;
    float root = (float)fm_sqrt((double)squares / RUN4);
    for (int i = 0; i < RUN4; i++) {
        f.weight[i] = root + fabsf(x[i]);
        f.sum_w += f.weight[i];
        f.sum_wx += f.weight[i] * x[i];
    }
    struct affine result = {0, -f.low}, a;
    if (!(high > f.low)) return result;
    for (int i = 0; i <= TRIES4; i++) {
        float error = affine_try(&f, (MAX4 - 1 + 0.1F * (float)i) / (high - f.low), &a);
        if (error < best) best = error, result = a;
    }
    return result;
}

/* Pair j of 6 bits: the inverse of gguf_quants.c's k_scale. */
static void k_scale_put(uint8_t *s, int j, int scale, int min)
{
    if (j < 4) {
        s[j] |= (uint8_t)scale;
        s[j + 4] |= (uint8_t)min;
    } else {
        s[j + 4] |= (uint8_t)((scale & 15) | (min & 15) << 4);
        s[j - 4] |= (uint8_t)(scale >> 4 << 6);
        s[j] |= (uint8_t)(min >> 4 << 6);
    }
}

static void q4_k_block(const float *x, uint8_t *p)
{
    struct affine fits[8];
    float scale_max = 0, min_max = 0;
    for (int j = 0; j < 8; j++) {
        fits[j] = affine_fit(x + RUN4 * j);
        if (fits[j].scale > scale_max) scale_max = fits[j].scale;
        if (fits[j].min > min_max) min_max = fits[j].min;
    }
    memset(p, 0, 144);
    float d = half_put(p, scale_max / 63), dmin = half_put(p + 2, min_max / 63);
    for (int j = 0; j < 8; j++) {
        int scale = d > 0 ? nearest(fits[j].scale / d, 0, 63) : 0;
        int min = dmin > 0 ? nearest(fits[j].min / dmin, 0, 63) : 0;
        float ds = d * (float)scale, dm = dmin * (float)min;
        k_scale_put(p + 4, j, scale, min);
        for (int i = 0; i < RUN4; i++) {
            int q = ds > 0 ? nearest((x[RUN4 * j + i] + dm) / ds, 0, MAX4) : 0;
            p[16 + j / 2 * 32 + i] |= (uint8_t)(q << (j % 2 * 4));
        }
    }
}

void q4_k_encode(const float *x, size_t blocks, uint8_t *p)
{
    for (size_t b = 0; b < blocks; b++) q4_k_block(x + 256 * b, p + 144 * b);
}

/* ---- Q6_K ---------------------------------------------------------------------------------------------- */

enum { RUN6 = 16, MAX6 = 32, TRIES6 = 9 };

/* x_i is about scale q_i, q_i from -32 to 31; errors weigh as x_i^2. Of all roundings near those that put the
 * extreme at -32, the one whose least squares explains most. */
static float linear_fit(const float *x)
{
    float high = extreme(x, RUN6), best = 0, scale = 0;
    if (high == 0) return 0;
    for (int k = 0; k <= 2 * TRIES6; k++) {
        float aside = 0.1F * (float)(k % 2 ? (k + 1) / 2 : -k / 2); /* 0, then nearest first */
        float steps = -(MAX6 + aside) / high, sum_xq = 0, sum_qq = 0;
        for (int i = 0; i < RUN6; i++) {
            float q = (float)nearest(steps * x[i], -MAX6, MAX6 - 1), w = x[i] * x[i];
            sum_xq += w * x[i] * q;
            sum_qq += w * q * q;
        }
        if (sum_qq > 0 && sum_xq * sum_xq > best * sum_qq) {
            scale = sum_xq / sum_qq;
            best = scale * sum_xq;
        }
    }
    return scale;
}

static void q6_k_block(const float *x, uint8_t *p)
{
    float scales[16];
    for (int j = 0; j < 16; j++) scales[j] = linear_fit(x + RUN6 * j);
    memset(p, 0, 210);
    float d = half_put(p + 208, extreme(scales, 16) / -128);
    for (int j = 0; j < 256; j++) {
        int run = j / RUN6, half = j / 128, r = j % 128 / 32, i = j % 32;
        int scale = d != 0 ? nearest(scales[run] / d, -128, 127) : 0;
        float ds = d * (float)scale;
        int q = (ds != 0 ? nearest(x[j] / ds, -MAX6, MAX6 - 1) : 0) + MAX6;
        p[192 + run] = (uint8_t)scale;
        p[64 * half + r % 2 * 32 + i] |= (uint8_t)((q & 15) << (r / 2 * 4));
        p[128 + 32 * half + i] |= (uint8_t)(q >> 4 << (2 * r));
    }
}

void q6_k_encode(const float *x, size_t blocks, uint8_t *p)
{
    for (size_t b = 0; b < blocks; b++) q6_k_block(x + 256 * b, p + 210 * b);
}
