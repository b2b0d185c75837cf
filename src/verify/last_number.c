/* last_number.c: the last number that a text writes out, in one spelling.
 *
 * For problems whose answer is a number and whose text already holds an expression with that value
 * ("Calculate 41 + 33."): there an answer must be read as a literal and never be evaluated, or reinforcement
 * learning finds out that repeating the problem earns full marks.
 *
 * A number is digits, perhaps with commas between groups of three, perhaps a point and decimals, perhaps a
 * power of ten (1e3), and a sign if it stands directly in front and is not the operator of a difference
 * (which follows an operand).
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify/verify.h"

#define MINUS_SIGN "\xE2\x88\x92" /* U+2212 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The end of the number whose first digit is at p. */
static const char *number_end(const char *p)
{
    int lead = 0;
    while (is_digit(*p)) p++, lead++;
    while (lead <= 3 && p[0] == ',' && is_digit(p[1]) && is_digit(p[2]) && is_digit(p[3]) && !is_digit(p[4]))
        p += 4;
    if (p[0] == '.' && is_digit(p[1]))
        for (p++; is_digit(*p);) p++;
    return p;
}

/* The power of ten behind the digits that end at p: e3, E-05. Moves p behind it. */
static long exponent_behind(const char **p)
{
    const char *q = *p;
    if (*q != 'e' && *q != 'E') return 0;
    bool minus = q[1] == '-';
    q += 1 + (q[1] == '-' || q[1] == '+');
    if (!is_digit(*q)) return 0;
    long x = 0;
    for (; is_digit(*q); q++) x = x < 10000 ? x * 10 + (*q - '0') : x;
    if (isalnum((unsigned char)*q)) return 0;
    *p = q;
    return minus ? -x : x;
}

/* Does a minus sign stand in front of the digit at p? Not after an operand: then it takes away. */
static bool is_negative(const char *text, const char *p)
{
    size_t n = 0;
    if (p > text && p[-1] == '-') n = 1;
    if (p - text >= 3 && memcmp(p - 3, MINUS_SIGN, 3) == 0) n = 3;
    if (!n) return false;
    const char *before = p - n;
    return before == text || !(isalnum((unsigned char)before[-1]) || strchr(")]}", before[-1]));
}

/* A number as it stands in a text. */
struct written {
    const char *from, *end; /* digits, commas, a point */
    long exponent;
};

/* Its digits with the point where the exponent puts it, without zeros that say nothing; zero has no sign. */
static bool number_put(const struct written *w, bool negative, char *out, size_t size)
{
    char digits[160];
    long n = 0, point = -1, k = 0;
    for (const char *p = w->from; p < w->end; p++) {
        if (*p == '.') point = n;
        if (!is_digit(*p)) continue;
        if (n == (long)sizeof digits) return false;
        digits[n++] = *p;
    }
    if (point < 0) point = n;
    point += w->exponent;
    while (k < n && digits[k] == '0') k++; /* the first digit that says something */
    while (n > k && digits[n - 1] == '0') n--;
    if (k == n) point = k = n = 0;
    long first = k < point ? k : point, last = n > point ? n : point;
    if (last - first + negative + (first >= point) + (last > point) >= (long)size) return false;
    if (negative && n > k) *out++ = '-';
    if (first >= point) *out++ = '0';
    for (long i = first; i < last; i++) {
        if (i == point) *out++ = '.';
        *out++ = i >= k && i < n ? digits[i] : '0';
    }
    *out = 0;
    return true;
}

bool last_number(const char *text, char *out, size_t size)
{
    struct written w = {NULL, NULL, 0};
    for (const char *p = text; *p;) {
        if (!is_digit(*p)) {
            p++;
            continue;
        }
        w.from = p;
        p = w.end = number_end(p);
        w.exponent = exponent_behind(&p);
    }
    return w.from && size > 2 && number_put(&w, is_negative(text, w.from), out, size);
}

int last_numbers_same(const char *gold, const char *answer, double tolerance, char *reason, size_t size)
{
    char want[128], have[128];
    if (!last_number(gold, want, sizeof want)) {
        snprintf(reason, size, "the solution holds no number: %.100s", gold);
        return -1;
    }
    if (!last_number(answer, have, sizeof have)) {
        snprintf(reason, size, "no number (wanted %s)", want);
        return 0;
    }
    snprintf(reason, size, "last number %s vs %s", have, want);
    return strcmp(have, want) == 0 ||
           (tolerance > 0 && fabs(strtod(have, NULL) - strtod(want, NULL)) <= tolerance);
}
