/* body.h: what the bodies share. A body is written once over the vectors of a lanes_X.h and compiled for each
 * instruction set by its kern_X.c, with that set's flags.
 */
#ifndef KERN_BODY_H
#define KERN_BODY_H

#include <string.h>

#include "kern/kern_int.h"

enum { LANE_VECS = KERN_LANES / LANES }; /* vectors of partial sums; also vectors in an attention block */
_Static_assert(KERN_KEYS == KERN_LANES, "a block's exponentials take one lane each");

/* The first n < LANES floats at p, the others 0. n == LANES is a whole load when inlined with the
 * constant. */
INLINE vf get(const float *p, size_t n)
{
    if (n == LANES) return vf_load(p);
    float part[LANES] = {0};
    for (size_t i = 0; i < n; i++) part[i] = p[i];
    return vf_load(part);
}

INLINE void put(float *p, vf x, size_t n)
{
    if (n == LANES) {
        vf_store(p, x);
        return;
    }
    float part[LANES];
    vf_store(part, x);
    for (size_t i = 0; i < n; i++) p[i] = part[i];
}

INLINE float lanes_sum(vf s[LANE_VECS])
{
    for (int w = LANE_VECS / 2; w; w /= 2)
        for (int i = 0; i < w; i++) s[i] = vf_add(s[i], s[i + w]);
    return vf_sum_across(s[0]);
}

/* kern_exp_floor, kern_exp1, kern_log1 and those of tanh below, operation for operation. */
INLINE vf vf_exp_floor(vf x)
{
    return vf_max(vf_set(EXP_FLOOR), x);
}

INLINE vf vf_exp(vf x)
{
    x = vf_min(vf_set(EXP_CEILING), vf_exp_floor(x));
    vf t = vf_fma(x, vf_set(EXP_LOG2E), vf_set(EXP_ROUND)), n = vf_sub(t, vf_set(EXP_ROUND));
    vf r = vf_fma(n, vf_set(-EXP_LN2_HI), x);
    r = vf_fma(n, vf_set(-EXP_LN2_LO), r);
    vf p = vf_fma(vf_set(EXP_P0), r, vf_set(EXP_P1));
    p = vf_fma(p, r, vf_set(EXP_P2));
    p = vf_fma(p, r, vf_set(EXP_P3));
    p = vf_fma(p, r, vf_set(EXP_P4));
    p = vf_fma(p, r, vf_set(EXP_P5));
    vf y = vf_add(vf_fma(p, vf_mul(r, r), r), vf_set(1));
    vi u = vi_shl(vi_bits(t), 22), half = vi_and(u, vi_set(0xFF800000U));
    return vf_mul(vf_mul(y, vf_bits(half)), vf_bits(vi_sub(vi_shl(u, 1), half)));
}

INLINE vf vf_log(vf x)
{
    vf tiny = vf_if_less(x, vf_set(LOG_MIN_NORMAL), vf_set(23), vf_set(0));
    vi u = vi_bits(vf_if_less(x, vf_set(LOG_MIN_NORMAL), vf_mul(x, vf_set(LOG_TWO23)), x));
    vi e = vi_sar(vi_sub(u, vi_set(LOG_SQRT_HALF)), 23);
    vf f = vf_sub(vf_bits(vi_sub(u, vi_shl(e, 23))), vf_set(1)), z = vf_mul(f, f);
    vf n = vf_sub(vf_from_int(e), tiny);
    vf p = vf_fma(vf_set(LOG_P0), f, vf_set(LOG_P1));
    p = vf_fma(p, f, vf_set(LOG_P2));
    p = vf_fma(p, f, vf_set(LOG_P3));
    p = vf_fma(p, f, vf_set(LOG_P4));
    p = vf_fma(p, f, vf_set(LOG_P5));
    p = vf_fma(p, f, vf_set(LOG_P6));
    p = vf_fma(p, f, vf_set(LOG_P7));
    p = vf_fma(p, f, vf_set(LOG_P8));
    vf y = vf_mul(vf_mul(p, f), z);
    y = vf_fma(n, vf_set(EXP_LN2_LO), y);
    y = vf_fma(vf_set(-0.5F), z, y);
    y = vf_fma(n, vf_set(EXP_LN2_HI), vf_add(f, y));
    y = vf_if_less(x, vf_set(0x1p-149F), vf_set(-INFINITY), y);
    y = vf_if_less(x, vf_set(0), vf_set(NAN), y);
    return vf_if_less(x, vf_set(INFINITY), y, vf_add(x, x)); /* infinity and NaN stay */
}

INLINE vf vf_tanh(vf x)
{
    vf a = vf_max(x, vf_neg(x)), z = vf_mul(x, x);
    vf p = vf_fma(vf_set(TANH_P0), z, vf_set(TANH_P1));
    p = vf_fma(p, z, vf_set(TANH_P2));
    p = vf_fma(p, z, vf_set(TANH_P3));
    p = vf_fma(p, z, vf_set(TANH_P4));
    p = vf_fma(vf_mul(p, z), x, x);
    vf e = vf_sub(vf_set(1), vf_div(vf_set(2), vf_add(vf_exp(vf_add(a, a)), vf_set(1))));
    return vf_if_less(a, vf_set(TANH_SMALL), p, vf_if_less(x, vf_set(0), vf_neg(e), e));
}

INLINE vf vf_softcap(vf x, float cap)
{
    return vf_mul(vf_set(cap), vf_tanh(vf_div(x, vf_set(cap))));
}

INLINE vf vf_softcap_slope(vf y, float cap)
{
    vf t = vf_div(y, vf_set(cap));
    return vf_fma(vf_neg(t), t, vf_set(1));
}

#endif
