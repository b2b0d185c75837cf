/* lanes_avx512.h: sixteen floats at a time (AVX-512 F, BW, DQ, VL). The names are explained in
 * lanes_avx2.h. */
#ifndef KERN_LANES_AVX512_H
#define KERN_LANES_AVX512_H

#include <immintrin.h>

#include "kern/kern_int.h"

enum {
    LANES = 16,
    LINES = 2,
    GEMM_ROWS = 12,
    GEMM_SIDE = 2, /* each number of A is loaded for two multiply-adds: a core may load no faster */
    GEMM_TILE_VECS = 24,
    GEMM_WIDE = 6, /* as many sums as a multiply-add takes cycles, and more */
    GEMM_WIDE_NARROW = 6,
    GEMM_WIDE_NIBBLES = 6,
    GEMM_ROWS_NIBBLES = 12,
    SCORE_ROWS = 6, /* x 2 vectors of keys, which are all */
    SCORE_VECS = 2,
    SCORE_FEW = 6,
    MIX_ROWS = 6, /* x 2 vectors of a head */
    MIX_VECS = 2,
    MIX_FEW = 0,
    MIX_FEW_VECS = 2,
    SPREAD_VECS = 4
};

typedef __m512 vf;
typedef __m512i vi;

#define vf_keep(x) __asm__("" : "+v"(x))

static inline vf vf_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* c = a*b + c, in order. */
#define vf_fma_to(c, a, b)                                                                                   \
    do {                                                                                                     \
        (c) = vf_fma(a, b, c);                                                                               \
        vf_keep(c);                                                                                          \
    } while (0)
static inline vf vf_fms(vf a, vf b, vf c)
{
    return _mm512_fmsub_ps(a, b, c);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf vf_neg(vf a)
{
    return _mm512_xor_ps(a, _mm512_set1_ps(-0.0F));
}
static inline vf vf_if_less(vf a, vf b, vf x, vf y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
static inline vf vf_first(int n, vf x, vf y)
{
    uint32_t mask = n <= 0 ? 0 : n >= 16 ? 0xFFFFU : (1U << n) - 1;
    return _mm512_mask_blend_ps((__mmask16)mask, y, x);
}

static inline vi vi_set(uint32_t x)
{
    return _mm512_set1_epi32((int)x);
}
static inline vi vi_bits(vf x)
{
    return _mm512_castps_si512(x);
}
static inline vf vf_bits(vi x)
{
    return _mm512_castsi512_ps(x);
}
static inline vf vf_from_int(vi x)
{
    return _mm512_cvtepi32_ps(x);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}
#define vi_shl(x, n) _mm512_slli_epi32(x, n)
#define vi_sar(x, n) _mm512_srai_epi32(x, n)

static inline float vf_sum_across(vf x)
{
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 h = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
}
static inline float vf_max_across(vf x)
{
    __m256 y = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
}

/* Within 128-bit quarters first, then the quarters as a 4 x 4 matrix. */
static inline void vf_transpose(vf r[16])
{
    vf t[16];
    UNROLL for (int i = 0; i < 16; i += 4)
    {
        vf a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        vf c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44), t[i + 1] = _mm512_shuffle_ps(a, c, 0xEE);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44), t[i + 3] = _mm512_shuffle_ps(b, d, 0xEE);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        vf a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xDD);
        vf c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88),
           d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xDD);
        r[i] = _mm512_shuffle_f32x4(a, c, 0x88), r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xDD);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88), r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xDD);
    }
}

static inline void vf_unpair(const float *p, vf *even, vf *odd)
{
    vf a = vf_load(p), b = vf_load(p + 16);
    vi at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(a, at, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(at, _mm512_set1_epi32(1)), b);
}

static inline vf vf_from_half(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline void vf_to_half(uint16_t *p, vf x)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline vf vf_from_bfloat(const uint16_t *p)
{
    __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}
static inline vf vf_from_bytes(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline vi vi_load_words(const uint16_t *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
static inline vf vf_nibble(vi x, int i)
{
    return _mm512_cvtepi32_ps(_mm512_and_si512(x, _mm512_set1_epi32(15 << 4 * i)));
}

enum { DOUBLES = 2 };
typedef __m512d vd;
static inline vd vd_zero(void)
{
    return _mm512_setzero_pd();
}
static inline void vd_add_square(vd s[DOUBLES], vf x)
{
    vd lo = _mm512_cvtps_pd(_mm512_castps512_ps256(x)), hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    s[0] = _mm512_fmadd_pd(lo, lo, s[0]);
    s[1] = _mm512_fmadd_pd(hi, hi, s[1]);
}
static inline void vd_store(double *p, vd x)
{
    _mm512_storeu_pd(p, x);
}

#endif
