/* kern_int.h: the scalar definitions that every instruction set follows, operation for operation.
 *
 * exp: x = n ln2 + r with |r| <= ln2/2 (Cody-Waite, ln2 in two parts), n rounded by adding 3*2^22, exp(r) by
 * a polynomial of degree 7 in Horner form (Cephes' expf), times 2^n in two exact steps, so that a denormal
 * result rounds once. log: x = 2^e m with m in [sqrt(1/2), sqrt(2)), log(m) by a polynomial in f = m - 1
 * (Cephes' logf). tanh: an odd polynomial below 0.625 (Cephes' tanhf), 1 - 2 / (exp(2x) + 1) above. All
 * within a few ulp; tests/kern measure it against double.
 */
#ifndef KERN_KERN_INT_H
#define KERN_KERN_INT_H

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "kern/kern.h"

/* Unroll whole: an array of accumulators stays in registers only where every index is a constant.
 * ROLL: leave a loop be, however few its rounds. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLL   _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#define ROLL   _Pragma("GCC unroll 1")
#endif
#define INLINE static inline __attribute__((always_inline))
/* A pointer stays in a register, and how it came about is forgotten. */
#define stays(p) __asm__("" : "+r"(p))

/* One per instruction set, in kern_X.c; what each needs of the CPU is asked in kern_table.c. */
extern const struct kern kern_ref;
extern const struct kern kern_avx2;
extern const struct kern kern_avx512;
extern const struct kern kern_neon;
bool kern_ref_usable(void);
bool kern_avx2_usable(void);
bool kern_avx512_usable(void);
bool kern_neon_usable(void);

/* Working memory of the calling thread for the length of one slot, 64-byte aligned. */
enum { KERN_SCRATCH = 52224 };
float *kern_scratch(void);

static inline float bits_to_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint32_t float_to_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* Number j of line k of a panel (form.c). */
float kern_panel_number(enum kern_form form, const void *panel, int k, int j);

/* Below the floor exp is 0, above the ceiling infinite; a NaN passes both comparisons. */
#define EXP_FLOOR   -104.0F
#define EXP_CEILING 89.0F
#define EXP_LOG2E   1.44269504F
/* 3*2^22: a sum with it has no fraction. 254: its low bits are then n + 2*127, two biased exponents. */
#define EXP_ROUND  (12582912.0F + 254.0F)
#define EXP_LN2_HI 0.693359375F
#define EXP_LN2_LO -2.12194440e-4F
#define EXP_P0     1.9875691500e-4F
#define EXP_P1     1.3981999507e-3F
#define EXP_P2     8.3334519073e-3F
#define EXP_P3     4.1665795894e-2F
#define EXP_P4     1.6666665459e-1F
#define EXP_P5     5.0000001201e-1F

static inline float kern_exp_floor(float x)
{
    return EXP_FLOOR > x ? EXP_FLOOR : x;
}

static inline float kern_exp1(float x)
{
    x = kern_exp_floor(x);
    x = EXP_CEILING < x ? EXP_CEILING : x;
    float t = fmaf(x, EXP_LOG2E, EXP_ROUND), n = t - EXP_ROUND;
    float r = fmaf(n, -EXP_LN2_HI, x);
    r = fmaf(n, -EXP_LN2_LO, r);
    float p = fmaf(EXP_P0, r, EXP_P1);
    p = fmaf(p, r, EXP_P2);
    p = fmaf(p, r, EXP_P3);
    p = fmaf(p, r, EXP_P4);
    p = fmaf(p, r, EXP_P5);
    float y = fmaf(p, r * r, r) + 1.0F;
    uint32_t u = float_to_bits(t) << 22, half = u & 0xFF800000U;
    return y * bits_to_float(half) * bits_to_float((u << 1) - half);
}

#define LOG_MIN_NORMAL 1.17549435e-38F
#define LOG_TWO23      8388608.0F
#define LOG_SQRT_HALF  0x3F3504F3
#define LOG_P0         7.0376836292e-2F
#define LOG_P1         -1.1514610310e-1F
#define LOG_P2         1.1676998740e-1F
#define LOG_P3         -1.2420140846e-1F
#define LOG_P4         1.4249322787e-1F
#define LOG_P5         -1.6668057665e-1F
#define LOG_P6         2.0000714765e-1F
#define LOG_P7         -2.4999993993e-1F
#define LOG_P8         3.3333331174e-1F

static inline float kern_log1(float x)
{
    if (!(x > 0.0F)) return x == 0.0F ? -INFINITY : NAN;
    if (x == INFINITY) return x;
    bool tiny = x < LOG_MIN_NORMAL;
    int32_t u = (int32_t)float_to_bits(tiny ? x * LOG_TWO23 : x);
    int32_t e = (u - LOG_SQRT_HALF) >> 23;
    float f = bits_to_float((uint32_t)u - ((uint32_t)e << 23)) - 1.0F, z = f * f;
    float n = (float)e - (tiny ? 23.0F : 0.0F);
    float p = fmaf(LOG_P0, f, LOG_P1);
    p = fmaf(p, f, LOG_P2);
    p = fmaf(p, f, LOG_P3);
    p = fmaf(p, f, LOG_P4);
    p = fmaf(p, f, LOG_P5);
    p = fmaf(p, f, LOG_P6);
    p = fmaf(p, f, LOG_P7);
    p = fmaf(p, f, LOG_P8);
    float y = (p * f) * z;
    y = fmaf(n, EXP_LN2_LO, y);
    y = fmaf(-0.5F, z, y);
    return fmaf(n, EXP_LN2_HI, f + y);
}

#define TANH_SMALL 0.625F
#define TANH_P0    -5.70498872745e-3F
#define TANH_P1    2.06390887954e-2F
#define TANH_P2    -5.37397155531e-2F
#define TANH_P3    1.33314422036e-1F
#define TANH_P4    -3.33332819422e-1F

static inline float kern_tanh1(float x)
{
    float a = x > -x ? x : -x, z = x * x;
    float p = fmaf(TANH_P0, z, TANH_P1);
    p = fmaf(p, z, TANH_P2);
    p = fmaf(p, z, TANH_P3);
    p = fmaf(p, z, TANH_P4);
    p = fmaf(p * z, x, x);
    float e = 1.0F - 2.0F / (kern_exp1(a + a) + 1.0F);
    return a < TANH_SMALL ? p : x < 0.0F ? -e : e;
}

/* cap * tanh(x / cap), and its derivative from the result. */
static inline float kern_softcap1(float x, float cap)
{
    return cap * kern_tanh1(x / cap);
}

static inline float kern_softcap_slope1(float y, float cap)
{
    float t = y / cap;
    return fmaf(-t, t, 1.0F);
}

/* gelu(g) = g / (1 + exp(-z)), z = g (GELU_A g^2 + GELU_B): GELU_B = 2 sqrt(2/pi), GELU_A = 0.044715
 * GELU_B. */
#define GELU_A 7.13548128e-2F
#define GELU_B 1.59576912F

/* The gradient of one logit; at: it is the target's. */
static inline float kern_logits_back1(const struct kern_logits *r, float z, float g_logp, float g_ent,
                                      bool at)
{
    float lp = kern_exp_floor(z * r->inv_t - r->lse), p = kern_exp1(lp);
    float d = fmaf(-g_logp, p, at ? g_logp : 0.0F);
    return r->inv_t * fmaf(-(g_ent * p), lp + r->entropy, d);
}

/* The last step of a row of logits: sum = sum exp(y - max), mean = sum exp(y - max) (y - max). */
static inline void kern_logits_end(struct kern_logits *r, double sum, double mean)
{
    double log_sum = fm_log(sum);
    r->sum = (float)sum;
    r->lse = (float)((double)r->max + log_sum);
    r->entropy = (float)(log_sum - mean / sum);
    r->bad = !(sum > 0.0); /* infinity less infinity, or a NaN that was there */
}

static inline float kern_half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000U) << 16, e = (h >> 10) & 31U, f = h & 0x3FFU;
    if (e == 31) return bits_to_float(sign | 0x7F800000U | (f ? f << 13 | 0x400000U : 0));
    if (e) return bits_to_float(sign | (e + 112) << 23 | f << 13);
    float tiny = (float)f * 5.9604644775390625e-8F; /* 2^-24 */
    return sign ? -tiny : tiny;
}

static inline uint16_t kern_float_to_half(float x)
{
    uint32_t u = float_to_bits(x), sign = u >> 16 & 0x8000U, a = u & 0x7FFFFFFFU;
    if (a > 0x7F800000U) return (uint16_t)(sign | 0x7E00U | (a >> 13 & 0x3FFU));
    if (a >= 0x477FF000U) return (uint16_t)(sign | 0x7C00U);
    if (a < 0x38800000U) { /* denormal: let the adder round to a multiple of 2^-24 */
        float r = bits_to_float(a) + 0.5F;
        return (uint16_t)(sign | (float_to_bits(r) - 0x3F000000U));
    }
    a += 0xFFFU + (a >> 13 & 1U);
    return (uint16_t)(sign | (a - 0x38000000U) >> 13);
}

static inline uint16_t kern_float_to_bfloat(float x)
{
    uint32_t u = float_to_bits(x);
    bool nan = (u & 0x7FFFFFFFU) > 0x7F800000U;
    return (uint16_t)((nan ? u | 0x400000U : u + 0x7FFFU + (u >> 16 & 1U)) >> 16);
}

#endif
