/* arith.c: the value of an expression of integers, exactly, and which numbers it uses.
 *
 *   sum     = product { (+|-) product }
 *   product = factor { (*|/) factor }
 *   factor  = - factor | ( sum ) | digits
 * Blanks are allowed anywhere; × · ÷ − are read as * * / -. Fractions are kept reduced in 64 bits; an
 * overflow, a division by zero, more than 32 numbers or more than 64 open brackets end it with a reason.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "verify/verify.h"

#define DEPTH_MAX 64

struct fraction {
    long long num, den;
};

struct reader {
    const char *p;
    int depth;
    struct arith *out;
};

static bool refuse(struct reader *r, const char *why)
{
    if (!r->out->reason[0]) snprintf(r->out->reason, sizeof r->out->reason, "%s", why);
    return false;
}

/* Each sign in its spellings; the first is what the grammar knows. */
static const char *const signs[][4] = {
    {"+", "+"},
    {"-", "-", "\xE2\x88\x92", "\xE2\x80\x93"},
    {"*", "*", "\xC3\x97", "\xC2\xB7"},
    {"/", "/", "\xC3\xB7"},
    {"(", "("},
    {")", ")"},
};

/* The sign at the reader, 0 if there is none; *length its bytes. */
static char sign_at(struct reader *r, size_t *length)
{
    while (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r') r->p++;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        for (int k = 1; k < 4 && signs[i][k]; k++) {
            *length = strlen(signs[i][k]);
            if (strncmp(r->p, signs[i][k], *length) == 0) return signs[i][0][0];
        }
    return 0;
}

static bool take(struct reader *r, char sign)
{
    size_t length;
    if (sign_at(r, &length) != sign) return false;
    r->p += length;
    return true;
}

static bool too_large(struct reader *r)
{
    return refuse(r, "the value grows too large");
}

/* den != 0; neither is the most negative number. */
static void fraction_reduce(struct fraction *f)
{
    long long a = f->num < 0 ? -f->num : f->num, b = f->den < 0 ? -f->den : f->den;
    while (b) {
        long long rest = a % b;
        a = b;
        b = rest;
    }
    if (f->den < 0) a = -a;
    f->num /= a;
    f->den /= a;
}

/* True when a * b overflows or is the most negative number, which has no absolute value. */
static bool product_overflows(long long a, long long b, long long *out)
{
    return __builtin_mul_overflow(a, b, out) || *out == LLONG_MIN;
}

static bool sum_read(struct reader *r, struct fraction *out);

static bool number_read(struct reader *r, struct fraction *out)
{
    if (*r->p < '0' || *r->p > '9') return refuse(r, "a number or ( was expected");
    long long v = 0;
    for (; *r->p >= '0' && *r->p <= '9'; r->p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *r->p - '0', &v))
            return refuse(r, "a number is too large");
    struct arith *a = r->out;
    if (a->n_used == (int)(sizeof a->used / sizeof *a->used)) return refuse(r, "too many numbers");
    a->used[a->n_used++] = v;
    *out = (struct fraction){v, 1};
    return true;
}

static bool factor_read(struct reader *r, struct fraction *out)
{
    if (r->depth == DEPTH_MAX) return refuse(r, "nested too deeply");
    bool ok;
    *out = (struct fraction){0, 1};
    r->depth++;
    if (take(r, '-')) {
        ok = factor_read(r, out);
        out->num = -out->num;
    } else if (take(r, '(')) {
        ok = sum_read(r, out) && (take(r, ')') || refuse(r, "a bracket is not closed"));
    } else {
        ok = number_read(r, out);
    }
    r->depth--;
    return ok;
}

static bool product_read(struct reader *r, struct fraction *out)
{
    if (!factor_read(r, out)) return false;
    for (;;) {
        bool times = take(r, '*');
        if (!times && !take(r, '/')) return true;
        struct fraction f;
        if (!factor_read(r, &f)) return false;
        if (!times && f.num == 0) return refuse(r, "division by zero");
        if (product_overflows(out->num, times ? f.num : f.den, &out->num) ||
            product_overflows(out->den, times ? f.den : f.num, &out->den))
            return too_large(r);
        fraction_reduce(out);
    }
}

static bool sum_read(struct reader *r, struct fraction *out)
{
    if (!product_read(r, out)) return false;
    for (;;) {
        bool plus = take(r, '+');
        if (!plus && !take(r, '-')) return true;
        struct fraction f;
        if (!product_read(r, &f)) return false;
        long long left, right;
        if (product_overflows(out->num, f.den, &left) || product_overflows(f.num, out->den, &right) ||
            __builtin_add_overflow(left, plus ? right : -right, &out->num) || out->num == LLONG_MIN ||
            product_overflows(out->den, f.den, &out->den))
            return too_large(r);
        fraction_reduce(out);
    }
}

bool arith_eval(const char *expr, struct arith *out)
{
    memset(out, 0, sizeof *out);
    struct reader r = {.p = expr, .out = out};
    struct fraction f = {0, 1};
    if (!sum_read(&r, &f)) return false;
    size_t length;
    sign_at(&r, &length);
    if (*r.p) return refuse(&r, "something other than numbers, + - * / and brackets");
    out->num = f.num;
    out->den = f.den;
    return true;
}
