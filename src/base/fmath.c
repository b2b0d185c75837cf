/* fmath.c: exp, log, sin, cos and pow from correctly rounded operations alone.
 *
 *   exp(x) = 2^k exp(r),        k = round(x / ln 2),  |r| <= ln 2 / 2, Taylor series to r^13
 *   log(x) = k ln 2 + log(1+f), sqrt(1/2) <= 1+f < sqrt(2), s = f / (2+f),
 *            log(1+f) = 2 atanh s = 2s + s (2/3 s^2 + 2/5 s^4 + ...); the arrangement f - (f^2/2 - s (f^2/2 +
 * R)) that loses no bits is fdlibm's (Sun, 1993) sin, cos: x - n pi/2 with pi/2 in three parts (Cody and
 * Waite); the first product is exact in an fma while n < 2^30; the remainder is kept as two doubles; Taylor
 * series to r^17 and r^18 pow(b, e) = exp(e log b) with log b as two doubles (relative error below 2^-62)
 *
 * Constants such as 1.0 / 720 are folded by the compiler, which rounds them correctly.
 */
#include "base/fmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LN2_HI    0x1.62e42fefa3800p-1 /* 42 bits: k * LN2_HI is exact for |k| < 2^11 */
#define LN2_LO    0x1.ef35793c76730p-45
#define INV_LN2   0x1.71547652b82fep+0
#define PIO2_1    0x1.921fb54442d18p+0
#define PIO2_2    0x1.1a62633145c07p-54
#define PIO2_3    -0x1.f1976b7ed8fbcp-110
#define TWO_PI_TH 0x1.45f306dc9c883p-1 /* 2 / pi */
#define PIO4      0x1.921fb54442d18p-1
#define ROUNDER   0x1.8p52 /* x + ROUNDER - ROUNDER rounds to an integer when |x| < 2^51 */

struct two { /* an unevaluated sum hi + lo, |lo| <= ulp(hi) / 2 or a little more */
    double hi, lo;
};

static uint64_t bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static double from_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static double power_of_two(int k) /* -1022 <= k <= 1023 */
{
    return from_bits((uint64_t)(k + 1023) << 52);
}

/* y * 2^k with one rounding: the first factor keeps y normal. */
static double scaled(double y, int k)
{
    if (k > 1023) return y * 0x1p1023 * power_of_two(k - 1023);
    if (k < -1022) return y * power_of_two(k + 1022 < -1022 ? -1022 : k + 1022) * 0x1p-1022;
    return y * power_of_two(k);
}

/* exp(x + tail) for |x| < 1100 and a tail so small that its square does not matter. */
static double exp_with_tail(double x, double tail)
{
    double k = x * INV_LN2 + ROUNDER - ROUNDER;
    double t = x - k * LN2_HI, c = k * LN2_LO; /* t is exact */
    double r = t - c;
    tail += (t - r) - c;
    double p = 1.0 / 6227020800;
    p = 1.0 / 479001600 + r * p;
    p = 1.0 / 39916800 + r * p;
    p = 1.0 / 3628800 + r * p;
    p = 1.0 / 362880 + r * p;
    p = 1.0 / 40320 + r * p;
    p = 1.0 / 5040 + r * p;
    p = 1.0 / 720 + r * p;
    p = 1.0 / 120 + r * p;
    p = 1.0 / 24 + r * p;
    p = 1.0 / 6 + r * p;
    p = 1.0 / 2 + r * p;
    p = r * r * p;
    double q = r + (p + tail * (1 + r + p));
    return scaled(1 + q, (int)k);
}

double fm_exp(double x)
{
    if (isnan(x)) return x;
    if (x > 710) return INFINITY;
    if (x < -746) return 0;
    return exp_with_tail(x, 0);
}

/* x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); x positive and finite. f is exact. */
static double log_parts(double x, int *k)
{
    int shift = 0;
    if (x < 0x1p-1022) x *= 0x1p54, shift = -54;
    uint64_t u = bits_of(x);
    int exponent = (int)(u >> 52) - 1023;
    double m = from_bits((u & 0xFFFFFFFFFFFFF) | (uint64_t)1023 << 52);
    if (m > 0x1.6a09e667f3bcdp0) m *= 0.5, exponent++;
    *k = exponent + shift;
    return m - 1;
}

/* 2/5 + 2/7 z + 2/9 z^2 + ...: atanh beyond its second term; z <= 0.0295. */
static double atanh_rest(double z)
{
    double p = 2.0 / 25;
    p = 2.0 / 23 + z * p;
    p = 2.0 / 21 + z * p;
    p = 2.0 / 19 + z * p;
    p = 2.0 / 17 + z * p;
    p = 2.0 / 15 + z * p;
    p = 2.0 / 13 + z * p;
    p = 2.0 / 11 + z * p;
    p = 2.0 / 9 + z * p;
    p = 2.0 / 7 + z * p;
    return 2.0 / 5 + z * p;
}

double fm_log(double x)
{
    if (isnan(x)) return x;
    if (x < 0) return NAN;
    if (x == 0) return -INFINITY;
    if (isinf(x)) return x;
    int k;
    double f = log_parts(x, &k), s = f / (2 + f), z = s * s;
    double half_square = 0.5 * f * f, rest = z * (2.0 / 3 + z * atanh_rest(z));
    double fine = s * (half_square + rest) + k * LN2_LO;
    return k * LN2_HI - ((half_square - fine) - f);
}

static struct two quick_sum(double big, double small)
{
    double hi = big + small;
    return (struct two){hi, (big - hi) + small};
}

static struct two product(struct two a, struct two b)
{
    double hi = a.hi * b.hi;
    return (struct two){hi, fma(a.hi, b.hi, -hi) + (a.hi * b.lo + a.lo * b.hi)};
}

/* log(x) to twice the precision, for pow. */
static struct two log_two(double x)
{
    int k;
    double f = log_parts(x, &k);
    struct two d = quick_sum(2, f);
    struct two s = {f / d.hi, 0};
    s.lo = (fma(-s.hi, d.hi, f) - s.hi * d.lo) / d.hi;
    struct two z = product(s, s);
    struct two p = quick_sum(2.0 / 3, z.hi * atanh_rest(z.hi));
    p.lo += 0x1.5555555555555p-55; /* 2/3 minus its double */
    struct two v = product(s, product(z, p));
    struct two a = quick_sum(2 * s.hi, v.hi);
    a.lo += 2 * s.lo + v.lo;
    struct two b = k ? quick_sum(k * LN2_HI, a.hi) : (struct two){a.hi, 0};
    return quick_sum(b.hi, b.lo + (a.lo + k * LN2_LO));
}

double fm_pow(double base, double exponent)
{
    if (exponent == 0 || base == 1) return 1;
    if (isnan(base) || isnan(exponent)) return NAN;
    if (base < 0) return NAN;
    if (base == 0) return exponent > 0 ? 0 : INFINITY;
    if (isinf(base)) return exponent > 0 ? INFINITY : 0;
    struct two l = log_two(base);
    double hi = exponent * l.hi;
    if (hi > 710) return INFINITY;
    if (hi < -746) return 0;
    return exp_with_tail(hi, fma(exponent, l.hi, -hi) + exponent * l.lo);
}

/* x = n pi/2 + (r.hi + r.lo), |r.hi| <= pi/4 or a little more; returns n mod 4. |x| <= 2^30. */
static int quadrant(double x, struct two *r)
{
    if (fabs(x) <= PIO4) {
        *r = (struct two){x, 0};
        return 0;
    }
    double n = x * TWO_PI_TH + ROUNDER - ROUNDER;
    double t = fma(-n, PIO2_1, x); /* exact: a multiple of 2^-53 below 1 */
    double w = n * PIO2_2, w_lo = fma(n, PIO2_2, -w);
    double s = t - w, back = t - s;
    double lost = (t - (s + back)) + (back - w); /* t - w = s + lost (Knuth's two-sum) */
    double lo = lost - (w_lo + n * PIO2_3);
    *r = quick_sum(s, lo);
    return (int)((int64_t)n & 3);
}

static double sin_near(struct two r)
{
    double z = r.hi * r.hi;
    double p = 1.0 / 355687428096000;
    p = -1.0 / 1307674368000 + z * p;
    p = 1.0 / 6227020800 + z * p;
    p = -1.0 / 39916800 + z * p;
    p = 1.0 / 362880 + z * p;
    p = -1.0 / 5040 + z * p;
    p = 1.0 / 120 + z * p;
    p = -1.0 / 6 + z * p;
    return r.hi + (r.hi * z * p + r.lo * (1 - 0.5 * z));
}

static double cos_near(struct two r)
{
    double z = r.hi * r.hi;
    double p = -1.0 / 6402373705728000;
    p = 1.0 / 20922789888000 + z * p;
    p = -1.0 / 87178291200 + z * p;
    p = 1.0 / 479001600 + z * p;
    p = -1.0 / 3628800 + z * p;
    p = 1.0 / 40320 + z * p;
    p = -1.0 / 720 + z * p;
    p = 1.0 / 24 + z * p;
    double half = 0.5 * z, w = 1 - half;
    return w + (((1 - w) - half) + (z * z * p - r.hi * r.lo));
}

/* Beyond 2^30, where the reduction would lose bits, and for infinities: NaN rather than a wrong digit. */
static double sin_shifted(double x, int quarter_turns)
{
    struct two r;
    if (!(fabs(x) <= 0x1p30)) return NAN;
    int q = (quadrant(x, &r) + quarter_turns) & 3;
    double y = q & 1 ? cos_near(r) : sin_near(r);
    return q & 2 ? -y : y;
}

double fm_sin(double x)
{
    return x == 0 ? x : sin_shifted(x, 0);
}

double fm_cos(double x)
{
    return sin_shifted(x, 1);
}

double fm_sqrt(double x)
{
    return sqrt(x);
}
