/* jinja_value.c: values of the template language: making them, and what Python's protocols say of them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "text/jinja.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define BLOCK_BYTES ((size_t)1 << 14)
#define DICT_LINEAR 8 /* pairs that are looked through without an index */

/* ---- leaving, counting, memory ------------------------------------------------------------------------- */

void jj_raise(struct jj *vm, const char *fmt, ...)
{
    char message[1600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    err_set(vm->e, "chat template, line %d: %s", vm->line, message);
    longjmp(vm->fail, 1);
}

void jj_step(struct jj *vm, size_t work)
{
    vm->steps += 1 + (long)(work / 64);
    if (vm->steps > JJ_STEPS_MAX) jj_raise(vm, "the template takes more than %d steps", JJ_STEPS_MAX);
}

void jj_enter(struct jj *vm)
{
    if (++vm->depth > JJ_DEPTH_MAX) jj_raise(vm, "maximum recursion depth exceeded");
}

void jj_leave(struct jj *vm)
{
    vm->depth--;
}

void *jj_alloc(struct jj *vm, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if (n > JJ_MEMORY_MAX || vm->arena->used + n + BLOCK_BYTES > JJ_MEMORY_MAX)
        jj_raise(vm, "the template needs more than %zu MiB of memory", JJ_MEMORY_MAX >> 20);
    if (n > BLOCK_BYTES / 4) return arena_alloc(vm->arena, n);
    if (n > vm->left) {
        vm->block = arena_alloc(vm->arena, BLOCK_BYTES);
        vm->left = BLOCK_BYTES;
    }
    void *p = vm->block;
    vm->block += n;
    vm->left -= n;
    return p;
}

/* ---- making values ------------------------------------------------------------------------------------- */

struct jj_value jj_none(void)
{
    return (struct jj_value){.kind = JJ_NONE};
}

struct jj_value jj_bool(bool b)
{
    return (struct jj_value){.kind = JJ_BOOL, .b = b};
}

struct jj_value jj_int(int64_t i)
{
    return (struct jj_value){.kind = JJ_INT, .i = i};
}

struct jj_value jj_float(double f)
{
    return (struct jj_value){.kind = JJ_FLOAT, .f = f};
}

struct jj_value jj_str(struct jj *vm, const char *p, size_t n)
{
    if (n > JJ_TEXT_MAX) jj_raise(vm, "a string of more than %zu MiB", JJ_TEXT_MAX >> 20);
    jj_step(vm, n);
    struct jj_str *s = jj_alloc(vm, sizeof *s);
    *s = (struct jj_str){.p = p, .n = n};
    for (size_t i = 0; i < n; i++) s->chars += ((unsigned char)p[i] & 0xC0) != 0x80;
    return (struct jj_value){.kind = JJ_STR, .s = s};
}

struct jj_value jj_str_copy(struct jj *vm, const char *p, size_t n)
{
    if (n > JJ_TEXT_MAX) jj_raise(vm, "a string of more than %zu MiB", JJ_TEXT_MAX >> 20);
    char *copy = jj_alloc(vm, n + 1);
    if (n) memcpy(copy, p, n);
    copy[n] = 0;
    return jj_str(vm, copy, n);
}

struct jj_value jj_text(struct jj *vm, const char *text)
{
    return jj_str(vm, text, strlen(text));
}

struct jj_value jj_undefined(struct jj *vm, struct jj_value of, struct jj_value name)
{
    struct jj_undef *u = jj_alloc(vm, sizeof *u);
    *u = (struct jj_undef){.of = of, .name = name};
    return (struct jj_value){.kind = JJ_UNDEFINED, .undef = u};
}

struct jj_value jj_undefined_hint(struct jj *vm, const char *fmt, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    struct jj_value v = jj_undefined(vm, jj_none(), jj_none());
    v.undef->hint = jj_str_copy(vm, message, strlen(message)).s->p;
    return v;
}

/* Python's module and name of a type, as jinja2's messages have it. */
static const char *object_name(struct jj_value v)
{
    switch (v.kind) {
    case JJ_MACRO: return "jinja2.runtime.Macro";
    case JJ_LOOP: return "jinja2.runtime.LoopContext";
    case JJ_CYCLER: return "jinja2.utils.Cycler";
    case JJ_JOINER: return "jinja2.utils.Joiner";
    case JJ_NAMESPACE: return "transformers.utils.chat_template_utils.TemplateNamespace";
    case JJ_STR: return v.safe ? "markupsafe.Markup" : "str";
    default: return jj_type(v);
    }
}

void jj_raise_undefined(struct jj *vm, struct jj_value undefined)
{
    const struct jj_undef *u = undefined.undef;
    if (u->hint) jj_raise(vm, "%s", u->hint);
    const char *name = jj_repr(vm, u->name);
    if (u->of.kind == JJ_MISSING) jj_raise(vm, "%s is undefined", name);
    if (u->of.kind == JJ_NONE)
        jj_raise(vm, u->name.kind == JJ_STR ? "'None' has no attribute %s" : "None has no element %s", name);
    if (u->name.kind == JJ_STR) jj_raise(vm, "'%s object' has no attribute %s", object_name(u->of), name);
    jj_raise(vm, "%s object has no element %s", object_name(u->of), name);
}

struct jj_value jj_list_new(struct jj *vm, enum jj_kind kind, size_t cap)
{
    struct jj_list *l = jj_alloc(vm, sizeof *l);
    *l = (struct jj_list){.cap = cap, .v = cap ? jj_alloc(vm, cap * sizeof *l->v) : NULL};
    return (struct jj_value){.kind = (uint8_t)kind, .list = l};
}

void jj_push(struct jj *vm, struct jj_value list, struct jj_value v)
{
    struct jj_list *l = list.list;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        struct jj_value *wider = jj_alloc(vm, cap * sizeof *wider);
        if (l->n) memcpy(wider, l->v, l->n * sizeof *wider);
        l->v = wider;
        l->cap = cap;
    }
    jj_step(vm, 0);
    l->v[l->n++] = v;
}

/* ---- dicts --------------------------------------------------------------------------------------------- */

struct jj_value jj_dict_new(struct jj *vm)
{
    struct jj_dict *d = jj_alloc(vm, sizeof *d);
    *d = (struct jj_dict){0};
    return (struct jj_value){.kind = JJ_DICT, .dict = d};
}

/* Equal keys have equal hashes: 1, 1.0 and true are one key. */
static uint64_t key_hash(struct jj *vm, struct jj_value key)
{
    int64_t i;
    if (key.kind == JJ_STR) return text_hash(key.s->p, key.s->n);
    if (jj_as_int(key, &i)) return (uint64_t)i * 0x9E3779B97F4A7C15u;
    if (key.kind == JJ_FLOAT) {
        if (key.f >= -9e18 && key.f <= 9e18 && key.f == (double)(int64_t)key.f)
            return (uint64_t)(int64_t)key.f * 0x9E3779B97F4A7C15u;
        uint64_t bits;
        memcpy(&bits, &key.f, sizeof bits);
        return bits;
    }
    if (key.kind == JJ_TUPLE) {
        uint64_t h = 1;
        jj_enter(vm);
        for (size_t k = 0; k < key.list->n; k++) h = h * 31 + key_hash(vm, key.list->v[k]);
        jj_leave(vm);
        return h;
    }
    if (key.kind == JJ_LIST || key.kind == JJ_DICT) jj_raise(vm, "unhashable type: '%s'", jj_type(key));
    return key.kind;
}

static bool keys_equal(struct jj *vm, struct jj_value a, struct jj_value b)
{
    if (a.kind == JJ_STR && b.kind == JJ_STR) return a.s->n == b.s->n && !memcmp(a.s->p, b.s->p, a.s->n);
    return jj_equal(vm, a, b);
}

static void dict_index(struct jj *vm, struct jj_dict *d)
{
    d->n_slots = 4 * DICT_LINEAR;
    while (d->n_slots < 4 * d->n) d->n_slots *= 2;
    d->slots = jj_alloc(vm, d->n_slots * sizeof *d->slots);
    memset(d->slots, 0, d->n_slots * sizeof *d->slots);
    for (size_t i = 0; i < d->n; i++) {
        size_t at = key_hash(vm, d->v[i].key) & (d->n_slots - 1);
        while (d->slots[at]) at = (at + 1) & (d->n_slots - 1);
        d->slots[at] = (uint32_t)i + 1;
    }
}

struct jj_value *jj_dict_find(struct jj *vm, const struct jj_dict *d, struct jj_value key)
{
    uint64_t hash = key_hash(vm, key); /* an error for a list, whatever the dict */
    if (!d->slots) {
        for (size_t i = 0; i < d->n; i++)
            if (keys_equal(vm, d->v[i].key, key)) return &d->v[i].value;
        return NULL;
    }
    for (size_t at = hash & (d->n_slots - 1); d->slots[at]; at = (at + 1) & (d->n_slots - 1)) {
        struct jj_pair *pair = &d->v[d->slots[at] - 1];
        jj_step(vm, 0);
        if (keys_equal(vm, pair->key, key)) return &pair->value;
    }
    return NULL;
}

struct jj_value *jj_dict_text(const struct jj_dict *d, const char *key, size_t n)
{
    size_t at = d->slots ? text_hash(key, n) & (d->n_slots - 1) : 0;
    for (size_t i = 0; d->slots ? d->slots[at] != 0 : i < d->n;
         i++, at = d->slots ? (at + 1) & (d->n_slots - 1) : 0) {
        struct jj_pair *pair = &d->v[d->slots ? d->slots[at] - 1 : i];
        if (pair->key.kind == JJ_STR && pair->key.s->n == n && !memcmp(pair->key.s->p, key, n))
            return &pair->value;
    }
    return NULL;
}

void jj_dict_set(struct jj *vm, struct jj_dict *d, struct jj_value key, struct jj_value v)
{
    struct jj_value *old = jj_dict_find(vm, d, key);
    if (old) {
        *old = v;
        return;
    }
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 4;
        struct jj_pair *wider = jj_alloc(vm, d->cap * sizeof *wider);
        if (d->n) memcpy(wider, d->v, d->n * sizeof *wider);
        d->v = wider;
    }
    jj_step(vm, 0);
    d->v[d->n++] = (struct jj_pair){key, v};
    if (d->slots && 2 * d->n < d->n_slots) {
        size_t at = key_hash(vm, key) & (d->n_slots - 1);
        while (d->slots[at]) at = (at + 1) & (d->n_slots - 1);
        d->slots[at] = (uint32_t)d->n;
    } else if (d->n > DICT_LINEAR) {
        dict_index(vm, d);
    }
}

/* ---- asking values ------------------------------------------------------------------------------------- */

bool jj_is(struct jj_value v, const char *text)
{
    return v.kind == JJ_STR && strlen(text) == v.s->n && !memcmp(v.s->p, text, v.s->n);
}

const char *jj_type(struct jj_value v)
{
    static const char *const names[] = {
        [JJ_UNDEFINED] = "Undefined", [JJ_NONE] = "NoneType",
        [JJ_BOOL] = "bool",           [JJ_INT] = "int",
        [JJ_FLOAT] = "float",         [JJ_STR] = "str",
        [JJ_LIST] = "list",           [JJ_TUPLE] = "tuple",
        [JJ_DICT] = "dict",           [JJ_RANGE] = "range",
        [JJ_ITER] = "generator",      [JJ_NAMESPACE] = "TemplateNamespace",
        [JJ_MACRO] = "Macro",         [JJ_LOOP] = "LoopContext",
        [JJ_CYCLER] = "Cycler",       [JJ_JOINER] = "Joiner",
        [JJ_FUNC] = "function",       [JJ_METHOD] = "builtin_function_or_method"};
    static const char *const views[] = {"dict_keys", "dict_values", "dict_items"};
    if (v.kind == JJ_STR && v.safe) return "Markup";
    if (v.kind == JJ_VIEW) return views[v.view->of];
    if (v.kind == JJ_ITER && v.iter->type) return v.iter->type;
    return v.kind <= JJ_METHOD && names[v.kind] ? names[v.kind] : "?";
}

static int64_t loop_length(struct jj *vm, struct jj_loop *loop)
{
    struct jj_str name = {.p = "length", .n = 6, .chars = 6};
    return jj_loop_attr(vm, loop, &name).i;
}

int64_t jj_length(struct jj *vm, struct jj_value v)
{
    switch (v.kind) {
    case JJ_UNDEFINED: return 0;
    case JJ_STR: return (int64_t)v.s->chars;
    case JJ_LIST:
    case JJ_TUPLE: return (int64_t)v.list->n;
    case JJ_DICT: return (int64_t)v.dict->n;
    case JJ_VIEW: return (int64_t)v.view->dict->n;
    case JJ_RANGE: return v.range->n;
    case JJ_LOOP: return loop_length(vm, v.loop);
    default: return -1;
    }
}

bool jj_truth(struct jj *vm, struct jj_value v)
{
    switch (v.kind) {
    case JJ_MISSING:
    case JJ_NONE: return false;
    case JJ_BOOL: return v.b;
    case JJ_INT: return v.i != 0;
    case JJ_FLOAT: return v.f != 0;
    default: return jj_length(vm, v) != 0;
    }
}

bool jj_is_number(struct jj_value v)
{
    return v.kind == JJ_BOOL || v.kind == JJ_INT || v.kind == JJ_FLOAT;
}

bool jj_as_int(struct jj_value v, int64_t *out)
{
    if (v.kind != JJ_BOOL && v.kind != JJ_INT) return false;
    *out = v.kind == JJ_BOOL ? v.b : v.i;
    return true;
}

int64_t jj_need_int(struct jj *vm, struct jj_value v)
{
    int64_t i;
    if (v.kind == JJ_UNDEFINED) jj_raise_undefined(vm, v);
    if (!jj_as_int(v, &i)) jj_raise(vm, "'%s' object cannot be interpreted as an integer", jj_type(v));
    return i;
}

int64_t jj_int_or(struct jj *vm, struct jj_value v, int64_t fallback)
{
    return v.kind == JJ_MISSING || v.kind == JJ_NONE ? fallback : jj_need_int(vm, v);
}

double jj_need_float(struct jj *vm, struct jj_value v)
{
    if (v.kind == JJ_UNDEFINED) jj_raise_undefined(vm, v);
    if (!jj_is_number(v)) jj_raise(vm, "must be real number, not %s", jj_type(v));
    return v.kind == JJ_FLOAT ? v.f : v.kind == JJ_BOOL ? v.b : (double)v.i;
}

struct jj_str *jj_need_str(struct jj *vm, struct jj_value v, const char *who)
{
    if (v.kind != JJ_STR) jj_raise(vm, "%s must be str, not %s", who, jj_type(v));
    return v.s;
}

/* ---- equality and order -------------------------------------------------------------------------------- */

/* -1, 0, 1; 2: not ordered (NaN). An int and a float compare exactly, not as two floats. */
static int compare_numbers(struct jj_value a, struct jj_value b)
{
    int64_t i, j;
    bool a_int = jj_as_int(a, &i), b_int = jj_as_int(b, &j);
    if (a_int && b_int) return i < j ? -1 : i > j;
    if (!a_int && !b_int) return a.f < b.f ? -1 : a.f > b.f ? 1 : a.f == b.f ? 0 : 2;
    if (!a_int) {
        int r = compare_numbers(b, a);
        return r == 2 ? 2 : -r;
    }
    if (b.f != b.f) return 2;
    if (b.f >= 9223372036854775808.0) return -1;
    if (b.f < -9223372036854775808.0) return 1;
    int64_t whole = (int64_t)b.f;
    double rest = b.f - (double)whole;
    return i < whole ? -1 : i > whole ? 1 : rest > 0 ? -1 : rest < 0;
}

static bool lists_equal(struct jj *vm, const struct jj_list *a, const struct jj_list *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++)
        if (!jj_equal(vm, a->v[i], b->v[i])) return false;
    return a->n == b->n;
}

static bool dicts_equal(struct jj *vm, const struct jj_dict *a, const struct jj_dict *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++) {
        const struct jj_value *other = jj_dict_find(vm, b, a->v[i].key);
        if (!other || !jj_equal(vm, a->v[i].value, *other)) return false;
    }
    return a->n == b->n;
}

static struct jj_value range_at(const struct jj_range *r, int64_t i)
{
    return jj_int(r->start + i * r->step);
}

bool jj_equal(struct jj *vm, struct jj_value a, struct jj_value b)
{
    if (jj_is_number(a) && jj_is_number(b)) return compare_numbers(a, b) == 0;
    if (a.kind != b.kind) return false;
    jj_step(vm, a.kind == JJ_STR ? a.s->n : 0);
    jj_enter(vm);
    bool equal;
    switch (a.kind) {
    case JJ_MISSING:
    case JJ_UNDEFINED:
    case JJ_NONE: equal = true; break;
    case JJ_STR: equal = a.s->n == b.s->n && !memcmp(a.s->p, b.s->p, a.s->n); break;
    case JJ_LIST:
    case JJ_TUPLE: equal = lists_equal(vm, a.list, b.list); break;
    case JJ_DICT: equal = dicts_equal(vm, a.dict, b.dict); break;
    case JJ_RANGE:
        equal = a.range->n == b.range->n &&
                (!a.range->n ||
                 (a.range->start == b.range->start && (a.range->n == 1 || a.range->step == b.range->step)));
        break;
    case JJ_METHOD:
        equal = a.method->row == b.method->row && jj_equal(vm, a.method->self, b.method->self);
        break;
    default: equal = a.list == b.list; break; /* the same object */
    }
    jj_leave(vm);
    return equal;
}

static bool list_less(struct jj *vm, const struct jj_list *a, const struct jj_list *b, const char *op)
{
    size_t i = 0;
    while (i < a->n && i < b->n && jj_equal(vm, a->v[i], b->v[i])) i++;
    if (i < a->n && i < b->n) return jj_less(vm, a->v[i], b->v[i], op);
    return a->n < b->n;
}

bool jj_less(struct jj *vm, struct jj_value a, struct jj_value b, const char *op)
{
    if (jj_is_number(a) && jj_is_number(b)) return compare_numbers(a, b) == -1;
    if (a.kind == JJ_UNDEFINED) jj_raise_undefined(vm, a);
    if (b.kind == JJ_UNDEFINED) jj_raise_undefined(vm, b);
    if (a.kind == b.kind && a.kind == JJ_STR) {
        size_t n = a.s->n < b.s->n ? a.s->n : b.s->n;
        jj_step(vm, n);
        int c = memcmp(a.s->p, b.s->p, n); /* the order of UTF-8 is that of code points */
        return c ? c < 0 : a.s->n < b.s->n;
    }
    if (a.kind == b.kind && (a.kind == JJ_LIST || a.kind == JJ_TUPLE)) {
        jj_enter(vm);
        bool less = list_less(vm, a.list, b.list, op);
        jj_leave(vm);
        return less;
    }
    /* b > a has been asked as a < b: the message names them as written. */
    bool turned = *op == '>';
    jj_raise(vm, "'%s' not supported between instances of '%s' and '%s'", op, jj_type(turned ? b : a),
             jj_type(turned ? a : b));
}

bool jj_in(struct jj *vm, struct jj_value item, struct jj_value in)
{
    if (in.kind == JJ_STR) {
        if (item.kind != JJ_STR)
            jj_raise(vm, "'in <string>' requires string as left operand, not %s", jj_type(item));
        jj_step(vm, in.s->n);
        return memmem(in.s->p, in.s->n, item.s->p, item.s->n) != NULL;
    }
    if (in.kind == JJ_DICT) return jj_dict_find(vm, in.dict, item) != NULL;
    struct jj_iter *it = jj_iter_try(vm, in);
    if (!it) jj_raise(vm, "argument of type '%s' is not iterable", jj_type(in));
    struct jj_value v;
    while (jj_next(vm, it, &v))
        if (jj_equal(vm, v, item)) return true;
    return false;
}

/* ---- reading item by item ------------------------------------------------------------------------------ */

static bool next_char(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    const struct jj_str *s = it->of.s;
    if (it->at >= s->n) return false;
    size_t n = 1;
    while (it->at + n < s->n && ((unsigned char)s->p[it->at + n] & 0xC0) == 0x80) n++;
    *out = jj_str_copy(vm, s->p + it->at, n);
    out->safe = it->of.safe;
    it->at += n;
    return true;
}

static bool next_item(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    (void)vm;
    if (it->at >= it->of.list->n) return false;
    *out = it->of.list->v[it->at++];
    return true;
}

static bool next_pair(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    const struct jj_dict *d = it->of.dict;
    if (it->at >= d->n) return false;
    const struct jj_pair *pair = &d->v[it->at++];
    enum jj_view_of of = (enum jj_view_of)it->n;
    *out = of == JJ_KEYS ? pair->key : pair->value;
    if (of == JJ_ITEMS) {
        *out = jj_list_new(vm, JJ_TUPLE, 2);
        jj_push(vm, *out, pair->key);
        jj_push(vm, *out, pair->value);
    }
    return true;
}

static bool next_of_range(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    (void)vm;
    if (it->at >= (size_t)it->of.range->n) return false;
    *out = range_at(it->of.range, (int64_t)it->at++);
    return true;
}

static bool next_nothing(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    (void)vm, (void)it, (void)out;
    return false;
}

struct jj_iter *jj_iter_try(struct jj *vm, struct jj_value v)
{
    bool (*next)(struct jj *, struct jj_iter *, struct jj_value *);
    size_t n = JJ_KEYS;
    switch (v.kind) {
    case JJ_UNDEFINED: next = next_nothing; break;
    case JJ_STR: next = next_char; break;
    case JJ_LIST:
    case JJ_TUPLE: next = next_item; break;
    case JJ_DICT: next = next_pair; break;
    case JJ_VIEW:
        next = next_pair;
        n = v.view->of;
        v = (struct jj_value){.kind = JJ_DICT, .dict = v.view->dict};
        break;
    case JJ_RANGE: next = next_of_range; break;
    case JJ_ITER: return v.iter;
    default: return NULL;
    }
    struct jj_iter *it = jj_alloc(vm, sizeof *it);
    *it = (struct jj_iter){.next = next, .of = v, .n = n};
    return it;
}

struct jj_iter *jj_iter(struct jj *vm, struct jj_value v)
{
    struct jj_iter *it = jj_iter_try(vm, v);
    if (!it) jj_raise(vm, "'%s' object is not iterable", jj_type(v));
    return it;
}

bool jj_next(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    jj_step(vm, 0);
    jj_enter(vm);
    bool more = it->next(vm, it, out);
    jj_leave(vm);
    return more;
}

struct jj_value jj_to_list(struct jj *vm, struct jj_value v)
{
    struct jj_iter *it = jj_iter(vm, v);
    int64_t n = jj_length(vm, v);
    struct jj_value list = jj_list_new(vm, JJ_LIST, n > 0 ? (size_t)n : 0), item;
    while (jj_next(vm, it, &item)) jj_push(vm, list, item);
    return list;
}

struct jj_value jj_generator(struct jj *vm, struct jj_iter *it)
{
    struct jj_iter *copy = jj_alloc(vm, sizeof *copy);
    *copy = *it;
    return (struct jj_value){.kind = JJ_ITER, .iter = copy};
}
