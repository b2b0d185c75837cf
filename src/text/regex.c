/* regex.c: tokenizers' regular expressions, by PCRE2 with JIT.
 *
 * The expressions are written for Oniguruma (Ruby syntax, Unicode 16). PCRE2 means the same by nearly all of
 * them; what differs is rewritten before compiling: \s \d \w and \p{category} get the code points that older
 * Unicode versions lack and lose U+180E, \b goes by that \w, \h is a hexadecimal digit, \uHHHH a code point,
 * a script name means the script and not its extensions, ^ and $ stand at lines. Nested classes and && are
 * refused. Matching is limited in steps, heap and stack, so that a hostile expression ends in an error.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define PATTERN_MAX    ((size_t)1 << 16)
#define REWRITTEN_MAX  ((size_t)1 << 20)
#define MATCH_LIMIT    (1u << 27)
#define HEAP_LIMIT_KIB (1u << 18)
#define JIT_STACK_MIN  ((size_t)1 << 15)
#define JIT_STACK_MAX  ((size_t)1 << 23)

struct regex {
    pcre2_code *code;
};
struct regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* ---- rewriting ----------------------------------------------------------------------------------------- */

struct rewrite {
    const char *p, *end;
    struct str out;
    bool in_class;
    struct err *e;
};

#define BIT(c) (1u << (c))

/* Categories that a property name stands for, as bits; 0: not a category. */
static unsigned categories_of(const char *name, size_t n)
{
    static const char names[UC_CATEGORIES][3] = {"Cn", "Cc", "Cf", "Co", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn",
                                                 "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi",
                                                 "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp"};
    unsigned set = 0;
    if (n != 1 && n != 2) return 0;
    for (int i = 0; i < UC_CATEGORIES; i++)
        if (names[i][0] == name[0] && (n == 1 || names[i][1] == name[1])) set |= BIT(i);
    return set;
}

/* Code points of these categories that Unicode 14 does not know. */
static void put_newer(struct str *out, unsigned set)
{
    unsigned at = 0;
    for (int i = 0; i < unicode_n_runs; i++) {
        unsigned run = unicode_runs[i], n = run >> 7;
        if (run & UC_NEWER && set & BIT(run & UC_CATEGORY)) str_addf(out, "\\x{%x}-\\x{%x}", at, at + n - 1);
        at += n;
    }
}

/* The inside of a class: these categories. */
static void put_categories(struct str *out, const char *name, size_t n, unsigned set)
{
    str_addf(out, "\\p{%.*s}", (int)n, name);
    put_newer(out, set);
}

/* \w by itself takes some numbers of Latin 1 that it does not take in a class, as Oniguruma has it. */
static void put_word(struct str *out, bool in_class)
{
    if (!in_class) str_puts(out, "\\xb2\\xb3\\xb9\\xbc-\\xbe");
    static const char *const names[] = {"L", "M", "Nd", "Nl", "Pc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put_categories(out, names[i], strlen(names[i]), categories_of(names[i], strlen(names[i])));
    str_puts(out, "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}");
}

/* A set of characters `body`, in or outside a class. A complement inside a class stays PCRE2's own. */
static void put_set(struct rewrite *r, bool complement, const char *body, const char *own)
{
    if (r->in_class)
        str_puts(&r->out, complement ? own : body);
    else
        str_addf(&r->out, "[%s%s]", complement ? "^" : "", body);
}

static int rewrite_property(struct rewrite *r, bool complement)
{
    const char *name = r->p + 1, *close = memchr(r->p, '}', (size_t)(r->end - r->p));
    if (r->p >= r->end || *r->p != '{' || !close) return err_set(r->e, "\\p without {name}");
    r->p = close + 1;
    if (name < close && *name == '^') complement = !complement, name++;
    size_t n = (size_t)(close - name);
    if (!n || n > 64) return err_set(r->e, "\\p{} without a name");
    unsigned set = categories_of(name, n);
    struct str body;
    str_init(&body, REWRITTEN_MAX);
    char own[80];
    snprintf(own, sizeof own, "\\P{%.*s}", (int)n, name);
    if (set)
        put_categories(&body, name, n, set);
    else
        str_addf(&body, "\\p{sc:%.*s}", (int)n, name);
    put_set(r, complement, body.p, own);
    str_release(&body);
    return 0;
}

static int rewrite_code_point(struct rewrite *r)
{
    if (r->end - r->p < 4) return err_set(r->e, "\\u without four digits");
    str_addf(&r->out, "\\x{%.4s}", r->p);
    r->p += 4;
    return 0;
}

/* Between a character of \w and another, or (B) not. */
static void put_boundary(struct rewrite *r, bool boundary)
{
    struct str body;
    str_init(&body, REWRITTEN_MAX);
    put_word(&body, false);
    const char *w = body.p;
    if (boundary)
        str_addf(&r->out, "(?:(?<=[%s])(?![%s])|(?<![%s])(?=[%s]))", w, w, w, w);
    else
        str_addf(&r->out, "(?:(?<=[%s])(?=[%s])|(?<![%s])(?![%s]))", w, w, w, w);
    str_release(&body);
}

/* r->p is after a backslash. */
static int rewrite_escape(struct rewrite *r)
{
    static const char space[] = "\\t-\\r\\x{85}\\p{Z}", hex[] = "0-9A-Fa-f";
    if (r->p == r->end) return err_set(r->e, "a backslash at the end");
    char c = *r->p++;
    struct str body;
    switch (c) {
    case 's':
    case 'S': put_set(r, c == 'S', space, "\\S"); return 0;
    case 'h': put_set(r, false, hex, ""); return 0;
    case 'd':
    case 'D':
    case 'w':
    case 'W':
        str_init(&body, REWRITTEN_MAX);
        if (c == 'd' || c == 'D')
            put_categories(&body, "Nd", 2, BIT(UC_ND));
        else
            put_word(&body, r->in_class);
        put_set(r, c == 'D' || c == 'W', body.p, c == 'D' ? "\\D" : "\\W");
        str_release(&body);
        return 0;
    case 'b':
    case 'B':
        if (r->in_class)
            str_puts(&r->out, "\\b");
        else
            put_boundary(r, c == 'b');
        return 0;
    case 'p':
    case 'P': return rewrite_property(r, c == 'P');
    case 'u': return rewrite_code_point(r);
    default:
        str_add(&r->out, "\\", 1);
        str_add(&r->out, &c, 1);
        return 0;
    }
}

static int rewrite_plain(struct rewrite *r)
{
    char c = *r->p++;
    if (r->in_class) {
        if (c == '[') return err_set(r->e, "a class inside a class is not supported");
        if (c == '&' && r->p < r->end && *r->p == '&') return err_set(r->e, "&& in a class is not supported");
        if (c == ']') r->in_class = false;
        str_add(&r->out, &c, 1);
        return 0;
    }
    str_add(&r->out, &c, 1);
    if (c != '[') return 0;
    r->in_class = true;
    if (r->p < r->end && *r->p == '^') str_add(&r->out, r->p++, 1);
    if (r->p < r->end && *r->p == ']') { /* a first ] is itself a member */
        str_puts(&r->out, "\\]");
        r->p++;
    }
    return 0;
}

static int rewrite_run(struct rewrite *r)
{
    while (r->p < r->end) {
        bool escape = *r->p == '\\';
        if (escape) r->p++;
        if (escape ? rewrite_escape(r) : rewrite_plain(r)) return -1;
    }
    return r->out.full ? err_set(r->e, "pattern too long") : 0;
}

/* ---- compiling and matching ---------------------------------------------------------------------------- */

static struct regex *compile(const char *p, size_t n, uint32_t options, struct err *e)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)p, n, options, &code, &at, NULL);
    if (!c) {
        char text[256];
        if (pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text) < 0) text[0] = 0;
        err_set(e, "at byte %zu of \"%.*s\": %s", (size_t)at, (int)(n < 200 ? n : 200), p, text);
        return NULL;
    }
    pcre2_jit_compile(c, PCRE2_JIT_COMPLETE); /* without JIT the interpreter gives the same matches */
    struct regex *r = alloc_or_die(sizeof *r);
    r->code = c;
    return r;
}

struct regex *regex_new(const char *pattern, size_t n, struct err *e)
{
    struct rewrite r = {.p = pattern, .end = pattern + n, .e = e};
    struct regex *re = NULL;
    str_init(&r.out, REWRITTEN_MAX);
    if (n > PATTERN_MAX)
        err_set(e, "pattern of %zu bytes; at most %zu", n, PATTERN_MAX);
    else if (!rewrite_run(&r))
        re =
            compile(r.out.p, r.out.len, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, e);
    str_release(&r.out);
    if (!re) err_wrap(e, "regular expression");
    return re;
}

struct regex *regex_new_literal(const char *text, size_t n, struct err *e)
{
    return compile(text, n, PCRE2_UTF | PCRE2_LITERAL, e);
}

void regex_free(struct regex *r)
{
    if (!r) return;
    pcre2_code_free(r->code);
    free(r);
}

struct regex_scratch *regex_scratch_new(void)
{
    struct regex_scratch *s = alloc_zero(1, sizeof *s);
    s->data = pcre2_match_data_create(1, NULL);
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    CHECK(s->data && s->context, "out of memory for matching");
    pcre2_set_match_limit(s->context, MATCH_LIMIT);
    pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
    if (s->stack) pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return s;
}

void regex_scratch_free(struct regex_scratch *s)
{
    if (!s) return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

/* A match that starts at `from` or later. */
static int search(const struct regex *r, struct regex_scratch *s, const char *p, size_t n, size_t from,
                  struct err *e)
{
    int rc = pcre2_match(r->code, (PCRE2_SPTR)p, n, from, PCRE2_NO_UTF_CHECK, s->data, s->context);
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    if (rc >= 0) return 1;
    char text[256];
    if (pcre2_get_error_message(rc, (PCRE2_UCHAR *)text, sizeof text) < 0) text[0] = 0;
    return err_set(e, "the tokenizer's regular expression at byte %zu of a text of %zu: %s", from, n, text);
}

int regex_next(const struct regex *r, struct regex_scratch *s, const char *p, size_t n, struct match *m,
               struct err *e)
{
    size_t from = m->to;
    for (;;) {
        if (from > n) return 0;
        int found = search(r, s, p, n, from, e);
        if (found <= 0) return found;
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(s->data);
        size_t a = v[0], b = v[1];
        if (a > b)
            return err_set(e, "the tokenizer's regular expression: a match that ends before it starts");
        if (a != b || !m->any || b != m->to) {
            *m = (struct match){a, b, true};
            return 1;
        }
        int step = 1; /* an empty match right after the last match: try one character on */
        if (from < n) utf8_at(p + from, &step);
        from += (size_t)step;
    }
}
