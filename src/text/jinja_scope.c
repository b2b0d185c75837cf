/* jinja_scope.c: names to slots, before anything is rendered.
 *
 * Jinja's names live in frames: the template, a loop's body, a macro, a with, a set block, a filter
 * block. An `if` has none. What a frame assigns is its own, unset or a copy of the outer name when it is
 * entered; what it only reads is the outer frame's name, or the variable given to the rendering. jinja2
 * compiles frames to local variables of Python functions, one function for the template and one for each
 * body that is called; here a function has an array of slots, and a name is (functions out, slot). Two
 * frames of a function at one depth use one slot for one name, as there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "text/jinja.h"

/* A function being resolved: its slots by depth and name. */
struct func_scope {
    struct func_scope *up;
    struct jj_func *func;
    struct slot_name {
        int level;
        const struct jj_str *name;
    } * slots;
    int cap;
};

struct symbol {
    const struct jj_str *name;
    int slot;
    bool stored;
    struct jj_load load;
};
struct scope {
    struct scope *up;
    struct func_scope *func;
    int level;
    bool top;
    struct symbol *symbols;
    int n, cap;
};

static bool same(const struct jj_str *a, const struct jj_str *b)
{
    return a->n == b->n && !memcmp(a->p, b->p, a->n);
}

/* ---- symbols of a frame -------------------------------------------------------------------------------- */

static void *grow(struct jj *vm, void *old, int n, int *cap, size_t size)
{
    if (n < *cap) return old;
    int wider = *cap ? *cap * 2 : 8;
    void *p = jj_alloc(vm, (size_t)wider * size);
    if (n) memcpy(p, old, (size_t)n * size);
    *cap = wider;
    return p;
}

/* Names are found by looking through them. */
static void limit_names(struct jj *vm, int n)
{
    if (n >= JJ_NAMES_MAX) jj_raise(vm, "more than %d names in one place", JJ_NAMES_MAX);
}

static int slot_of(struct jj *vm, struct func_scope *f, int level, const struct jj_str *name)
{
    int n = f->func->n_slots;
    for (int i = 0; i < n; i++)
        if (f->slots[i].level == level && same(f->slots[i].name, name)) return i;
    limit_names(vm, n);
    f->slots = grow(vm, f->slots, n, &f->cap, sizeof *f->slots);
    f->slots[n] = (struct slot_name){level, name};
    return f->func->n_slots++;
}

static struct symbol *find_here(struct scope *s, const struct jj_str *name)
{
    for (int i = 0; i < s->n; i++)
        if (same(s->symbols[i].name, name)) return &s->symbols[i];
    return NULL;
}

/* The name as seen from s, which runs in `from`. */
static bool find_ref(struct scope *s, const struct func_scope *from, const struct jj_str *name,
                     struct jj_ref *ref)
{
    for (; s; s = s->up) {
        const struct symbol *sym = find_here(s, name);
        if (!sym) continue;
        ref->up = 0;
        ref->slot = sym->slot;
        for (; from != s->func; from = from->up) ref->up++;
        return true;
    }
    return false;
}

static struct symbol *define(struct jj *vm, struct scope *s, const struct jj_str *name, enum jj_start start)
{
    struct symbol *sym = find_here(s, name);
    if (!sym) {
        limit_names(vm, s->n);
        s->symbols = grow(vm, s->symbols, s->n, &s->cap, sizeof *s->symbols);
        sym = &s->symbols[s->n++];
        *sym = (struct symbol){.name = name, .slot = slot_of(vm, s->func, s->level, name)};
    }
    sym->load = (struct jj_load){.start = start, .slot = sym->slot, .name = name};
    if (start == START_OUTER) CHECK(find_ref(s->up, s->func, name, &sym->load.outer), "no outer %s", name->p);
    return sym;
}

static int declare(struct jj *vm, struct scope *s, const struct jj_str *name)
{
    struct symbol *sym = define(vm, s, name, START_PARAM);
    sym->stored = true;
    return sym->slot;
}

static void note_load(struct jj *vm, struct scope *s, const struct jj_str *name)
{
    struct jj_ref ref;
    if (!find_ref(s, s->func, name, &ref)) define(vm, s, name, START_CONTEXT);
}

static void note_store(struct jj *vm, struct scope *s, const struct jj_str *name)
{
    struct jj_ref ref;
    struct symbol *sym = find_here(s, name);
    if (!sym) sym = define(vm, s, name, find_ref(s->up, s->func, name, &ref) ? START_OUTER : START_MISSING);
    sym->stored = true;
}

static void note_list(struct jj *vm, struct scope *s, const struct jj_node *list);

/* A name stored in a branch alone keeps what it had when the branch is not taken. That holds whatever
 * the other branches do with it, so the branches need no symbols of their own. */
static void note_if(struct jj *vm, struct scope *s, const struct jj_node *n)
{
    note_list(vm, s, n->kid[0]);
    int before = s->n;
    bool *stored = jj_alloc(vm, (size_t)before + 1);
    for (int i = 0; i < before; i++) stored[i] = s->symbols[i].stored;
    for (int k = 1; k <= 3; k++) note_list(vm, s, n->kid[k]);
    for (int i = 0; i < s->n; i++) {
        const struct symbol *sym = &s->symbols[i];
        struct jj_ref ref;
        if (!sym->stored || (i < before && stored[i])) continue;
        define(vm, s, sym->name, find_ref(s->up, s->func, sym->name, &ref) ? START_OUTER : START_CONTEXT);
        s->symbols[i].stored = true;
    }
}

/* Notes the names of one node that belong to the frame, without the frames within it. */
static void note(struct jj *vm, struct scope *s, const struct jj_node *n)
{
    switch (n->type) {
    case N_NAME:
        if (n->ctx == CTX_LOAD)
            note_load(vm, s, n->name);
        else if (n->ctx == CTX_STORE)
            note_store(vm, s, n->name);
        else
            declare(vm, s, n->name);
        return;
    case N_NSREF: note_load(vm, s, n->name); return;
    case N_IF: note_if(vm, s, n); return;
    case N_MACRO: note_store(vm, s, n->name); return;
    case N_FOR: note_list(vm, s, n->kid[1]); return;
    case N_CALLBLOCK: note_list(vm, s, n->kid[3]); return;
    case N_FILTERBLOCK:
    case N_WITH: note_list(vm, s, n->kid[1]); return;
    case N_SET:
        note_list(vm, s, n->kid[1]);
        note_list(vm, s, n->kid[0]);
        return;
    case N_SETBLOCK: note_list(vm, s, n->kid[0]); return;
    case N_BLOCK: return;
    default:
        for (int k = 0; k < 5; k++) note_list(vm, s, n->kid[k]);
    }
}

static void note_list(struct jj *vm, struct scope *s, const struct jj_node *list)
{
    for (; list; list = list->next) note(vm, s, list);
}

static void note_targets(struct jj *vm, struct scope *s, const struct jj_node *n)
{
    if (n->type == N_NAME) declare(vm, s, n->name);
    for (const struct jj_node *k = n->type == N_TUPLE ? n->kid[0] : NULL; k; k = k->next)
        note_targets(vm, s, k);
}

/* Is `name` read within the nodes before anything there assigns it? *shadowed: something did. */
static bool reads(const struct jj_node *list, const char *name, bool *shadowed)
{
    for (; list && !*shadowed; list = list->next) {
        if (list->type == N_NAME && !strcmp(list->name->p, name)) {
            if (list->ctx == CTX_LOAD) return true;
            *shadowed = true;
        }
        if (list->type == N_BLOCK) continue;
        for (int k = 0; k < 5; k++)
            if (reads(list->kid[k], name, shadowed)) return true;
    }
    return false;
}

static bool body_reads(const struct jj_node *body, const char *name)
{
    bool shadowed = false;
    return reads(body, name, &shadowed);
}

static struct jj_frame frame_of(struct jj *vm, const struct scope *s)
{
    struct jj_frame f = {.loads = jj_alloc(vm, (size_t)s->n * sizeof *f.loads + 1)};
    for (int i = 0; i < s->n; i++)
        if (s->symbols[i].load.start != START_PARAM) f.loads[f.n++] = s->symbols[i].load;
    return f;
}

/* ---- every node ---------------------------------------------------------------------------------------- */

struct resolver {
    struct jj *vm;
    bool soft; /* inside if: a filter that does not exist is an error when it is used */
};

static void resolve_list(struct resolver *r, struct scope *s, struct jj_node *list);

static struct scope scope_in(struct scope *up)
{
    return (struct scope){.up = up, .func = up->func, .level = up->level + 1};
}

static struct func_scope func_new(struct resolver *r, struct func_scope *up, struct jj_func **out)
{
    *out = jj_alloc(r->vm, sizeof **out);
    **out = (struct jj_func){.caller = -1, .kwargs = -1, .varargs = -1};
    return (struct func_scope){.up = up, .func = *out};
}

/* A new frame begins hard, whatever stands around it. */
static void resolve_body(struct resolver *r, struct scope *s, struct jj_node *body)
{
    bool soft = r->soft;
    r->soft = false;
    resolve_list(r, s, body);
    r->soft = soft;
}

static struct jj_str *name_new(struct jj *vm, const char *name)
{
    return jj_text(vm, name).s;
}

/* caller, kwargs and varargs exist in a body that reads them and does not take them as parameters. */
static void special_parameters(struct resolver *r, struct scope *s, const struct jj_node *n,
                               struct jj_func *f)
{
    int *slots[] = {&f->caller, &f->kwargs, &f->varargs};
    static const char *const names[] = {"caller", "kwargs", "varargs"};
    int position = 0, explicit_at = -1, defaults = 0;
    for (const struct jj_node *d = n->kid[1]; d; d = d->next) defaults++;
    for (int k = 0; k < 3; k++) {
        bool taken = false;
        position = 0;
        for (const struct jj_node *p = n->kid[0]; p; p = p->next, position++) {
            if (strcmp(p->name->p, names[k]) != 0) continue;
            taken = true;
            if (!k) explicit_at = position;
        }
        if (!taken && body_reads(n->kid[2], names[k]))
            *slots[k] = declare(r->vm, s, name_new(r->vm, names[k]));
    }
    f->explicit_caller = explicit_at >= 0;
    if (explicit_at >= 0 && explicit_at < position - defaults && body_reads(n->kid[2], "caller")) {
        r->vm->line = n->line;
        jj_raise(r->vm,
                 "When defining macros or call blocks the special \"caller\" argument must be omitted or be "
                 "given a default.");
    }
}

/* A macro or the body of a call block. */
static void resolve_function(struct resolver *r, struct scope *up, struct jj_node *n)
{
    struct jj *vm = r->vm;
    struct func_scope fs = func_new(r, up->func, &n->func);
    struct scope s = scope_in(up);
    s.func = &fs;
    n->func->name = n->name;
    for (const struct jj_node *p = n->kid[0]; p; p = p->next) n->func->n_params++;
    n->func->params = jj_alloc(vm, ((size_t)n->func->n_params + 1) * sizeof *n->func->params);
    n->func->names = jj_alloc(vm, ((size_t)n->func->n_params + 1) * sizeof *n->func->names);
    int i = 0;
    for (const struct jj_node *p = n->kid[0]; p; p = p->next, i++) {
        for (int j = 0; j < i; j++) {
            if (!same(n->func->names[j], p->name)) continue;
            vm->line = n->line;
            jj_raise(vm, "duplicate argument '%s' in function definition", p->name->p);
        }
        n->func->names[i] = p->name;
        n->func->params[i] = declare(vm, &s, p->name);
    }
    special_parameters(r, &s, n, n->func);
    note_list(vm, &s, n->kid[1]);
    note_list(vm, &s, n->kid[2]);
    resolve_body(r, &s, n->kid[1]);
    resolve_body(r, &s, n->kid[2]);
    n->frame = frame_of(vm, &s);
}

static void forbid_loop_target(struct jj *vm, const struct jj_node *list)
{
    for (; list; list = list->next) {
        if (list->type == N_NAME && list->ctx == CTX_STORE && !strcmp(list->name->p, "loop")) {
            vm->line = list->line;
            jj_raise(vm, "Can't assign to special loop variable in for-loop target");
        }
        for (int k = 0; k < 5; k++) forbid_loop_target(vm, list->kid[k]);
    }
}

/* The test of a loop is a function over the items: it has its own targets, and no `loop`. */
static void resolve_test(struct resolver *r, struct scope *up, struct jj_node *n)
{
    struct func_scope fs = func_new(r, up->func, &n->test_func);
    struct scope s = scope_in(up);
    s.func = &fs;
    note_targets(r->vm, &s, n->kid[4]->kid[0]);
    note_list(r->vm, &s, n->kid[4]->kid[1]);
    resolve_body(r, &s, n->kid[4]->kid[0]);
    resolve_body(r, &s, n->kid[4]->kid[1]);
    n->test_frame = frame_of(r->vm, &s);
}

static void resolve_for(struct resolver *r, struct scope *up, struct jj_node *n)
{
    struct jj *vm = r->vm;
    struct func_scope fs;
    struct scope s = scope_in(up), other = scope_in(up);
    resolve_list(r, up, n->kid[1]);
    for (int k = 0; k < 5; k++) forbid_loop_target(vm, n->kid[k]);
    if (n->recursive) {
        fs = func_new(r, up->func, &n->func);
        s.func = other.func = &fs;
    }
    n->extended = n->recursive || body_reads(n->kid[2], "loop");
    if (n->extended) n->loop_slot = declare(vm, &s, name_new(vm, "loop"));
    note_targets(vm, &s, n->kid[0]);
    note_list(vm, &s, n->kid[2]);
    note_list(vm, &other, n->kid[3]);
    if (n->kid[4]) resolve_test(r, up, n);
    resolve_body(r, &s, n->kid[0]);
    resolve_body(r, &s, n->kid[2]);
    resolve_body(r, &other, n->kid[3]);
    n->frame = frame_of(vm, &s);
    n->else_frame = frame_of(vm, &other);
}

/* A frame within the function: with, set block, filter block. */
static void resolve_inner(struct resolver *r, struct scope *up, struct jj_node *n)
{
    struct scope s = scope_in(up);
    struct jj_node *body = n->kid[n->type == N_FILTERBLOCK ? 0 : 2];
    if (n->type == N_WITH) {
        resolve_list(r, up, n->kid[1]);
        for (struct jj_node *t = n->kid[0]; t; t = t->next) note_targets(r->vm, &s, t);
        resolve_body(r, &s, n->kid[0]);
    }
    if (n->type == N_SETBLOCK) resolve_list(r, up, n->kid[0]);
    note_list(r->vm, &s, body);
    if (n->type != N_WITH) note_list(r->vm, &s, n->kid[1]);
    resolve_body(r, &s, body);
    if (n->type != N_WITH) resolve_body(r, &s, n->kid[1]);
    n->frame = frame_of(r->vm, &s);
}

static void resolve_block(struct resolver *r, struct jj_node *n)
{
    struct func_scope fs = func_new(r, NULL, &n->func);
    struct scope s = {.func = &fs};
    note_list(r->vm, &s, n->kid[0]);
    resolve_body(r, &s, n->kid[0]);
    n->frame = frame_of(r->vm, &s);
}

static void resolve_row(struct resolver *r, struct jj_node *n)
{
    n->row = n->type == N_FILTER ? jj_find_filter(n->name->p, n->name->n)
                                 : jj_find_row(jj_tests, n->name->p, n->name->n);
    if (n->row || r->soft) return;
    r->vm->line = n->line;
    jj_raise(r->vm, "No %s named '%s'.", n->type == N_FILTER ? "filter" : "test", n->name->p);
}

static void resolve(struct resolver *r, struct scope *s, struct jj_node *n)
{
    bool soft = r->soft;
    switch (n->type) {
    case N_NAME:
    case N_NSREF:
        CHECK(find_ref(s, s->func, n->name, &n->ref), "name %s has no place", n->name->p);
        n->exported = n->ctx == CTX_STORE && s->top;
        return;
    case N_MACRO:
        CHECK(find_ref(s, s->func, n->name, &n->ref), "macro %s has no place", n->name->p);
        n->exported = s->top;
        resolve_function(r, s, n);
        return;
    case N_CALLBLOCK:
        resolve_list(r, s, n->kid[3]);
        resolve_function(r, s, n);
        return;
    case N_FOR: resolve_for(r, s, n); return;
    case N_WITH:
    case N_SETBLOCK:
    case N_FILTERBLOCK: resolve_inner(r, s, n); return;
    case N_BLOCK: resolve_block(r, n); return;
    case N_FILTER:
    case N_TEST: resolve_row(r, n); break;
    case N_IF:
    case N_COND: r->soft = true; break;
    default: break;
    }
    for (int k = 0; k < 5; k++) resolve_list(r, s, n->kid[k]);
    r->soft = soft;
}

static void resolve_list(struct resolver *r, struct scope *s, struct jj_node *list)
{
    for (; list; list = list->next) resolve(r, s, list);
}

/* Before anything recurses over the tree: its depth is bounded. Blocks go into a dict by their names. */
static void survey(struct jj *vm, const struct jj_node *list, struct jj_dict *blocks)
{
    jj_enter(vm);
    for (; list; list = list->next) {
        vm->line = list->line;
        if (list->type == N_BLOCK) {
            if (jj_dict_text(blocks, list->name->p, list->name->n))
                jj_raise(vm, "block '%s' defined twice", list->name->p);
            jj_dict_set(vm, blocks, (struct jj_value){.kind = JJ_STR, .s = list->name}, jj_none());
        }
        for (int k = 0; k < 5; k++)
            if (list->kid[k]) survey(vm, list->kid[k], blocks);
    }
    jj_leave(vm);
}

void jj_resolve(struct jj *vm, struct jj_template *t)
{
    struct resolver r = {.vm = vm};
    struct func_scope fs = func_new(&r, NULL, &t->func);
    struct scope s = {.func = &fs, .top = true};
    struct jj_dict *blocks = jj_dict_new(vm).dict;
    survey(vm, t->body, blocks);
    t->has_blocks = blocks->n > 0;
    note_list(vm, &s, t->body);
    resolve_list(&r, &s, t->body);
    t->frame = frame_of(vm, &s);
}
