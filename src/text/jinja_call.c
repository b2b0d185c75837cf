/* jinja_call.c: what happens at f(...): arguments to parameters, macros, loops, global functions. */
#include <string.h>
#include <time.h>

#include "text/jinja.h"

/* ---- rows: filters, tests, methods, functions ---------------------------------------------------------- */

struct param {
    const char *name;
    size_t n;
    bool positional, optional;
};

static int read_params(const char *text, struct param *out)
{
    int n = 0;
    while (*text) {
        struct param *p = &out[n++];
        p->positional = *text == '/';
        text += p->positional;
        p->name = text;
        p->n = strcspn(text, ",=");
        text += p->n;
        p->optional = *text == '=';
        text += p->optional;
        text += *text == ',';
    }
    return n;
}

/* Arguments in the order of the row's parameters, after the object; JJ_MISSING for those left out. */
struct jj_value jj_row_call(struct jj *vm, const struct jj_callable *row, struct jj_value self,
                            const struct jj_args *a)
{
    struct param params[JJ_PARAMS_MAX];
    struct jj_value v[JJ_PARAMS_MAX + 1] = {self};
    jj_enter(vm);
    if (row->call_args) {
        v[0] = row->call_args(vm, self, a);
        jj_leave(vm);
        return v[0];
    }
    int n = read_params(row->params, params);
    if (a->n > (size_t)n)
        jj_raise(vm, "%s() takes %d positional arguments but %zu were given", row->name, n + 1, a->n + 1);
    for (size_t i = 0; i < a->n; i++) v[i + 1] = a->v[i];
    for (size_t k = 0; a->kw && k < a->kw->n; k++) {
        const struct jj_str *name = a->kw->v[k].key.s;
        int i = 0;
        while (i < n && (params[i].positional || params[i].n != name->n ||
                         memcmp(params[i].name, name->p, name->n) != 0))
            i++;
        if (i == n) jj_raise(vm, "%s() got an unexpected keyword argument '%s'", row->name, name->p);
        if (v[i + 1].kind) jj_raise(vm, "%s() got multiple values for argument '%s'", row->name, name->p);
        v[i + 1] = a->kw->v[k].value;
    }
    for (int i = 0; i < n; i++)
        if (!v[i + 1].kind && !params[i].optional)
            jj_raise(vm, "%s() missing 1 required positional argument: '%.*s'", row->name, (int)params[i].n,
                     params[i].name);
    v[0] = row->call(vm, v);
    jj_leave(vm);
    return v[0];
}

/* ---- macros -------------------------------------------------------------------------------------------- */

/* Keywords that no parameter took. */
static struct jj_value rest_of(struct jj *vm, const struct jj_dict *kw, const bool *taken)
{
    struct jj_value rest = jj_dict_new(vm);
    for (size_t i = 0; kw && i < kw->n; i++)
        if (!taken[i]) jj_dict_set(vm, rest.dict, kw->v[i].key, kw->v[i].value);
    return rest;
}

static struct jj_value take(const struct jj_dict *kw, bool *taken, const char *name, size_t n)
{
    for (size_t i = 0; kw && i < kw->n; i++) {
        const struct jj_str *key = kw->v[i].key.s;
        if (taken[i] || key->n != n || memcmp(key->p, name, n) != 0) continue;
        taken[i] = true;
        return kw->v[i].value;
    }
    return (struct jj_value){.kind = JJ_MISSING};
}

static void bind_rest(struct jj *vm, const struct jj_func *f, const struct jj_args *a, struct jj_dict *left,
                      struct jj_act *act)
{
    const char *name = f->name ? f->name->p : "None", *quote = f->name ? "'" : "";
    if (f->kwargs >= 0) {
        act->slots[f->kwargs] = (struct jj_value){.kind = JJ_DICT, .dict = left};
    } else if (left->n) {
        if (jj_dict_text(left, "caller", 6))
            jj_raise(vm,
                     "macro %s%s%s was invoked with two values for the special caller argument. This is most "
                     "likely a bug.",
                     quote, name, quote);
        jj_raise(vm, "macro %s%s%s takes no keyword argument %s", quote, name, quote,
                 jj_repr(vm, left->v[0].key));
    }
    if (f->varargs >= 0) {
        struct jj_value more = jj_list_new(vm, JJ_TUPLE, 0);
        for (size_t i = (size_t)f->n_params; i < a->n; i++) jj_push(vm, more, a->v[i]);
        act->slots[f->varargs] = more;
    } else if (a->n > (size_t)f->n_params) {
        jj_raise(vm, "macro %s%s%s takes not more than %d argument(s)", quote, name, quote, f->n_params);
    }
}

/* jinja2's Macro.__call__: positions, then keywords, `caller` apart, then the rest. */
static void bind_arguments(struct jj *vm, const struct jj_func *f, const struct jj_args *a,
                           struct jj_act *act)
{
    size_t n_kw = a->kw ? a->kw->n : 0;
    bool *taken = jj_alloc(vm, n_kw + 1), found_caller = false;
    memset(taken, 0, n_kw + 1);
    for (int i = 0; i < f->n_params; i++) {
        bool given = (size_t)i < a->n;
        act->slots[f->params[i]] = given ? a->v[i] : take(a->kw, taken, f->names[i]->p, f->names[i]->n);
        if (!given && !strcmp(f->names[i]->p, "caller")) found_caller = true;
    }
    if (a->n >= (size_t)f->n_params) found_caller = f->explicit_caller;
    if (f->caller >= 0 && !found_caller) {
        struct jj_value caller = take(a->kw, taken, "caller", 6);
        if (caller.kind == JJ_MISSING || caller.kind == JJ_NONE)
            caller = jj_undefined_hint(vm, "No caller defined");
        act->slots[f->caller] = caller;
    }
    bind_rest(vm, f, a, rest_of(vm, a->kw, taken).dict, act);
}

/* A parameter without an argument takes its default, or is undefined. */
static void fill_defaults(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    const struct jj_func *f = n->func;
    const struct jj_node *value = n->kid[1];
    int without = f->n_params;
    for (const struct jj_node *d = value; d; d = d->next) without--;
    for (int i = 0; i < f->n_params; i++) {
        struct jj_value *slot = &act->slots[f->params[i]];
        if (!slot->kind)
            *slot = i >= without ? jj_eval(vm, value, act)
                                 : jj_undefined_hint(vm, "parameter '%s' was not provided", f->names[i]->p);
        if (i >= without) value = value->next;
    }
}

struct jj_value jj_macro_call(struct jj *vm, const struct jj_macro *m, const struct jj_args *a)
{
    const struct jj_node *n = m->node;
    struct jj_act *act = jj_act_new(vm, n->func, m->act);
    bind_arguments(vm, n->func, a, act);
    size_t start = jj_capture(vm);
    jj_enter(vm);
    jj_enter_frame(vm, &n->frame, act);
    fill_defaults(vm, n, act);
    jj_exec(vm, n->kid[2], act);
    jj_leave(vm);
    return jj_captured(vm, start);
}

/* ---- loop ---------------------------------------------------------------------------------------------- */

static bool peek(struct jj *vm, struct jj_loop *loop)
{
    if (!loop->after.kind && !jj_next(vm, loop->it, &loop->after)) loop->after.kind = JJ_MISSING;
    return loop->after.kind != JJ_MISSING;
}

/* Without a length of its own the rest is read at once. */
static int64_t length(struct jj *vm, struct jj_loop *loop)
{
    if (loop->length >= 0) return loop->length;
    loop->length = jj_length(vm, loop->of);
    if (loop->length < 0) {
        struct jj_value rest = jj_to_list(vm, (struct jj_value){.kind = JJ_ITER, .iter = loop->it});
        loop->it = jj_iter(vm, rest);
        loop->length = (int64_t)rest.list->n + loop->index0 + 1 + (loop->after.kind != JJ_MISSING);
    }
    return loop->length;
}

static struct jj_value loop_cycle(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    if (!a->n) jj_raise(vm, "no items for cycling given");
    return a->v[self.loop->index0 % (int64_t)a->n];
}

static struct jj_value loop_changed(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    struct jj_value now = jj_list_new(vm, JJ_TUPLE, a->n);
    for (size_t i = 0; i < a->n; i++) jj_push(vm, now, a->v[i]);
    bool changed = self.loop->changed.kind == JJ_MISSING || !jj_equal(vm, self.loop->changed, now);
    self.loop->changed = now;
    return jj_bool(changed);
}

struct jj_value jj_loop_attr(struct jj *vm, struct jj_loop *loop, const struct jj_str *name)
{
    static const char *const names[] = {"index",    "index0", "revindex", "revindex0", "first",
                                        "last",     "length", "depth",    "depth0",    "previtem",
                                        "nextitem", "cycle",  "changed"};
    static const struct jj_callable methods[] = {{"cycle", NULL, NULL, loop_cycle},
                                                 {"changed", NULL, NULL, loop_changed}};
    size_t i = 0;
    while (i < sizeof names / sizeof *names && strcmp(names[i], name->p) != 0) i++;
    switch (i) {
    case 0: return jj_int(loop->index0 + 1);
    case 1: return jj_int(loop->index0);
    case 2: return jj_int(length(vm, loop) - loop->index0);
    case 3: return jj_int(length(vm, loop) - loop->index0 - 1);
    case 4: return jj_bool(loop->index0 == 0);
    case 5: return jj_bool(!peek(vm, loop));
    case 6: return jj_int(length(vm, loop));
    case 7: return jj_int(loop->depth0 + 1);
    case 8: return jj_int(loop->depth0);
    case 9: return loop->index0 == 0 ? jj_undefined_hint(vm, "there is no previous item") : loop->before;
    case 10: return peek(vm, loop) ? loop->after : jj_undefined_hint(vm, "there is no next item");
    case 11:
    case 12: {
        struct jj_method *m = jj_alloc(vm, sizeof *m);
        *m = (struct jj_method){{.kind = JJ_LOOP, .loop = loop}, &methods[i - 11]};
        return (struct jj_value){.kind = JJ_METHOD, .method = m};
    }
    default: return (struct jj_value){.kind = JJ_MISSING};
    }
}

/* ---- global functions ---------------------------------------------------------------------------------- */

static struct jj_value g_range(struct jj *vm, struct jj_value *v)
{
    struct jj_range r = {.step = 1};
    struct jj_range *out = jj_alloc(vm, sizeof *out);
    if (!v[1].kind) jj_raise(vm, "range expected at least 1 argument, got 0");
    r.stop = jj_need_int(vm, v[1]);
    if (v[2].kind) {
        r.start = r.stop;
        r.stop = jj_need_int(vm, v[2]);
    }
    if (v[3].kind) r.step = jj_need_int(vm, v[3]);
    if (!r.step) jj_raise(vm, "range() arg 3 must not be zero");
    uint64_t span = 0, step = r.step > 0 ? (uint64_t)r.step : 0 - (uint64_t)r.step, n;
    if (r.step > 0 ? r.stop > r.start : r.start > r.stop)
        span = r.step > 0 ? (uint64_t)r.stop - (uint64_t)r.start : (uint64_t)r.start - (uint64_t)r.stop;
    n = span ? (span - 1) / step + 1 : 0;
    if (n > JJ_RANGE_MAX)
        jj_raise(vm, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", JJ_RANGE_MAX);
    r.n = (int64_t)n;
    *out = r;
    return (struct jj_value){.kind = JJ_RANGE, .range = out};
}

/* dict(mapping or pairs, **more) */
static struct jj_value dict_from(struct jj *vm, const struct jj_args *a)
{
    struct jj_value d = jj_dict_new(vm), item;
    if (a->n > 1) jj_raise(vm, "dict expected at most 1 argument, got %zu", a->n);
    if (a->n && a->v[0].kind == JJ_DICT) {
        for (size_t i = 0; i < a->v[0].dict->n; i++)
            jj_dict_set(vm, d.dict, a->v[0].dict->v[i].key, a->v[0].dict->v[i].value);
    } else if (a->n) {
        struct jj_iter *it = jj_iter(vm, a->v[0]);
        for (size_t i = 0; jj_next(vm, it, &item); i++) {
            if (!jj_iter_try(vm, item))
                jj_raise(vm, "cannot convert dictionary update sequence element #%zu to a sequence", i);
            struct jj_value pair = jj_to_list(vm, item);
            if (pair.list->n != 2)
                jj_raise(vm, "dictionary update sequence element #%zu has length %zu; 2 is required", i,
                         pair.list->n);
            jj_dict_set(vm, d.dict, pair.list->v[0], pair.list->v[1]);
        }
    }
    for (size_t i = 0; a->kw && i < a->kw->n; i++)
        jj_dict_set(vm, d.dict, a->kw->v[i].key, a->kw->v[i].value);
    return d;
}

static struct jj_value g_dict(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    (void)self;
    return dict_from(vm, a);
}

static struct jj_value g_namespace(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    (void)self;
    struct jj_value d = dict_from(vm, a);
    for (size_t i = 0; i < d.dict->n; i++) {
        struct jj_value key = d.dict->v[i].key;
        if (key.kind == JJ_STR && key.s->n && *key.s->p == '_')
            jj_raise(vm,
                     "Chat templates cannot store underscore-prefixed attributes on a namespace, but got %s. "
                     "Please rename "
                     "the attribute.",
                     jj_repr(vm, key));
    }
    d.kind = JJ_NAMESPACE;
    return d;
}

static struct jj_value g_cycler(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    (void)self;
    if (!a->n) jj_raise(vm, "at least one item has to be provided");
    struct jj_cycler *c = jj_alloc(vm, sizeof *c);
    *c = (struct jj_cycler){.v = a->v, .n = a->n};
    return (struct jj_value){.kind = JJ_CYCLER, .cycler = c};
}

static struct jj_value g_joiner(struct jj *vm, struct jj_value *v)
{
    struct jj_joiner *j = jj_alloc(vm, sizeof *j);
    *j = (struct jj_joiner){.sep = v[1].kind ? v[1] : jj_text(vm, ", ")};
    return (struct jj_value){.kind = JJ_JOINER, .joiner = j};
}

/* The message goes out as it is: it is the template's own word to its user. */
static struct jj_value g_raise(struct jj *vm, struct jj_value *v)
{
    err_set(vm->e, "%s", jj_to_str(vm, v[1]).s->p);
    longjmp(vm->fail, 1);
}

/* The local date; SOURCE_DATE_EPOCH or the caller may pin it, and then it is that of UTC. */
static struct jj_value g_strftime(struct jj *vm, struct jj_value *v)
{
    const struct jj_str *format = jj_need_str(vm, v[1], "strftime() argument 1");
    time_t now = vm->now ? (time_t)*vm->now : time(NULL);
    struct tm tm;
    char text[1024];
    if (format->n > 200) jj_raise(vm, "a date format of more than 200 bytes");
    if (vm->now)
        gmtime_r(&now, &tm);
    else
        localtime_r(&now, &tm);
    struct jj_value plain = jj_replace(vm, v[1], jj_text(vm, "%f"), jj_text(vm, "000000"), -1);
    if (!plain.s->n) return plain;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(text, sizeof text, plain.s->p, &tm);
#pragma GCC diagnostic pop
    return jj_str_copy(vm, text, n);
}

struct jj_value jj_global(const struct jj_str *name)
{
    static const struct jj_callable rows[] = {{"range", "/start=,/stop=,/step=", g_range, NULL},
                                              {"dict", NULL, NULL, g_dict},
                                              {"namespace", NULL, NULL, g_namespace},
                                              {"cycler", NULL, NULL, g_cycler},
                                              {"joiner", "sep=", g_joiner, NULL},
                                              {"raise_exception", "message", g_raise, NULL},
                                              {"strftime_now", "format", g_strftime, NULL},
                                              {0}};
    const struct jj_callable *row = jj_find_row(rows, name->p, name->n);
    return row ? (struct jj_value){.kind = JJ_FUNC, .func = row} : (struct jj_value){.kind = JJ_MISSING};
}

/* ---- f(...) -------------------------------------------------------------------------------------------- */

struct jj_value jj_call(struct jj *vm, struct jj_value f, const struct jj_args *a)
{
    const struct jj_value none = {.kind = JJ_MISSING};
    switch (f.kind) {
    case JJ_UNDEFINED: jj_raise_undefined(vm, f);
    case JJ_FUNC: return jj_row_call(vm, f.func, none, a);
    case JJ_METHOD: return jj_row_call(vm, f.method->row, f.method->self, a);
    case JJ_MACRO: return jj_macro_call(vm, f.macro, a);
    case JJ_LOOP:
        if (a->n != 1 || a->kw) jj_raise(vm, "loop() takes one iterable");
        return jj_loop_recurse(vm, f.loop, a->v[0]);
    case JJ_JOINER:
        if (f.joiner->used) return f.joiner->sep;
        f.joiner->used = true;
        return jj_text(vm, "");
    default: jj_raise(vm, "'%s' object is not callable", jj_type(f));
    }
}
