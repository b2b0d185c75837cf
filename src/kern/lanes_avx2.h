/* lanes_avx2.h: eight floats at a time, for the bodies in *_body.h (AVX2, FMA, F16C).
 *
 * A lanes_X.h gives the same names on every instruction set: vf is LANES floats, vi as many 32-bit integers.
 * vf_max(a, b) is a > b ? a : b and vf_min(a, b) is a < b ? a : b, so that a NaN in b passes and one in a
 * does not, as in the scalar definitions. Everything is one rounding per call.
 */
#ifndef KERN_LANES_AVX2_H
#define KERN_LANES_AVX2_H

#include <immintrin.h>

#include "kern/kern_int.h"

enum {
    LANES = 8,
    LINES = 8, /* of a product in code one after another: a core shared by two threads decodes half as fast */
    GEMM_ROWS = 6, /* x 2 vectors of a panel, beside 2 vectors of B and one of A */
    GEMM_SIDE = 1, /* panels that several tiles meet at once */
    GEMM_TILE_VECS = 12,
    GEMM_WIDE = 6,         /* panels at once, at most, of float32 */
    GEMM_WIDE_NARROW = 3,  /* in forms that are widened */
    GEMM_WIDE_NIBBLES = 2, /* and take more registers to widen */
    GEMM_ROWS_NIBBLES = 4, /* more are multiplied with widened lines */
    SCORE_ROWS = 6,        /* x 2 of 4 vectors of keys */
    SCORE_VECS = 2,
    SCORE_FEW = 3, /* so few meet all keys at once */
    MIX_ROWS = 6,  /* x 2 vectors of a head */
    MIX_VECS = 2,
    MIX_FEW = 3, /* so few take more of it at once, or too few sums would be under way */
    MIX_FEW_VECS = 4,
    SPREAD_VECS = 2
};

typedef __m256 vf;
typedef __m256i vi;

/* x stays in a register. */
#define vf_keep(x) __asm__("" : "+x"(x))

static inline vf vf_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
static inline vf vf_fma(vf a, vf b, vf c) /* a*b + c */
{
    return _mm256_fmadd_ps(a, b, c);
}
/* c = a*b + c where c is: a compiler that may choose moves sums from register to register. */
#define vf_fma_to(c, a, b) __asm__("vfmadd231ps %2, %1, %0" : "+x"(c) : "x"(a), "x"(b))
static inline vf vf_fms(vf a, vf b, vf c) /* a*b - c */
{
    return _mm256_fmsub_ps(a, b, c);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf vf_neg(vf a)
{
    return _mm256_xor_ps(a, _mm256_set1_ps(-0.0F));
}

/* Lane by lane: a < b ? x : y. */
static inline vf vf_if_less(vf a, vf b, vf x, vf y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
/* The first n lanes of x, the rest of y. */
static inline vf vf_first(int n, vf x, vf y)
{
    __m256i at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), at)));
}

static inline vi vi_set(uint32_t x)
{
    return _mm256_set1_epi32((int)x);
}
static inline vi vi_bits(vf x)
{
    return _mm256_castps_si256(x);
}
static inline vf vf_bits(vi x)
{
    return _mm256_castsi256_ps(x);
}
static inline vf vf_from_int(vi x)
{
    return _mm256_cvtepi32_ps(x);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return _mm256_and_si256(a, b);
}
#define vi_shl(x, n) _mm256_slli_epi32(x, n)
#define vi_sar(x, n) _mm256_srai_epi32(x, n)

/* Sum and maximum over the lanes, by halves. */
static inline float vf_sum_across(vf x)
{
    __m128 h = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
}
static inline float vf_max_across(vf x)
{
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
}

/* r as a LANES x LANES matrix, transposed in place. */
static inline void vf_transpose(vf r[8])
{
    vf t0 = _mm256_unpacklo_ps(r[0], r[1]), t1 = _mm256_unpackhi_ps(r[0], r[1]);
    vf t2 = _mm256_unpacklo_ps(r[2], r[3]), t3 = _mm256_unpackhi_ps(r[2], r[3]);
    vf t4 = _mm256_unpacklo_ps(r[4], r[5]), t5 = _mm256_unpackhi_ps(r[4], r[5]);
    vf t6 = _mm256_unpacklo_ps(r[6], r[7]), t7 = _mm256_unpackhi_ps(r[6], r[7]);
    vf u0 = _mm256_shuffle_ps(t0, t2, 0x44), u1 = _mm256_shuffle_ps(t0, t2, 0xEE);
    vf u2 = _mm256_shuffle_ps(t1, t3, 0x44), u3 = _mm256_shuffle_ps(t1, t3, 0xEE);
    vf u4 = _mm256_shuffle_ps(t4, t6, 0x44), u5 = _mm256_shuffle_ps(t4, t6, 0xEE);
    vf u6 = _mm256_shuffle_ps(t5, t7, 0x44), u7 = _mm256_shuffle_ps(t5, t7, 0xEE);
    r[0] = _mm256_permute2f128_ps(u0, u4, 0x20), r[4] = _mm256_permute2f128_ps(u0, u4, 0x31);
    r[1] = _mm256_permute2f128_ps(u1, u5, 0x20), r[5] = _mm256_permute2f128_ps(u1, u5, 0x31);
    r[2] = _mm256_permute2f128_ps(u2, u6, 0x20), r[6] = _mm256_permute2f128_ps(u2, u6, 0x31);
    r[3] = _mm256_permute2f128_ps(u3, u7, 0x20), r[7] = _mm256_permute2f128_ps(u3, u7, 0x31);
}

/* Cosines and sines from LANES pairs (cos, sin). */
static inline void vf_unpair(const float *p, vf *even, vf *odd)
{
    vf a = vf_load(p), b = vf_load(p + 8);
    vf x = _mm256_permute2f128_ps(a, b, 0x20), y = _mm256_permute2f128_ps(a, b, 0x31);
    *even = _mm256_shuffle_ps(x, y, 0x88);
    *odd = _mm256_shuffle_ps(x, y, 0xDD);
}

static inline vf vf_from_half(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline void vf_to_half(uint16_t *p, vf x)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

/* LANES numbers of bfloat16, and signed bytes, as floats. */
static inline vf vf_from_bfloat(const uint16_t *p)
{
    __m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}
static inline vf vf_from_bytes(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
/* A word of 16 bits in each lane; nibble i of each, times 16^i. */
static inline vi vi_load_words(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}
static inline vf vf_nibble(vi x, int i)
{
    return _mm256_cvtepi32_ps(_mm256_and_si256(x, _mm256_set1_epi32(15 << 4 * i)));
}

/* s[0..LANES) += x^2 in double. */
enum { DOUBLES = 2 }; /* vectors of double for one vf */
typedef __m256d vd;
static inline vd vd_zero(void)
{
    return _mm256_setzero_pd();
}
static inline void vd_add_square(vd s[DOUBLES], vf x)
{
    vd lo = _mm256_cvtps_pd(_mm256_castps256_ps128(x)), hi = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    s[0] = _mm256_fmadd_pd(lo, lo, s[0]);
    s[1] = _mm256_fmadd_pd(hi, hi, s[1]);
}
static inline void vd_store(double *p, vd x)
{
    _mm256_storeu_pd(p, x);
}

#endif
