/* phrase.c: what the words beside a number make of it.
 *
 * Most say nothing about its value: units, labels, what is counted ("the area is", "apples in total"). Some
 * turn it into another answer: a bound ("less than 12", "12 or more"), a denial ("not 12", "12 is wrong"),
 * one of several ("either 12 or") or an operation ("half of 12", "12 squared"). English says all of these by
 * few and fixed words, so these are listed here, and any other words are left alone.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/verify_int.h"

#define WORDS_MAX 48

/* TOUCHES: only right beside the number; AHEAD: and with another number on its other side (5 to 8). */
enum where { BEFORE = 1, BEHIND = 2, BOTH = 3, TOUCHES = 4, AHEAD = 8 };
enum { DENIES = 100 }; /* turns a bound round; alone it is R_NE. Twice is no praise either. */

static const struct phrase {
    const char *words; /* with single blanks between */
    unsigned char means, where;
} phrases[] = {
    {"less than or equal to", R_LE, BEFORE},
    {"smaller than or equal to", R_LE, BEFORE},
    {"greater than or equal to", R_GE, BEFORE},
    {"larger than or equal to", R_GE, BEFORE},
    {"more than or equal to", R_GE, BEFORE},
    {"less than", R_LT, BEFORE},
    {"fewer than", R_LT, BEFORE},
    {"smaller than", R_LT, BEFORE},
    {"lower than", R_LT, BEFORE},
    {"below", R_LT, BEFORE},
    {"under", R_LT, BEFORE},
    {"almost", R_LT, BEFORE},
    {"nearly", R_LT, BEFORE},
    {"more than", R_GT, BEFORE},
    {"greater than", R_GT, BEFORE},
    {"larger than", R_GT, BEFORE},
    {"bigger than", R_GT, BEFORE},
    {"higher than", R_GT, BEFORE},
    {"above", R_GT, BEFORE},
    {"over", R_GT, BEFORE},
    {"beyond", R_GT, BEFORE},
    {"exceeds", R_GT, BEFORE},
    {"exceeding", R_GT, BEFORE},
    {"at least", R_GE, BOTH},
    {"at minimum", R_GE, BOTH},
    {"minimum of", R_GE, BEFORE},
    {"upwards of", R_GE, BEFORE},
    {"or more", R_GE, BEHIND},
    {"or greater", R_GE, BEHIND},
    {"or larger", R_GE, BEHIND},
    {"or higher", R_GE, BEHIND},
    {"or above", R_GE, BEHIND},
    {"or over", R_GE, BEHIND},
    {"and more", R_GE, BEHIND},
    {"and up", R_GE, BEHIND},
    {"and above", R_GE, BEHIND},
    {"and over", R_GE, BEHIND},
    {"at most", R_LE, BOTH},
    {"at maximum", R_LE, BOTH},
    {"maximum of", R_LE, BEFORE},
    {"up to", R_LE, BEFORE},
    {"or less", R_LE, BEHIND},
    {"or fewer", R_LE, BEHIND},
    {"or smaller", R_LE, BEHIND},
    {"or lower", R_LE, BEHIND},
    {"or below", R_LE, BEHIND},
    {"or under", R_LE, BEHIND},
    {"and below", R_LE, BEHIND},
    {"and under", R_LE, BEHIND},
    {"anything but", DENIES, BEFORE},
    {"everything but", DENIES, BEFORE},
    {"other than", DENIES, BEFORE},
    {"rather than", DENIES, BEFORE},
    {"instead of", DENIES, BEFORE},
    {"different from", DENIES, BEFORE},
    {"unequal to", DENIES, BEFORE},
    {"not", DENIES, BOTH},
    {"cannot", DENIES, BOTH},
    {"never", DENIES, BOTH},
    {"neither", DENIES, BOTH},
    {"nor", DENIES, BOTH},
    {"except", DENIES, BEFORE},
    {"excluding", DENIES, BEFORE},
    {"without doubt", 0, BEFORE},
    {"without a doubt", 0, BEFORE},
    {"without", DENIES, BEFORE},
    {"wrong", DENIES, BOTH},
    {"incorrect", DENIES, BOTH},
    {"false", DENIES, BOTH},
    {"invalid", DENIES, BOTH},
    {"impossible", DENIES, BOTH},
    {"mistaken", DENIES, BOTH},
    {"too small", DENIES, BEHIND},
    {"too large", DENIES, BEHIND},
    {"too big", DENIES, BEHIND},
    {"too low", DENIES, BEHIND},
    {"too high", DENIES, BEHIND},
    {"step", DENIES, BEFORE | TOUCHES}, /* which it counts */
    {"equation", DENIES, BEFORE | TOUCHES},
    {"either", R_OTHER, BEFORE},
    {"between", R_OTHER, BEFORE},
    {"or", R_OTHER, BOTH},
    {"and/or", R_OTHER, BOTH},
    {"versus", R_OTHER, BOTH},
    {"half of", R_OTHER, BEFORE},
    {"half", R_OTHER, BEFORE | TOUCHES},
    {"times", R_OTHER, BEFORE | TOUCHES},
    {"mod", R_OTHER, BEFORE | TOUCHES},
    {"modulo", R_OTHER, BOTH | TOUCHES},
    {"all but", DENIES, BEFORE | TOUCHES},
    {"twice", R_OTHER, BEFORE},
    {"double", R_OTHER, BEFORE},
    {"triple", R_OTHER, BEFORE},
    {"square of", R_OTHER, BEFORE},
    {"root of", R_OTHER, BEFORE},
    {"cube of", R_OTHER, BEFORE},
    {"plus", R_OTHER, BOTH},
    {"minus", R_OTHER, BOTH},
    {"factorial", R_OTHER, BEHIND},
    {"negative", R_OTHER, BEFORE | TOUCHES},
    {"else than", DENIES, BEFORE},
    {"if", R_OTHER, BEFORE | TOUCHES},
    {"unless", R_OTHER, BOTH | TOUCHES},
    {"alternatively", R_OTHER, BOTH | TOUCHES},
    {"maybe", R_OTHER, BEHIND | TOUCHES},
    {"perhaps", R_OTHER, BEHIND | TOUCHES},
    {"possibly", R_OTHER, BEHIND | TOUCHES},
    {"one of", R_OTHER, BEFORE | TOUCHES},
    {"any of", R_OTHER, BEFORE | TOUCHES},
    {"out of", R_OTHER, BEFORE | TOUCHES},
    {"multiple of", R_OTHER, BEFORE | TOUCHES},
    {"multiples of", R_OTHER, BEFORE | TOUCHES},
    {"divisor of", R_OTHER, BEFORE | TOUCHES},
    {"divisors of", R_OTHER, BEFORE | TOUCHES},
    {"factor of", R_OTHER, BEFORE | TOUCHES},
    {"factors of", R_OTHER, BEFORE | TOUCHES},
    {"power of", R_OTHER, BEFORE | TOUCHES},
    {"powers of", R_OTHER, BEFORE | TOUCHES},
    {"log of", R_OTHER, BEFORE | TOUCHES},
    {"logarithm of", R_OTHER, BEFORE | TOUCHES},
    {"opposite of", R_OTHER, BEFORE | TOUCHES},
    {"reciprocal of", R_OTHER, BEFORE | TOUCHES},
    {"inverse of", R_OTHER, BEFORE | TOUCHES},
    {"third of", R_OTHER, BEFORE | TOUCHES},
    {"quarter of", R_OTHER, BEFORE | TOUCHES},
    {"a sum of", 0, BEFORE | TOUCHES}, /* which is the number; "the sum of 5" goes on */
    {"sum of", R_OTHER, BEFORE | TOUCHES},
    {"integers in", R_OTHER, BEFORE | TOUCHES},
    {"squared", R_OTHER, BEHIND | TOUCHES},
    {"cubed", R_OTHER, BEHIND | TOUCHES},
    {"doubled", R_OTHER, BEHIND | TOUCHES},
    {"tripled", R_OTHER, BEHIND | TOUCHES},
    {"halved", R_OTHER, BEHIND | TOUCHES},
    {"below zero", R_OTHER, BEHIND},
    {"fails", DENIES, BEHIND | TOUCHES},
    {"halves", R_OTHER, BEHIND | TOUCHES},
    {"thirds", R_OTHER, BEHIND | TOUCHES},
    {"fifths", R_OTHER, BEHIND | TOUCHES},
    {"sixths", R_OTHER, BEHIND | TOUCHES},
    {"sevenths", R_OTHER, BEHIND | TOUCHES},
    {"eighths", R_OTHER, BEHIND | TOUCHES},
    {"ninths", R_OTHER, BEHIND | TOUCHES},
    {"tenths", R_OTHER, BEHIND | TOUCHES},
    {"elevenths", R_OTHER, BEHIND | TOUCHES},
    {"twelfths", R_OTHER, BEHIND | TOUCHES},
    {"hundredths", R_OTHER, BEHIND | TOUCHES},
    {"th root", R_OTHER, BEHIND | TOUCHES},
    {"divided by", R_OTHER, BEHIND | TOUCHES},
    {"multiplied by", R_OTHER, BEHIND | TOUCHES},
    {"and a half", R_OTHER, BEHIND | TOUCHES},
    {"and a third", R_OTHER, BEHIND | TOUCHES},
    {"and a quarter", R_OTHER, BEHIND | TOUCHES},
    {"times", R_OTHER, BEHIND | TOUCHES | AHEAD},
    {"to", R_OTHER, BEHIND | TOUCHES | AHEAD},
    {"out of", R_OTHER, BEHIND | TOUCHES | AHEAD},
};

/* How many of the words at w[0..count) this phrase takes; 0 if it does not stand there. */
static int phrase_at(const struct phrase *ph, const struct word *w, int count)
{
    const char *p = ph->words;
    if (count > 0 && tolower((unsigned char)*w->p) != *p) return 0;
    for (int k = 0; k < count; k++) {
        if (strncasecmp(w[k].p, p, w[k].n) != 0) return 0;
        p += w[k].n;
        if (!*p) return k + 1;
        if (*p++ != ' ') return 0;
    }
    return 0;
}

static const struct phrase *phrase_find(const struct word *w, int count, enum where where, int *taken)
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].where & where && (*taken = phrase_at(&phrases[i], w, count))) return &phrases[i];
    return NULL;
}

static bool is_denial(const struct word *w, int left, enum where where)
{
    static const struct phrase no = {"no", DENIES, BEFORE};
    int taken;
    if (w->n > 3 && strncasecmp(w->p + w->n - 3, "n't", 3) == 0) return true;
    if (where != BEFORE || !phrase_at(&no, w, left)) return false;
    return left == 1 || phrase_find(w + 1, left - 1, where, &taken); /* "no more than", not "no doubt that" */
}

static bool has_digit(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isdigit((unsigned char)s[i])) return true;
    return false;
}

/* Does a verb part what s begins with from the number: "the minimum of both is 12"? */
static bool verb_between(const char *s, size_t n)
{
    static const char *const verbs[] = {"is", "are", "was", "were", "equals", "gives", NULL};
    struct word w[WORDS_MAX];
    int count = clause_words(s, n, w, WORDS_MAX);
    for (int i = 0; i < count; i++)
        if (is_among(w[i].p, w[i].n, verbs)) return true;
    return false;
}

static bool is_number_ahead(const char *s, size_t n)
{
    fmpq_t value;
    size_t k = 0;
    while (k < n && strchr(" $\\(*", s[k])) k++;
    fmpq_init(value);
    bool number = k < n && (isdigit((unsigned char)s[k]) || number_words(s + k, n - k, value));
    fmpq_clear(value);
    return number;
}

/* Does the phrase s[from..to), before the number or behind it, stand as near to it as it must? */
static bool is_near(const struct phrase *ph, enum where where, const char *s, size_t n, size_t from,
                    size_t to)
{
    size_t gap = where == BEFORE ? to : 0, end = where == BEFORE ? n : from;
    if (!(ph->where & TOUCHES)) return true;
    while (gap < end && strchr(" ,*_$\\()", s[gap])) gap++;
    return gap == end && (!(ph->where & AHEAD) || is_number_ahead(s + to, n - to));
}

static int turned(int relation)
{
    return relation == R_LT ? R_GE : relation == R_GT ? R_LE : relation == R_LE ? R_GT : R_LT;
}

static int relation_of(const char *s, size_t n, enum where where, size_t *at, size_t *length)
{
    struct word w[WORDS_MAX];
    bool denied = false;
    int count = clause_words(s, n, w, WORDS_MAX), relation = 0, taken;
    *at = n;
    *length = 0;
    for (int i = 0; i < count; i++) {
        const struct phrase *ph = NULL;
        taken = 1;
        const char *end = w[i].p + w[i].n; /* the ones that are not red are 80 - 56 = 24 */
        size_t left = (size_t)(s + n - end);
        bool named = where == BEFORE && memchr(end, '=', left) && verb_between(end, left);
        if (named && (is_denial(&w[i], count - i, where) || ascii_word_at(w[i].p, w[i].n, "not"))) continue;
        if (is_denial(&w[i], count - i, where)) {
            denied = true;
        } else if ((ph = phrase_find(&w[i], count - i, where, &taken))) {
            size_t last = (size_t)(w[i + taken - 1].p - s) + w[i + taken - 1].n;
            bool subject = where == BEFORE && ph->means != DENIES &&
                           (memchr(s + last, '=', n - last) || verb_between(s + last, n - last));
            if (subject || !is_near(ph, where, s, n, (size_t)(w[i].p - s), last)) continue;
            if (ph->means == DENIES)
                denied = true;
            else
                relation = relation ? R_OTHER : ph->means;
            if (!ph->means) {
                i += taken - 1;
                continue;
            }
        } else {
            continue;
        }
        size_t from = (size_t)(w[i].p - s), to = (size_t)(w[i + taken - 1].p - s) + w[i + taken - 1].n;
        if (*length == 0) *at = from;
        *length = to - *at;
        i += taken - 1;
    }
    if (where == BEHIND && relation && has_digit(s, n)) relation = R_OTHER;
    if (!denied) return relation;
    return relation && relation != R_OTHER ? turned(relation) : R_NE;
}

int phrase_before(const char *s, size_t n)
{
    size_t at, length;
    return n ? relation_of(s, n, BEFORE, &at, &length) : 0;
}

bool is_crossed(const char *s, size_t n)
{
    static const char *const crosses[] = {"\xE2\x9C\x96", "\xE2\x9C\x97", "\xE2\x9C\x98", "\xE2\x9D\x8C",
                                          "\xE2\x9D\x8E"};
    size_t gap = 0;
    while (gap < n && strchr(" *_$\\)}]", s[gap])) gap++;
    for (size_t i = 0; i < sizeof crosses / sizeof *crosses; i++)
        if (n - gap >= 3 && memcmp(s + gap, crosses[i], 3) == 0) return true;
    return false;
}

int phrase_behind(const char *s, size_t n, size_t *at, size_t *length)
{
    return n ? relation_of(s, n, BEHIND, at, length) : 0;
}

/* ---- clauses ------------------------------------------------------------------------------------------- */

bool phrase_continues(const char *s, size_t n)
{
    struct word w[WORDS_MAX];
    size_t gap = strspn(s, " "), length = n < 60 ? n : 60;
    int taken, count = gap < length ? clause_words(s + gap, length - gap, w, 6) : 0;
    const struct phrase *ph = count && w[0].p == s + gap ? phrase_find(w, count, BEHIND, &taken) : NULL;
    if (!ph || (ph->means != R_OTHER && strncasecmp(ph->words, "or ", 3) != 0)) return false;
    size_t end = (size_t)(w[taken - 1].p + w[taken - 1].n - s);
    return !(ph->where & AHEAD) || is_number_ahead(s + end, n - end);
}

int phrase_in(const char *s, struct clause c, size_t from, size_t to)
{
    size_t at, length;
    if (s[c.end] == '?') return R_NE; /* asked, not said */
    int before = phrase_before(s + c.begin, from - c.begin),
        behind = is_crossed(s + to, c.end - to) ? R_NE : phrase_behind(s + to, c.end - to, &at, &length);
    if (before == R_NE) return R_NE; /* not 12 or 13 */
    return before && behind && before != behind ? R_OTHER : before ? before : behind;
}

int phrase_around(const char *s, size_t n, size_t from, size_t to)
{
    struct clause c = clause_around(s, n, from, to);
    return claim_denied(s, c.begin) ? R_NE : phrase_in(s, c, from, to);
}

/* ---- claims -------------------------------------------------------------------------------------------- */

bool claim_denied(const char *s, size_t at)
{
    static const char *const subjects[] = {"the",  "final", "correct", "right", "my",     "our",
                                           "your", "their", "best",    "that",  "this",   "answer",
                                           "is",   "was",   "equals",  "value", "result", NULL},
                             *const open[] = {"if",        "whether",    "unless", "suppose", "supposing",
                                              "assume",    "assuming",   "wrong",  "false",   "untrue",
                                              "incorrect", "impossible", NULL},
                             *const claims[] = {"think",   "believe", "say",   "says",    "said",  "claim",
                                                "claims",  "mean",    "true",  "correct", "case",  "clear",
                                                "certain", "sure",    "agree", "accept",  "right", NULL},
                             *const none[] = {"nobody", "none",  "never",   "cannot", "not", "no",
                                              "wrong",  "false", "without", "beyond", NULL},
                             *const doubt[] = {"doubt", "doubts", "deny", "denies", NULL};
    struct word w[WORDS_MAX];
    size_t from = at;
    while (from > 0 && at - from < 80 && !strchr(".,;:!?\n", s[from - 1])) from--;
    int count = clause_words(s + from, at - from, w, WORDS_MAX);
    while (count && is_among(w[count - 1].p, w[count - 1].n, subjects)) count--;
    if (count == 0) return false;
    const struct word *last = &w[count - 1];
    bool denied = false;
    for (int i = 0; i < count; i++)
        denied = denied || is_among(w[i].p, w[i].n, none) || is_denial(&w[i], count - i, BEHIND);
    return is_among(last->p, last->n, open) || (is_among(last->p, last->n, doubt) && !denied) ||
           (denied && is_among(last->p, last->n, claims));
}
