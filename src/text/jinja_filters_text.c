/* jinja_filters_text.c: filters of texts. Most take any value and work on its str(). */
#include <string.h>

#include "text/jinja.h"
#include "text/pystr.h"
#include "text/unicode.h"

static struct jj_value plus(struct jj *vm, struct jj_value a, struct jj_value b)
{
    return jj_binary(vm, OP_ADD, a, b);
}

static struct jj_value f_upper(struct jj *vm, struct jj_value *v)
{
    return jj_change_case(vm, jj_soft_str(vm, v[0]), CASE_UPPER);
}
static struct jj_value f_lower(struct jj *vm, struct jj_value *v)
{
    return jj_change_case(vm, jj_soft_str(vm, v[0]), CASE_LOWER);
}
static struct jj_value f_capitalize(struct jj *vm, struct jj_value *v)
{
    return jj_change_case(vm, jj_soft_str(vm, v[0]), CASE_CAPITALIZE);
}

/* Words begin after blanks, "-", "(", "{", "[" and "<"; unlike str.title, not after an apostrophe. */
static struct jj_value f_title(struct jj *vm, struct jj_value *v)
{
    struct jj_value s = jj_soft_str(vm, v[0]);
    size_t start = jj_capture(vm);
    for (size_t i = 0; i < s.s->n;) {
        size_t from = i;
        int n = 0;
        for (uint32_t cp; i < s.s->n; i += (size_t)n) {
            cp = utf8_at(s.s->p + i, &n);
            if (py_is_space(cp) || (cp < 0x80 && cp && strchr("-({[<", (int)cp))) break;
        }
        if (i > from) {
            int first;
            utf8_at(s.s->p + from, &first);
            struct jj_value head = jj_str(vm, s.s->p + from, (size_t)first);
            struct jj_value rest = jj_str(vm, s.s->p + from + first, i - from - (size_t)first);
            jj_print(vm, jj_change_case(vm, head, CASE_UPPER), &vm->text);
            jj_print(vm, jj_change_case(vm, rest, CASE_LOWER), &vm->text);
        } else {
            str_add(&vm->text, s.s->p + i, (size_t)n);
            i += (size_t)n;
        }
    }
    return jj_captured(vm, start);
}

static struct jj_value f_string(struct jj *vm, struct jj_value *v)
{
    return jj_soft_str(vm, v[0]);
}

static struct jj_value f_safe(struct jj *vm, struct jj_value *v)
{
    struct jj_value s = jj_soft_str(vm, v[0]);
    s.safe = true;
    return s;
}

static struct jj_value f_escape(struct jj *vm, struct jj_value *v)
{
    return jj_escape(vm, v[0]);
}
static struct jj_value f_forceescape(struct jj *vm, struct jj_value *v)
{
    return jj_escape(vm, jj_to_str(vm, v[0]));
}
static struct jj_value f_trim(struct jj *vm, struct jj_value *v)
{
    return jj_strip(vm, jj_soft_str(vm, v[0]), v[1], 3);
}
static struct jj_value f_replace(struct jj *vm, struct jj_value *v)
{
    return jj_replace(vm, jj_to_str(vm, v[0]), jj_to_str(vm, v[1]), jj_to_str(vm, v[2]),
                      jj_int_or(vm, v[3], -1));
}
static struct jj_value f_center(struct jj *vm, struct jj_value *v)
{
    return jj_pad(vm, jj_soft_str(vm, v[0]), jj_int_or(vm, v[1], 80), (struct jj_value){.kind = JJ_MISSING},
                  3);
}

static struct jj_value f_format(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    struct jj_value values = jj_list_new(vm, JJ_TUPLE, a->n);
    if (a->n && a->kw) jj_raise(vm, "can't handle positional and keyword arguments at the same time");
    if (a->kw)
        return jj_percent(vm, jj_soft_str(vm, self), (struct jj_value){.kind = JJ_DICT, .dict = a->kw});
    for (size_t i = 0; i < a->n; i++) jj_push(vm, values, a->v[i]);
    return jj_percent(vm, jj_soft_str(vm, self), values);
}

/* indent(s, width=4, first=False, blank=False) */
static struct jj_value f_indent(struct jj *vm, struct jj_value *v)
{
    struct jj_value pad =
        v[1].kind == JJ_STR ? v[1] : jj_binary(vm, OP_MUL, jj_text(vm, " "), jj_int(jj_int_or(vm, v[1], 4)));
    struct jj_value lines = jj_splitlines(vm, plus(vm, v[0], jj_text(vm, "\n")), false);
    bool blank = jj_truth(vm, v[3]);
    if (v[0].kind != JJ_STR) jj_raise(vm, "a text is to be indented, not %s", jj_type(v[0]));
    size_t start = jj_capture(vm);
    if (jj_truth(vm, v[2])) jj_print(vm, pad, &vm->text);
    for (size_t i = 0; i < lines.list->n; i++) {
        if (i) str_puts(&vm->text, "\n");
        if (i && (blank || lines.list->v[i].s->n)) jj_print(vm, pad, &vm->text);
        jj_print(vm, lines.list->v[i], &vm->text);
    }
    struct jj_value out = jj_captured(vm, start);
    out.safe = v[0].safe;
    return out;
}

/* truncate(s, length=255, killwords=False, end="...", leeway=5) */
static struct jj_value f_truncate(struct jj *vm, struct jj_value *v)
{
    const struct jj_str *s = jj_need_str(vm, v[0], "what truncate works on");
    struct jj_value end = v[3].kind ? v[3] : jj_text(vm, "...");
    int64_t length = jj_int_or(vm, v[1], 255), leeway = jj_int_or(vm, v[4], 5),
            n = (int64_t)jj_need_str(vm, end, "end")->chars;
    if (length < n) jj_raise(vm, "expected length >= %lld, got %lld", (long long)n, (long long)length);
    if (leeway < 0) jj_raise(vm, "expected leeway >= 0, got %lld", (long long)leeway);
    if ((int64_t)s->chars <= length || (int64_t)s->chars - length <= leeway) return v[0];
    struct jj_value cut = jj_slice(vm, v[0], jj_none(), jj_int(length - n), jj_none());
    if (!jj_truth(vm, v[2])) cut = jj_split(vm, cut, jj_text(vm, " "), 1, true).list->v[0];
    return plus(vm, cut, end);
}

static struct jj_value f_wordcount(struct jj *vm, struct jj_value *v)
{
    struct jj_value s = jj_soft_str(vm, v[0]);
    int64_t words = 0;
    bool inside = false;
    int n;
    jj_step(vm, s.s->n * 4);
    for (size_t i = 0; i < s.s->n; i += (size_t)n) {
        bool word = py_is_word(utf8_at(s.s->p + i, &n));
        words += word && !inside;
        inside = word;
    }
    return jj_int(words);
}

/* ---- wordwrap ------------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
    return c && strchr("\t\n\v\f\r ", c);
}

/* The end of the piece of a line at `i`: a run of blanks, or a word up to and with a hyphen between
 * letters. */
static size_t piece_end(const struct jj_str *s, size_t i, bool hyphens)
{
    bool blank = is_blank(s->p[i]);
    size_t from = i;
    int n;
    while (i < s->n && is_blank(s->p[i]) == blank) {
        i++;
        if (blank || !hyphens || s->p[i - 1] != '-' || i - from < 3 || i >= s->n || is_blank(s->p[i]))
            continue;
        bool before = py_is_alpha(utf8_before(s->p, s->p + i - 1, &n)) &&
                      py_is_alpha(utf8_before(s->p, s->p + i - 1 - n, &n));
        bool after = py_is_alpha(utf8_at(s->p + i, &n)) && i + (size_t)n < s->n;
        size_t next = i + (size_t)n + (after && s->p[i + (size_t)n] == '-');
        if (before && after && next < s->n && py_is_alpha(utf8_at(s->p + next, &n))) break;
    }
    return i;
}

struct wrap {
    struct jj *vm;
    struct jj_value lines;
    int64_t width, used; /* characters */
    size_t from, to;     /* bytes of the line being filled */
    bool begun;
};

static void wrap_line(struct wrap *w, const struct jj_str *s)
{
    size_t to = w->to;
    while (to > w->from && is_blank(s->p[to - 1])) to--;
    if (to > w->from) jj_push(w->vm, w->lines, jj_str_copy(w->vm, s->p + w->from, to - w->from));
    w->from = w->to;
    w->used = 0;
    w->begun = false;
}

/* Pieces onto lines of at most `width`; a longer one is cut, or stands alone. */
static void wrap_text(struct wrap *w, const struct jj_str *s, bool cut, bool hyphens)
{
    for (size_t i = 0, end; i < s->n; i = end) {
        end = piece_end(s, i, hyphens);
        int64_t chars = (int64_t)utf8_count(s->p + i, end - i);
        bool blank = is_blank(s->p[i]);
        if (w->begun && w->used + chars > w->width && !(cut && chars > w->width && w->used < w->width))
            wrap_line(w, s);
        if (!w->begun && blank && w->lines.list->n) {
            w->from = w->to = end;
            continue;
        }
        if (cut && chars > w->width) {
            const struct jj_str rest = {.p = s->p + i, .n = end - i, .chars = (size_t)chars};
            end = i + jj_offset(&rest, (size_t)(w->width - w->used));
            chars = w->width - w->used;
        }
        w->to = end;
        w->used += chars;
        w->begun = true;
    }
    wrap_line(w, s);
}

/* wordwrap(s, width=79, break_long_words=True, wrapstring="\n", break_on_hyphens=True) */
static struct jj_value f_wordwrap(struct jj *vm, struct jj_value *v)
{
    struct jj_value sep = v[3].kind == JJ_STR ? v[3] : jj_text(vm, "\n"), out = jj_list_new(vm, JJ_LIST, 0);
    int64_t width = jj_int_or(vm, v[1], 79);
    jj_need_str(vm, v[0], "what wordwrap works on");
    if (width <= 0) jj_raise(vm, "invalid width %lld (must be > 0)", (long long)width);
    struct jj_value lines = jj_splitlines(vm, v[0], false);
    for (size_t i = 0; i < lines.list->n; i++) {
        struct wrap w = {.vm = vm, .lines = jj_list_new(vm, JJ_LIST, 0), .width = width};
        wrap_text(&w, lines.list->v[i].s, !v[2].kind || jj_truth(vm, v[2]), !v[4].kind || jj_truth(vm, v[4]));
        jj_push(vm, out, jj_join(vm, sep, w.lines, false));
    }
    return jj_join(vm, sep, out, false);
}

/* ---- for the web --------------------------------------------------------------------------------------- */

static void put_quoted(struct jj *vm, struct jj_value v, bool for_query)
{
    struct jj_value s = jj_to_str(vm, v);
    for (size_t i = 0; i < s.s->n; i++) {
        unsigned char c = (unsigned char)s.s->p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                     (c && strchr("_.-~", c)) || (c == '/' && !for_query);
        if (plain)
            str_add(&vm->text, s.s->p + i, 1);
        else if (c == ' ' && for_query)
            str_puts(&vm->text, "+");
        else
            str_addf(&vm->text, "%%%02X", c);
    }
}

static struct jj_value f_urlencode(struct jj *vm, struct jj_value *v)
{
    struct jj_value items = v[0], pair;
    size_t start = jj_capture(vm);
    if (v[0].kind == JJ_STR || !jj_iter_try(vm, v[0])) {
        put_quoted(vm, v[0], false);
        return jj_captured(vm, start);
    }
    struct jj_view view = {v[0].dict, JJ_ITEMS};
    if (v[0].kind == JJ_DICT) items = (struct jj_value){.kind = JJ_VIEW, .view = &view};
    struct jj_iter *it = jj_iter(vm, items);
    for (bool first = true; jj_next(vm, it, &pair); first = false) {
        struct jj_value list = jj_to_list(vm, pair);
        if (list.list->n != 2) jj_raise(vm, "pairs of key and value expected, got %zu items", list.list->n);
        if (!first) str_puts(&vm->text, "&");
        put_quoted(vm, list.list->v[0], true);
        str_puts(&vm->text, "=");
        put_quoted(vm, list.list->v[1], true);
    }
    return jj_captured(vm, start);
}

static struct jj_value f_xmlattr(struct jj *vm, struct jj_value *v)
{
    if (v[0].kind != JJ_DICT) jj_raise(vm, "xmlattr takes a mapping, not %s", jj_type(v[0]));
    size_t start = jj_capture(vm);
    bool space = !v[1].kind || jj_truth(vm, v[1]);
    for (size_t i = 0; i < v[0].dict->n; i++) {
        struct jj_value key = v[0].dict->v[i].key, value = v[0].dict->v[i].value;
        if (value.kind == JJ_NONE || value.kind == JJ_UNDEFINED) continue;
        if (strpbrk(jj_need_str(vm, key, "an attribute name")->p, " \t\n\r\f\v/>="))
            jj_raise(vm, "Invalid character in attribute name: %s", jj_repr(vm, key));
        struct jj_value name = jj_escape(vm, key), text = jj_escape(vm, value);
        str_addf(&vm->text, "%s%s=\"", space ? " " : "", name.s->p);
        jj_print(vm, text, &vm->text);
        str_puts(&vm->text, "\"");
        space = true;
    }
    return jj_captured(vm, start);
}

/* Everything from `open` to the next `close`, each time there is one, taken out. */
static struct jj_value without(struct jj *vm, struct jj_value s, const char *open, const char *close)
{
    const char *p = s.s->p, *end = p + s.s->n, *from, *to;
    size_t start = jj_capture(vm);
    while ((from = memmem(p, (size_t)(end - p), open, strlen(open))) &&
           (to = memmem(from, (size_t)(end - from), close, strlen(close)))) {
        str_add(&vm->text, p, (size_t)(from - p));
        p = to + strlen(close);
    }
    str_add(&vm->text, p, (size_t)(end - p));
    return jj_captured(vm, start);
}

static struct jj_value f_striptags(struct jj *vm, struct jj_value *v)
{
    static const char *const entities[][2] = {{"&lt;", "<"},   {"&gt;", ">"},   {"&#39;", "'"},
                                              {"&apos;", "'"}, {"&#34;", "\""}, {"&quot;", "\""},
                                              {"&amp;", "&"}};
    struct jj_value s = without(vm, jj_to_str(vm, v[0]), "<!--", "-->");
    s = without(vm, s, "<", ">");
    s = jj_join(vm, jj_text(vm, " "), jj_split(vm, s, jj_none(), -1, false), false);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        s = jj_replace(vm, s, jj_text(vm, entities[i][0]), jj_text(vm, entities[i][1]), -1);
    return s;
}

const struct jj_callable jj_filters_text[] = {
    {"trim", "chars=", f_trim, NULL},
    {"string", "", f_string, NULL},
    {"safe", "", f_safe, NULL},
    {"upper", "", f_upper, NULL},
    {"lower", "", f_lower, NULL},
    {"title", "", f_title, NULL},
    {"capitalize", "", f_capitalize, NULL},
    {"replace", "old,new,count=", f_replace, NULL},
    {"indent", "width=,first=,blank=", f_indent, NULL},
    {"format", NULL, NULL, f_format},
    {"center", "width=", f_center, NULL},
    {"truncate", "length=,killwords=,end=,leeway=", f_truncate, NULL},
    {"wordwrap", "width=,break_long_words=,wrapstring=,break_on_hyphens=", f_wordwrap, NULL},
    {"wordcount", "", f_wordcount, NULL},
    {"e", "", f_escape, NULL},
    {"escape", "", f_escape, NULL},
    {"forceescape", "", f_forceescape, NULL},
    {"urlencode", "", f_urlencode, NULL},
    {"xmlattr", "autospace=", f_xmlattr, NULL},
    {"striptags", "", f_striptags, NULL},
    {0}};
