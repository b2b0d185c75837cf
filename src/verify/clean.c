/* clean.c: one spelling for many, before anything is parsed or compared as text. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/clean_int.h"
#include "verify/verify_int.h"

/* Characters raised or lowered one by one form one group: x²³ is x^{23}. */
static void add_script(struct str *out, const char *means)
{
    char open[3] = {means[0], '{', 0};
    bool joined = out->len > 3 && out->p[out->len - 1] == '}' && out->p[out->len - 2] != '\\';
    size_t at = out->len;
    while (joined && at > 0 && out->p[at - 1] != '{') at--;
    joined = joined && at >= 2 && out->p[at - 2] == means[0] && out->p[at] != '\\';
    if (joined) {
        out->p[--out->len] = 0;
    } else {
        str_puts(out, open);
    }
    str_puts(out, means + 1);
    str_puts(out, "}");
}

static void add_sign(struct str *out, const char *means)
{
    if ((means[0] == '^' || means[0] == '_') && means[1] && means[1] != '{') {
        add_script(out, means);
    } else if (means[0] == 'F') {
        const char *slash = strchr(means, '/');
        str_puts(out, "\\frac{");
        str_add(out, means + 1, (size_t)(slash - means) - 1);
        str_puts(out, "}{");
        str_puts(out, slash + 1);
        str_puts(out, "}");
    } else {
        str_puts(out, means);
    }
}

/* Full-width ASCII (U+FF01 to U+FF5E): EF BC 81 ... EF BD 9E. 0 if it is none. */
static char full_width(const char *s, int n)
{
    if (n != 3 || (unsigned char)s[0] != 0xEF) return 0;
    unsigned code = ((unsigned char)s[1] & 0x3Fu) << 6 | ((unsigned char)s[2] & 0x3Fu);
    return code >= 0xF01 && code <= 0xF5E ? (char)(code - 0xF01 + '!') : 0;
}

/* Bytes of a currency mark in front of an amount, as another sign has it: US\$, USD 12, Rs. 12. */
static size_t currency_at(const char *s, size_t n, bool start, const char **sign)
{
    static const struct {
        const char *mark, *sign;
    } marks[] = {{"US\\$", "\\$"},   {"AU\\$", "\\$"},    {"US$", "\\$"},      {"AU$", "\\$"},
                 {"USD", "\\$"},     {"EUR", "\\euro "},  {"GBP", "\\pounds "}, {"JPY", "\\yen "},
                 {"INR", "\\rupee "}, {"Rs.", "\\rupee "}, {"Rs", "\\rupee "}};
    for (size_t i = 0; start && i < sizeof marks / sizeof *marks; i++) {
        if (*s != *marks[i].mark) continue;
        size_t k = strlen(marks[i].mark), gap = k;
        if (n <= k || strncmp(s, marks[i].mark, k) != 0) continue;
        while (gap < n && s[gap] == ' ') gap++;
        if (gap == n || !(isdigit((unsigned char)s[gap]) || s[gap] == '.')) continue;
        *sign = marks[i].sign;
        return k;
    }
    return 0;
}

/* Is the bare dollar at s the sign of an amount, and none of two that mark a formula? A mark that closes
 * stands right behind what it closes: in "$5 and $6" the second one does not. */
static bool is_dollar_sign(const char *s, size_t n, enum style style)
{
    size_t k = 1;
    while (k < n && (isdigit((unsigned char)s[k]) || strchr(".,", s[k]))) k++;
    if (k == 1) return false;
    const char *other = memchr(s + k, '$', n - k);
    bool closes = other && other[-1] != ' ' && !(other + 1 < s + n && isdigit((unsigned char)other[1]));
    return !closes && (style == STYLE_PLAIN || !other);
}

/* The bytes of "p.m." or "AM" behind the digit of a time at s[i]; 0. Of 3am a formula may mean a product. */
static size_t half_of_day_at(const char *s, size_t n, size_t i, enum style style)
{
    size_t before = i, k = i + 1;
    if (!s[i] || !strchr("apAP", s[i])) return 0;
    while (before && i - before < 4 && s[before - 1] == ' ') before--;
    if (!before || !isdigit((unsigned char)s[before - 1])) return 0;
    bool time = before > 2 && s[before - 3] == ':', dot = k < n && s[k] == '.';
    k += dot;
    if (k >= n || !strchr("mM", s[k])) return 0;
    bool said = style == STYLE_PLAIN || time || dot || (isupper((unsigned char)s[i]) && s[k] == 'M');
    k++;
    if (dot && k < n && s[k] == '.') k++;
    return said && (k == n || !isalnum((unsigned char)s[k])) ? k - i : 0;
}

void clean_math(const char *s, size_t n, enum style style, struct str *out)
{
    /* A text that was escaped twice: \\\\frac. Rows of matrices and cases end in the same two characters. */
    bool twice = !memmem(s, n, "\\begin", 6) && !memmem(s, n, "matrix", 6);
    for (size_t i = 0; i < n;) {
        bool start = i == 0 || !isalnum((unsigned char)s[i - 1]);
        const char *sign_of_money = NULL;
        size_t half;
        size_t money = currency_at(s + i, n - i, start, &sign_of_money);
        if (money) {
            str_puts(out, sign_of_money);
            i += money;
        } else if ((half = half_of_day_at(s, n, i, style))) {
            str_puts(out, tolower((unsigned char)s[i]) == 'a' ? "\\text{ am}" : "\\text{ pm}");
            i += half;
        } else if (s[i] == '\\' && i + 1 < n && s[i + 1] == '$') {
            str_puts(out, "\\$");
            i += 2;
        } else if (s[i] == '$' && is_dollar_sign(s + i, n - i, style)) {
            str_puts(out, "\\$");
            i++;
        } else if (s[i] == '$' && style == STYLE_PLAIN) {
            i++;
        } else if (twice && n - i > 2 && s[i] == '\\' && s[i + 1] == '\\' &&
                   isalpha((unsigned char)s[i + 2])) {
            i++;
        } else if ((unsigned char)s[i] >= 0x80) {
            int k = utf8_length(s + i, n - i);
            const struct sign *sign = k ? sign_find(s + i, (size_t)k) : NULL;
            char wide = full_width(s + i, k);
            if (sign)
                add_sign(out, sign->means);
            else if (wide)
                str_add(out, &wide, 1);
            else
                str_add(out, s + i, k ? (size_t)k : 1);
            i += k ? (size_t)k : 1;
        } else if (style == STYLE_PLAIN &&
                   (s[i] == '`' || (s[i] == '*' && i + 1 < n && s[i + 1] == '*' &&
                                    !(i && isalnum((unsigned char)s[i - 1]) && i + 2 < n &&
                                      isalnum((unsigned char)s[i + 2]))))) {
            /* Markdown; 2**3 between letters or digits is a power. */
            i += s[i] == '`' ? 1 : 2;
        } else if ((unsigned char)s[i] < ' ' || s[i] == 0x7F) {
            str_add(out, " ", 1);
            i++;
        } else {
            str_add(out, s + i, 1);
            i++;
        }
    }
}

bool is_among(const char *s, size_t n, const char *const *all)
{
    for (; *all; all++)
        if (strlen(*all) == n && strncasecmp(s, *all, n) == 0) return true;
    return false;
}

bool ascii_word_at(const char *s, size_t n, const char *word)
{
    if (n == 0 || tolower((unsigned char)*s) != tolower((unsigned char)*word)) return false;
    size_t k = strlen(word);
    return n >= k && strncasecmp(s, word, k) == 0 && (n == k || !isalnum((unsigned char)s[k]));
}

/* Commands that only set how text looks; their braces vanish with all others. */
static size_t look_at(const char *s, size_t n)
{
    static const char *const looks[] = {
        "text",  "textbf", "textit",       "textrm", "mathrm", "mathbf",       "mathit",
        "mbox",  "left",   "right",        "big",    "bigl",   "bigr",         "Big",
        "Bigl",  "Bigr",   "displaystyle", "quad",   "qquad",  "operatorname", "textnormal",
        "dfrac", "tfrac",  "boldsymbol",   "boxed",  "mathsf"};
    size_t k = 1;
    while (k < n && isalpha((unsigned char)s[k])) k++;
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
        if (strlen(looks[i]) == k - 1 && strncmp(s + 1, looks[i], k - 1) == 0)
            return k - 1 == 5 && strcmp(looks[i] + 1, "frac") == 0 ? 0 : k;
    if (k == 1 && n > 1 && strchr(",;:! >", s[1])) return 2;
    return 0;
}

/* A command that sets a blank, which parts digits as a typed one does; 1\,000 is left to the parser. */
static bool is_blank(const char *command, size_t n)
{
    return (n == 2 && strchr(" :;,", command[1])) || (n >= 5 && memcmp(command + n - 4, "quad", 4) == 0);
}

void clean_text(const char *s, size_t n, struct str *out)
{
    struct str spelled;
    str_init(&spelled, FORMULA_BYTES_MAX * 2);
    clean_math(s, n, STYLE_LATEX, &spelled);
    const char *p = spelled.p, *end = p + spelled.len;
    while (p < end) {
        size_t k = *p == '\\' ? look_at(p, (size_t)(end - p)) : 0;
        if (k) {
            bool parts = is_blank(p, k) && out->len && isdigit((unsigned char)out->p[out->len - 1]);
            p += k;
            while (parts && p < end && isspace((unsigned char)*p)) p++;
            if (parts && p < end && isdigit((unsigned char)*p)) str_puts(out, " ");
        } else if (end - p > 6 && (strncmp(p, "\\dfrac", 6) == 0 || strncmp(p, "\\tfrac", 6) == 0)) {
            str_puts(out, "\\frac");
            p += 6;
        } else {
            /* {x} is x; {12} must stay: \frac{1}{23} is not \frac{12}{3} */
            bool lone = *p == '{' && end - p > 2 && p[2] == '}' && p[1] != '\\' && p[1] != '{';
            if (lone) str_add(out, p + 1, 1);
            if (lone) p += 2;
            bool between = isspace((unsigned char)*p) && p > spelled.p && p + 1 < end &&
                           isdigit((unsigned char)p[-1]) && isdigit((unsigned char)p[1]);
            if (between || (!isspace((unsigned char)*p) && *p != '$' && *p != '~' && !lone))
                str_add(out, p, 1);
            p++;
        }
    }
    str_release(&spelled);
    while (out->len && strchr(".,;:", out->p[out->len - 1]) && !(out->len > 1 && out->p[out->len - 2] == '.'))
        out->p[--out->len] = 0;
}
