/* scan.c: the three expressions that most models split with, as hand-written scanners.
 *
 * Alternatives are tried in order at one place, as a backtracking engine would; a piece always has at least
 * one character, so pieces cover the text. Tests compare each scanner with PCRE2 on the same expression.
 *
 *   GPT-2    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   Qwen2    (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+
 *            |\s+(?!\S)|\s+
 *   Llama 3  the same with \p{N}{1,3}
 */
#include <string.h>

#include "text/text_int.h"
#include "text/unicode.h"

const char scan_gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const char scan_qwen2[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
                          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const char scan_llama3[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
                           "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

enum kind { OTHER, LETTER, NUMBER, SPACE, END };

struct at { /* one character */
    const char *next;
    enum kind kind;
};

static struct at look(const char *p, const char *end)
{
    if (p == end) return (struct at){p, END};
    unsigned char c = (unsigned char)*p;
    if (c < 0x80) {
        unsigned char low = c | 0x20;
        enum kind k = OTHER;
        if (low >= 'a' && low <= 'z')
            k = LETTER;
        else if (c == ' ' || (c >= '\t' && c <= '\r'))
            k = SPACE;
        else if (c >= '0' && c <= '9')
            k = NUMBER;
        return (struct at){p + 1, k};
    }
    int n;
    uint8_t bits = unicode_table()[utf8_at(p, &n)];
    enum kind k = uc_letter(bits) ? LETTER : uc_number(bits) ? NUMBER : bits & UC_SPACE ? SPACE : OTHER;
    return (struct at){p + n, k};
}

/* End of the run of `kind` that starts at p. */
static const char *run_of(enum kind kind, const char *p, const char *end)
{
    for (struct at a = look(p, end); a.kind == kind; a = look(p, end)) p = a.next;
    return p;
}

/* \s+(?!\S)|\s+ : a run of spaces leaves its last one to what follows. */
static const char *spaces(const char *p, const char *stop, const char *end)
{
    if (stop == end) return stop;
    int n;
    utf8_before(p, stop, &n);
    return stop - n == p ? stop : stop - n;
}

/* After the apostrophe at p: end of a contraction, or NULL. */
static const char *contraction(const char *p, const char *end, bool any_case)
{
    size_t n = (size_t)(end - p) - 1;
    if (n < 1) return NULL;
    unsigned char fold = any_case ? 0x20 : 0;
    unsigned char a = (unsigned char)p[1] | fold;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return p + 2;
    if (n < 2) return NULL;
    if (any_case && !memcmp(p + 1, "\xC5\xBF", 2)) return p + 3; /* U+017F folds to s */
    unsigned char b = (unsigned char)p[2] | fold;
    if ((b == 'e' && (a == 'r' || a == 'v')) || (b == 'l' && a == 'l')) return p + 3;
    return NULL;
}

static const char *gpt2_next(const char *p, const char *end)
{
    if (*p == '\'') {
        const char *q = contraction(p, end, false);
        if (q) return q;
    }
    struct at a = look(p, end);
    if (*p == ' ') {
        struct at b = look(a.next, end);
        if (b.kind != SPACE && b.kind != END) return run_of(b.kind, b.next, end);
    }
    if (a.kind != SPACE) return run_of(a.kind, a.next, end);
    return spaces(p, run_of(SPACE, a.next, end), end);
}

static bool newline(char c)
{
    return c == '\r' || c == '\n';
}

static const char *symbols_and_newlines(const char *p, const char *end)
{
    p = run_of(OTHER, p, end);
    while (p < end && newline(*p)) p++;
    return p;
}

static const char *tiktoken_next(const char *p, const char *end, int digits)
{
    if (*p == '\'') {
        const char *q = contraction(p, end, true);
        if (q) return q;
    }
    struct at a = look(p, end);
    if (a.kind == LETTER) return run_of(LETTER, a.next, end);
    if (a.kind == NUMBER) {
        const char *q = a.next;
        for (int i = 1; i < digits; i++) {
            struct at b = look(q, end);
            if (b.kind != NUMBER) break;
            q = b.next;
        }
        return q;
    }
    struct at b = look(a.next, end);
    if (b.kind == LETTER && !newline(*p)) return run_of(LETTER, b.next, end);
    if (a.kind == OTHER) return symbols_and_newlines(a.next, end);
    if (*p == ' ' && b.kind == OTHER) return symbols_and_newlines(b.next, end);
    const char *stop = run_of(SPACE, a.next, end);
    for (const char *q = stop; q > p; q--)
        if (newline(q[-1])) return q;
    return spaces(p, stop, end);
}

static const char *qwen2_next(const char *p, const char *end)
{
    return tiktoken_next(p, end, 1);
}

static const char *llama3_next(const char *p, const char *end)
{
    return tiktoken_next(p, end, 3);
}

scan_fn scan_find(const char *pattern)
{
    static const struct {
        const char *pattern;
        scan_fn scan;
    } rows[] = {{scan_gpt2, gpt2_next}, {scan_qwen2, qwen2_next}, {scan_llama3, llama3_next}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(pattern, rows[i].pattern)) return rows[i].scan;
    return NULL;
}
