/* unicode.h: what the tokenizers need to know about a code point, as one byte.
 *
 * The tables are those that Hugging Face's tokenizers work with (Unicode 16; see unicode_data.c), kept here
 * so that ids do not depend on the Unicode version of this machine's PCRE2 and utf8proc.
 */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Order of tools/golden/unicode_table.py: letters 4..8, marks 9..11, numbers 12..14 stand together. */
enum uc_category {
    UC_CN,
    UC_CC,
    UC_CF,
    UC_CO,
    UC_LU,
    UC_LL,
    UC_LT,
    UC_LM,
    UC_LO,
    UC_MN,
    UC_MC,
    UC_ME,
    UC_ND,
    UC_NL,
    UC_NO,
    UC_PC,
    UC_PD,
    UC_PS,
    UC_PE,
    UC_PI,
    UC_PF,
    UC_PO,
    UC_SM,
    UC_SC,
    UC_SK,
    UC_SO,
    UC_ZS,
    UC_ZL,
    UC_ZP,
    UC_CATEGORIES
};
enum uc_bits {
    UC_CATEGORY = 31,
    UC_NFC = 32,   /* NFC may change this character, move it, or join it to one before it */
    UC_NEWER = 64, /* not in Unicode 14, which older libraries stop at */
    UC_SPACE = 128 /* White_Space: what \s means */
};

/* length << 7 | UC_NEWER | UC_NFC | category, over 0..10FFFF */
extern const unsigned unicode_runs[];
extern const int unicode_n_runs;

/* One byte of uc_bits for each code point 0..10FFFF. Built at the first call; thread-safe. */
const uint8_t *unicode_table(void);

static inline bool uc_letter(uint8_t bits)
{
    unsigned c = bits & UC_CATEGORY;
    return c >= UC_LU && c <= UC_LO;
}
static inline bool uc_number(uint8_t bits)
{
    unsigned c = bits & UC_CATEGORY;
    return c >= UC_ND && c <= UC_NO;
}
/* \w of the regular expressions around added tokens: letters, marks, digits, letter numbers, connectors. */
bool uc_word(uint32_t cp);

/* Sets as sorted ranges (unicode_sets.c). */
struct uc_range {
    uint32_t from, to;
};
struct uc_set {
    const struct uc_range *range;
    int n;
};
extern const struct uc_set uc_decomposing; /* NFKD changes it, or it is a mark with a combining class */
extern const struct uc_set uc_marks;       /* what StripAccents takes out */
extern const struct uc_set uc_punctuation; /* what Punctuation cuts at */
bool uc_in(const struct uc_set *set, uint32_t cp);

/* Lower case by the character, for all but U+0130: cp + distance. With distance 1 only every second one. */
struct uc_lower_run {
    uint32_t from, to;
    int distance;
};
extern const struct uc_lower_run uc_lower_runs[];
extern const int uc_n_lower_runs;
uint32_t uc_lower(uint32_t cp);

/* The character at p, in text known to be valid UTF-8; *n is its length. */
static inline uint32_t utf8_at(const char *p, int *n)
{
    const unsigned char *u = (const unsigned char *)p;
    if (u[0] < 0x80) {
        *n = 1;
        return u[0];
    }
    if (u[0] < 0xE0) {
        *n = 2;
        return (u[0] & 0x1Fu) << 6 | (u[1] & 0x3Fu);
    }
    if (u[0] < 0xF0) {
        *n = 3;
        return (u[0] & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu);
    }
    *n = 4;
    return (u[0] & 0x07u) << 18 | (u[1] & 0x3Fu) << 12 | (u[2] & 0x3Fu) << 6 | (u[3] & 0x3Fu);
}
/* The character that ends just before p (start < p), in valid UTF-8. */
uint32_t utf8_before(const char *start, const char *p, int *n);
/* Writes 1..4 bytes; returns how many. */
int utf8_put(char *out, uint32_t cp);
bool utf8_valid(const char *p, size_t n);

#endif
