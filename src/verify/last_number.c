/* last_number.c: the last number that a text writes out, in one spelling.
 *
 * For problems whose answer is a number and whose text already holds an expression with that value
 * ("Calculate 41 + 33."): there an answer must be read as a literal and never be evaluated, or reinforcement
 * learning finds out that repeating the problem earns full marks.
 *
 * A number is digits, perhaps with commas between groups of three, perhaps a point and decimals, and a sign
 * if it stands directly in front and is not the operator of a difference (which follows an operand).
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

/* Copy without commas, without zeros that say nothing; zero has no sign. */
static bool number_put(const char *from, const char *end, bool negative, char *out, size_t size)
{
    size_t n = 0;
    bool point = memchr(from, '.', (size_t)(end - from)) != NULL;
    while (from + 1 < end && *from == '0' && from[1] != '.') from++;
    while (point && end[-1] == '0') end--;
    if (end[-1] == '.') end--;
    if (negative && !(end - from == 1 && *from == '0')) out[n++] = '-';
    for (; from < end; from++) {
        if (*from == ',') continue;
        if (n + 1 >= size) return false;
        out[n++] = *from;
    }
    out[n] = 0;
    return true;
}

bool last_number(const char *text, char *out, size_t size)
{
    const char *from = NULL, *end = NULL;
    for (const char *p = text; *p;) {
        if (!is_digit(*p)) {
            p++;
            continue;
        }
        from = p;
        p = end = number_end(p);
    }
    return from && size > 2 && number_put(from, end, is_negative(text, from), out, size);
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
