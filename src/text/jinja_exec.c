/* jinja_exec.c: statements to text. */
#include <string.h>

#include "text/jinja.h"

struct jj_act *jj_act_new(struct jj *vm, const struct jj_func *f, struct jj_act *up)
{
    struct jj_act *act = jj_alloc(vm, sizeof *act);
    size_t bytes = (size_t)f->n_slots * sizeof *act->slots;
    *act = (struct jj_act){.up = up, .slots = jj_alloc(vm, bytes + 1)};
    if (bytes) memset(act->slots, 0, bytes); /* JJ_MISSING */
    return act;
}

/* A variable of the rendering: set at the top level (for blocks), given, or global. */
static struct jj_value context_value(struct jj *vm, const struct jj_str *name)
{
    const struct jj_value *found = jj_dict_text(vm->exported, name->p, name->n);
    if (!found) found = jj_dict_text(vm->vars, name->p, name->n);
    return found ? *found : jj_global(name);
}

void jj_enter_frame(struct jj *vm, const struct jj_frame *f, struct jj_act *act)
{
    jj_step(vm, (size_t)f->n * 8);
    for (int i = 0; i < f->n; i++) {
        const struct jj_load *l = &f->loads[i];
        struct jj_act *from = act;
        for (int up = l->outer.up; up; up--) from = from->up;
        act->slots[l->slot] = l->start == START_CONTEXT ? context_value(vm, l->name)
                              : l->start == START_OUTER ? from->slots[l->outer.slot]
                                                        : (struct jj_value){.kind = JJ_MISSING};
    }
}

void jj_put(struct jj *vm, struct jj_value v)
{
    if (v.kind != JJ_STR) jj_raise(vm, "sequence item 0: expected str instance, %s found", jj_type(v));
    jj_print(vm, v, &vm->text);
}

/* ---- for ----------------------------------------------------------------------------------------------- */

/* The items that pass the loop's test. */
static bool next_tested(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    while (jj_next(vm, it->from, out)) {
        jj_assign(vm, it->node->kid[0], *out, it->act);
        if (jj_truth(vm, jj_eval(vm, it->node->kid[1], it->act))) return true;
    }
    return false;
}

static struct jj_value loop_items(struct jj *vm, const struct jj_node *n, struct jj_value items,
                                  struct jj_act *act)
{
    if (!n->kid[4]) return items;
    struct jj_iter it = {.next = next_tested,
                         .from = jj_iter(vm, items),
                         .node = n->kid[4],
                         .act = jj_act_new(vm, n->test_func, act)};
    jj_enter_frame(vm, &n->test_frame, it.act);
    return jj_generator(vm, &it);
}

static bool loop_next(struct jj *vm, struct jj_loop *loop, struct jj_value *out)
{
    if (loop->after.kind != JJ_MISSING)
        *out = loop->after;
    else if (!jj_next(vm, loop->it, out))
        return false;
    loop->after.kind = JJ_MISSING;
    loop->index0++;
    loop->before = loop->current;
    loop->current = *out;
    return true;
}

static struct jj_loop *loop_new(struct jj *vm, const struct jj_node *n, struct jj_value items,
                                struct jj_act *up, int64_t depth0)
{
    struct jj_loop *loop = jj_alloc(vm, sizeof *loop);
    *loop = (struct jj_loop){.it = jj_iter(vm, items),
                             .of = items,
                             .index0 = -1,
                             .depth0 = depth0,
                             .length = -1,
                             .node = n,
                             .act = up};
    return loop;
}

/* The loop over `items` in act; `up` is the function around a recursive one. As jinja2 has it, else also
 * runs when no body was run to its end. */
static enum jj_flow run_loop(struct jj *vm, const struct jj_node *n, struct jj_loop *loop, struct jj_act *act)
{
    struct jj_value item;
    bool none = true;
    enum jj_flow flow = FLOW_ON;
    while (flow != FLOW_BREAK && loop_next(vm, loop, &item)) {
        jj_assign(vm, n->kid[0], item, act);
        if (n->extended) act->slots[n->loop_slot] = (struct jj_value){.kind = JJ_LOOP, .loop = loop};
        jj_enter_frame(vm, &n->frame, act);
        flow = jj_exec(vm, n->kid[2], act);
        none &= flow != FLOW_ON;
    }
    if (!none || !n->kid[3]) return FLOW_ON;
    jj_enter_frame(vm, &n->else_frame, act);
    return jj_exec(vm, n->kid[3], act);
}

static struct jj_value run_recursive(struct jj *vm, const struct jj_node *n, struct jj_value items,
                                     struct jj_act *up, int64_t depth0)
{
    struct jj_act *act = jj_act_new(vm, n->func, up);
    size_t start = jj_capture(vm);
    jj_enter(vm);
    run_loop(vm, n, loop_new(vm, n, loop_items(vm, n, items, up), up, depth0), act);
    jj_leave(vm);
    return jj_captured(vm, start);
}

struct jj_value jj_loop_recurse(struct jj *vm, const struct jj_loop *loop, struct jj_value items)
{
    if (!loop->node->recursive)
        jj_raise(vm, "The loop must have the 'recursive' marker to be called recursively.");
    return run_recursive(vm, loop->node, items, loop->act, loop->depth0 + 1);
}

static enum jj_flow exec_for(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_value items = jj_eval(vm, n->kid[1], act);
    if (n->recursive) {
        jj_put(vm, run_recursive(vm, n, items, act, 0));
        return FLOW_ON;
    }
    return run_loop(vm, n, loop_new(vm, n, loop_items(vm, n, items, act), act, 0), act);
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

static enum jj_flow exec_if(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    if (jj_truth(vm, jj_eval(vm, n->kid[0], act))) return jj_exec(vm, n->kid[1], act);
    for (const struct jj_node *elif = n->kid[2]; elif; elif = elif->next)
        if (jj_truth(vm, jj_eval(vm, elif->kid[0], act))) return jj_exec(vm, elif->kid[1], act);
    return jj_exec(vm, n->kid[3], act);
}

static struct jj_value macro_new(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_macro *m = jj_alloc(vm, sizeof *m);
    *m = (struct jj_macro){n, act};
    return (struct jj_value){.kind = JJ_MACRO, .macro = m};
}

static void exec_macro(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    const struct jj_node target = {.type = N_NAME, .name = n->name, .ref = n->ref, .exported = n->exported};
    jj_assign(vm, &target, macro_new(vm, n, act), act);
}

/* {% generation %}: the text, and where it stands in the text as printed so far outside captures. */
static void exec_generation(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    const struct jj_args none = {0};
    struct jj_value text = jj_macro_call(vm, macro_new(vm, n, act).macro, &none);
    size_t from = vm->captures ? vm->main_end : vm->text.len;
    if (vm->spans) spans_push(vm->spans, (struct text_span){from, from + text.s->n});
    jj_put(vm, text);
}

static void exec_call(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_value f = jj_eval(vm, n->kid[3]->kid[0], act);
    struct jj_args args;
    jj_eval_args(vm, n->kid[3], act, &args);
    if (!args.kw) args.kw = jj_dict_new(vm).dict;
    jj_dict_set(vm, args.kw, jj_text(vm, "caller"), macro_new(vm, n, act));
    vm->line = n->line;
    jj_put(vm, jj_call(vm, f, &args));
}

/* A body that jumps out of a capture, by break or continue, leaves nothing behind. */
static enum jj_flow capture_body(struct jj *vm, const struct jj_node *body, struct jj_act *act,
                                 struct jj_value *out)
{
    size_t start = jj_capture(vm);
    enum jj_flow flow = jj_exec(vm, body, act);
    if (flow == FLOW_ON)
        *out = jj_captured(vm, start);
    else
        jj_capture_drop(vm, start);
    return flow;
}

static enum jj_flow exec_set_block(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_value v;
    jj_enter_frame(vm, &n->frame, act);
    enum jj_flow flow = capture_body(vm, n->kid[2], act, &v);
    if (flow != FLOW_ON) return flow;
    jj_assign(vm, n->kid[0], n->kid[1] ? jj_filter_run(vm, n->kid[1], v, act) : v, act);
    return FLOW_ON;
}

static enum jj_flow exec_filter_block(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_value v;
    jj_enter_frame(vm, &n->frame, act);
    enum jj_flow flow = capture_body(vm, n->kid[0], act, &v);
    if (flow == FLOW_ON) jj_put(vm, jj_filter_run(vm, n->kid[1], v, act));
    return flow;
}

static enum jj_flow exec_with(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    jj_enter_frame(vm, &n->frame, act);
    for (const struct jj_node *t = n->kid[0], *v = n->kid[1]; t; t = t->next, v = v->next)
        jj_assign(vm, t, jj_eval(vm, v, act), act);
    return jj_exec(vm, n->kid[2], act);
}

static void exec_block(struct jj *vm, const struct jj_node *n)
{
    struct jj_act *act = jj_act_new(vm, n->func, NULL);
    jj_enter_frame(vm, &n->frame, act);
    jj_exec(vm, n->kid[0], act);
}

static enum jj_flow exec_one(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    switch (n->type) {
    case N_TEXT: jj_print(vm, n->value, &vm->text); return FLOW_ON;
    case N_PRINT:
        for (const struct jj_node *k = n->kid[0]; k; k = k->next)
            jj_print(vm, jj_eval(vm, k, act), &vm->text);
        return FLOW_ON;
    case N_IF: return exec_if(vm, n, act);
    case N_FOR: return exec_for(vm, n, act);
    case N_SET: jj_assign(vm, n->kid[0], jj_eval(vm, n->kid[1], act), act); return FLOW_ON;
    case N_SETBLOCK: return exec_set_block(vm, n, act);
    case N_MACRO: exec_macro(vm, n, act); return FLOW_ON;
    case N_CALLBLOCK:
        if (n->kid[3])
            exec_call(vm, n, act);
        else
            exec_generation(vm, n, act);
        return FLOW_ON;
    case N_FILTERBLOCK: return exec_filter_block(vm, n, act);
    case N_WITH: return exec_with(vm, n, act);
    case N_BLOCK: exec_block(vm, n); return FLOW_ON;
    case N_BREAK: return FLOW_BREAK;
    default: return FLOW_CONTINUE;
    }
}

enum jj_flow jj_exec(struct jj *vm, const struct jj_node *list, struct jj_act *act)
{
    enum jj_flow flow = FLOW_ON;
    jj_enter(vm);
    for (; list && flow == FLOW_ON; list = list->next) {
        jj_step(vm, 0);
        vm->line = list->line;
        flow = exec_one(vm, list, act);
    }
    jj_leave(vm);
    return flow;
}
