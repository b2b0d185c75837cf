/* jinja_text.c: what Python's str does, on UTF-8, by code points.
 *
 * A string that is Markup stays Markup. ASCII strings (as many code points as bytes) are indexed
 * directly.
 */
#include <string.h>

#include "text/jinja.h"
#include "text/pystr.h"
#include "text/unicode.h"

static struct jj_value keep_safe(struct jj_value v, struct jj_value from)
{
    v.safe = from.safe;
    return v;
}

size_t jj_offset(const struct jj_str *s, size_t chars)
{
    if (s->chars == s->n) return chars < s->n ? chars : s->n;
    size_t at = 0;
    for (; at < s->n && chars; chars--) {
        at++;
        while (at < s->n && ((unsigned char)s->p[at] & 0xC0) == 0x80) at++;
    }
    return at;
}

static size_t chars_before(const struct jj_str *s, size_t offset)
{
    return s->chars == s->n ? offset : utf8_count(s->p, offset);
}

struct jj_value jj_char_at(struct jj *vm, const struct jj_str *s, size_t at)
{
    size_t from = jj_offset(s, at);
    int n;
    jj_step(vm, from);
    utf8_at(s->p + from, &n);
    return jj_str_copy(vm, s->p + from, (size_t)n);
}

static struct jj_value part(struct jj *vm, struct jj_value s, size_t from, size_t to)
{
    return keep_safe(jj_str_copy(vm, s.s->p + from, to - from), s);
}

/* ---- strip, pad, case ---------------------------------------------------------------------------------- */

static bool stripped(const struct jj_value *chars, const char *p, int n)
{
    if (chars->kind != JJ_STR) return py_is_space(utf8_at(p, &n));
    return memmem(chars->s->p, chars->s->n, p, (size_t)n) != NULL;
}

struct jj_value jj_strip(struct jj *vm, struct jj_value s, struct jj_value chars, int sides)
{
    if (chars.kind != JJ_STR && chars.kind != JJ_NONE && chars.kind != JJ_MISSING)
        jj_raise(vm, "strip arg must be None or str");
    size_t from = 0, to = s.s->n, looked_through = chars.kind == JJ_STR ? chars.s->n : 0;
    int n;
    while ((sides & 1) && from < to) {
        utf8_at(s.s->p + from, &n);
        if (!stripped(&chars, s.s->p + from, n)) break;
        from += (size_t)n;
        jj_step(vm, looked_through);
    }
    while ((sides & 2) && to > from) {
        utf8_before(s.s->p, s.s->p + to, &n);
        if (!stripped(&chars, s.s->p + to - n, n)) break;
        to -= (size_t)n;
        jj_step(vm, looked_through);
    }
    return from == 0 && to == s.s->n ? s : part(vm, s, from, to);
}

static void put_times(struct jj *vm, const struct jj_str *fill, int64_t n)
{
    if (n > (int64_t)JJ_TEXT_MAX) jj_raise(vm, "a string of more than %zu MiB", JJ_TEXT_MAX >> 20);
    for (int64_t i = 0; i < n; i++) str_add(&vm->text, fill->p, fill->n);
    jj_step(vm, n > 0 ? (size_t)n : 0);
}

struct jj_value jj_pad(struct jj *vm, struct jj_value s, int64_t width, struct jj_value fill, int sides)
{
    if (fill.kind == JJ_MISSING) fill = jj_text(vm, " ");
    if (fill.kind != JJ_STR || fill.s->chars != 1)
        jj_raise(vm, "The fill character must be exactly one character long");
    if (width <= (int64_t)s.s->chars) return s;
    int64_t pad = width - (int64_t)s.s->chars;
    /* CPython's center: of an odd rest the left side gets more when the width is odd too. */
    int64_t left = sides == 3 ? pad / 2 + (pad & width & 1) : sides == 1 ? pad : 0;
    size_t start = jj_capture(vm);
    put_times(vm, fill.s, left);
    str_add(&vm->text, s.s->p, s.s->n);
    put_times(vm, fill.s, pad - left);
    return keep_safe(jj_captured(vm, start), s);
}

static bool cased(uint32_t cp)
{
    return py_is_lower(cp) || py_is_upper(cp) || py_is_title(cp);
}

/* A capital sigma at the end of a word becomes the final one. */
static bool final_sigma(const struct jj_str *s, size_t at)
{
    int n;
    bool before = at > 0 && py_is_alpha(utf8_before(s->p, s->p + at, &n));
    size_t after = at + 2;
    return before && !(after < s->n && py_is_alpha(utf8_at(s->p + after, &n)));
}

struct jj_value jj_change_case(struct jj *vm, struct jj_value v, enum jj_case_rule rule)
{
    const struct jj_str *s = v.s;
    size_t start = jj_capture(vm);
    bool in_word = false;
    jj_step(vm, s->n * 4);
    for (size_t i = 0; i < s->n;) {
        uint32_t out[3], cp;
        char utf8[4];
        int n;
        cp = utf8_at(s->p + i, &n);
        enum py_case to = rule == CASE_UPPER ? PY_UPPER : PY_LOWER;
        if (rule == CASE_TITLE && !in_word) to = PY_TITLE;
        if (rule == CASE_CAPITALIZE && i == 0) to = PY_TITLE;
        if (rule == CASE_SWAP) to = py_is_lower(cp) ? PY_UPPER : py_is_upper(cp) ? PY_LOWER : PY_TITLE;
        int len = py_case_map(to, cp, out);
        if (cp == 0x3A3 && to == PY_LOWER && final_sigma(s, i)) out[0] = 0x3C2;
        for (int k = 0; k < len; k++) str_add(&vm->text, utf8, (size_t)utf8_put(utf8, out[k]));
        in_word = cased(cp);
        i += (size_t)n;
    }
    return keep_safe(jj_captured(vm, start), v);
}

/* ---- find, replace, split, join ------------------------------------------------------------------------ */

static const char *find_last(const char *p, size_t n, const struct jj_str *what)
{
    for (size_t i = n >= what->n ? n - what->n + 1 : 0; i-- > 0;)
        if (!memcmp(p + i, what->p, what->n)) return p + i;
    return NULL;
}

int64_t jj_find(const struct jj_str *s, const struct jj_str *what, size_t from, size_t to, bool last)
{
    if (from > to) return -1;
    size_t a = jj_offset(s, from), b = jj_offset(s, to);
    const char *p = last ? find_last(s->p + a, b - a, what) : memmem(s->p + a, b - a, what->p, what->n);
    return p ? (int64_t)chars_before(s, (size_t)(p - s->p)) : -1;
}

/* An empty `old` stands before each character and at the end. */
static struct jj_value replace_empty(struct jj *vm, struct jj_value s, const struct jj_str *with,
                                     int64_t count)
{
    size_t start = jj_capture(vm);
    for (size_t i = 0, next;; i = next) {
        if (count-- != 0) str_add(&vm->text, with->p, with->n);
        if (i == s.s->n || vm->text.full) break;
        next = i + 1;
        while (next < s.s->n && ((unsigned char)s.s->p[next] & 0xC0) == 0x80) next++;
        str_add(&vm->text, s.s->p + i, next - i);
        jj_step(vm, with->n);
    }
    return jj_captured(vm, start);
}

struct jj_value jj_replace(struct jj *vm, struct jj_value s, struct jj_value old, struct jj_value with,
                           int64_t count)
{
    jj_need_str(vm, old, "replace() argument 1");
    jj_need_str(vm, with, "replace() argument 2");
    if (s.safe) {
        old = jj_escape(vm, old);
        with = jj_escape(vm, with);
    }
    if (!old.s->n) return keep_safe(replace_empty(vm, s, with.s, count), s);
    const char *p = s.s->p, *end = p + s.s->n, *next;
    size_t start = jj_capture(vm);
    jj_step(vm, s.s->n);
    while (count-- != 0 && (next = memmem(p, (size_t)(end - p), old.s->p, old.s->n))) {
        str_add(&vm->text, p, (size_t)(next - p));
        str_add(&vm->text, with.s->p, with.s->n);
        p = next + old.s->n;
        jj_step(vm, with.s->n);
    }
    str_add(&vm->text, p, (size_t)(end - p));
    return keep_safe(jj_captured(vm, start), s);
}

static bool space_at(const struct jj_str *s, size_t i, int *n)
{
    return py_is_space(utf8_at(s->p + i, n));
}

/* Without a separator whitespace parts; after `max` cuts the rest stays as it is, but for the whitespace
 * at the cut. */
static void split_space(struct jj *vm, struct jj_value s, int64_t max, struct jj_value out)
{
    int n;
    for (size_t i = 0; i < s.s->n;) {
        if (space_at(s.s, i, &n)) {
            i += (size_t)n;
            continue;
        }
        size_t from = i;
        if (max == 0) i = s.s->n;
        while (i < s.s->n && !space_at(s.s, i, &n)) i += (size_t)n;
        jj_push(vm, out, part(vm, s, from, i));
        max--;
    }
}

static void rsplit_space(struct jj *vm, struct jj_value s, int64_t max, struct jj_value out)
{
    int n;
    for (size_t i = s.s->n; i > 0;) {
        if (py_is_space(utf8_before(s.s->p, s.s->p + i, &n))) {
            i -= (size_t)n;
            continue;
        }
        size_t to = i;
        if (max == 0) i = 0;
        while (i > 0 && !py_is_space(utf8_before(s.s->p, s.s->p + i, &n))) i -= (size_t)n;
        jj_push(vm, out, part(vm, s, i, to));
        max--;
    }
}

static void turn_round(struct jj_list *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        struct jj_value v = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = v;
    }
}

struct jj_value jj_split(struct jj *vm, struct jj_value s, struct jj_value sep, int64_t max, bool from_right)
{
    struct jj_value out = jj_list_new(vm, JJ_LIST, 4);
    if (sep.kind == JJ_NONE || sep.kind == JJ_MISSING) {
        (from_right ? rsplit_space : split_space)(vm, s, max, out);
    } else {
        jj_need_str(vm, sep, "must be str or None: the separator");
        if (!sep.s->n) jj_raise(vm, "empty separator");
        size_t from = 0, to = s.s->n;
        jj_step(vm, s.s->n);
        for (const char *p; max != 0; max--) {
            p = from_right ? find_last(s.s->p, to, sep.s)
                           : memmem(s.s->p + from, to - from, sep.s->p, sep.s->n);
            size_t at = p ? (size_t)(p - s.s->p) : 0;
            if (from_right) jj_step(vm, (to - at) * sep.s->n);
            if (!p) break;
            jj_push(vm, out, from_right ? part(vm, s, at + sep.s->n, to) : part(vm, s, from, at));
            if (from_right)
                to = at;
            else
                from = at + sep.s->n;
        }
        jj_push(vm, out, part(vm, s, from, to));
    }
    if (from_right) turn_round(out.list);
    return out;
}

struct jj_value jj_splitlines(struct jj *vm, struct jj_value s, bool keep)
{
    struct jj_value out = jj_list_new(vm, JJ_LIST, 4);
    for (size_t from = 0, i = 0; i < s.s->n;) {
        int n;
        uint32_t cp = utf8_at(s.s->p + i, &n);
        size_t end = i;
        i += (size_t)n;
        if (!py_is_line_break(cp)) {
            if (i == s.s->n) jj_push(vm, out, part(vm, s, from, i));
            continue;
        }
        if (cp == '\r' && i < s.s->n && s.s->p[i] == '\n') i++;
        jj_push(vm, out, part(vm, s, from, keep ? i : end));
        from = i;
    }
    return out;
}

struct jj_value jj_join(struct jj *vm, struct jj_value sep, struct jj_value items, bool to_str)
{
    struct jj_iter *it = jj_iter_try(vm, items);
    struct jj_value v;
    if (!it && !to_str) jj_raise(vm, "can only join an iterable");
    if (!it) it = jj_iter(vm, items);
    size_t start = jj_capture(vm);
    for (int64_t i = 0; jj_next(vm, it, &v); i++) {
        if (i) str_add(&vm->text, sep.s->p, sep.s->n);
        if (!to_str && v.kind != JJ_STR)
            jj_raise(vm, "sequence item %lld: expected str instance, %s found", (long long)i, jj_type(v));
        if (!to_str && sep.safe) v = jj_escape(vm, v);
        jj_print(vm, v, &vm->text);
        jj_step(vm, sep.s->n);
    }
    v = jj_captured(vm, start);
    v.safe = !to_str && sep.safe;
    return v;
}

/* ---- slices -------------------------------------------------------------------------------------------- */

/* A bound of a slice, as Python's PySlice_AdjustIndices puts it within 0..n (or -1..n-1 backwards). */
static int64_t bound(struct jj *vm, struct jj_value v, int64_t n, bool back, int64_t fallback)
{
    int64_t i;
    if (v.kind == JJ_NONE || v.kind == JJ_MISSING) return fallback;
    if (!jj_as_int(v, &i)) jj_raise(vm, "slice indices must be integers or None or have an __index__ method");
    if (i < 0) i = i + n < 0 ? (back ? -1 : 0) : i + n;
    return i >= n ? (back ? n - 1 : n) : i;
}

/* The same of a string that is not ASCII: offsets of all its characters first. */
static struct jj_value slice_str(struct jj *vm, struct jj_value s, int64_t from, int64_t step, int64_t count)
{
    if (step == 1) {
        size_t a = jj_offset(s.s, (size_t)from);
        struct jj_str rest = {.p = s.s->p + a, .n = s.s->n - a, .chars = s.s->chars - (size_t)from};
        jj_step(vm, s.s->n);
        return part(vm, s, a, a + jj_offset(&rest, (size_t)count));
    }
    uint32_t *at = jj_alloc(vm, (s.s->chars + 1) * sizeof *at), chars = 0;
    for (size_t i = 0; i < s.s->n; i++)
        if (((unsigned char)s.s->p[i] & 0xC0) != 0x80) at[chars++] = (uint32_t)i;
    at[chars] = (uint32_t)s.s->n;
    size_t start = jj_capture(vm);
    for (int64_t k = 0; k < count; k++, from += step)
        str_add(&vm->text, s.s->p + at[from], at[from + 1] - at[from]);
    jj_step(vm, s.s->n);
    return keep_safe(jj_captured(vm, start), s);
}

struct jj_value jj_slice(struct jj *vm, struct jj_value of, struct jj_value start, struct jj_value stop,
                         struct jj_value step)
{
    int64_t by = 1, n = jj_length(vm, of);
    if (of.kind == JJ_UNDEFINED) jj_raise_undefined(vm, of);
    if (of.kind == JJ_DICT) jj_raise(vm, "unhashable type: 'slice'");
    if (of.kind != JJ_STR && of.kind != JJ_LIST && of.kind != JJ_TUPLE && of.kind != JJ_RANGE)
        jj_raise(vm, "'%s' object is not subscriptable", jj_type(of));
    if (step.kind != JJ_NONE && step.kind != JJ_MISSING && !jj_as_int(step, &by))
        jj_raise(vm, "slice indices must be integers or None or have an __index__ method");
    if (!by) jj_raise(vm, "slice step cannot be zero");
    if (by > n) by = n + 1; /* the first item alone, as with any larger step */
    if (by < -n) by = -n - 1;
    int64_t from = bound(vm, start, n, by < 0, by < 0 ? n - 1 : 0),
            to = bound(vm, stop, n, by < 0, by < 0 ? -1 : n);
    int64_t count =
        by > 0 ? (to > from ? (to - from - 1) / by + 1 : 0) : (from > to ? (from - to - 1) / -by + 1 : 0);
    if (of.kind == JJ_STR) return slice_str(vm, of, from, by, count);
    struct jj_value out = jj_list_new(vm, of.kind == JJ_TUPLE ? JJ_TUPLE : JJ_LIST, (size_t)count);
    for (int64_t k = 0; k < count; k++, from += by)
        jj_push(vm, out,
                of.kind == JJ_RANGE ? jj_int(of.range->start + from * of.range->step) : of.list->v[from]);
    return out;
}
