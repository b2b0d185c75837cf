/* jinja_method.c: attributes and items of values, and the methods of Python's str, list, dict and the
 * rest.
 *
 * x.name is Python's attribute first and x["name"] second; x["name"] the other way round. So {}.items is
 * the method even where there is a key of that name. The sandbox hides methods that change their object.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "text/jinja.h"
#include "text/pystr.h"
#include "text/unicode.h"

/* ---- str ----------------------------------------------------------------------------------------------- */

static struct jj_value m_upper(struct jj *vm, struct jj_value *v)
{
    return jj_change_case(vm, v[0], CASE_UPPER);
}
static struct jj_value m_lower(struct jj *vm, struct jj_value *v)
{
    return jj_change_case(vm, v[0], CASE_LOWER);
}
static struct jj_value m_title(struct jj *vm, struct jj_value *v)
{
    return jj_change_case(vm, v[0], CASE_TITLE);
}
static struct jj_value m_capitalize(struct jj *vm, struct jj_value *v)
{
    return jj_change_case(vm, v[0], CASE_CAPITALIZE);
}
static struct jj_value m_swapcase(struct jj *vm, struct jj_value *v)
{
    return jj_change_case(vm, v[0], CASE_SWAP);
}
static struct jj_value m_strip(struct jj *vm, struct jj_value *v)
{
    return jj_strip(vm, v[0], v[1], 3);
}
static struct jj_value m_lstrip(struct jj *vm, struct jj_value *v)
{
    return jj_strip(vm, v[0], v[1], 1);
}
static struct jj_value m_rstrip(struct jj *vm, struct jj_value *v)
{
    return jj_strip(vm, v[0], v[1], 2);
}
static struct jj_value m_split(struct jj *vm, struct jj_value *v)
{
    return jj_split(vm, v[0], v[1], jj_int_or(vm, v[2], -1), false);
}
static struct jj_value m_rsplit(struct jj *vm, struct jj_value *v)
{
    return jj_split(vm, v[0], v[1], jj_int_or(vm, v[2], -1), true);
}
static struct jj_value m_splitlines(struct jj *vm, struct jj_value *v)
{
    return jj_splitlines(vm, v[0], jj_truth(vm, v[1]));
}
static struct jj_value m_replace(struct jj *vm, struct jj_value *v)
{
    return jj_replace(vm, v[0], v[1], v[2], jj_int_or(vm, v[3], -1));
}
static struct jj_value m_join(struct jj *vm, struct jj_value *v)
{
    return jj_join(vm, v[0], v[1], false);
}
static struct jj_value m_center(struct jj *vm, struct jj_value *v)
{
    return jj_pad(vm, v[0], jj_need_int(vm, v[1]), v[2], 3);
}
static struct jj_value m_ljust(struct jj *vm, struct jj_value *v)
{
    return jj_pad(vm, v[0], jj_need_int(vm, v[1]), v[2], 2);
}
static struct jj_value m_rjust(struct jj *vm, struct jj_value *v)
{
    return jj_pad(vm, v[0], jj_need_int(vm, v[1]), v[2], 1);
}

static struct jj_value m_zfill(struct jj *vm, struct jj_value *v)
{
    int64_t width = jj_need_int(vm, v[1]);
    const struct jj_str *s = v[0].s;
    if (!s->n || (*s->p != '-' && *s->p != '+')) return jj_pad(vm, v[0], width, jj_text(vm, "0"), 1);
    struct jj_value sign = jj_str_copy(vm, s->p, 1), rest = jj_str_copy(vm, s->p + 1, s->n - 1);
    return jj_binary(vm, OP_ADD, sign, jj_pad(vm, rest, width - 1, jj_text(vm, "0"), 1));
}

/* start and end of find, count, startswith, within 0..chars. */
static void range_of(struct jj *vm, const struct jj_str *s, const struct jj_value *v, int64_t *from,
                     int64_t *to)
{
    int64_t n = (int64_t)s->chars, a = jj_int_or(vm, v[0], 0), b = jj_int_or(vm, v[1], n);
    *from = a < 0 ? (a + n < 0 ? 0 : a + n) : a;
    *to = b < 0 ? (b + n < 0 ? 0 : b + n) : b > n ? n : b;
}

static int64_t find(struct jj *vm, struct jj_value *v, bool last)
{
    int64_t from, to;
    const struct jj_str *what = jj_need_str(vm, v[1], "argument");
    range_of(vm, v[0].s, v + 2, &from, &to);
    jj_step(vm, v[0].s->n * (last ? what->n + 1 : 1));
    return jj_find(v[0].s, what, (size_t)from, (size_t)to, last);
}

static struct jj_value m_find(struct jj *vm, struct jj_value *v)
{
    return jj_int(find(vm, v, false));
}
static struct jj_value m_rfind(struct jj *vm, struct jj_value *v)
{
    return jj_int(find(vm, v, true));
}
static struct jj_value m_index(struct jj *vm, struct jj_value *v)
{
    int64_t i = find(vm, v, false);
    if (i < 0) jj_raise(vm, "substring not found");
    return jj_int(i);
}
static struct jj_value m_rindex(struct jj *vm, struct jj_value *v)
{
    int64_t i = find(vm, v, true);
    if (i < 0) jj_raise(vm, "substring not found");
    return jj_int(i);
}

static struct jj_value m_count(struct jj *vm, struct jj_value *v)
{
    int64_t from, to, n = 0;
    const struct jj_str *what = jj_need_str(vm, v[1], "argument");
    range_of(vm, v[0].s, v + 2, &from, &to);
    if (!what->n) return jj_int(from <= to ? to - from + 1 : 0);
    size_t a = jj_offset(v[0].s, (size_t)from), b = jj_offset(v[0].s, (size_t)to);
    jj_step(vm, v[0].s->n);
    for (const char *p; a < b && (p = memmem(v[0].s->p + a, b - a, what->p, what->n)); n++)
        a = (size_t)(p - v[0].s->p) + what->n;
    return jj_int(n);
}

/* startswith and endswith take a text or a tuple of them. */
static bool begins(struct jj *vm, struct jj_value *v, bool at_end)
{
    int64_t from, to;
    const struct jj_value *options = &v[1];
    size_t n = 1;
    if (v[1].kind == JJ_TUPLE) {
        options = v[1].list->v;
        n = v[1].list->n;
    } else if (v[1].kind != JJ_STR) {
        jj_raise(vm, "%s first arg must be str or a tuple of str, not %s", at_end ? "endswith" : "startswith",
                 jj_type(v[1]));
    }
    range_of(vm, v[0].s, v + 2, &from, &to);
    if (from > to) return false;
    size_t a = jj_offset(v[0].s, (size_t)from), len = jj_offset(v[0].s, (size_t)to) - a;
    for (size_t i = 0; i < n; i++) {
        const struct jj_str *s = jj_need_str(vm, options[i], "tuple for startswith or endswith: an item");
        jj_step(vm, s->n);
        if (s->n <= len && !memcmp(v[0].s->p + a + (at_end ? len - s->n : 0), s->p, s->n)) return true;
    }
    return false;
}

static struct jj_value m_startswith(struct jj *vm, struct jj_value *v)
{
    return jj_bool(begins(vm, v, false));
}
static struct jj_value m_endswith(struct jj *vm, struct jj_value *v)
{
    return jj_bool(begins(vm, v, true));
}

static struct jj_value m_removeprefix(struct jj *vm, struct jj_value *v)
{
    const struct jj_str *s = v[0].s, *prefix = jj_need_str(vm, v[1], "removeprefix() argument");
    if (prefix->n > s->n || memcmp(s->p, prefix->p, prefix->n) != 0) return v[0];
    return jj_str_copy(vm, s->p + prefix->n, s->n - prefix->n);
}

static struct jj_value m_removesuffix(struct jj *vm, struct jj_value *v)
{
    const struct jj_str *s = v[0].s, *suffix = jj_need_str(vm, v[1], "removesuffix() argument");
    if (suffix->n > s->n || memcmp(s->p + s->n - suffix->n, suffix->p, suffix->n) != 0) return v[0];
    return jj_str_copy(vm, s->p, s->n - suffix->n);
}

static struct jj_value partition(struct jj *vm, struct jj_value *v, bool last)
{
    struct jj_value out = jj_list_new(vm, JJ_TUPLE, 3), empty = jj_text(vm, "");
    const struct jj_str *s = v[0].s, *sep = jj_need_str(vm, v[1], "partition() argument");
    if (!sep->n) jj_raise(vm, "empty separator");
    int64_t at = jj_find(s, sep, 0, s->chars, last);
    if (at < 0) {
        for (int i = 0; i < 3; i++) jj_push(vm, out, i == (last ? 2 : 0) ? v[0] : empty);
        return out;
    }
    size_t i = jj_offset(s, (size_t)at);
    jj_push(vm, out, jj_str_copy(vm, s->p, i));
    jj_push(vm, out, v[1]);
    jj_push(vm, out, jj_str_copy(vm, s->p + i + sep->n, s->n - i - sep->n));
    return out;
}

static struct jj_value m_partition(struct jj *vm, struct jj_value *v)
{
    return partition(vm, v, false);
}
static struct jj_value m_rpartition(struct jj *vm, struct jj_value *v)
{
    return partition(vm, v, true);
}

static struct jj_value m_expandtabs(struct jj *vm, struct jj_value *v)
{
    int64_t size = jj_int_or(vm, v[1], 8), column = 0;
    if (size > 1000) jj_raise(vm, "a tab of more than 1000 columns");
    size_t start = jj_capture(vm);
    for (size_t i = 0; i < v[0].s->n; i++) {
        char c = v[0].s->p[i];
        if (c != '\t') {
            str_add(&vm->text, &c, 1);
            if (((unsigned char)c & 0xC0) != 0x80) column = c == '\n' || c == '\r' ? 0 : column + 1;
            continue;
        }
        for (int64_t n = size > 0 ? size - column % size : 0; n > 0; n--, column++) str_puts(&vm->text, " ");
        jj_step(vm, size > 0 ? (size_t)size : 0);
    }
    return jj_captured(vm, start);
}

/* Is `ask` true of every character, and is there one? */
static struct jj_value all_chars(struct jj *vm, const struct jj_str *s, bool (*ask)(uint32_t))
{
    int n;
    jj_step(vm, s->n * 4);
    for (size_t i = 0; i < s->n; i += (size_t)n)
        if (!ask(utf8_at(s->p + i, &n))) return jj_bool(false);
    return jj_bool(s->n > 0);
}

static bool is_alnum(uint32_t cp)
{
    return py_is_alpha(cp) || py_is_numeric(cp);
}
static bool is_ascii(uint32_t cp)
{
    return cp < 0x80;
}

/* islower, isupper: no cased character of the other kind, and one of this. */
static struct jj_value all_cased(struct jj *vm, const struct jj_str *s, bool (*want)(uint32_t),
                                 bool (*other)(uint32_t))
{
    int n;
    bool any = false;
    jj_step(vm, s->n * 4);
    for (size_t i = 0; i < s->n; i += (size_t)n) {
        uint32_t cp = utf8_at(s->p + i, &n);
        if (other(cp) || py_is_title(cp)) return jj_bool(false);
        any |= want(cp);
    }
    return jj_bool(any);
}

static struct jj_value m_isalpha(struct jj *vm, struct jj_value *v)
{
    return all_chars(vm, v[0].s, py_is_alpha);
}
static struct jj_value m_isalnum(struct jj *vm, struct jj_value *v)
{
    return all_chars(vm, v[0].s, is_alnum);
}
static struct jj_value m_isdecimal(struct jj *vm, struct jj_value *v)
{
    return all_chars(vm, v[0].s, py_is_decimal);
}
static struct jj_value m_isdigit(struct jj *vm, struct jj_value *v)
{
    return all_chars(vm, v[0].s, py_is_digit);
}
static struct jj_value m_isnumeric(struct jj *vm, struct jj_value *v)
{
    return all_chars(vm, v[0].s, py_is_numeric);
}
static struct jj_value m_isspace(struct jj *vm, struct jj_value *v)
{
    return all_chars(vm, v[0].s, py_is_space);
}
static struct jj_value m_isprintable(struct jj *vm, struct jj_value *v)
{
    return v[0].s->n ? all_chars(vm, v[0].s, py_is_printable) : jj_bool(true);
}
static struct jj_value m_isascii(struct jj *vm, struct jj_value *v)
{
    return v[0].s->n ? all_chars(vm, v[0].s, is_ascii) : jj_bool(true);
}
static struct jj_value m_islower(struct jj *vm, struct jj_value *v)
{
    return all_cased(vm, v[0].s, py_is_lower, py_is_upper);
}
static struct jj_value m_isupper(struct jj *vm, struct jj_value *v)
{
    return all_cased(vm, v[0].s, py_is_upper, py_is_lower);
}

static struct jj_value m_istitle(struct jj *vm, struct jj_value *v)
{
    const struct jj_str *s = v[0].s;
    bool in_word = false, any = false;
    int n;
    jj_step(vm, s->n * 4);
    for (size_t i = 0; i < s->n; i += (size_t)n) {
        uint32_t cp = utf8_at(s->p + i, &n);
        bool upper = py_is_upper(cp) || py_is_title(cp), lower = py_is_lower(cp);
        if ((upper && in_word) || (lower && !in_word)) return jj_bool(false);
        in_word = upper || lower;
        any |= in_word;
    }
    return jj_bool(any);
}

static const struct jj_callable str_methods[] = {{"upper", "", m_upper, NULL},
                                                 {"lower", "", m_lower, NULL},
                                                 {"casefold", "", m_lower, NULL},
                                                 {"title", "", m_title, NULL},
                                                 {"capitalize", "", m_capitalize, NULL},
                                                 {"swapcase", "", m_swapcase, NULL},
                                                 {"strip", "/chars=", m_strip, NULL},
                                                 {"lstrip", "/chars=", m_lstrip, NULL},
                                                 {"rstrip", "/chars=", m_rstrip, NULL},
                                                 {"split", "sep=,maxsplit=", m_split, NULL},
                                                 {"rsplit", "sep=,maxsplit=", m_rsplit, NULL},
                                                 {"splitlines", "keepends=", m_splitlines, NULL},
                                                 {"replace", "/old,/new,/count=", m_replace, NULL},
                                                 {"join", "/iterable", m_join, NULL},
                                                 {"center", "/width,/fillchar=", m_center, NULL},
                                                 {"ljust", "/width,/fillchar=", m_ljust, NULL},
                                                 {"rjust", "/width,/fillchar=", m_rjust, NULL},
                                                 {"zfill", "/width", m_zfill, NULL},
                                                 {"find", "/sub,/start=,/end=", m_find, NULL},
                                                 {"rfind", "/sub,/start=,/end=", m_rfind, NULL},
                                                 {"index", "/sub,/start=,/end=", m_index, NULL},
                                                 {"rindex", "/sub,/start=,/end=", m_rindex, NULL},
                                                 {"count", "/sub,/start=,/end=", m_count, NULL},
                                                 {"startswith", "/prefix,/start=,/end=", m_startswith, NULL},
                                                 {"endswith", "/suffix,/start=,/end=", m_endswith, NULL},
                                                 {"removeprefix", "/prefix", m_removeprefix, NULL},
                                                 {"removesuffix", "/suffix", m_removesuffix, NULL},
                                                 {"partition", "/sep", m_partition, NULL},
                                                 {"rpartition", "/sep", m_rpartition, NULL},
                                                 {"expandtabs", "tabsize=", m_expandtabs, NULL},
                                                 {"isalpha", "", m_isalpha, NULL},
                                                 {"isalnum", "", m_isalnum, NULL},
                                                 {"isdecimal", "", m_isdecimal, NULL},
                                                 {"isdigit", "", m_isdigit, NULL},
                                                 {"isnumeric", "", m_isnumeric, NULL},
                                                 {"isspace", "", m_isspace, NULL},
                                                 {"isprintable", "", m_isprintable, NULL},
                                                 {"isascii", "", m_isascii, NULL},
                                                 {"islower", "", m_islower, NULL},
                                                 {"isupper", "", m_isupper, NULL},
                                                 {"istitle", "", m_istitle, NULL},
                                                 {"format", NULL, NULL, jj_str_format},
                                                 {0}};

/* ---- list, dict and the rest --------------------------------------------------------------------------- */

static struct jj_value m_list_count(struct jj *vm, struct jj_value *v)
{
    int64_t n = 0;
    for (size_t i = 0; i < v[0].list->n; i++) n += jj_equal(vm, v[0].list->v[i], v[1]);
    return jj_int(n);
}

static struct jj_value m_list_index(struct jj *vm, struct jj_value *v)
{
    int64_t n = (int64_t)v[0].list->n, from = jj_int_or(vm, v[2], 0), to = jj_int_or(vm, v[3], n);
    if (from < 0) from = from + n < 0 ? 0 : from + n;
    if (to < 0) to += n;
    for (int64_t i = from; i < to && i < n; i++)
        if (jj_equal(vm, v[0].list->v[i], v[1])) return jj_int(i);
    if (v[0].kind == JJ_TUPLE) jj_raise(vm, "tuple.index(x): x not in tuple");
    jj_raise(vm, "%s is not in list", jj_repr(vm, v[1]));
}

static struct jj_value m_copy(struct jj *vm, struct jj_value *v)
{
    (void)vm; /* nothing changes a list or a dict, so the copy is the thing itself */
    return v[0];
}

static struct jj_value m_get(struct jj *vm, struct jj_value *v)
{
    const struct jj_value *found = jj_dict_find(vm, v[0].dict, v[1]);
    return found ? *found : v[2].kind == JJ_MISSING ? jj_none() : v[2];
}

static struct jj_value view(struct jj *vm, struct jj_value dict, enum jj_view_of of)
{
    struct jj_view *w = jj_alloc(vm, sizeof *w);
    *w = (struct jj_view){dict.dict, of};
    return (struct jj_value){.kind = JJ_VIEW, .view = w};
}

static struct jj_value m_keys(struct jj *vm, struct jj_value *v)
{
    return view(vm, v[0], JJ_KEYS);
}
static struct jj_value m_values(struct jj *vm, struct jj_value *v)
{
    return view(vm, v[0], JJ_VALUES);
}
static struct jj_value m_items(struct jj *vm, struct jj_value *v)
{
    return view(vm, v[0], JJ_ITEMS);
}

static struct jj_value m_is_integer(struct jj *vm, struct jj_value *v)
{
    (void)vm;
    return jj_bool(isfinite(v[0].f) && floor(v[0].f) == v[0].f);
}

static struct jj_value m_cycler_next(struct jj *vm, struct jj_value *v)
{
    (void)vm;
    struct jj_cycler *c = v[0].cycler;
    struct jj_value now = c->v[c->at];
    c->at = (c->at + 1) % c->n;
    return now;
}

static struct jj_value m_cycler_reset(struct jj *vm, struct jj_value *v)
{
    (void)vm;
    v[0].cycler->at = 0;
    return jj_none();
}

static const struct jj_callable list_methods[] = {{"count", "/value", m_list_count, NULL},
                                                  {"index", "/value,/start=,/stop=", m_list_index, NULL},
                                                  {"copy", "", m_copy, NULL},
                                                  {0}};
static const struct jj_callable dict_methods[] = {
    {"get", "/key,/default=", m_get, NULL}, {"items", "", m_items, NULL}, {"keys", "", m_keys, NULL},
    {"values", "", m_values, NULL},         {"copy", "", m_copy, NULL},   {0}};
static const struct jj_callable float_methods[] = {{"is_integer", "", m_is_integer, NULL}, {0}};
static const struct jj_callable cycler_methods[] = {
    {"next", "", m_cycler_next, NULL}, {"reset", "", m_cycler_reset, NULL}, {0}};

/* Methods that the immutable sandbox does not let through. */
static bool changes(enum jj_kind kind, const struct jj_str *name)
{
    static const char *const of_list[] = {"append", "clear",  "pop",    "reverse", "insert",
                                          "sort",   "extend", "remove", NULL};
    static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};
    const char *const *names = kind == JJ_LIST ? of_list : kind == JJ_DICT ? of_dict : NULL;
    for (; names && *names; names++)
        if (strlen(*names) == name->n && !memcmp(*names, name->p, name->n)) return true;
    return false;
}

static bool is_dunder(const struct jj_str *name)
{
    static const char *const known[] = {
        "__class__",   "__init__",         "__dict__",         "__doc__",    "__len__",   "__getitem__",
        "__iter__",    "__str__",          "__repr__",         "__module__", "__eq__",    "__hash__",
        "__dir__",     "__call__",         "__new__",          "__reduce__", "__add__",   "__contains__",
        "__setattr__", "__getattribute__", "__subclasshook__", "__format__", "__sizeof__"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], name->p)) return true;
    return false;
}

static struct jj_value bind(struct jj *vm, struct jj_value self, const struct jj_callable *rows,
                            const struct jj_str *name)
{
    const struct jj_callable *row = jj_find_row(rows, name->p, name->n);
    if (!row) return (struct jj_value){.kind = JJ_MISSING};
    struct jj_method *m = jj_alloc(vm, sizeof *m);
    *m = (struct jj_method){self, row};
    return (struct jj_value){.kind = JJ_METHOD, .method = m};
}

static struct jj_value unsafe(struct jj *vm, struct jj_value v, const struct jj_str *name)
{
    return jj_undefined_hint(vm, "access to attribute '%.80s' of '%s' object is unsafe.", name->p,
                             jj_type(v));
}

static struct jj_value macro_attr(struct jj *vm, const struct jj_macro *m, const struct jj_str *name)
{
    const struct jj_func *f = m->node->func;
    if (!strcmp(name->p, "name"))
        return f->name ? (struct jj_value){.kind = JJ_STR, .s = (struct jj_str *)(uintptr_t)f->name}
                       : jj_none();
    if (!strcmp(name->p, "catch_kwargs")) return jj_bool(f->kwargs >= 0);
    if (!strcmp(name->p, "catch_varargs")) return jj_bool(f->varargs >= 0);
    if (!strcmp(name->p, "caller")) return jj_bool(f->caller >= 0);
    if (strcmp(name->p, "arguments") != 0) return (struct jj_value){.kind = JJ_MISSING};
    struct jj_value list = jj_list_new(vm, JJ_TUPLE, (size_t)f->n_params);
    for (int i = 0; i < f->n_params; i++)
        jj_push(vm, list, (struct jj_value){.kind = JJ_STR, .s = (struct jj_str *)(uintptr_t)f->names[i]});
    return list;
}

struct jj_value jj_python_attr(struct jj *vm, struct jj_value v, const struct jj_str *name)
{
    const struct jj_value none = {.kind = JJ_MISSING};
    if (v.kind == JJ_UNDEFINED) jj_raise_undefined(vm, v);
    if (v.kind == JJ_NAMESPACE) {
        const struct jj_value *found = jj_dict_text(v.dict, name->p, name->n);
        return found ? *found : none;
    }
    if (is_dunder(name) || changes((enum jj_kind)v.kind, name)) return unsafe(vm, v, name);
    switch (v.kind) {
    case JJ_STR: return bind(vm, v, str_methods, name);
    case JJ_TUPLE:
        if (v.list->grouped && !strcmp(name->p, "grouper")) return v.list->v[0];
        if (v.list->grouped && !strcmp(name->p, "list")) return v.list->v[1];
        return strcmp(name->p, "copy") ? bind(vm, v, list_methods, name) : none;
    case JJ_LIST: return bind(vm, v, list_methods, name);
    case JJ_DICT: return bind(vm, v, dict_methods, name);
    case JJ_FLOAT: return bind(vm, v, float_methods, name);
    case JJ_LOOP: return jj_loop_attr(vm, v.loop, name);
    case JJ_MACRO: return macro_attr(vm, v.macro, name);
    case JJ_CYCLER:
        if (!strcmp(name->p, "current")) return v.cycler->v[v.cycler->at];
        return bind(vm, v, cycler_methods, name);
    case JJ_RANGE:
        if (!strcmp(name->p, "start")) return jj_int(v.range->start);
        if (!strcmp(name->p, "stop")) return jj_int(v.range->stop);
        if (!strcmp(name->p, "step")) return jj_int(v.range->step);
        return none;
    default: return none;
    }
}

/* Python's v[key]; JJ_MISSING where that raises what jinja2 takes as undefined. */
static struct jj_value python_item(struct jj *vm, struct jj_value v, struct jj_value key)
{
    const struct jj_value none = {.kind = JJ_MISSING};
    int64_t i;
    if (v.kind == JJ_UNDEFINED) jj_raise_undefined(vm, v);
    if (v.kind == JJ_DICT) {
        if (key.kind == JJ_LIST || key.kind == JJ_DICT) return none;
        const struct jj_value *found = jj_dict_find(vm, v.dict, key);
        return found ? *found : none;
    }
    if (v.kind != JJ_STR && v.kind != JJ_LIST && v.kind != JJ_TUPLE && v.kind != JJ_RANGE) return none;
    if (!jj_as_int(key, &i)) return none;
    int64_t n = jj_length(vm, v);
    if (i < 0) i += n;
    if (i < 0 || i >= n) return none;
    if (v.kind == JJ_STR) {
        struct jj_value c = jj_char_at(vm, v.s, (size_t)i);
        c.safe = v.safe;
        return c;
    }
    if (v.kind == JJ_RANGE) return jj_int(v.range->start + i * v.range->step);
    return v.list->v[i];
}

struct jj_value jj_getattr(struct jj *vm, struct jj_value v, struct jj_str *name)
{
    struct jj_value key = {.kind = JJ_STR, .s = name}, out = jj_python_attr(vm, v, name);
    if (out.kind == JJ_MISSING) out = python_item(vm, v, key);
    return out.kind == JJ_MISSING ? jj_undefined(vm, v, key) : out;
}

struct jj_value jj_getitem(struct jj *vm, struct jj_value v, struct jj_value key)
{
    struct jj_value out = python_item(vm, v, key);
    if (out.kind == JJ_MISSING && key.kind == JJ_STR) out = jj_python_attr(vm, v, key.s);
    return out.kind == JJ_MISSING ? jj_undefined(vm, v, key) : out;
}
