/* around.c: what stands directly around a box, and what it makes of it.
 *
 * The box is the answer, whatever computes with it: in 12,000 written solutions "1 + 4 = 11 \cdot \boxed{2}",
 * "\boxed{80/3} a^4 b^2" and "\boxed{1331}_5" mean what is inside, and none means the whole. But a box that
 * is struck out (\cancel) or denied (\neq, "not", "is wrong") is no answer at all, "or" makes two values of
 * it, and a million behind it multiplies.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/extract_int.h"

#define REACH 1000 /* bytes in front of a box in which a group may have begun */

static size_t letters(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && isalpha((unsigned char)s[k])) k++;
    return k;
}

bool box_scaled(const char *s, size_t n, const struct span *box, struct str *out)
{
    size_t length, k = box->end; /* the word stands right behind the box, or behind its formula */
    while (k < n && k - box->end < 12 && strchr(" $\\~,)]", s[k])) k++;
    if (n - k > 6 && strncmp(s + k, "text{", 5) == 0) k += 5 + strspn(s + k + 5, " ");
    if (k >= n || !scale_word(s + k, n - k, &length)) return false;
    str_addf(out, "{%.*s}\\text{ %.*s}", (int)box->n, s + box->at, (int)length, s + k);
    return true;
}

/* ---- denial -------------------------------------------------------------------------------------------- */

/* Does one of the groups that the box stands in belong to a command that strikes out? */
static bool is_struck(const char *s, size_t from)
{
    static const char *const strikes[] = {"cancel", "bcancel", "xcancel", "sout", "st", "phantom", NULL};
    int closed = 0;
    for (size_t i = from; i > 0 && from - i < REACH; i--) {
        if (s[i - 1] == '}') closed++;
        if (s[i - 1] != '{' || closed-- > 0) continue;
        closed = 0;
        size_t name = i - 1;
        while (name > 0 && isalpha((unsigned char)s[name - 1])) name--;
        if (name > 0 && s[name - 1] == '\\' && is_among(s + name, i - 1 - name, strikes)) return true;
    }
    return false;
}

/* A sign of denial at the end of s[0..i): \neq, \not=, the sign of unequal. */
static bool unequal_before(const char *s, size_t i)
{
    static const char *const signs[] = {"\\neq", "\\ne", "\\notin", "\\not=", "\\not", "\xE2\x89\xA0"};
    while (i > 0 && strchr(" \n({", s[i - 1])) i--;
    for (size_t k = 0; k < sizeof signs / sizeof *signs; k++) {
        size_t length = strlen(signs[k]);
        if (i >= length && memcmp(s + i - length, signs[k], length) == 0) return true;
    }
    return false;
}

static size_t marks_back(const char *s, size_t i)
{
    while (i > 0 && strchr(" $*_(\\[\n{", s[i - 1])) i--;
    return i;
}

/* "not", "rather than", "not equal to" at the end of s[0..i). */
static bool denied_before(const char *s, size_t i)
{
    static const char *const fillers[] = {"be", "equal", "to", "simply", "exactly", "just", NULL};
    size_t end = marks_back(s, i), word, second;
    for (;; end = marks_back(s, word)) {
        word = end;
        while (word > 0 && end - word < 20 && (isalpha((unsigned char)s[word - 1]) || s[word - 1] == '\''))
            word--;
        if (!is_among(s + word, end - word, fillers)) break;
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
    static const char *const verbs[] = {"is", "was", "isn't", "wasn't", "seems", "looks", "would", NULL},
                     *const wrong[] = {"wrong", "incorrect", "false", "invalid", "mistaken", NULL},
                     *const right[] = {"correct", "right", "true", "the", "valid", "it", "my", NULL};
    bool not = false, denied = false;
    size_t i = strspn(s, " $*_)]}\\(\n");
    for (int word = 0; word < 4 && i < n; word++) {
        size_t k = letters(s + i, n - i);
        if (k && k + i + 1 < n && s[i + k] == '\'' && s[i + k + 1] == 't') k += 2;
        if (k == 0) break;
        const char *w = s + i;
        bool bracketed = i && s[i - 1] == '(' && is_among(w, k, wrong);
        if (word == 0 && !is_among(w, k, verbs) && !bracketed) return false;
        if (is_among(w, k, wrong)) denied = !not;
        if (not && is_among(w, k, right)) denied = true;
        not = not || ascii_word_at(w, n - i, "not") || (k > 3 && strncasecmp(w + k - 3, "n't", 3) == 0);
        i += k;
        i += strspn(s + i, " *_");
    }
    return denied;
}

bool box_denied(const char *s, size_t n, const struct span *box)
{
    return is_struck(s, box->from) || unequal_before(s, box->from) || denied_before(s, box->from) ||
           denied_behind(s + box->end, n - box->end) || is_crossed(s + box->end, n - box->end);
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
