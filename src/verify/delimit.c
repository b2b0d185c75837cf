/* delimit.c: formulas between dollars and the like, boxes, and the reasoning that is cut away. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "verify/extract_int.h"

const char *find_text(const char *p, const char *end, const char *word)
{
    return p < end ? memmem(p, (size_t)(end - p), word, strlen(word)) : NULL;
}

/* ---- reasoning ---------------------------------------------------------------------------------------- */

/* <think>...</think> is cut out, everything before a </think> that nothing opened too; NULL when the
 * reasoning never ended. What a chat template puts behind the answer ends the text. */
char *reasoning_cut(const char *text, size_t n)
{
    static const char *const turns[] = {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>"};
    char *out = alloc_or_die(n + 1);
    const char *p = text, *end = text + n, *mark = memchr(text, '<', n);
    if (!mark) mark = end;
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        const char *t = find_text(mark, end, turns[i]);
        if (t && t > text) end = t;
    }
    const char *open = find_text(mark, end, "<think>"), *close = find_text(mark, end, "</think>");
    size_t used = 0;
    for (;;) {
        /* Only a mark that was passed is searched for again. */
        if (open && open < p) open = find_text(p, end, "<think>");
        if (close && close < p) close = find_text(p, end, "</think>");
        bool stray = close && (!open || close < open);
        const char *stop = open ? open : end;
        if (stray) {
            used = 0;
        } else {
            memcpy(out + used, p, (size_t)(stop - p));
            used += (size_t)(stop - p);
            if (!open) break;
        }
        if (!close) {
            free(out);
            return NULL;
        }
        p = close + strlen("</think>");
    }
    out[used] = 0;
    return out;
}

/* Does ~~ at p begin or end a stretch that Markdown strikes out? In LaTeX it is two blanks. */
static bool strikes(const char *s, const char *p, bool begins)
{
    char outer = begins ? (p > s ? p[-1] : ' ') : p[2], inner = begins ? p[2] : p[-1];
    return inner && !isspace((unsigned char)inner) && !isalnum((unsigned char)outer) && outer != '\\' &&
           outer != '}';
}

/* Pictures and ornaments (U+2700 to U+27BF, U+1F300 and on) say nothing, but for crosses. */
static void ornaments_blanked(char *s)
{
    for (char *p = s; (p = strpbrk(p, "\xE2\xF0")); p++) {
        unsigned char second = (unsigned char)p[1];
        size_t k = strncmp(p, "\xF0\x9F", 2) == 0                     ? 4
                   : *p == '\xE2' && second >= 0x9C && second <= 0x9E ? 3
                                                                      : 0;
        if (k && strnlen(p, k) == k && !is_crossed(p, k) && strncmp(p, "\xE2\x9C\x95", 3) != 0)
            memset(p, ' ', k);
    }
}

/* Pairs of tags that only set how text looks. */
static void tags_blanked(char *s)
{
    static const char *const names[] = {"b", "i", "u", "em", "strong", "p", "div", "span", "center", "code"};
    char open[12], close[12];
    for (size_t i = 0; strchr(s, '<') && i < sizeof names / sizeof *names; i++) {
        int n = snprintf(open, sizeof open, "<%s>", names[i]),
            m = snprintf(close, sizeof close, "</%s>", names[i]);
        for (char *p = s, *end = s; (p = strstr(p, open)) && (end = strstr(end > p ? end : p, close));
             p += n) {
            memset(p, ' ', (size_t)n);
            memset(end, ' ', (size_t)m);
        }
    }
    for (char *p = s; (p = strstr(p, "<br>")); p += 4) memcpy(p, "\n   ", 4);
}

/* What GSM8K's solutions tell a calculator, 16 - 3 = <<16-3=13>>13. */
static void calculations_blanked(char *s)
{
    for (char *p = s; (p = strstr(p, "<<")); p += 2) {
        char *end = memmem(p, strnlen(p, 200), ">>", 2);
        if (end && memchr(p, '=', (size_t)(end - p))) memset(p, ' ', (size_t)(end + 2 - p));
    }
}

void struck_blanked(char *s)
{
    ornaments_blanked(s);
    calculations_blanked(s);
    tags_blanked(s);
    static const char *const marks[][2] = {
        {"<!--", "-->"}, {"<del>", "</del>"}, {"<s>", "</s>"}, {"<strike>", "</strike>"}, {"~~", "~~"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t open = strlen(marks[i][0]);
        for (char *p = s, *end; (p = strstr(p, marks[i][0])) && (end = strstr(p + open, marks[i][1]));) {
            bool tildes = *marks[i][0] == '~';
            if (tildes &&
                !(strikes(s, p, true) && strikes(s, end, false) && !memchr(p, '\n', (size_t)(end - p)))) {
                p++;
                continue;
            }
            end += strlen(marks[i][1]);
            memset(p, ' ', (size_t)(end - p));
            p = end;
        }
    }
}

/* ---- percent behind a formula -------------------------------------------------------------------------- */

size_t percent_behind(const char *s, size_t n)
{
    static const char *const words[] = {"percentage", "percent", "pct"};
    size_t at = 0;
    while (at < n && at < 4 && s[at] == ' ') at++;
    if (at < n && s[at] == '\\') at++;
    if (at < n && s[at] == '%') return at + 1;
    for (int i = 0; i < 3; i++)
        if (at < n && ascii_word_at(s + at, n - at, words[i])) return at + strlen(words[i]);
    return 0;
}

/* ---- formulas ----------------------------------------------------------------------------------------- */

void scan_init(struct scan *sc, const char *s, size_t n)
{
    *sc = (struct scan){.s = s, .n = n};
    for (int k = 0; k < 3; k++) sc->closing[k].from = SIZE_MAX;
}

/* Where the k-th closing mark stands at or behind `from`; sc->n if nowhere. */
static size_t closing_at(struct scan *sc, int k, size_t from)
{
    static const char *const marks[] = {"$$", "\\]", "\\)"};
    if (sc->closing[k].from > from || sc->closing[k].to < from) {
        const char *p = find_text(sc->s + from, sc->s + sc->n, marks[k]);
        sc->closing[k].from = from;
        sc->closing[k].to = p ? (size_t)(p - sc->s) : sc->n;
    }
    return sc->closing[k].to;
}

/* A formula $...$ that starts at i: on one line, but for ends in an environment and beside the dollars. */
static bool dollars_at(const struct scan *sc, size_t i, struct span *out)
{
    if (i > 0 && (sc->s[i - 1] == '\\' || isdigit((unsigned char)sc->s[i - 1]))) return false;
    size_t k = i + 1;
    int depth = 0;
    for (; k < sc->n && (sc->s[k] != '$' || sc->s[k - 1] == '\\'); k++) {
        const char *p = sc->s + k;
        size_t left = sc->n - k;
        if (left > 6 && memcmp(p, "\\begin", 6) == 0) depth++;
        if (left > 4 && memcmp(p, "\\end", 4) == 0) depth--;
        bool beside = k == i + 1 || (left > 1 && p[1] == '$');
        if (*p == '\n' && depth <= 0 && !beside) return false;
    }
    if (k >= sc->n || k == i + 1) return false;
    *out = (struct span){.at = i + 1, .n = k - i - 1, .end = k + 1};
    return true;
}

/* Bytes of a number -?\d+([.,]\d+)? at p. */
static size_t plain_number(const char *p, const char *end)
{
    const char *q = p;
    if (q < end && *q == '-') q++;
    const char *digits = q;
    while (q < end && isdigit((unsigned char)*q)) q++;
    if (q == digits) return 0;
    if (end - q > 1 && (*q == '.' || *q == ',') && isdigit((unsigned char)q[1]))
        for (q++; q < end && isdigit((unsigned char)*q); q++) {
        }
    return (size_t)(q - p);
}

/* A bare \frac{N}{N}, perhaps with a minus. */
static bool bare_frac_at(const struct scan *sc, size_t i, struct span *out)
{
    const char *p = sc->s + i, *end = sc->s + sc->n;
    if (*p == '-') p++;
    if ((size_t)(end - p) < 5 || memcmp(p, "\\frac", 5) != 0) return false;
    p += 5;
    for (int part = 0; part < 2; part++) {
        if (p >= end || *p != '{') return false;
        size_t k = plain_number(p + 1, end);
        if (!k || p + 1 + k >= end || p[1 + k] != '}') return false;
        p += k + 2;
    }
    *out = (struct span){.at = i, .n = (size_t)(p - sc->s) - i, .end = (size_t)(p - sc->s)};
    return true;
}

bool formula_at(struct scan *sc, size_t i, struct span *out)
{
    const char *s = sc->s + i;
    size_t left = sc->n - i;
    bool two = left >= 2, found = false;
    int kind = two && s[0] == '$' && s[1] == '$'    ? 0
               : two && s[0] == '\\' && s[1] == '[' ? 1
               : two && s[0] == '\\' && s[1] == '(' ? 2
                                                    : -1;
    if (kind > 0 && i > 0 && s[-1] == '\\') return false;
    if (kind >= 0) {
        size_t close = closing_at(sc, kind, i + 2);
        found = close < sc->n && close > i + 2;
        /* \( ... \) stands on one line */
        if (found && kind == 2 && memchr(s, '\n', close - i)) found = false;
        *out = (struct span){.at = i + 2, .n = close - i - 2, .end = close + 2};
    } else if (s[0] == '$') {
        found = dollars_at(sc, i, out);
    } else if (s[0] == '\\' || s[0] == '-') {
        found = bare_frac_at(sc, i, out);
    }
    if (!found) return false;
    size_t percent = percent_behind(sc->s + out->end, sc->n - out->end);
    out->percent = percent > 0;
    out->end += percent;
    return true;
}

/* ---- boxes -------------------------------------------------------------------------------------------- */

/* For each { the place of its }, by one pass with a stack; 0 where there is none. */
static uint32_t *braces_matched(const char *s, size_t n)
{
    uint32_t *match = alloc_zero(n + 1, sizeof *match), top = 0; /* an open brace holds the one below it */
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n && (s[i + 1] == '{' || s[i + 1] == '}' || s[i + 1] == '\\')) {
            /* \\boxed of a text that was escaped twice */
            if (s[i + 1] != '\\' || !isalpha((unsigned char)(i + 2 < n ? s[i + 2] : 0))) i++;
        } else if (s[i] == '{') {
            match[i] = top;
            top = (uint32_t)i + 1;
        } else if (s[i] == '}' && top) {
            uint32_t open = top - 1;
            top = match[open];
            match[open] = (uint32_t)i;
        }
    }
    while (top) {
        uint32_t open = top - 1;
        top = match[open];
        match[open] = 0;
    }
    return match;
}

/* The box whose name ends at `name`: content and end. `loose`: \boxed 5 and an unclosed last box count. */
static bool box_at(const char *s, size_t n, const uint32_t *match, size_t name, bool loose, struct span *out)
{
    size_t open = name, end;
    while (open < n && s[open] == ' ') open++;
    if (open < n && s[open] == '{' && match[open]) {
        *out =
            (struct span){.at = open + 1, .n = match[open] - open - 1, .end = match[open] + 1, .box = true};
        return true;
    }
    if (!loose || open >= n) return false;
    bool braced = s[open] == '{';
    if (braced) {
        for (end = ++open; end < n && s[end] != '\n' && s[end] != '$';) end++;
    } else {
        for (end = open; end < n && (isalnum((unsigned char)s[end]) || strchr("-.", s[end]));) end++;
        while (end > open && s[end - 1] == '.') end--;
    }
    *out = (struct span){.at = open, .n = end - open, .end = end, .box = true};
    return braced ? memmem(s + open, end - open, "\\boxed", 6) == NULL : end > open && open > name;
}

/* Between two boxes that belong to one answer stand only commas, and, or, blanks and marks of formulas. */
static bool joins(const char *s, size_t n)
{
    bool separator = false;
    if (n > 60) return false;
    for (size_t i = 0; i < n;) {
        if (ascii_word_at(s + i, n - i, "and") || ascii_word_at(s + i, n - i, "or")) {
            separator = true;
            i += s[i] == 'a' || s[i] == 'A' ? 3 : 2;
        } else if (ascii_word_at(s + i, n - i, "case")) { /* case 2: another value of the same answer */
            i += 4;
            while (i < n && (s[i] == ' ' || isdigit((unsigned char)s[i]) || s[i] == ':')) i++;
        } else if (n - i > 5 && strncmp(s + i, "\\text{", 6) == 0) {
            i += 6;
        } else if (n - i > 4 && strncmp(s + i, "\\quad", 5) == 0) {
            i += 5;
        } else if (strchr(" \n\t$}()\\[]", s[i])) {
            i++;
        } else if (s[i] == ',' || s[i] == ';') {
            separator = true;
            i++;
        } else {
            return false;
        }
    }
    return separator;
}

/* A name in front of a further box ("and \( y_2 = \boxed{...}") joins as well. */
static bool joins_named(const char *s, size_t n)
{
    size_t k = n;
    while (k > 0 && strchr(" \n", s[k - 1])) k--;
    if (k == 0 || s[k - 1] != '=') return false;
    k--;
    while (k > 0 && (isalnum((unsigned char)s[k - 1]) || strchr(" _{}", s[k - 1]))) k--;
    for (size_t i = k; i < n; i++)
        if (ascii_word_at(s + i, n - i, "and") || ascii_word_at(s + i, n - i, "or")) k = i + 3;
    return joins(s, k < n ? k : n);
}

int boxes_last(const char *s, size_t n, bool loose, struct span *out, int max)
{
    /* The last one lacks its backslash. */
    static const char *const marks[] = {"\\boxed", "\\fbox", "boxed{"};
    static const size_t lengths[] = {6, 5, 5};
    const char *next[] = {s, s, s}, *p = s;
    struct span *all = NULL, box;
    size_t count = 0, cap = 0, open = 0; /* behind the name of a last one that is not closed */
    int kinds = loose ? 3 : 1;
    uint32_t *match = NULL;
    for (;;) {
        int kind = -1;
        for (int k = 0; k < kinds; k++) { /* only a mark that was passed is searched for again */
            if (next[k] && next[k] <= p) next[k] = find_text(p, s + n, marks[k]);
            if (next[k] && (kind < 0 || next[k] < next[kind])) kind = k;
        }
        if (kind < 0) break;
        const char *at = next[kind];
        p = at + 5;
        if (kind == 2 && at > s && (isalpha((unsigned char)at[-1]) || at[-1] == '\\')) continue;
        size_t name = (size_t)(at - s) + lengths[kind];
        if (!match) match = braces_matched(s, n);
        bool whole = box_at(s, n, match, name, loose && s[name] != '{', &box);
        open = whole ? 0 : name;
        if (!whole) continue;
        box.from = (size_t)(at - s);
        p = s + box.end;
        if (loose && box_denied(s, n, &box)) continue;
        if (count == cap) {
            cap = cap ? cap * 2 : 16;
            all = alloc_again(all, cap * sizeof *all);
        }
        all[count++] = box;
    }
    /* A box that the end of the text cut off counts when there is no whole one. */
    if (count == 0 && loose && open && box_at(s, n, match, open, true, &box)) {
        all = alloc_again(NULL, sizeof *all);
        all[count++] = box;
    }
    free(match);
    size_t from = count;
    while (from > 0 && count - from < (size_t)max) {
        if (from < count) {
            const struct span *left = &all[from - 1], *right = &all[from];
            const char *gap = s + left->end;
            size_t k = right->at > left->end + 7 ? right->at - left->end - 7 : 0;
            if (!joins(gap, k) && !joins_named(gap, k)) break;
        }
        from--;
    }
    int found = (int)(count - from);
    for (int i = 0; i < found; i++) {
        out[i] = all[from + (size_t)i];
        size_t percent = percent_behind(s + out[i].end, n - out[i].end);
        out[i].percent = percent > 0;
    }
    free(all);
    return found;
}
