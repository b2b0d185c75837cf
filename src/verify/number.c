/* number.c: exact rationals of bounded size, for comparing answers.
 *
 * Naturals in base 10^9, at most 216 digits, so a sum or product of two fits the 450 digits of a struct nat
 * before it is found too large. Fractions are reduced only when numerator and denominator fit 64 bits, which
 * is what people write; larger ones are compared by cross-multiplication.
 */
#include <stdio.h>
#include <string.h>

#include "verify/verify_int.h"

#define BASE 1000000000U

static void nat_trim(struct nat *a)
{
    while (a->n && !a->limb[a->n - 1]) a->n--;
}

static void nat_set(struct nat *a, uint64_t v)
{
    for (a->n = 0; v; v /= BASE) a->limb[a->n++] = (uint32_t)(v % BASE);
}

/* a = a * m + add; false when it grows past NAT_LIMIT. */
static bool nat_grow(struct nat *a, uint32_t m, uint32_t add)
{
    uint64_t carry = add;
    for (int i = 0; i < a->n; i++) {
        carry += (uint64_t)a->limb[i] * m;
        a->limb[i] = (uint32_t)(carry % BASE);
        carry /= BASE;
    }
    if (carry) a->limb[a->n++] = (uint32_t)carry;
    return a->n <= NAT_LIMIT;
}

static int nat_cmp(const struct nat *a, const struct nat *b)
{
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (int i = a->n - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* Operands have at most 2 * NAT_LIMIT limbs. */
static void nat_add(const struct nat *a, const struct nat *b, struct nat *out)
{
    struct nat sum = {.n = a->n > b->n ? a->n : b->n};
    uint32_t carry = 0;
    for (int i = 0; i < sum.n; i++) {
        uint32_t v = carry + (i < a->n ? a->limb[i] : 0) + (i < b->n ? b->limb[i] : 0);
        carry = v >= BASE;
        sum.limb[i] = carry ? v - BASE : v;
    }
    if (carry) sum.limb[sum.n++] = 1;
    *out = sum;
}

/* a >= b */
static void nat_sub(const struct nat *a, const struct nat *b, struct nat *out)
{
    struct nat d = {.n = a->n};
    uint32_t borrow = 0;
    for (int i = 0; i < a->n; i++) {
        uint32_t take = borrow + (i < b->n ? b->limb[i] : 0);
        borrow = a->limb[i] < take;
        d.limb[i] = borrow ? a->limb[i] + BASE - take : a->limb[i] - take;
    }
    nat_trim(&d);
    *out = d;
}

/* Operands have at most NAT_LIMIT limbs. */
static void nat_mul(const struct nat *a, const struct nat *b, struct nat *out)
{
    struct nat p = {.n = a->n + b->n};
    for (int i = 0; i < a->n; i++) {
        uint64_t carry = 0;
        for (int k = 0; k < b->n || carry; k++) {
            carry += p.limb[i + k] + (k < b->n ? (uint64_t)a->limb[i] * b->limb[k] : 0);
            p.limb[i + k] = (uint32_t)(carry % BASE);
            carry /= BASE;
        }
    }
    nat_trim(&p);
    *out = p;
}

static bool nat_small(const struct nat *a, uint64_t *v)
{
    if (a->n > 2) return false;
    *v = (a->n > 1 ? (uint64_t)a->limb[1] * BASE : 0) + (a->n > 0 ? a->limb[0] : 0);
    return true;
}

static void nat_text(const struct nat *a, struct str *out)
{
    if (!a->n) str_puts(out, "0");
    for (int i = a->n - 1; i >= 0; i--) str_addf(out, i == a->n - 1 ? "%u" : "%09u", a->limb[i]);
}

/* Reduce if small; sign of zero is plus. False when too large. */
static bool ratio_settle(struct ratio *r)
{
    uint64_t a, b;
    if (!r->num.n) {
        r->negative = false;
        nat_set(&r->den, 1);
    } else if (nat_small(&r->num, &a) && nat_small(&r->den, &b)) {
        uint64_t x = a, y = b;
        while (y) {
            uint64_t rest = x % y;
            x = y;
            y = rest;
        }
        nat_set(&r->num, a / x);
        nat_set(&r->den, b / x);
    }
    return r->num.n <= NAT_LIMIT && r->den.n <= NAT_LIMIT;
}

bool ratio_from_digits(const char *digits, size_t n, struct ratio *out)
{
    memset(out, 0, sizeof *out);
    nat_set(&out->den, 1);
    for (size_t i = 0; i < n; i++)
        if (!nat_grow(&out->num, 10, (uint32_t)(digits[i] - '0'))) return false;
    return true;
}

void ratio_from_int(long v, struct ratio *out)
{
    memset(out, 0, sizeof *out);
    out->negative = v < 0;
    nat_set(&out->num, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    nat_set(&out->den, 1);
}

bool ratio_add(const struct ratio *a, const struct ratio *b, struct ratio *out)
{
    struct nat x, y;
    struct ratio sum = {0};
    nat_mul(&a->num, &b->den, &x);
    nat_mul(&b->num, &a->den, &y);
    nat_mul(&a->den, &b->den, &sum.den);
    if (a->negative == b->negative) {
        nat_add(&x, &y, &sum.num);
        sum.negative = a->negative;
    } else if (nat_cmp(&x, &y) >= 0) {
        nat_sub(&x, &y, &sum.num);
        sum.negative = a->negative;
    } else {
        nat_sub(&y, &x, &sum.num);
        sum.negative = b->negative;
    }
    *out = sum;
    return ratio_settle(out);
}

bool ratio_mul(const struct ratio *a, const struct ratio *b, struct ratio *out)
{
    struct ratio p = {.negative = a->negative != b->negative};
    nat_mul(&a->num, &b->num, &p.num);
    nat_mul(&a->den, &b->den, &p.den);
    *out = p;
    return ratio_settle(out);
}

bool ratio_div(const struct ratio *a, const struct ratio *b, struct ratio *out)
{
    if (!b->num.n) return false;
    struct ratio upside = {.negative = b->negative, .num = b->den, .den = b->num};
    return ratio_mul(a, &upside, out);
}

bool ratio_pow(const struct ratio *a, long exponent, struct ratio *out)
{
    struct ratio base = *a, result;
    unsigned long left = exponent < 0 ? 0UL - (unsigned long)exponent : (unsigned long)exponent;
    ratio_from_int(1, &result);
    if (exponent < 0 && !ratio_div(&result, a, &base)) return false;
    while (left) {
        if (left & 1 && !ratio_mul(&result, &base, &result)) return false;
        left >>= 1;
        if (left && !ratio_mul(&base, &base, &base)) return false;
    }
    *out = result;
    return true;
}

bool ratio_is_zero(const struct ratio *a)
{
    return a->num.n == 0;
}

bool ratio_is_integer(const struct ratio *a)
{
    return a->den.n == 1 && a->den.limb[0] == 1;
}

bool ratio_equal(const struct ratio *a, const struct ratio *b)
{
    struct nat x, y;
    nat_mul(&a->num, &b->den, &x);
    nat_mul(&b->num, &a->den, &y);
    return a->negative == b->negative && nat_cmp(&x, &y) == 0;
}

bool ratio_rounds_to(const struct ratio *a, const struct ratio *b, int decimals)
{
    struct ratio minus_b = *b, gap, scale, scaled;
    minus_b.negative = !b->negative;
    ratio_from_int(10, &scale);
    ratio_from_int(2, &scaled);
    if (!ratio_pow(&scale, decimals, &scale) || !ratio_mul(&scale, &scaled, &scale)) return false;
    if (!ratio_add(a, &minus_b, &gap) || !ratio_mul(&gap, &scale, &scaled)) return false;
    return nat_cmp(&scaled.num, &scaled.den) <= 0;
}

void ratio_text(const struct ratio *a, struct str *out)
{
    if (a->negative) str_puts(out, "-");
    nat_text(&a->num, out);
    if (ratio_is_integer(a)) return;
    str_puts(out, "/");
    nat_text(&a->den, out);
}
