/* jinja_json.c: JSON to values, and the filter tojson: Python's json.dumps, as transformers calls it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "text/jinja.h"
#include "text/unicode.h"

struct jj_value jj_from_json(struct jj *vm, const json_t *v)
{
    struct jj_value out;
    const char *key;
    json_t *item;
    size_t i, n;
    switch (json_typeof(v)) {
    case JSON_NULL: return jj_none();
    case JSON_TRUE:
    case JSON_FALSE: return jj_bool(json_is_true(v));
    case JSON_INTEGER: return jj_int(json_integer_value(v));
    case JSON_REAL: return jj_float(json_real_value(v));
    case JSON_STRING: return jj_str(vm, json_string_value(v), json_string_length(v));
    case JSON_ARRAY:
        jj_enter(vm);
        out = jj_list_new(vm, JJ_LIST, json_array_size(v));
        json_array_foreach(v, i, item) jj_push(vm, out, jj_from_json(vm, item));
        jj_leave(vm);
        return out;
    default:
        jj_enter(vm);
        out = jj_dict_new(vm);
        json_object_keylen_foreach((json_t *)(uintptr_t)v, key, n, item)
            jj_dict_set(vm, out.dict, jj_str(vm, key, n), jj_from_json(vm, item));
        jj_leave(vm);
        return out;
    }
}

struct dump {
    struct jj *vm;
    struct str *out;
    bool ascii, sort;
    const struct jj_str *indent, *item_sep, *key_sep;
    int level;
};

static void dump_str(struct dump *d, const struct jj_str *s)
{
    static const char plain[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    str_puts(d->out, "\"");
    jj_step(d->vm, s->n);
    for (size_t i = 0; i < s->n;) {
        size_t run = i;
        int n = 1;
        while (run < s->n && (unsigned char)s->p[run] >= 0x20 && s->p[run] != '"' && s->p[run] != '\\' &&
               !(d->ascii && (unsigned char)s->p[run] >= 0x7F))
            run++;
        str_add(d->out, s->p + i, run - i);
        if (run == s->n) break;
        uint32_t cp = utf8_at(s->p + run, &n);
        const char *known = cp && cp < 0x80 ? strchr(plain, (int)cp) : NULL;
        if (known)
            str_addf(d->out, "\\%c", names[known - plain]);
        else if (cp < 0x10000)
            str_addf(d->out, "\\u%04x", cp);
        else
            str_addf(d->out, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10),
                     0xDC00 + ((cp - 0x10000) & 0x3FF));
        i = run + (size_t)n;
    }
    str_puts(d->out, "\"");
}

static void dump_float(double f, struct str *out)
{
    if (isfinite(f))
        jj_print_float(f, out);
    else
        str_puts(out, isnan(f) ? "NaN" : f < 0 ? "-Infinity" : "Infinity");
}

static void new_line(struct dump *d)
{
    if (!d->indent) return;
    str_puts(d->out, "\n");
    for (int i = 0; i < d->level; i++) str_add(d->out, d->indent->p, d->indent->n);
    jj_step(d->vm, (size_t)d->level * d->indent->n);
}

static void dump_value(struct dump *d, struct jj_value v);

static void dump_list(struct dump *d, const struct jj_list *l)
{
    if (!l->n) {
        str_puts(d->out, "[]");
        return;
    }
    str_puts(d->out, "[");
    d->level++;
    for (size_t i = 0; i < l->n; i++) {
        if (i) str_add(d->out, d->item_sep->p, d->item_sep->n);
        new_line(d);
        dump_value(d, l->v[i]);
    }
    d->level--;
    new_line(d);
    str_puts(d->out, "]");
}

/* Keys that are no strings become what they would be as values. */
static void dump_key(struct dump *d, struct jj_value key)
{
    if (key.kind == JJ_STR) {
        dump_str(d, key.s);
        return;
    }
    if (key.kind != JJ_NONE && !jj_is_number(key))
        jj_raise(d->vm, "keys must be str, int, float, bool or None, not %s", jj_type(key));
    str_puts(d->out, "\"");
    dump_value(d, key);
    str_puts(d->out, "\"");
}

static void dump_dict(struct dump *d, const struct jj_dict *dict)
{
    struct jj *vm = d->vm;
    if (!dict->n) {
        str_puts(d->out, "{}");
        return;
    }
    struct jj_value *order = jj_alloc(vm, dict->n * sizeof *order),
                    *keys = jj_alloc(vm, dict->n * sizeof *keys);
    for (size_t i = 0; i < dict->n; i++) {
        order[i] = jj_int((int64_t)i);
        keys[i] = dict->v[i].key;
    }
    if (d->sort) jj_sort(vm, order, dict->n, keys, false);
    str_puts(d->out, "{");
    d->level++;
    for (size_t i = 0; i < dict->n; i++) {
        const struct jj_pair *pair = &dict->v[order[i].i];
        if (i) str_add(d->out, d->item_sep->p, d->item_sep->n);
        new_line(d);
        dump_key(d, pair->key);
        str_add(d->out, d->key_sep->p, d->key_sep->n);
        dump_value(d, pair->value);
    }
    d->level--;
    new_line(d);
    str_puts(d->out, "}");
}

static void dump_value(struct dump *d, struct jj_value v)
{
    jj_step(d->vm, 0);
    if (d->out->full) jj_raise(d->vm, "a text of more than %zu MiB", JJ_TEXT_MAX >> 20);
    jj_enter(d->vm);
    switch (v.kind) {
    case JJ_NONE: str_puts(d->out, "null"); break;
    case JJ_BOOL: str_puts(d->out, v.b ? "true" : "false"); break;
    case JJ_INT: str_addf(d->out, "%" PRId64, v.i); break;
    case JJ_FLOAT: dump_float(v.f, d->out); break;
    case JJ_STR: dump_str(d, v.s); break;
    case JJ_LIST:
    case JJ_TUPLE: dump_list(d, v.list); break;
    case JJ_DICT: dump_dict(d, v.dict); break;
    default: jj_raise(d->vm, "Object of type %s is not JSON serializable", jj_type(v));
    }
    jj_leave(d->vm);
}

/* tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False) */
struct jj_value jj_filter_tojson(struct jj *vm, struct jj_value *v)
{
    struct dump d = {.vm = vm, .out = &vm->text, .ascii = jj_truth(vm, v[1]), .sort = jj_truth(vm, v[4])};
    int64_t width;
    if (v[2].kind == JJ_STR) {
        d.indent = v[2].s;
    } else if (jj_as_int(v[2], &width)) {
        if (width > 1000) jj_raise(vm, "an indent of more than 1000");
        d.indent = jj_binary(vm, OP_MUL, jj_text(vm, " "), v[2]).s;
    } else if (v[2].kind != JJ_NONE && v[2].kind != JJ_MISSING) {
        jj_raise(vm, "can't multiply sequence by non-int of type '%s'", jj_type(v[2]));
    }
    d.item_sep = jj_text(vm, d.indent ? "," : ", ").s;
    d.key_sep = jj_text(vm, ": ").s;
    if (v[3].kind != JJ_NONE && v[3].kind != JJ_MISSING) {
        struct jj_value pair = jj_to_list(vm, v[3]);
        if (pair.list->n != 2) jj_raise(vm, "separators must be a pair (item_separator, key_separator)");
        d.item_sep = jj_need_str(vm, pair.list->v[0], "a separator");
        d.key_sep = jj_need_str(vm, pair.list->v[1], "a separator");
    }
    size_t start = jj_capture(vm);
    dump_value(&d, v[0]);
    return jj_captured(vm, start);
}
