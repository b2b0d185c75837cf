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
    {"without", DENIES, BEFORE},
    {"wrong", DENIES, BOTH},
    {"incorrect", DENIES, BOTH},
    {"false", DENIES, BOTH},
    {"invalid", DENIES, BOTH},
    {"impossible", DENIES, BOTH},
    {"mistaken", DENIES, BOTH},
    {"either", R_OTHER, BEFORE},
    {"between", R_OTHER, BEFORE},
    {"or", R_OTHER, BOTH},
    {"and/or", R_OTHER, BOTH},
    {"versus", R_OTHER, BOTH},
    {"half of", R_OTHER, BEFORE},
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

struct word {
    const char *p;
    size_t n;
};

/* Words of letters, with the apostrophes and slashes inside them. */
static int words_of(const char *s, size_t n, struct word *out, bool *digits)
{
    int count = 0;
    *digits = false;
    for (size_t i = 0; i < n && count < WORDS_MAX;) {
        size_t from = i;
        while (i < n && (isalpha((unsigned char)s[i]) ||
                         (i > from && i + 1 < n && strchr("'/", s[i]) && isalpha((unsigned char)s[i + 1]))))
            i++;
        if (i > from) {
            out[count++] = (struct word){s + from, i - from};
        } else {
            *digits = *digits || isdigit((unsigned char)s[i]);
            i++;
        }
    }
    return count;
}

/* How many of the words at w[0..count) this phrase takes; 0 if it does not stand there. */
static int phrase_at(const struct phrase *ph, const struct word *w, int count)
{
    const char *p = ph->words;
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
    while (gap < end && strchr(" *_$\\()", s[gap])) gap++;
    return gap == end && (!(ph->where & AHEAD) || is_number_ahead(s + to, n - to));
}

static int turned(int relation)
{
    return relation == R_LT   ? R_GE
           : relation == R_GT ? R_LE
           : relation == R_LE ? R_GT
           : relation == R_GE ? R_LT
                              : R_OTHER;
}

static int relation_of(const char *s, size_t n, enum where where, size_t *at, size_t *length)
{
    struct word w[WORDS_MAX];
    bool digits, denied = false;
    int count = words_of(s, n, w, &digits), relation = 0, taken;
    *at = n;
    *length = 0;
    for (int i = 0; i < count; i++) {
        const struct phrase *ph = NULL;
        taken = 1;
        if (is_denial(&w[i], count - i, where)) {
            denied = true;
        } else if ((ph = phrase_find(&w[i], count - i, where, &taken))) {
            size_t last = (size_t)(w[i + taken - 1].p - s) + w[i + taken - 1].n;
            if (!is_near(ph, where, s, n, (size_t)(w[i].p - s), last)) continue;
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
    if (where == BEHIND && digits && relation) relation = R_OTHER;
    if (!denied) return relation;
    return relation ? turned(relation) : R_NE;
}

int phrase_before(const char *s, size_t n)
{
    size_t at, length;
    return n ? relation_of(s, n, BEFORE, &at, &length) : 0;
}

int phrase_behind(const char *s, size_t n, size_t *at, size_t *length)
{
    return n ? relation_of(s, n, BEHIND, at, length) : 0;
}

/* ---- articles ------------------------------------------------------------------------------------------ */

bool is_article(const char *s, size_t n)
{
    static const char *const verbs[] = {"is",  "was",  "are",   "has",   "because", "since", "as",
                                        "so",  "and",  "or",    "but",   "if",      "for",   "by",
                                        "to",  "not",  "would", "seems", "with",    "must",  "will",
                                        "can", "does", "then",  "also",  "cannot"};
    if (n < 3 || !strchr("aAI", s[0]) || s[1] != ' ' || !islower((unsigned char)s[2])) return false;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (ascii_word_at(s + 2, n - 2, verbs[i])) return false;
    return true;
}

/* ---- clauses ------------------------------------------------------------------------------------------- */

/* Words with which another thought begins. */
static bool starts_clause(const char *s, size_t n)
{
    static const char *const all[] = {"because", "since", "as",   "so",    "but",      "which",  "where",
                                      "when",    "while", "if",   "that",  "then",     "thus",   "hence",
                                      "though",  "after", "for",  "whereas", "although", "before"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (ascii_word_at(s, n, all[i])) return true;
    return false;
}

static bool ends_clause(const char *s, size_t n)
{
    if (strchr(",;:!?\n", *s)) return !(*s == ',' && n > 1 && isdigit((unsigned char)s[1]));
    return *s == '.' && (n == 1 || isspace((unsigned char)s[1]));
}

int phrase_around(const char *s, size_t n, size_t from, size_t to)
{
    size_t begin = from, end = to, at, length;
    while (begin > 0 && from - begin < 120 && !ends_clause(s + begin - 1, n - begin + 1)) begin--;
    for (size_t i = begin; i < from; i++) {
        bool thing = i > 6 && strncasecmp(s + i - 6, "thing ", 6) == 0; /* anything but 12 */
        if ((i == begin || s[i - 1] == ' ') && !thing && starts_clause(s + i, from - i)) begin = i;
    }
    while (end < n && end - to < 60 && !ends_clause(s + end, n - end) &&
           !(end > to && s[end - 1] == ' ' && starts_clause(s + end, n - end)))
        end++;
    int before = phrase_before(s + begin, from - begin),
        behind = phrase_behind(s + to, end - to, &at, &length);
    return before && behind && before != behind ? R_OTHER : before ? before : behind;
}
