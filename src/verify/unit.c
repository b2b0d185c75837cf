/* unit.c: what may stand around a number without changing it: "x =" before, a percent sign or a unit behind.
 *
 * A unit is words: \text{...}, degrees, a power of a unit, several with / between. A lone letter counts as a
 * unit in plain text only (5 m), because in a formula it is a variable. Words that compute (pi, sqrt, and,
 * or) are no units.
 */
#include <ctype.h>
#include <string.h>

#include "verify/verify_int.h"

static bool word_is(const char *p, size_t n, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == n && strncasecmp(p, *words, n) == 0) return true;
    return false;
}

static size_t letters_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && (isalpha((unsigned char)s[k]) || (unsigned char)s[k] >= 0x80)) k++;
    return k;
}

static size_t blanks_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && (s[k] == ' ' || s[k] == '\n')) k++;
    return k;
}

size_t percent_at(const char *s, size_t n)
{
    static const char *const words[] = {"percent", "percentage", "pct", NULL};
    size_t from = blanks_at(s, n), wrap = 0;
    if (from < n && s[from] == '%') return from + 1;
    if (n - from > 6 && memcmp(s + from, "\\text{", 6) == 0) wrap = 6;
    size_t at = from + wrap + blanks_at(s + from + wrap, n - from - wrap), k = letters_at(s + at, n - at);
    if (!word_is(s + at, k, words)) return 0;
    at += k;
    if (!wrap) return at;
    return at < n && s[at] == '}' ? at + 1 : 0;
}

/* Bytes of {...} at s, braces balanced; 0 if not closed. */
static size_t braces_at(const char *s, size_t n)
{
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '{') depth++;
        if (s[i] == '}' && --depth == 0) return i + 1;
        if (depth == 0) return 0;
    }
    return 0;
}

/* \text{...}, \mathrm{...}, \mbox{...}, \textbf{...}; 0 if none. */
static size_t wrapped_at(const char *s, size_t n)
{
    static const char *const names[] = {"text",   "mathrm", "mbox",         "textrm",
                                        "textbf", "textit", "operatorname", NULL};
    if (!n || s[0] != '\\') return 0;
    size_t k = 0;
    while (k + 1 < n && isalpha((unsigned char)s[k + 1])) k++;
    if (!word_is(s + 1, k, names)) return 0;
    size_t more = braces_at(s + 1 + k, n - 1 - k);
    return more ? 1 + k + more : 0;
}

static size_t exponent_at(const char *s, size_t n)
{
    if (n < 2 || s[0] != '^') return 0;
    if (n > 5 && memcmp(s, "^\\circ", 6) == 0) return 6;
    if (s[1] == '{') {
        size_t k = braces_at(s + 1, n - 1);
        return k ? k + 1 : 0;
    }
    return isdigit((unsigned char)s[1]) ? 2 : 0;
}

bool unit_is(const char *s, size_t n, enum style style)
{
    static const char *const no_units[] = {"pi",   "sqrt",  "sin", "cos", "tan", "log",      "ln",
                                           "exp",  "and",   "or",  "to",  "inf", "infinity", "times",
                                           "plus", "minus", "mod", "not", NULL};
    static const char short_units[] = "mgshlLKC";
    for (size_t i = 0; i < n;) {
        size_t k = letters_at(s + i, n - i), more = wrapped_at(s + i, n - i);
        if (k == 1 && (style != STYLE_PLAIN || !strchr(short_units, s[i]))) return false;
        if (k && word_is(s + i, k, no_units)) return false;
        if (!k) k = more;
        if (!k) k = exponent_at(s + i, n - i);
        if (!k && strchr(" \n/-.,;!?\"')", s[i])) k = 1;
        if (!k) return false;
        i += k;
    }
    return true;
}

/* Does the text before the last "=" merely name what follows: "x", "f(2)", "1+2"? A list, a relation or an
 * equation to be solved ("x-3") does not. */
static bool names_it(const char *s, size_t n)
{
    static const char *const others[] = {",",    ";",    "<",    ">",        "\\text", "\\le", "\\ge",
                                         "\\ne", "\\in", "\\or", "\\approx", " or ",   " and "};
    bool letter = false, computes = false;
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
            size_t m = strlen(others[k]);
            if (m <= n - i && memcmp(s + i, others[k], m) == 0) return false;
        }
        if (s[i] == '(' || s[i] == '{') depth++;
        if (s[i] == ')' || s[i] == '}') depth--;
        if (isalpha((unsigned char)s[i])) letter = true;
        if (depth == 0 && (isdigit((unsigned char)s[i]) || s[i] == '+' || s[i] == '-'))
            computes = computes || i == 0 || s[i - 1] != '_';
    }
    return !(letter && computes);
}

size_t name_before(const char *s, size_t n)
{
    for (size_t i = n; i-- > 0;)
        if (s[i] == '=') return names_it(s, i) ? i + 1 : 0;
    return 0;
}
