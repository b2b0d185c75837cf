/* kern_int.h: the scalar definitions that every instruction set follows, operation for operation.
 *
 * exp: x = n ln2 + r with |r| <= ln2/2 (Cody-Waite, two-part ln2), exp(r) by a polynomial of degree 7 in Horner
 * form, scaled by 2^n in two exact steps so that denormal results round once. log: x = 2^e m with m in
 * [sqrt(1/2), sqrt(2)), log(m) by a polynomial in f = m - 1 (Cephes' coefficients).
 */
#ifndef KERN_KERN_INT_H
#define KERN_KERN_INT_H

#include <math.h>
#include <string.h>

#include "kern/kern.h"

extern const struct kern kern_ref;

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

static inline float kern_exp1(float x)
{
    if (!(x < 88.722839F)) return x != x ? x : bits_to_float(0x7F800000U);
    if (x < -103.97208F) return 0.0F;
    float n = rintf(x * 1.44269504F);
    float r = fmaf(n, -0.693359375F, x);
    r = fmaf(n, 2.12194440e-4F, r);
    float p = 1.9875691500e-4F;
    p = fmaf(p, r, 1.3981999507e-3F);
    p = fmaf(p, r, 8.3334519073e-3F);
    p = fmaf(p, r, 4.1665795894e-2F);
    p = fmaf(p, r, 1.6666665459e-1F);
    p = fmaf(p, r, 5.0000001201e-1F);
    float y = fmaf(p, r * r, r) + 1.0F;
    int k = (int)n, half = k / 2;
    y *= bits_to_float((uint32_t)(half + 127) << 23);
    return y * bits_to_float((uint32_t)(k - half + 127) << 23);
}

static inline float kern_log1(float x)
{
    if (!(x > 0.0F)) return x == 0.0F ? -INFINITY : NAN;
    if (x == INFINITY) return x;
    int e = 0;
    if (x < 1.17549435e-38F) {
        x *= 8388608.0F;
        e = -23;
    }
    uint32_t u = float_to_bits(x);
    e += (int)(u >> 23) - 126;
    float m = bits_to_float((u & 0x7FFFFFU) | 0x3F000000U); /* [1/2, 1) */
    if (m < 0.707106781F) {
        e--;
        m += m;
    }
    float f = m - 1.0F, z = f * f, n = (float)e;
    float p = 7.0376836292e-2F;
    p = fmaf(p, f, -1.1514610310e-1F);
    p = fmaf(p, f, 1.1676998740e-1F);
    p = fmaf(p, f, -1.2420140846e-1F);
    p = fmaf(p, f, 1.4249322787e-1F);
    p = fmaf(p, f, -1.6668057665e-1F);
    p = fmaf(p, f, 2.0000714765e-1F);
    p = fmaf(p, f, -2.4999993993e-1F);
    p = fmaf(p, f, 3.3333331174e-1F);
    float y = (p * f) * z;
    y = fmaf(n, -2.12194440e-4F, y);
    y = fmaf(-0.5F, z, y);
    return fmaf(n, 0.693359375F, f + y);
}

#endif
