/* jinja_print.c: str() and repr() as Python writes them, captures of what is printed, HTML escapes.
 *
 * Everything is printed to the end of one buffer. A capture (of a macro's body, a set block, a string
 * being made) takes its own end of it away again as a value.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text/jinja.h"
#include "text/pystr.h"
#include "text/unicode.h"

static void print_repr_str(const struct jj_str *s, struct str *out)
{
    bool single = memchr(s->p, '\'', s->n) != NULL, twice = memchr(s->p, '"', s->n) != NULL;
    char quote = single && !twice ? '"' : '\'';
    str_add(out, &quote, 1);
    for (size_t i = 0; i < s->n;) {
        int n;
        uint32_t cp = utf8_at(s->p + i, &n);
        static const char plain[] = "\\\n\r\t", names[] = "\\nrt";
        const char *known = cp < 0x80 && cp ? strchr(plain, (int)cp) : NULL;
        if (known)
            str_addf(out, "\\%c", names[known - plain]);
        else if (cp == (unsigned char)quote)
            str_addf(out, "\\%c", quote);
        else if (py_is_printable(cp))
            str_add(out, s->p + i, (size_t)n);
        else
            str_addf(out, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
        i += (size_t)n;
    }
    str_add(out, &quote, 1);
}

static void print_items(struct jj *vm, const struct jj_value *v, size_t n, struct str *out)
{
    for (size_t i = 0; i < n; i++) {
        if (i) str_puts(out, ", ");
        jj_print_repr(vm, v[i], out);
    }
}

static void print_dict(struct jj *vm, const struct jj_dict *d, struct str *out)
{
    str_puts(out, "{");
    for (size_t i = 0; i < d->n; i++) {
        if (i) str_puts(out, ", ");
        jj_print_repr(vm, d->v[i].key, out);
        str_puts(out, ": ");
        jj_print_repr(vm, d->v[i].value, out);
    }
    str_puts(out, "}");
}

static void print_view(struct jj *vm, const struct jj_view *view, struct str *out)
{
    const struct jj_value v = {.kind = JJ_VIEW, .view = (struct jj_view *)(uintptr_t)view};
    struct jj_value list = jj_to_list(vm, v);
    str_addf(out, "%s([", jj_type(v));
    print_items(vm, list.list->v, list.list->n, out);
    str_puts(out, "])");
}

static void print_range(const struct jj_range *r, struct str *out)
{
    str_addf(out, "range(%" PRId64 ", %" PRId64, r->start, r->stop);
    if (r->step != 1) str_addf(out, ", %" PRId64, r->step);
    str_puts(out, ")");
}

static void print_object(struct jj *vm, struct jj_value v, struct str *out)
{
    switch (v.kind) {
    case JJ_NAMESPACE:
        str_puts(out, "<Namespace ");
        print_dict(vm, v.dict, out);
        str_puts(out, ">");
        break;
    case JJ_MACRO:
        if (v.macro->node->name) {
            str_puts(out, "<Macro ");
            print_repr_str(v.macro->node->name, out);
            str_puts(out, ">");
        } else {
            str_puts(out, "<Macro anonymous>");
        }
        break;
    case JJ_LOOP:
        str_addf(out, "<LoopContext %" PRId64 "/%" PRId64 ">", v.loop->index0 + 1, jj_length(vm, v));
        break;
    case JJ_FUNC: str_addf(out, "<function %s>", v.func->name); break;
    default: str_addf(out, "<%s object>", jj_type(v)); break;
    }
}

void jj_print_repr(struct jj *vm, struct jj_value v, struct str *out)
{
    jj_step(vm, v.kind == JJ_STR ? v.s->n : 0);
    if (out->full) jj_raise(vm, "a text of more than %zu MiB", JJ_TEXT_MAX >> 20);
    jj_enter(vm);
    switch (v.kind) {
    case JJ_UNDEFINED: str_puts(out, "Undefined"); break;
    case JJ_NONE: str_puts(out, "None"); break;
    case JJ_BOOL: str_puts(out, v.b ? "True" : "False"); break;
    case JJ_INT: str_addf(out, "%" PRId64, v.i); break;
    case JJ_FLOAT: jj_print_float(v.f, out); break;
    case JJ_STR:
        if (v.safe) str_puts(out, "Markup(");
        print_repr_str(v.s, out);
        if (v.safe) str_puts(out, ")");
        break;
    case JJ_LIST:
    case JJ_TUPLE:
        str_puts(out, v.kind == JJ_LIST ? "[" : "(");
        print_items(vm, v.list->v, v.list->n, out);
        str_puts(out, v.kind == JJ_LIST ? "]" : v.list->n == 1 ? ",)" : ")");
        break;
    case JJ_DICT: print_dict(vm, v.dict, out); break;
    case JJ_VIEW: print_view(vm, v.view, out); break;
    case JJ_RANGE: print_range(v.range, out); break;
    default: print_object(vm, v, out); break;
    }
    jj_leave(vm);
}

void jj_print(struct jj *vm, struct jj_value v, struct str *out)
{
    if (v.kind == JJ_STR) {
        jj_step(vm, v.s->n);
        str_add(out, v.s->p, v.s->n);
    } else if (v.kind != JJ_UNDEFINED) {
        jj_print_repr(vm, v, out);
    }
    if (out->full) jj_raise(vm, "a text of more than %zu MiB", JJ_TEXT_MAX >> 20);
}

size_t jj_capture(struct jj *vm)
{
    if (!vm->captures++) vm->main_end = vm->text.len;
    return vm->text.len;
}

void jj_capture_drop(struct jj *vm, size_t start)
{
    if (vm->text.full) jj_raise(vm, "a text of more than %zu MiB", JJ_TEXT_MAX >> 20);
    vm->captures--;
    vm->text.len = start;
    vm->text.p[start] = 0;
}

struct jj_value jj_captured(struct jj *vm, size_t start)
{
    if (vm->text.full) jj_raise(vm, "a text of more than %zu MiB", JJ_TEXT_MAX >> 20);
    struct jj_value v = jj_str_copy(vm, vm->text.p + start, vm->text.len - start);
    jj_capture_drop(vm, start);
    return v;
}

struct jj_value jj_to_str(struct jj *vm, struct jj_value v)
{
    if (v.kind == JJ_STR) {
        v.safe = false;
        return v;
    }
    size_t start = jj_capture(vm);
    jj_print(vm, v, &vm->text);
    return jj_captured(vm, start);
}

struct jj_value jj_soft_str(struct jj *vm, struct jj_value v)
{
    return v.kind == JJ_STR ? v : jj_to_str(vm, v);
}

const char *jj_repr(struct jj *vm, struct jj_value v)
{
    size_t start = jj_capture(vm);
    jj_print_repr(vm, v, &vm->text);
    return jj_captured(vm, start).s->p;
}

struct jj_value jj_escape(struct jj *vm, struct jj_value v)
{
    static const char chars[] = "&<>'\"";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    if (v.kind == JJ_STR && v.safe) return v;
    v = jj_to_str(vm, v);
    size_t start = jj_capture(vm);
    for (size_t i = 0; i < v.s->n; i++) {
        const char *known = v.s->p[i] ? strchr(chars, v.s->p[i]) : NULL;
        if (known)
            str_puts(&vm->text, names[known - chars]);
        else
            str_add(&vm->text, v.s->p + i, 1);
    }
    v = jj_captured(vm, start);
    v.safe = true;
    return v;
}
