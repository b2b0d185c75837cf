/* clean.c: one spelling for many.
 *
 * People write the same number as 1{,}000, 1 000, $1,000 or １０００. Here Unicode signs become ASCII, LaTeX
 * spacing and sizing vanish, all fractions are \frac, and currency signs, Markdown stars and back-quotes
 * are dropped. One pass over the bytes; the result is at most four times as long as the input.
 */
#include <ctype.h>
#include <string.h>

#include "verify/verify_int.h"

struct spelling {
    const char *from, *to;
};

/* UTF-8 and punctuation; the first that matches wins. */
static const struct spelling marks[] = {
    /* minus, en dash, wide minus; times and middle dots; divided by and slashes */
    {"\xE2\x88\x92", "-"},
    {"\xE2\x80\x93", "-"},
    {"\xEF\xBC\x8D", "-"},
    {"\xC3\x97", "*"},
    {"\xC2\xB7", "*"},
    {"\xE2\x8B\x85", "*"},
    {"\xC3\xB7", "/"},
    {"\xE2\x81\x84", "/"},
    {"\xE2\x88\x95", "/"},
    /* no-break, narrow and thin blanks; zero width, byte order mark, replacement character */
    {"\xC2\xA0", " "},
    {"\xE2\x80\xAF", " "},
    {"\xE2\x80\x89", " "},
    {"\xE2\x80\x8B", ""},
    {"\xEF\xBB\xBF", ""},
    {"\xEF\xBF\xBD", ""},
    /* euro, pound, yen, cent, dollars */
    {"\xE2\x82\xAC", ""},
    {"\xC2\xA3", ""},
    {"\xC2\xA5", ""},
    {"\xC2\xA2", ""},
    {"US$", ""},
    {"US\\$", ""},
    {"\\$", ""},
    {"$", ""},
    /* degree, squares and cubes, fractions */
    {"\xC2\xB0", " degrees"},
    {"\xC2\xB2", "^2"},
    {"\xC2\xB3", "^3"},
    {"\xC2\xBD", " 1/2"},
    {"\xC2\xBC", " 1/4"},
    {"\xC2\xBE", " 3/4"},
    {"\xE2\x85\x93", " 1/3"},
    {"\xE2\x85\x94", " 2/3"},
    /* LaTeX spacing, delimiters, percent; Markdown */
    {"{,}", ","},
    {"\\,", " "},
    {"\\;", " "},
    {"\\:", " "},
    {"\\ ", " "},
    {"\\!", ""},
    {"~", " "},
    {"\\%", "%"},
    {"\\(", ""},
    {"\\)", ""},
    {"\\[", ""},
    {"\\]", ""},
    {"**", ""},
    {"`", ""},
    {"\t", " "},
    {"\r", " "},
};

/* Commands by their whole name. */
static const struct spelling commands[] = {
    {"dfrac", "\\frac"},  {"tfrac", "\\frac"},   {"cfrac", "\\frac"}, {"cdot", "*"},  {"times", "*"},
    {"ast", "*"},         {"div", "/"},          {"quad", " "},       {"qquad", " "}, {"left", ""},
    {"right", ""},        {"big", ""},           {"Big", ""},         {"bigl", ""},   {"bigr", ""},
    {"displaystyle", ""}, {"textstyle", ""},     {"boxed", ""},       {"mathbf", ""}, {"bm", ""},
    {"boldsymbol", ""},   {"degree", "^\\circ"}, {"percent", "%"},    {"limits", ""},
};

static size_t letters_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && isalpha((unsigned char)s[k])) k++;
    return k;
}

/* A full-width digit or letter sign at s becomes ASCII; returns the bytes read, 0 if it is none. */
static size_t wide_digit(const char *s, size_t n, struct str *out)
{
    if (n < 3 || (unsigned char)s[0] != 0xEF || (unsigned char)s[1] != 0xBC) return 0;
    int digit = (unsigned char)s[2] - 0x90;
    if (digit < 0 || digit > 9) return 0;
    str_addf(out, "%d", digit);
    return 3;
}

static size_t mark_at(const char *s, size_t n, struct str *out)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (marks[i].from[0] != s[0]) continue;
        size_t k = strlen(marks[i].from);
        if (k > n || memcmp(s, marks[i].from, k) != 0) continue;
        str_puts(out, marks[i].to);
        return k;
    }
    return wide_digit(s, n, out);
}

static size_t command_at(const char *s, size_t n, struct str *out)
{
    if (s[0] != '\\') return 0;
    size_t k = letters_at(s + 1, n - 1);
    for (size_t i = 0; k && i < sizeof commands / sizeof *commands; i++) {
        if (strlen(commands[i].from) != k || memcmp(s + 1, commands[i].from, k) != 0) continue;
        str_puts(out, commands[i].to);
        return k + 1;
    }
    return 0;
}

void clean_math(const char *s, size_t n, struct str *out)
{
    for (size_t i = 0; i < n;) {
        size_t k = 0;
        if (!isalnum((unsigned char)s[i]) || s[i] == 'U') k = mark_at(s + i, n - i, out);
        if (!k) k = command_at(s + i, n - i, out);
        if (!k) str_add(out, s + i, k = 1);
        i += k;
    }
}

/* \text, \textbf, \mathrm, \mbox ...: commands whose argument is plain words. Length of the command, or 0. */
static size_t word_command(const char *s, size_t n)
{
    static const char *const names[] = {"text",   "textbf", "textit", "textrm", "mathrm",      "mathit",
                                        "mathsf", "mathtt", "mbox",   "textsf", "operatorname"};
    if (n < 2 || s[0] != '\\') return 0;
    size_t k = letters_at(s + 1, n - 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == k && memcmp(s + 1, names[i], k) == 0) return k + 1;
    return 0;
}

/* Leave out word commands with the braces of their arguments. */
static void unwrap(const char *s, size_t n, struct str *out)
{
    enum { DEPTH = 64 };
    bool dropped[DEPTH] = {false}, drop_next = false;
    size_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = word_command(s + i, n - i);
        if (k) {
            drop_next = true;
            i += k - 1;
            continue;
        }
        if (s[i] == '{') {
            bool drop = drop_next && depth < DEPTH;
            if (depth < DEPTH) dropped[depth] = drop;
            depth++;
            drop_next = false;
            if (drop) continue;
        } else if (s[i] == '}' && depth > 0) {
            depth--;
            if (depth < DEPTH && dropped[depth]) continue;
        } else if (s[i] != ' ') {
            drop_next = false;
        }
        str_add(out, s + i, 1);
    }
}

/* Words: letters in runs of three or more (two in plain text), a capital alone, digits, and - ' . , :
 * between. */
static bool is_words(const char *s, size_t n, bool latex)
{
    bool any = false;
    for (size_t i = 0; i < n;) {
        size_t k = letters_at(s + i, n - i);
        unsigned char c = (unsigned char)s[i];
        if (k) {
            bool capital = k == 1 && isupper(c);
            if (!capital && k < (latex ? 3 : 2)) return false;
            any = true;
            i += k;
            if (i < n && isdigit((unsigned char)s[i])) return false;
        } else if (isdigit(c)) {
            while (i < n && isdigit((unsigned char)s[i])) i++;
            if (letters_at(s + i, n - i)) return false;
        } else if (c >= 0x80 || strchr(" \n-'.,:()", c)) {
            any = any || c >= 0x80;
            i++;
        } else {
            return false;
        }
    }
    return any;
}

bool clean_text(const char *s, size_t n, bool latex, struct str *out)
{
    struct str math, bare;
    str_init(&math, 0);
    str_init(&bare, 0);
    clean_math(s, n, &math);
    unwrap(math.p, math.len, &bare);
    bool words = is_words(bare.p, bare.len, latex);

    size_t from = out->len;
    for (size_t i = 0; i < bare.len; i++)
        if (bare.p[i] != ' ' && bare.p[i] != '\n') str_add(out, bare.p + i, 1);
    if (out->len > from && strchr(latex ? ".,;" : ".,;:!?", out->p[out->len - 1])) out->p[--out->len] = 0;
    if (out->len - from == 3 && out->p[from] == '(' && out->p[from + 2] == ')') {
        out->p[from] = out->p[from + 1];
        out->len = from + 1;
        out->p[out->len] = 0;
    }
    if (out->len - from > 1)
        for (size_t i = from; i < out->len; i++) out->p[i] = (char)tolower((unsigned char)out->p[i]);
    str_release(&math);
    str_release(&bare);
    return words;
}
