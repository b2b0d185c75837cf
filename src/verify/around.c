/* around.c: what stands directly around a box, and what it makes of it.
 *
 * The formula that a box stands in is cut at its relations, arrows, commas and words. If anything is left
 * beside the box that computes (-\boxed{5}, \frac{\boxed{5}}{3}, \boxed{5}\pi, \boxed{5} million), the answer
 * is this piece with the box as a group. Outside of dollars only what touches the box belongs to its piece. A
 * box that is struck out (\cancel) or denied (\neq, "not", "is wrong") is no answer at all.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/extract_int.h"
#include "verify/parse_int.h"

#define REACH      1000 /* bytes of a formula on either side */
#define FRAMES_MAX 64

/* What a group does to the box inside it. */
enum group { CLEAR, WORDS /* or another box: it is cut off */, OPAQUE, STRUCK };
struct frame {
    size_t start;
    enum group group;
};
struct piece_scan {
    const char *s;
    size_t n, lo, hi, from, to; /* the text; the formula, or the line; the box */
    bool math;                  /* between marks of formulas */
    struct frame frame[FRAMES_MAX];
    int open;
    size_t start;       /* of the piece, so far */
    enum group ahead;   /* of the group that opens next, or was closed last */
    bool named, denies; /* a command stands before that group; a sign of denial before the box */
    bool deep;          /* too deep to be followed */
};
enum move { MATH, IDLE, CUT };

static size_t letters(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && isalpha((unsigned char)s[k])) k++;
    return k;
}

static bool is_any(const char *s, size_t n, const char *const *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(all[i]) == n && strncasecmp(s, all[i], n) == 0) return true;
    return false;
}
#define IS_ANY(s, n, all) is_any(s, n, all, sizeof all / sizeof *all)

/* ---- the formula that the box stands in ---------------------------------------------------------------- */

static bool mark_at(const char *s, size_t n, const char *marks)
{
    return *s == '$' || (n > 1 && *s == '\\' && strchr(marks, s[1]));
}

static void formula_around(struct piece_scan *c)
{
    const char *s = c->s;
    size_t i = c->from, k = c->to;
    while (i > 0 && c->from - i < REACH && !mark_at(s + i - 1, c->n - i + 1, "([])") &&
           strncmp(s + i - 1, "\n\n", 2) != 0)
        i--;
    bool opened = i > 0 && (s[i - 1] == '$' || strchr("([", s[i]));
    if (i > 0 && s[i - 1] == '\\') i++;
    while (k < c->n && k - c->to < REACH && !mark_at(s + k, c->n - k, "([])") &&
           strncmp(s + k, "\n\n", 2) != 0)
        k++;
    bool closed = k < c->n && (s[k] == '$' || (s[k] == '\\' && strchr(")]", s[k + 1])));
    c->math = opened && closed;
    c->lo = i;
    c->hi = k;
}

/* ---- one step through it ------------------------------------------------------------------------------- */

/* A command: is it mathematics, and what does its group do? */
static enum move command_step(struct piece_scan *c, const char *name, size_t k)
{
    static const char *const strikes[] = {"cancel", "bcancel", "xcancel", "sout", "st", "phantom"},
                             *const boxes[] = {"boxed", "fbox"};
    const struct command *found = command_find(name, k);
    enum token_kind kind = found ? found->kind : T_END;
    c->named = true;
    if (IS_ANY(name, k, strikes)) {
        c->ahead = STRUCK;
        return IDLE;
    }
    c->ahead = kind == T_TEXT || IS_ANY(name, k, boxes) ? WORDS : CLEAR;
    switch (kind) {
    case T_TEXT:
    case T_FONT:
    case T_SKIP: return found->value == 'q' ? CUT : IDLE;
    case T_REL: c->denies = found->value == R_NE || found->value == R_NOTIN; return CUT;
    case T_NOT: c->denies = true; return CUT;
    case T_OP:
    case T_PM:
    case T_FRAC:
    case T_SQRT:
    case T_BINOM:
    case T_FN:
    case T_CONST:
    case T_SYM:
    case T_BIG:
    case T_OPEN:
    case T_CLOSE:
    case T_DEGREE:
    case T_PRIME:
    case T_ACCENT: c->ahead = OPAQUE; return MATH;
    default: return CUT; /* arrows, ends of proofs, what nobody knows */
    }
}

/* Signs outside of ASCII: those that compute go on, the others cut. */
static enum move wide_step(struct piece_scan *c, const char *p)
{
    static const char *const signs[] = {"\xE2\x88\x92", "\xE2\x88\x9A", "\xCF\x80", "\xC3\x97",
                                        "\xC3\xB7",     "\xC2\xB7",     "\xC2\xB1", "\xC2\xB0"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strncmp(p, signs[i], strlen(signs[i])) == 0) return MATH;
    if (strncmp(p, "\xE2\x89\xA0", 3) == 0) c->denies = true; /* the sign of unequal */
    return CUT;
}

/* The move at s[i]; its bytes. Groups are followed by the caller. */
static enum move step(struct piece_scan *c, size_t i, size_t *bytes)
{
    static const char *const short_words[] = {"is", "so", "to", "of", "it", "we", "or", "as", "at", "be",
                                              "th", "st", "nd", "rd"};
    const char *p = c->s + i;
    size_t left = c->n - i, k = letters(p, left);
    *bytes = 1;
    if (*p == '\\') {
        k = letters(p + 1, left - 1);
        *bytes = k + 1;
        if (k) return command_step(c, p + 1, k);
        *bytes = 2;
        if (left < 2) *bytes = 1;
        return left > 1 && strchr(",;:! ", p[1]) ? IDLE : CUT;
    }
    if (k) {
        *bytes = k;
        return k >= 3 || IS_ANY(p, k, short_words) ? CUT : MATH;
    }
    if (isspace((unsigned char)*p)) return c->math ? IDLE : CUT;
    if ((unsigned char)*p >= 0x80) {
        while (*bytes < left && ((unsigned char)p[*bytes] & 0xC0) == 0x80) ++*bytes;
        return wide_step(c, p);
    }
    if (*p == '.') return left > 1 && isdigit((unsigned char)p[1]) ? MATH : CUT;
    if (isdigit((unsigned char)*p) || strchr("+-/^()[]|", *p)) return MATH;
    return c->math && strchr("*!_", *p) ? MATH : CUT;
}

static void group_opened(struct piece_scan *c, size_t i)
{
    char before = i > 0 ? c->s[i - 1] : 0;
    enum group group = c->named || before == '}' ? c->ahead : strchr("^_", before) && before ? OPAQUE : CLEAR;
    c->named = false;
    if (c->open == FRAMES_MAX) {
        c->deep = true;
        return;
    }
    c->frame[c->open++] = (struct frame){.start = c->start, .group = group};
    if (group == CLEAR || group == WORDS) c->start = i + 1;
}

static void group_closed(struct piece_scan *c, size_t i)
{
    if (c->open == 0) {
        c->start = i + 1;
        return;
    }
    const struct frame *f = &c->frame[--c->open];
    c->start = f->group == WORDS ? i + 1 : f->start;
    c->ahead = f->group;
}

/* Goes through the formula up to the box: where its piece begins, the groups that are open, a denial. */
static void before_box(struct piece_scan *c)
{
    size_t bytes;
    c->start = c->lo;
    for (size_t i = c->lo; i < c->from; i += bytes) {
        char at = c->s[i];
        bytes = 1;
        if (at == '{') {
            group_opened(c, i);
        } else if (at == '}') {
            group_closed(c, i);
        } else {
            bool denied = c->denies && strchr("= \n(", at);
            enum move move = step(c, i, &bytes);
            if (at != '\\' && (unsigned char)at < 0x80) c->denies = denied;
            bool hidden = c->open && c->frame[c->open - 1].group == OPAQUE;
            if (move == CUT && !hidden) c->start = i + bytes;
        }
    }
}

/* The end of the piece behind the box. */
static size_t behind_box(struct piece_scan *c)
{
    size_t bytes, i = c->to;
    int open = c->open;
    for (; i < c->hi; i += bytes) {
        char at = c->s[i];
        bytes = 1;
        if (at == '{') {
            group_opened(c, i);
        } else if (at == '}') {
            if (c->open == 0) break;
            enum group group = c->frame[c->open - 1].group;
            if (c->open <= open && group != OPAQUE) break;
            group_closed(c, i);
            if (c->open < open) open = c->open;
        } else if (percent_behind(c->s + i, c->n - i) == 1) {
            break;
        } else {
            bool hidden = c->open && c->frame[c->open - 1].group == OPAQUE;
            enum move move = step(c, i, &bytes);
            const char *name = c->s + i + 1;
            bool words = at == '\\' && (c->ahead == WORDS || strncmp(name, "mathrm", 6) == 0 ||
                                        strncmp(name, "%", 1) == 0);
            if ((move == CUT && !hidden) || words) break;
        }
    }
    return i;
}

/* ---- the piece ----------------------------------------------------------------------------------------- */

/* Takes blanks, and commands that only make room or size, off both ends. */
static void piece_trimmed(const char *s, size_t *from, size_t *to)
{
    for (bool more = true; more && *from < *to;) {
        size_t k = s[*from] == '\\' ? letters(s + *from + 1, *to - *from - 1) : 0;
        const struct command *c = k ? command_find(s + *from + 1, k) : NULL;
        bool room = s[*from] == '\\' && !k, idle = c && c->kind == T_SKIP;
        more = isspace((unsigned char)s[*from]) || room || idle;
        if (more) *from += room ? 2 : 1 + k;
    }
    if (*from > *to) *from = *to;
    while (*to > *from && isspace((unsigned char)s[*to - 1])) --*to;
}

static bool only(const char *s, size_t from, size_t to, const char *chars)
{
    while (from < to && strchr(chars, s[from])) from++;
    return from == to;
}

/* Brackets that only one side has are those of the prose. */
static void brackets_balanced(const char *s, size_t *start, size_t from, size_t to, size_t *end)
{
    int opened = 0, closed = 0;
    size_t last = *start, first = *end;
    for (size_t i = from; i > *start; i--) {
        if (strchr(")]", s[i - 1])) opened--;
        if (strchr("([", s[i - 1]) && ++opened == 1) last = i;
    }
    for (size_t i = to; i < *end; i++) {
        if (strchr("([", s[i])) closed--;
        if (strchr(")]", s[i]) && ++closed == 1) first = i;
    }
    if (opened == closed) return;
    if (opened > 0) *start = last;
    if (closed > 0) *end = first;
}

/* 3 + \boxed{4} = 7 fills a blank in numbers. */
static bool fills_blank(const struct piece_scan *c, size_t end)
{
    size_t k = end;
    while (k < c->hi && isspace((unsigned char)c->s[k])) k++;
    if (k >= c->hi || c->s[k] != '=') return false;
    for (size_t i = c->start; i < c->hi; i++) {
        if (i == c->from) i = c->to;
        if (i < c->hi && c->s[i] == '\\')
            i += letters(c->s + i + 1, c->hi - i - 1);
        else if (i < c->hi && isalpha((unsigned char)c->s[i]))
            return false;
    }
    return true;
}

/* million, dozen: right behind the box, or behind the formula. Its bytes. */
static size_t scale_behind(const struct piece_scan *c, size_t end, const char **word)
{
    size_t length, k = end;
    while (k < c->n && k - end < 12 && strchr(" $\\~,)]", c->s[k])) k++;
    if (c->n - k > 6 && strncmp(c->s + k, "text{", 5) == 0) k += 5 + strspn(c->s + k + 5, " ");
    *word = c->s + k;
    return k < c->n && scale_word(c->s + k, c->n - k, &length) ? length : 0;
}

static void scan_around(struct piece_scan *c, const char *s, size_t n, const struct span *box)
{
    *c = (struct piece_scan){.s = s, .n = n, .from = box->from, .to = box->end};
    formula_around(c);
    before_box(c);
}

bool box_computed(const char *s, size_t n, const struct span *box, struct str *out)
{
    struct piece_scan c;
    const char *scale;
    bool alone;
    if (choice_at(s + box->at, box->n, &alone)) return false; /* \boxed{(C)}\ 12 */
    scan_around(&c, s, n, box);
    size_t behind = behind_box(&c), from = c.from, to = c.to;
    if (c.deep || fills_blank(&c, behind)) return false;
    brackets_balanced(s, &c.start, from, to, &behind);
    piece_trimmed(s, &c.start, &from);
    piece_trimmed(s, &to, &behind);
    while (behind > to && strchr("-+/", s[behind - 1])) behind--; /* a dash of the prose */
    size_t before = c.start > c.lo ? c.start - 1 : c.start;
    bool dash = !c.math && only(s, c.start, from, "-") && isalpha((unsigned char)s[before]);
    if (dash || only(s, c.start, from, "([|")) c.start = from;
    if (c.start == from && only(s, to, behind, ")]|")) behind = to;
    size_t scaled = scale_behind(&c, behind, &scale);
    if (c.start == from && behind == to && !scaled) return false;
    str_add(out, s + c.start, from - c.start);
    str_addf(out, "{%.*s}", (int)box->n, s + box->at);
    str_add(out, s + to, behind - to);
    if (scaled) str_addf(out, "\\text{ %.*s}", (int)scaled, scale);
    return true;
}

/* ---- denial -------------------------------------------------------------------------------------------- */

static size_t marks_back(const char *s, size_t i)
{
    while (i > 0 && strchr(" $*_(\\[\n{", s[i - 1])) i--;
    return i;
}

/* "not", "rather than", "not equal to" at the end of s[0..i). */
static bool denied_before(const char *s, size_t i)
{
    static const char *const fillers[] = {"be", "equal", "to", "simply", "exactly", "just"};
    size_t end = marks_back(s, i), word = end, second;
    for (;; end = marks_back(s, word)) {
        word = end;
        while (word > 0 && end - word < 20 && (isalpha((unsigned char)s[word - 1]) || s[word - 1] == '\''))
            word--;
        if (!IS_ANY(s + word, end - word, fillers)) break;
    }
    if (word == end || (word > 0 && s[word - 1] == '\\')) return false;
    if (phrase_before(s + word, end - word) == R_NE) return true;
    for (second = marks_back(s, word); second > 0 && isalpha((unsigned char)s[second - 1]);) second--;
    size_t gap = marks_back(s, word);
    return end - second < 30 && phrase_before(s + second, end - second) == R_NE &&
           phrase_before(s + second, gap - second) != R_NE;
}

/* "is wrong", "isn't the answer", "(incorrect)". */
static bool denied_behind(const char *s, size_t n)
{
    static const char *const verbs[] = {"is", "was", "isn't", "wasn't", "seems", "looks", "would"},
                     *const wrong[] = {"wrong", "incorrect", "false", "invalid", "mistaken"},
                     *const right[] = {"correct", "right", "true", "the", "valid", "it", "my"};
    bool not = false, denied = false;
    size_t i = strspn(s, " $*_)]}\\(\n");
    for (int word = 0; word < 4 && i < n; word++) {
        size_t k = letters(s + i, n - i);
        if (k && k + i + 1 < n && s[i + k] == '\'' && s[i + k + 1] == 't') k += 2;
        if (k == 0) break;
        const char *w = s + i;
        if (word == 0 && !IS_ANY(w, k, verbs) && !(i && s[i - 1] == '(' && IS_ANY(w, k, wrong))) return false;
        if (IS_ANY(w, k, wrong)) denied = !not;
        if (not && IS_ANY(w, k, right)) denied = true;
        not = not || ascii_word_at(w, n - i, "not") || (k > 3 && strncasecmp(w + k - 3, "n't", 3) == 0);
        i += k;
        i += strspn(s + i, " *_");
    }
    return denied;
}

bool box_denied(const char *s, size_t n, const struct span *box)
{
    struct piece_scan c;
    scan_around(&c, s, n, box);
    for (int i = 0; i < c.open; i++)
        if (c.frame[i].group == STRUCK) return true;
    return c.denies || denied_before(s, box->from) || denied_behind(s + box->end, n - box->end);
}

size_t box_alternative(const char *s, size_t n, const struct span *box, size_t *at)
{
    size_t k = box->end, end;
    k += strspn(s + k, " $*)\\");
    if (k >= n || !ascii_word_at(s + k, n - k, "or")) return 0;
    k += 2;
    k += strspn(s + k, " $*\\(");
    *at = end = k;
    while (end < n && (isdigit((unsigned char)s[end]) || strchr("./-", s[end]))) end++;
    while (end > k && strchr(".-", s[end - 1])) end--;
    return end - k;
}
