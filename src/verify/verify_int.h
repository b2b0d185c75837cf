/* verify_int.h: what the files of this room share. */
#ifndef VERIFY_VERIFY_INT_H
#define VERIFY_VERIFY_INT_H

#include <stdint.h>

#include "base/str.h"
#include "verify/verify.h"

/* ---- number.c: exact rationals of bounded size -------------------------------------------------------- */

#define NAT_LIMIT 24 /* limbs of nine decimal digits a value may have: 216 digits */
#define NAT_LIMBS (2 * NAT_LIMIT + 2)

struct nat { /* limb[0] is the lowest; n = 0: zero */
    int n;
    uint32_t limb[NAT_LIMBS];
};
struct ratio {
    bool negative;
    struct nat num, den; /* den > 0; reduced when both fit 64 bits */
};
/* All return false when a value would pass NAT_LIMIT (or divides by zero); *out is then meaningless. */
bool ratio_from_digits(const char *digits, size_t n, struct ratio *out); /* digits only */
void ratio_from_int(long v, struct ratio *out);
bool ratio_add(const struct ratio *a, const struct ratio *b, struct ratio *out);
bool ratio_mul(const struct ratio *a, const struct ratio *b, struct ratio *out);
bool ratio_div(const struct ratio *a, const struct ratio *b, struct ratio *out);
bool ratio_pow(const struct ratio *a, long exponent, struct ratio *out);
bool ratio_is_zero(const struct ratio *a);
bool ratio_is_integer(const struct ratio *a);
bool ratio_equal(const struct ratio *a, const struct ratio *b);
/* |a - b| <= 10^-decimals / 2: b is a when rounded to so many decimals. */
bool ratio_rounds_to(const struct ratio *a, const struct ratio *b, int decimals);
void ratio_text(const struct ratio *a, struct str *out);

/* ---- clean.c: one spelling for many ------------------------------------------------------------------- */

/* Unicode signs, LaTeX spacing, sized brackets, currency signs and Markdown stars become plain ASCII or
 * vanish. */
void clean_math(const char *s, size_t n, struct str *out);
/* What is left for comparing text: markup gone, blanks gone, lower case when longer than one letter. True
 * when the text is words (or numbers) alone, so that another text is another answer; false when it is a
 * formula. */
bool clean_text(const char *s, size_t n, bool latex, struct str *out);

/* ---- value.c: a number as people write it ------------------------------------------------------------- */

enum style { STYLE_PLAIN, STYLE_LATEX, STYLE_LATEX_STRICT /* \frac needs its braces */ };
struct value {
    struct ratio r;
    int decimals; /* digits behind the point of a plain decimal; -1: not written as one */
    bool percent; /* r is already divided by 100 */
};
#define VALUE_BYTES_MAX 1024
/* The whole text must be one number or arithmetic on numbers, perhaps with "x =" before and a unit behind. */
bool value_parse(const char *s, size_t n, enum style style, struct value *out);
/* The first or the last number in cleaned running text: its bytes, a percent sign behind it included. What is
 * found may still be no value ("4 1/0"). */
bool value_find(const char *s, size_t n, bool last, size_t *at, size_t *len);

/* ---- unit.c: what may stand around a number ----------------------------------------------------------- */

size_t percent_at(const char *s, size_t n); /* bytes of blanks and a percent sign or word at s */
bool unit_is(const char *s, size_t n,
             enum style style);              /* the rest behind a number is only a unit, or empty */
size_t name_before(const char *s, size_t n); /* bytes of "x =" at the beginning, 0 if none */

/* ---- extract.c: where the answer stands --------------------------------------------------------------- */

enum want { WANT_ANY, WANT_NUMBER, WANT_TEXT };
struct found {
    char *copy; /* owned: the text without its reasoning */
    const char *p;
    size_t n;
    bool latex, percent; /* percent: a sign stood behind the formula */
    bool delimited;      /* a box, an anchor or $ $ around it set it apart from what else there is */
    bool line;           /* the rest of a line behind an anchor: the answer is at its beginning */
    const char *rule;
};
/* Release with found_release in any case. False: no answer; rule says why. */
bool found_in(const char *text, enum extract_mode mode, enum want want, struct found *out);
void found_release(struct found *f);

#endif
