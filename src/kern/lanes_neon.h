/* lanes_neon.h: four floats at a time (AArch64). The names are explained in lanes_avx2.h.
 *
 * 32 registers of four hold the same tile of a product as AVX2's 16 of eight. Comparisons select by mask,
 * because this set's own maximum would hand a NaN on.
 */
#ifndef KERN_LANES_NEON_H
#define KERN_LANES_NEON_H

#include <arm_neon.h>

#include "kern/kern_int.h"

enum {
    LANES = 4,
    LINES = 1,
    GEMM_ROWS = 6, /* x 4 vectors of a panel, beside 4 vectors of B and one of A */
    GEMM_SIDE = 1,
    GEMM_TILE_VECS = 24,
    GEMM_WIDE = 3,
    GEMM_WIDE_NARROW = 2,
    GEMM_WIDE_NIBBLES = 2,
    GEMM_ROWS_NIBBLES = 6,
    SCORE_ROWS = 2, /* x 8 vectors of keys, which are all */
    SCORE_VECS = 8,
    SCORE_FEW = 2,
    MIX_ROWS = 6, /* x 4 vectors of a head */
    MIX_VECS = 4,
    MIX_FEW = 0,
    MIX_FEW_VECS = 4,
    SPREAD_VECS = 4
};

typedef float32x4_t vf;
typedef uint32x4_t vi;

#define vf_keep(x) __asm__("" : "+w"(x))

static inline vf vf_set(float x)
{
    return vdupq_n_f32(x);
}
static inline vf vf_load(const float *p)
{
    return vld1q_f32(p);
}
static inline void vf_store(float *p, vf x)
{
    vst1q_f32(p, x);
}
static inline vf vf_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return vsqrtq_f32(a);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}
/* c = a*b + c, in order. */
#define vf_fma_to(c, a, b)                                                                                   \
    do {                                                                                                     \
        (c) = vf_fma(a, b, c);                                                                               \
        vf_keep(c);                                                                                          \
    } while (0)
static inline vf vf_fms(vf a, vf b, vf c)
{
    return vfmaq_f32(vnegq_f32(c), a, b);
}
static inline vf vf_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vf vf_neg(vf a)
{
    return vnegq_f32(a);
}
static inline vf vf_if_less(vf a, vf b, vf x, vf y)
{
    return vbslq_f32(vcltq_f32(a, b), x, y);
}
static inline vf vf_first(int n, vf x, vf y)
{
    const int32x4_t at = {0, 1, 2, 3};
    return vbslq_f32(vcgtq_s32(vdupq_n_s32(n), at), x, y);
}

static inline vi vi_set(uint32_t x)
{
    return vdupq_n_u32(x);
}
static inline vi vi_bits(vf x)
{
    return vreinterpretq_u32_f32(x);
}
static inline vf vf_bits(vi x)
{
    return vreinterpretq_f32_u32(x);
}
static inline vf vf_from_int(vi x)
{
    return vcvtq_f32_s32(vreinterpretq_s32_u32(x));
}
static inline vi vi_sub(vi a, vi b)
{
    return vsubq_u32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return vandq_u32(a, b);
}
#define vi_shl(x, n) vshlq_n_u32(x, n)
#define vi_sar(x, n) vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_u32(x), n))

static inline float vf_sum_across(vf x)
{
    float32x2_t h = vadd_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(h, 0) + vget_lane_f32(h, 1);
}
static inline float vf_max_across(vf x)
{
    float32x2_t h = vpmax_f32(vget_low_f32(x), vget_high_f32(x)); /* no NaN comes here */
    return vget_lane_f32(vpmax_f32(h, h), 0);
}

static inline void vf_transpose(vf r[4])
{
    float32x4x2_t a = vtrnq_f32(r[0], r[1]), b = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    r[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    r[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    r[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

static inline void vf_unpair(const float *p, vf *even, vf *odd)
{
    float32x4x2_t x = vld2q_f32(p);
    *even = x.val[0];
    *odd = x.val[1];
}

static inline vf vf_from_half(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline void vf_to_half(uint16_t *p, vf x)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
}

static inline vf vf_from_bfloat(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline vf vf_from_bytes(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    int16x8_t x = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(x)));
}
static inline vi vi_load_words(const uint16_t *p)
{
    return vmovl_u16(vld1_u16(p));
}
static inline vf vf_nibble(vi x, int i)
{
    return vcvtq_f32_u32(vandq_u32(x, vdupq_n_u32(15U << 4 * i)));
}

enum { DOUBLES = 2 };
typedef float64x2_t vd;
static inline vd vd_zero(void)
{
    return vdupq_n_f64(0);
}
static inline void vd_add_square(vd s[DOUBLES], vf x)
{
    vd lo = vcvt_f64_f32(vget_low_f32(x)), hi = vcvt_high_f64_f32(x);
    s[0] = vfmaq_f64(s[0], lo, lo);
    s[1] = vfmaq_f64(s[1], hi, hi);
}
static inline void vd_store(double *p, vd x)
{
    vst1q_f64(p, x);
}

#endif
