/* jinja_pprint.c: the filter pprint: Python's pprint.pformat with 80 columns.
 *
 * A value whose repr fits on the rest of the line is written as that. Otherwise a dict, list or tuple puts
 * each item on a line of its own, and a text is cut after blanks into several literals. Dicts are sorted.
 */
#include <string.h>

#include "text/jinja.h"
#include "text/pystr.h"
#include "text/unicode.h"

#define WIDTH 80

static size_t columns(struct jj *vm, struct jj_value v)
{
    return jj_text(vm, jj_repr(vm, v)).s->chars;
}

static void new_line(struct jj *vm, size_t indent)
{
    str_puts(&vm->text, "\n");
    for (size_t i = 0; i < indent; i++) str_puts(&vm->text, " ");
    jj_step(vm, indent);
}

/* The value with every dict in it in the order of its keys, where they have one. */
static struct jj_value sorted(struct jj *vm, struct jj_value v)
{
    struct jj_value out = v;
    jj_enter(vm);
    if (v.kind == JJ_LIST || v.kind == JJ_TUPLE) {
        out = jj_list_new(vm, (enum jj_kind)v.kind, v.list->n);
        for (size_t i = 0; i < v.list->n; i++) jj_push(vm, out, sorted(vm, v.list->v[i]));
    } else if (v.kind == JJ_DICT) {
        struct jj_value keys = jj_to_list(vm, v);
        bool texts = true, numbers = true;
        for (size_t i = 0; i < keys.list->n; i++) {
            texts &= keys.list->v[i].kind == JJ_STR;
            numbers &= jj_is_number(keys.list->v[i]);
        }
        struct jj_value order = jj_to_list(vm, v);
        if (texts || numbers) jj_sort(vm, order.list->v, order.list->n, keys.list->v, false);
        out = jj_dict_new(vm);
        for (size_t i = 0; i < order.list->n; i++)
            jj_dict_set(vm, out.dict, order.list->v[i],
                        sorted(vm, *jj_dict_find(vm, v.dict, order.list->v[i])));
    }
    jj_leave(vm);
    return out;
}

/* Where the word at i with the blanks behind it ends. */
static size_t word_end(const struct jj_str *s, size_t i)
{
    int n;
    while (i < s->n && !py_is_space(utf8_at(s->p + i, &n))) i += (size_t)n;
    while (i < s->n && py_is_space(utf8_at(s->p + i, &n))) i += (size_t)n;
    return i;
}

/* One line of a text, in pieces that fit. */
static void cut_line(struct jj *vm, const struct jj_str *line, size_t width, size_t last_width,
                     struct jj_value out)
{
    size_t from = 0, to = 0;
    for (size_t end; to < line->n; to = end) {
        end = word_end(line, to);
        struct jj_value candidate = jj_str_copy(vm, line->p + from, end - from);
        if (columns(vm, candidate) <= (end == line->n ? last_width : width)) continue;
        if (to > from) jj_push(vm, out, jj_str_copy(vm, line->p + from, to - from));
        from = to;
    }
    if (to > from) jj_push(vm, out, jj_str_copy(vm, line->p + from, to - from));
}

static void put_text(struct jj *vm, struct jj_value v, size_t indent, size_t allowance, bool outermost)
{
    struct jj_value lines = jj_splitlines(vm, v, true), pieces = jj_list_new(vm, JJ_LIST, 0);
    indent += outermost;
    allowance += outermost;
    size_t width = indent < WIDTH ? WIDTH - indent : 0;
    for (size_t i = 0; i < lines.list->n; i++) {
        bool last = i + 1 == lines.list->n;
        size_t last_width = !last ? width : width > allowance ? width - allowance : 0;
        if (columns(vm, lines.list->v[i]) <= last_width)
            jj_push(vm, pieces, lines.list->v[i]);
        else
            cut_line(vm, lines.list->v[i].s, width, last_width, pieces);
    }
    outermost &= pieces.list->n > 1;
    if (outermost) str_puts(&vm->text, "(");
    for (size_t i = 0; i < pieces.list->n; i++) {
        if (i) new_line(vm, indent);
        jj_print_repr(vm, pieces.list->v[i], &vm->text);
    }
    if (outermost) str_puts(&vm->text, ")");
}

static void put(struct jj *vm, struct jj_value v, size_t indent, size_t allowance, bool outermost);

static void put_items(struct jj *vm, const struct jj_list *l, const char *close, size_t indent,
                      size_t allowance)
{
    allowance += strlen(close);
    for (size_t i = 0; i < l->n; i++) {
        if (i) str_puts(&vm->text, ",");
        if (i) new_line(vm, indent);
        put(vm, l->v[i], indent, i + 1 == l->n ? allowance : 1, false);
    }
    str_puts(&vm->text, close);
}

static void put_dict(struct jj *vm, const struct jj_dict *d, size_t indent, size_t allowance)
{
    for (size_t i = 0; i < d->n; i++) {
        if (i) str_puts(&vm->text, ",");
        if (i) new_line(vm, indent);
        jj_print_repr(vm, d->v[i].key, &vm->text);
        str_puts(&vm->text, ": ");
        put(vm, d->v[i].value, indent + columns(vm, d->v[i].key) + 2, i + 1 == d->n ? allowance + 1 : 1,
            false);
    }
    str_puts(&vm->text, "}");
}

static void put(struct jj *vm, struct jj_value v, size_t indent, size_t allowance, bool outermost)
{
    jj_enter(vm);
    bool fits = indent + allowance + columns(vm, v) <= WIDTH;
    if (v.kind == JJ_STR && !fits && v.s->n) {
        put_text(vm, v, indent, allowance, outermost);
    } else if ((v.kind == JJ_LIST || v.kind == JJ_TUPLE) && !fits) {
        str_puts(&vm->text, v.kind == JJ_LIST ? "[" : "(");
        put_items(vm, v.list, v.kind == JJ_LIST ? "]" : v.list->n == 1 ? ",)" : ")", indent + 1, allowance);
    } else if (v.kind == JJ_DICT && !fits) {
        str_puts(&vm->text, "{");
        put_dict(vm, v.dict, indent + 1, allowance);
    } else {
        jj_print_repr(vm, v, &vm->text);
    }
    jj_leave(vm);
}

struct jj_value jj_filter_pprint(struct jj *vm, struct jj_value *v)
{
    struct jj_value ordered = sorted(vm, v[0]);
    size_t start = jj_capture(vm);
    put(vm, ordered, 0, 0, true);
    return jj_captured(vm, start);
}
