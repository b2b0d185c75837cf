/* number_words.c: numbers that English writes out: twelve, one hundred and five, two thirds, 3 million. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/verify_int.h"

enum role { UNIT_DIGIT, TEEN, TEN, HUNDRED, SCALE, DOZEN, PART, PARTS };

/* PART and PARTS are denominators, of one and of several. */
static const struct number_name {
    const char *word;
    enum role role;
    long value;
} number_names[] = {
    {"zero", UNIT_DIGIT, 0},
    {"one", UNIT_DIGIT, 1},
    {"two", UNIT_DIGIT, 2},
    {"three", UNIT_DIGIT, 3},
    {"four", UNIT_DIGIT, 4},
    {"five", UNIT_DIGIT, 5},
    {"six", UNIT_DIGIT, 6},
    {"seven", UNIT_DIGIT, 7},
    {"eight", UNIT_DIGIT, 8},
    {"nine", UNIT_DIGIT, 9},
    {"ten", TEEN, 10},
    {"eleven", TEEN, 11},
    {"twelve", TEEN, 12},
    {"thirteen", TEEN, 13},
    {"fourteen", TEEN, 14},
    {"fifteen", TEEN, 15},
    {"sixteen", TEEN, 16},
    {"seventeen", TEEN, 17},
    {"eighteen", TEEN, 18},
    {"nineteen", TEEN, 19},
    {"twenty", TEN, 20},
    {"thirty", TEN, 30},
    {"forty", TEN, 40},
    {"fifty", TEN, 50},
    {"sixty", TEN, 60},
    {"seventy", TEN, 70},
    {"eighty", TEN, 80},
    {"ninety", TEN, 90},
    {"hundred", HUNDRED, 100},
    {"thousand", SCALE, 1000},
    {"million", SCALE, 1000000},
    {"billion", SCALE, 1000000000},
    {"trillion", SCALE, 1000000000000},
    {"dozen", DOZEN, 12},
    {"half", PART, 2},
    {"third", PART, 3},
    {"quarter", PART, 4},
    {"fourth", PART, 4},
    {"fifth", PART, 5},
    {"sixth", PART, 6},
    {"seventh", PART, 7},
    {"eighth", PART, 8},
    {"ninth", PART, 9},
    {"tenth", PART, 10},
    {"halves", PARTS, 2},
    {"thirds", PARTS, 3},
    {"quarters", PARTS, 4},
    {"fourths", PARTS, 4},
    {"fifths", PARTS, 5},
    {"sixths", PARTS, 6},
    {"sevenths", PARTS, 7},
    {"eighths", PARTS, 8},
    {"ninths", PARTS, 9},
    {"tenths", PARTS, 10},
};

static size_t word_length(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && isalpha((unsigned char)s[k])) k++;
    return k;
}

static const struct number_name *name_at(const char *s, size_t n)
{
    size_t k = word_length(s, n);
    for (size_t i = 0; i < sizeof number_names / sizeof *number_names; i++)
        if (strlen(number_names[i].word) == k && strncasecmp(s, number_names[i].word, k) == 0)
            return &number_names[i];
    return NULL;
}

long scale_word(const char *s, size_t n, size_t *length)
{
    const struct number_name *name = name_at(s, n);
    *length = word_length(s, n);
    return name && name->role >= HUNDRED && name->role <= DOZEN ? name->value : 0;
}

/* What is read so far: total of the closed scales, the group that is open, and what may follow. */
struct counting {
    fmpq_t total;
    long group, last_scale;
    enum role last;
    bool any;
};

/* Takes one more word of a number; false when it cannot follow. */
static bool count_on(struct counting *c, const struct number_name *w)
{
    switch (w->role) {
    case UNIT_DIGIT:
    case TEEN:
    case TEN:
        if (c->any && c->last < HUNDRED && !(c->last == TEN && w->role == UNIT_DIGIT && w->value))
            return false;
        c->group += w->value;
        break;
    case HUNDRED:
        if (c->group == 0 || c->group > 99) return false;
        c->group *= 100;
        break;
    case SCALE: {
        if (c->group == 0 || (c->last_scale && w->value >= c->last_scale)) return false;
        fmpq_t part;
        fmpq_init(part);
        fmpq_set_si(part, c->group, 1);
        fmpz_mul_si(fmpq_numref(part), fmpq_numref(part), w->value);
        fmpq_add(c->total, c->total, part);
        fmpq_clear(part);
        c->group = 0;
        c->last_scale = w->value;
        break;
    }
    case DOZEN:
        if (c->group == 0 || c->group > 99 || c->last_scale) return false;
        c->group *= 12;
        break;
    default: return false;
    }
    c->last = w->role;
    c->any = true;
    return true;
}

/* The denominator behind a whole number (three quarters), or a half more (two and a half): applies it to
 * out. */
static size_t fraction_behind(const char *s, size_t n, bool article, fmpq_t out)
{
    static const char *const more[] = {"and a ", "and one "};
    const struct number_name *w = name_at(s, n);
    bool one = fmpq_is_one(out);
    if (w && ((w->role == PART && one) || (w->role == PARTS && !one && !article))) {
        fmpz_mul_si(fmpq_denref(out), fmpq_denref(out), w->value);
        fmpq_canonicalise(out);
        return word_length(s, n);
    }
    for (size_t i = 0; i < 2; i++) {
        size_t k = strlen(more[i]);
        if (n <= k || strncasecmp(s, more[i], k) != 0) continue;
        if (!(w = name_at(s + k, n - k)) || w->role != PART) continue;
        fmpq_t part;
        fmpq_init(part);
        fmpq_set_si(part, 1, (ulong)w->value);
        fmpq_add(out, out, part);
        fmpq_clear(part);
        return k + word_length(s + k, n - k);
    }
    return 0;
}

static size_t gap_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && strchr(" -", s[k])) k++;
    return k;
}

size_t number_words(const char *s, size_t n, fmpq_t out)
{
    struct counting c = {.any = false};
    size_t at = 0, end = 0;
    bool minus = ascii_word_at(s, n, "minus") || ascii_word_at(s, n, "negative");
    if (minus) at = word_length(s, n) + gap_at(s + word_length(s, n), n - word_length(s, n));
    if (ascii_word_at(s + at, n - at, "half")) { /* alone it is one half */
        fmpq_set_si(out, minus ? -1 : 1, 2);
        return at + 4;
    }
    bool article = ascii_word_at(s + at, n - at, "a") || ascii_word_at(s + at, n - at, "an");
    if (article) {
        at += word_length(s + at, n - at);
        at += gap_at(s + at, n - at);
        c.group = 1;
        c.any = true;
        c.last = UNIT_DIGIT;
    }
    fmpq_init(c.total);
    for (;;) {
        bool and = c.any && c.last >= HUNDRED && ascii_word_at(s + at, n - at, "and");
        size_t skip = and ? 3 + gap_at(s + at + 3, n - at - 3) : 0;
        const struct number_name *w = name_at(s + at + skip, n - at - skip);
        if (!w || !count_on(&c, w)) break;
        at = end = at + skip + word_length(s + at + skip, n - at - skip);
        at += gap_at(s + at, n - at);
    }
    fmpq_set_si(out, c.group, 1);
    fmpq_add(out, out, c.total);
    fmpq_clear(c.total);
    size_t fraction = c.any ? fraction_behind(s + at, n - at, article, out) : 0;
    if (fraction) end = at + fraction;
    if (minus) fmpq_neg(out, out);
    return end;
}
