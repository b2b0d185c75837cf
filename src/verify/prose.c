/* prose.c: numbers, and arithmetic on numbers, in running text. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/extract_int.h"

/* One number with marks, fraction, percent; the bytes. Inside brackets a comma separates. */
static size_t numeral_at(const char *s, size_t n, bool inside)
{
    size_t k = 0;
    bool digit = false;
    while (k < n) {
        bool mark = strchr(inside ? "." : ".,_'", s[k]) && k > 0 && k + 1 < n &&
                    isdigit((unsigned char)s[k + 1]) && isdigit((unsigned char)s[k - 1]);
        bool thin = n - k > 2 && s[k] == '\\' && s[k + 1] == ',' && isdigit((unsigned char)s[k + 2]) && digit;
        bool group = s[k] == ' ' && digit && n - k > 3 && isdigit((unsigned char)s[k + 1]) &&
                     isdigit((unsigned char)s[k + 2]) && isdigit((unsigned char)s[k + 3]) &&
                     !(n - k > 4 && (isdigit((unsigned char)s[k + 4]) || s[k + 4] == '/'));
        bool first = s[k] == '.' && k == 0 && n > 1 && isdigit((unsigned char)s[1]);
        if (isdigit((unsigned char)s[k]) || mark || first || group)
            k++;
        else if (thin)
            k += 2;
        else
            break;
        digit = digit || isdigit((unsigned char)s[k - 1]);
    }
    bool e = digit && n - k > 1 && (s[k] == 'e' || s[k] == 'E') &&
             (isdigit((unsigned char)s[k + 1]) ||
              (strchr("+-", s[k + 1]) && n - k > 2 && isdigit((unsigned char)s[k + 2])));
    if (e)
        for (k += 2; k < n && isdigit((unsigned char)s[k]); k++) {
        }
    return digit ? k : 0;
}

static size_t blanks_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && s[k] == ' ') k++;
    return k;
}

/* A number, or arithmetic on numbers, in running text. */
static size_t run_at(const char *s, size_t n)
{
    size_t at = 0, end = 0;
    int depth = 0;
    for (;;) {
        while (at < n && strchr("-+(", s[at])) depth += s[at++] == '(';
        size_t k = numeral_at(s + at, n - at, depth > 0);
        if (!k) break;
        end = at = at + k;
        for (; at < n && s[at] == ')'; depth--) end = ++at;
        size_t blank = blanks_at(s + at, n - at);
        /* a mixed number, a time */
        size_t digits = numeral_at(s + at + blank, n - at - blank, depth > 0), slash = at + blank + digits;
        if (blank && digits && slash < n && s[slash] == '/' && slash + 1 < n &&
            isdigit((unsigned char)s[slash + 1])) {
            at += blank;
            continue;
        }
        if (n - at > 2 && s[at] == ':' && isdigit((unsigned char)s[at + 1]) &&
            isdigit((unsigned char)s[at + 2])) {
            at++;
            continue;
        }
        size_t op = at + blank;
        if (op + 1 >= n || !strchr("+-*/^", s[op])) break;
        size_t behind = op + 1 + blanks_at(s + op + 1, n - op - 1);
        if (behind >= n || !(isdigit((unsigned char)s[behind]) || strchr("(-.", s[behind]))) break;
        if (strchr("+-", s[op]) && blank == 0 && behind > op + 1) break; /* "5- 3" is no difference */
        at = behind;
    }
    if (depth > 0) return 0;          /* (1, 2) is no number */
    for (; depth < 0; depth++) end--; /* a closing bracket of the prose */
    return end;
}

/* Do two runs with s[0..n) between them belong to one list: "1, 2 and 3"? */
static bool joins(const char *s, size_t n)
{
    static const char *const all[] = {",", ", ", " and ", ", and ", " or ", ", or ", " & ", NULL};
    return is_among(s, n, all);
}

static bool sentence_ends(const char *s, size_t n)
{
    size_t k = strspn(s, " .*)");
    return k >= n || s[k] == '\n';
}

/* What the words around runs make of them costs more than to find the runs: it is asked of the last few. */
#define RUNS_KEPT 8

bool run_find(const char *s, size_t n, bool last, struct run *out)
{
    struct run kept[RUNS_KEPT], before = {0}; /* the run in front, with what it was joined to */
    size_t count = 0;
    for (size_t i = 0; i < n && !(count && !last);) {
        bool start = i == 0 || strchr(" =\"*>~:$", s[i - 1]);
        bool digit = isdigit((unsigned char)s[i]) ||
                     (strchr("-+(.", s[i]) && i + 1 < n && strchr("0123456789.(-", s[i + 1]));
        size_t money = start ? money_at(s + i, n - i) : 0;
        size_t k = start && (digit || money) ? run_at(s + i + money, n - i - money) : 0;
        if (k) k += money;
        if (!k) {
            while (strchr("-+(", s[i]) && i + 1 < n) i++; /* signs that lead nowhere are passed once */
            i++;
            continue;
        }
        struct run here = {.at = i, .n = k + percent_behind(s + i + k, n - i - k)};
        size_t from = before.at, end = from + before.n, to = i + here.n;
        bool joined = before.n && joins(s + end, i - end);
        before = joined ? (struct run){.at = from, .n = to - from} : here;
        /* In 2020, 12 people came: what goes on is no list */
        kept[count++ % RUNS_KEPT] = sentence_ends(s + to, n - to) ? before : here;
        i += k;
    }
    for (size_t k = count; k > 0 && count - k < RUNS_KEPT; k--) {
        struct run here = kept[(k - 1) % RUNS_KEPT];
        here.relation = phrase_around(s, n, here.at, here.at + here.n);
        if (k == count || here.relation != R_NE) *out = here;
        if (here.relation != R_NE) break; /* 12, not 13 */
    }
    return count > 0;
}
