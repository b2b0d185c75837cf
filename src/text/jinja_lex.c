/* jinja_lex.c: the text of a template to tokens, with trim_blocks and lstrip_blocks.
 *
 * Outside tags everything up to the next {{, {% or {# is data. "-" at a tag's inner edge takes the
 * whitespace beside it away; without a sign, the blanks between the beginning of a line and {% or {# and
 * the newline after %} or #} go too; "+" keeps them. A mistake becomes the token T_ERROR, so that a
 * mistake of the grammar before it is reported first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "text/jinja.h"
#include "text/pystr.h"
#include "text/unicode.h"

struct lexer {
    struct jj_parser *p;
    const char *at, *end, *begin;
    int line;
    bool line_starting; /* what came before ended with a newline */
    bool failed;
    char open[JJ_NEST_MAX]; /* brackets to be closed */
    int n_open;
};

static void token_add(struct lexer *x, enum jj_tok type, struct jj_value value)
{
    struct jj_parser *p = x->p;
    if (p->n == p->cap) {
        struct jj_token *old = p->tok;
        size_t cap = p->cap ? p->cap * 2 : 256;
        p->tok = jj_alloc(p->vm, cap * sizeof *p->tok);
        if (p->n) memcpy(p->tok, old, p->n * sizeof *p->tok);
        p->cap = cap;
    }
    p->tok[p->n++] = (struct jj_token){.type = type, .line = x->line, .value = value};
}

static void fail(struct lexer *x, const char *message)
{
    if (!x->failed) token_add(x, T_ERROR, jj_str_copy(x->p->vm, message, strlen(message)));
    x->failed = true;
}

static int count_lines(const char *p, const char *end)
{
    int n = 0;
    for (; p < end; p++) n += *p == '\n';
    return n;
}

/* Past the whitespace from p on, or back over the whitespace before p. */
static const char *space_after(const char *p, const char *end)
{
    for (int n; p < end && py_is_space(utf8_at(p, &n));) p += n;
    return p;
}

static const char *space_before(const char *begin, const char *p)
{
    for (int n; p > begin && py_is_space(utf8_before(begin, p, &n));) p -= n;
    return p;
}

/* Moves over what has been read, counting lines. */
static void move_to(struct lexer *x, const char *to)
{
    x->line += count_lines(x->at, to);
    if (to > x->at) x->line_starting = to[-1] == '\n';
    x->at = to;
}

/* Data up to the tag at `tag`, whose sign and kind say what is cut off. */
static void add_data(struct lexer *x, const char *tag, char sign, bool variable)
{
    const char *from = x->at, *to = tag;
    if (sign == '-') {
        to = space_before(from, tag);
    } else if (sign != '+' && !variable) {
        const char *line = to;
        while (line > from && line[-1] != '\n') line--;
        if ((line > from || x->line_starting) && space_after(line, to) == to) to = line;
    }
    if (to > from) token_add(x, T_DATA, jj_str_copy(x->p->vm, from, (size_t)(to - from)));
}

/* After the end of a block or comment, a newline goes; after "-" all whitespace. NULL: no end at p. */
static const char *tag_end(const char *p, const char *end, const char *close, bool trim)
{
    if (end - p >= 3 && (*p == '-' || *p == '+') && !memcmp(p + 1, close, 2))
        return *p == '-' ? space_after(p + 3, end) : p + 3;
    if (end - p < 2 || memcmp(p, close, 2) != 0) return NULL;
    p += 2;
    return trim && p < end && *p == '\n' ? p + 1 : p;
}

static bool skip_word(const char **p, const char *end, const char *word)
{
    size_t n = strlen(word);
    const char *q = space_after(*p, end);
    if ((size_t)(end - q) < n || memcmp(q, word, n) != 0) return false;
    *p = space_after(q + n, end);
    return true;
}

/* {% raw %} at p: where its text begins, or NULL. */
static const char *raw_begin(const char *p, const char *end)
{
    p += 2;
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (!skip_word(&p, end, "raw")) return NULL;
    return p < end && *p == '+' ? NULL : tag_end(p, end, "%}", false);
}

static void lex_raw(struct lexer *x)
{
    for (const char *p = x->at; p < x->end; p++) {
        if (x->end - p < 2 || p[0] != '{' || p[1] != '%') continue;
        const char *q = p + 2;
        char sign = q < x->end && (*q == '-' || *q == '+') ? *q++ : 0;
        const char *after = skip_word(&q, x->end, "endraw") ? tag_end(q, x->end, "%}", true) : NULL;
        if (!after) continue;
        add_data(x, p, sign, false);
        move_to(x, after);
        return;
    }
    if (x->at < x->end) fail(x, "Missing end of raw directive");
    x->at = x->end;
}

static void lex_comment(struct lexer *x)
{
    for (const char *p = x->at; p < x->end; p++) {
        const char *after = tag_end(p, x->end, "#}", true);
        if (!after) continue;
        move_to(x, after);
        return;
    }
    if (x->at < x->end) fail(x, "Missing end of comment tag");
    x->at = x->end;
}

/* ---- inside tags --------------------------------------------------------------------------------------- */

static bool digit_of(char c, int base)
{
    int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
    return d < base;
}

/* Digits, with single underscores between them; NULL: none. */
static const char *digits(const char *p, const char *end, int base, bool may_begin_with_underscore)
{
    const char *last = NULL;
    for (; p < end; p++) {
        if (*p == '_' && (last || may_begin_with_underscore) && p + 1 < end && digit_of(p[1], base)) p++;
        if (!digit_of(*p, base)) break;
        last = p + 1;
    }
    return last;
}

/* The end of a float at p, or NULL. */
static const char *float_end(const struct lexer *x, const char *p)
{
    if (p > x->begin && p[-1] == '.') return NULL;
    const char *q = digits(p, x->end, 10, false), *fraction = NULL, *exponent = NULL;
    if (!q) return NULL;
    if (q < x->end && *q == '.') fraction = digits(q + 1, x->end, 10, false);
    if (fraction) q = fraction;
    if (q < x->end && (*q | 32) == 'e') {
        const char *r = q + 1;
        if (r < x->end && (*r == '+' || *r == '-')) r++;
        exponent = digits(r, x->end, 10, false);
    }
    return exponent ? exponent : fraction;
}

static const char *integer_end(const struct lexer *x, const char *p, int *base)
{
    static const struct {
        char letter;
        int base;
    } bases[] = {{'b', 2}, {'o', 8}, {'x', 16}};
    *base = 10;
    if (*p < '0' || *p > '9') return NULL;
    for (int i = 0; *p == '0' && x->end - p > 2 && i < 3; i++) {
        if ((p[1] | 32) != bases[i].letter) continue;
        const char *q = digits(p + 2, x->end, bases[i].base, true);
        *base = bases[i].base;
        if (q) return q;
    }
    *base = 10;
    if (*p != '0') return digits(p, x->end, 10, false);
    const char *q = p + 1;
    while (q < x->end && (*q == '0' || (*q == '_' && q + 1 < x->end && q[1] == '0'))) q++;
    return q;
}

static void lex_number(struct lexer *x, const char *to, int base)
{
    char text[400];
    size_t n = 0;
    for (const char *p = x->at + (base == 0 || base == 10 ? 0 : 2); p < to; p++) {
        if (*p == '_') continue;
        if (n + 1 == sizeof text) {
            fail(x, "a number with more than 400 digits");
            return;
        }
        text[n++] = *p;
    }
    text[n] = 0;
    struct jj_str s = {.p = text, .n = n, .chars = n};
    int64_t i = 0;
    double f = 0;
    if (!base) {
        jj_parse_float(&s, &f);
        token_add(x, T_FLOAT, jj_float(f));
    } else if (jj_parse_int(NULL, &s, base, &i)) {
        token_add(x, T_INTEGER, jj_int(i));
    } else {
        fail(x, "an integer beyond 64 bits");
    }
}

static int hex(const char *p, const char *end, int n, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < n; i++) {
        if (p + i >= end || !digit_of(p[i], 16)) return 0;
        *out = *out * 16 + (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    }
    return n;
}

/* One escape after the backslash at p[-1], as Python's unicode-escape; returns what it read, 0:
 * malformed, *why says how. A character outside ASCII has been turned into its own escape there, hence
 * the backslash stands for itself and the letters for themselves. */
static int escape_read(const char *p, const char *end, struct str *out, const char **why)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char utf8[4];
    uint32_t cp;
    const char *known = memchr(from, *p, sizeof from - 1);
    int n = 1;
    if (known) {
        str_add(out, to + (known - from), 1);
    } else if (*p == '\n') {
        return 1;
    } else if (*p == 'x' || *p == 'u' || *p == 'U') {
        int len = *p == 'x' ? 2 : *p == 'u' ? 4 : 8;
        *why = len == 2   ? "truncated \\xXX escape"
               : len == 4 ? "truncated \\uXXXX escape"
                          : "truncated \\UXXXXXXXX escape";
        if (!hex(p + 1, end, len, &cp)) return 0;
        *why = "illegal Unicode character";
        if (cp > 0x10FFFF) return 0;
        str_add(out, utf8, (size_t)utf8_put(utf8, cp));
        n += len;
    } else if (*p >= '0' && *p <= '7') {
        for (cp = 0, n = 0; n < 3 && p + n < end && p[n] >= '0' && p[n] <= '7'; n++)
            cp = cp * 8 + (uint32_t)(p[n] - '0');
        str_add(out, utf8, (size_t)utf8_put(utf8, cp));
    } else if ((unsigned char)*p >= 0x80) {
        cp = utf8_at(p, &n);
        str_addf(out, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
    } else if (*p == 'N') {
        *why = "characters by name (\\N) are not supported";
        return 0;
    } else {
        str_add(out, "\\", 1);
        str_add(out, p, 1);
    }
    return n;
}

static void lex_string(struct lexer *x)
{
    const char *p = x->at + 1, quote = *x->at;
    struct jj *vm = x->p->vm;
    while (p < x->end && *p != quote) p += *p == '\\' && p + 1 < x->end ? 2 : 1;
    if (p >= x->end) {
        char message[80];
        snprintf(message, sizeof message,
                 quote == '"' ? "unexpected char '%c' at %zu" : "unexpected char \"%c\" at %zu", quote,
                 utf8_count(x->begin, (size_t)(x->at - x->begin)));
        fail(x, message);
        return;
    }
    size_t start = jj_capture(vm);
    const char *why = NULL;
    bool bad = false;
    for (const char *q = x->at + 1; q < p && !bad;) {
        if (*q != '\\') {
            const char *stop = memchr(q, '\\', (size_t)(p - q));
            if (!stop) stop = p;
            str_add(&vm->text, q, (size_t)(stop - q));
            q = stop;
        } else {
            int n = escape_read(q + 1, p, &vm->text, &why);
            bad = !n;
            q += 1 + n;
        }
    }
    struct jj_value v = jj_captured(vm, start);
    if (bad) {
        fail(x, why);
        return;
    }
    token_add(x, T_STRING, v);
    move_to(x, p + 1);
}

/* The end of a name at p: letters, digits and marks of any script. */
static const char *name_end(const char *p, const char *end)
{
    int n = 0;
    for (; p < end; p += n) {
        uint32_t cp = utf8_at(p, &n);
        unsigned category = unicode_table()[cp] & UC_CATEGORY;
        if (!py_is_word(cp) && category != UC_MN && category != UC_MC && category != UC_PC) break;
    }
    return p;
}

static bool lex_operator(struct lexer *x)
{
    static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                            "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                            ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        const char *op = operators[i];
        size_t n = strlen(op);
        if ((size_t)(x->end - x->at) < n || memcmp(x->at, op, n) != 0) continue;
        const char *opening = strchr("{([", *op), *closing = strchr("})]", *op);
        if (opening) {
            if (x->n_open == JJ_NEST_MAX) return fail(x, "brackets nested too deeply"), true;
            x->open[x->n_open++] = "})]"[opening - "{(["];
        }
        if (closing) {
            char message[80];
            if (!x->n_open) {
                snprintf(message, sizeof message, "unexpected '%c'", *op);
                return fail(x, message), true;
            }
            if (x->open[--x->n_open] != *op) {
                snprintf(message, sizeof message, "unexpected '%c', expected '%c'", *op, x->open[x->n_open]);
                return fail(x, message), true;
            }
        }
        token_add(x, T_OPERATOR, jj_text(x->p->vm, op));
        move_to(x, x->at + n);
        return true;
    }
    return false;
}

static void unexpected_char(struct lexer *x)
{
    char message[80];
    int n;
    utf8_at(x->at, &n);
    snprintf(message, sizeof message, "unexpected char '%.*s' at %zu", n, x->at,
             utf8_count(x->begin, (size_t)(x->at - x->begin)));
    fail(x, message);
}

/* What stands between {{ and }} or {% and %}. */
static void lex_tag(struct lexer *x, bool variable)
{
    while (x->at < x->end && !x->failed) {
        const char *after = NULL, *p = x->at;
        int base = 0;
        if (!x->n_open)
            after = variable && *p == '+' ? NULL : tag_end(p, x->end, variable ? "}}" : "%}", !variable);
        if (after) {
            token_add(x, variable ? T_VARIABLE_END : T_BLOCK_END, jj_none());
            move_to(x, after);
            return;
        }
        if ((after = space_after(p, x->end)) > p) {
            move_to(x, after);
        } else if ((after = float_end(x, p)) || (after = integer_end(x, p, &base))) {
            lex_number(x, after, base);
            move_to(x, after);
        } else if ((after = name_end(p, x->end)) > p) {
            token_add(x, T_NAME, jj_str_copy(x->p->vm, p, (size_t)(after - p)));
            move_to(x, after);
        } else if (*p == '"' || *p == '\'') {
            lex_string(x);
        } else if (!lex_operator(x)) {
            unexpected_char(x);
        }
    }
}

static void lex_root(struct lexer *x)
{
    while (x->at < x->end && !x->failed) {
        const char *tag = x->at;
        while ((tag = memchr(tag, '{', (size_t)(x->end - tag))) &&
               !(x->end - tag >= 2 && strchr("{%#", tag[1]) && tag[1]))
            tag++;
        if (!tag) {
            token_add(x, T_DATA, jj_str_copy(x->p->vm, x->at, (size_t)(x->end - x->at)));
            return;
        }
        char kind = tag[1], sign = x->end - tag > 2 && (tag[2] == '-' || tag[2] == '+') ? tag[2] : 0;
        const char *raw = kind == '%' ? raw_begin(tag, x->end) : NULL;
        add_data(x, tag, sign, kind == '{');
        move_to(x, tag);
        if (kind != '#' && !raw) token_add(x, kind == '{' ? T_VARIABLE_BEGIN : T_BLOCK_BEGIN, jj_none());
        move_to(x, raw ? raw : tag + (sign ? 3 : 2));
        if (raw)
            lex_raw(x);
        else if (kind == '#')
            lex_comment(x);
        else
            lex_tag(x, kind == '{');
    }
}

void jj_lex(struct jj_parser *p, const char *source, size_t n)
{
    /* \r\n and \r are \n, and one newline at the end goes. */
    char *text = jj_alloc(p->vm, n + 1);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (source[i] == '\r') {
            text[len++] = '\n';
            if (i + 1 < n && source[i + 1] == '\n') i++;
        } else {
            text[len++] = source[i];
        }
    }
    if (len && text[len - 1] == '\n') len--;
    struct lexer x = {.p = p, .at = text, .begin = text, .end = text + len, .line = 1, .line_starting = true};
    lex_root(&x);
    token_add(&x, T_EOF, jj_none());
}
