/* jinja_eval.c: expressions to values. */
#include <string.h>

#include "text/jinja.h"

static struct jj_value load(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    for (int up = n->ref.up; up; up--) act = act->up;
    struct jj_value v = act->slots[n->ref.slot];
    if (v.kind != JJ_MISSING) return v;
    return jj_undefined(vm, v, (struct jj_value){.kind = JJ_STR, .s = n->name});
}

static struct jj_value eval_items(struct jj *vm, const struct jj_node *list, enum jj_kind kind,
                                  struct jj_act *act)
{
    struct jj_value v = jj_list_new(vm, kind, 0);
    for (; list; list = list->next) jj_push(vm, v, jj_eval(vm, list, act));
    return v;
}

static struct jj_value eval_dict(struct jj *vm, const struct jj_node *list, struct jj_act *act)
{
    struct jj_value v = jj_dict_new(vm);
    for (; list; list = list->next->next) {
        struct jj_value key = jj_eval(vm, list, act);
        jj_dict_set(vm, v.dict, key, jj_eval(vm, list->next, act));
    }
    return v;
}

bool jj_compare(struct jj *vm, enum jj_op op, struct jj_value a, struct jj_value b)
{
    switch (op) {
    case OP_EQ: return jj_equal(vm, a, b);
    case OP_NE: return !jj_equal(vm, a, b);
    case OP_IN: return jj_in(vm, a, b);
    case OP_NOTIN: return !jj_in(vm, a, b);
    case OP_LT: return jj_less(vm, a, b, "<");
    case OP_GT: return jj_less(vm, b, a, ">");
    /* Numbers first: with a NaN neither is less, and neither <= the other. */
    case OP_LE: return jj_less(vm, a, b, "<=") || jj_equal(vm, a, b);
    default: return jj_less(vm, b, a, ">=") || jj_equal(vm, a, b);
    }
}

/* a < b < c is a < b and b < c, with b evaluated once. */
static struct jj_value eval_compare(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_value left = jj_eval(vm, n->kid[0], act);
    for (const struct jj_node *o = n->kid[1]; o; o = o->next) {
        struct jj_value right = jj_eval(vm, o->kid[0], act);
        if (!jj_compare(vm, (enum jj_op)o->op, left, right)) return jj_bool(false);
        left = right;
    }
    return jj_bool(true);
}

static struct jj_value eval_concat(struct jj *vm, const struct jj_node *list, struct jj_act *act)
{
    struct jj_value parts = eval_items(vm, list, JJ_LIST, act);
    return jj_join(vm, jj_text(vm, ""), parts, true);
}

static struct jj_value eval_cond(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    if (jj_truth(vm, jj_eval(vm, n->kid[0], act))) return jj_eval(vm, n->kid[1], act);
    if (n->kid[2]) return jj_eval(vm, n->kid[2], act);
    return jj_undefined_hint(
        vm, "the inline if-expression on line %d evaluated to false and no else section was defined.",
        n->line);
}

static struct jj_value eval_item(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_value v = jj_eval(vm, n->kid[0], act), bound[3];
    if (n->kid[1]->type != N_SLICE) return jj_getitem(vm, v, jj_eval(vm, n->kid[1], act));
    for (int i = 0; i < 3; i++)
        bound[i] = n->kid[1]->kid[i] ? jj_eval(vm, n->kid[1]->kid[i], act) : jj_none();
    return jj_slice(vm, v, bound[0], bound[1], bound[2]);
}

static void add_keyword(struct jj *vm, struct jj_args *out, struct jj_value name, struct jj_value v)
{
    if (!out->kw) out->kw = jj_dict_new(vm).dict;
    if (jj_dict_find(vm, out->kw, name))
        jj_raise(vm, "got multiple values for keyword argument %s", jj_repr(vm, name));
    jj_dict_set(vm, out->kw, name, v);
}

void jj_eval_args(struct jj *vm, const struct jj_node *n, struct jj_act *act, struct jj_args *out)
{
    struct jj_value list = jj_list_new(vm, JJ_LIST, 0), v;
    *out = (struct jj_args){0};
    for (const struct jj_node *a = n->kid[1]; a; a = a->next) jj_push(vm, list, jj_eval(vm, a, act));
    if (n->kid[3]) {
        struct jj_value more = jj_eval(vm, n->kid[3], act);
        struct jj_iter *it = jj_iter(vm, more);
        while (jj_next(vm, it, &v)) jj_push(vm, list, v);
    }
    for (const struct jj_node *k = n->kid[2]; k; k = k->next)
        add_keyword(vm, out, (struct jj_value){.kind = JJ_STR, .s = k->name}, jj_eval(vm, k->kid[0], act));
    if (n->kid[4]) {
        struct jj_value more = jj_eval(vm, n->kid[4], act);
        if (more.kind != JJ_DICT) jj_raise(vm, "argument after ** must be a mapping, not %s", jj_type(more));
        for (size_t i = 0; i < more.dict->n; i++) {
            if (more.dict->v[i].key.kind != JJ_STR) jj_raise(vm, "keywords must be strings");
            add_keyword(vm, out, more.dict->v[i].key, more.dict->v[i].value);
        }
    }
    out->v = list.list->v;
    out->n = list.list->n;
}

static struct jj_value eval_call(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_value f = jj_eval(vm, n->kid[0], act);
    struct jj_args args;
    jj_eval_args(vm, n, act, &args);
    vm->line = n->line;
    return jj_call(vm, f, &args);
}

static struct jj_value run_row(struct jj *vm, const struct jj_node *n, struct jj_value self,
                               struct jj_act *act)
{
    struct jj_args args;
    if (!n->row) {
        vm->line = n->line;
        jj_raise(vm, "No %s named '%s' found.", n->type == N_FILTER ? "filter" : "test", n->name->p);
    }
    jj_eval_args(vm, n, act, &args);
    vm->line = n->line;
    return jj_row_call(vm, n->row, self, &args);
}

/* A chain of filters whose innermost object is what a block captured. */
struct jj_value jj_filter_run(struct jj *vm, const struct jj_node *n, struct jj_value captured,
                              struct jj_act *act)
{
    jj_enter(vm);
    struct jj_value self = n->kid[0] ? jj_filter_run(vm, n->kid[0], captured, act) : captured;
    struct jj_value v = run_row(vm, n, self, act);
    jj_leave(vm);
    return v;
}

static struct jj_value positive(struct jj *vm, struct jj_value v)
{
    int64_t i;
    if (v.kind == JJ_UNDEFINED) jj_raise_undefined(vm, v);
    if (v.kind == JJ_FLOAT) return v;
    if (!jj_as_int(v, &i)) jj_raise(vm, "bad operand type for unary +: '%s'", jj_type(v));
    return jj_int(i);
}

static struct jj_value eval_inner(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    struct jj_value a;
    switch (n->type) {
    case N_CONST: return n->value;
    case N_NAME: return load(vm, n, act);
    case N_TUPLE: return eval_items(vm, n->kid[0], JJ_TUPLE, act);
    case N_LIST: return eval_items(vm, n->kid[0], JJ_LIST, act);
    case N_DICT: return eval_dict(vm, n->kid[0], act);
    case N_NOT: return jj_bool(!jj_truth(vm, jj_eval(vm, n->kid[0], act)));
    case N_NEG: return jj_negate(vm, jj_eval(vm, n->kid[0], act));
    case N_POS: return positive(vm, jj_eval(vm, n->kid[0], act));
    case N_AND: a = jj_eval(vm, n->kid[0], act); return jj_truth(vm, a) ? jj_eval(vm, n->kid[1], act) : a;
    case N_OR: a = jj_eval(vm, n->kid[0], act); return jj_truth(vm, a) ? a : jj_eval(vm, n->kid[1], act);
    case N_BINARY:
        a = jj_eval(vm, n->kid[0], act);
        return jj_binary(vm, (enum jj_op)n->op, a, jj_eval(vm, n->kid[1], act));
    case N_CONCAT: return eval_concat(vm, n->kid[0], act);
    case N_COMPARE: return eval_compare(vm, n, act);
    case N_COND: return eval_cond(vm, n, act);
    case N_ATTR: return jj_getattr(vm, jj_eval(vm, n->kid[0], act), n->name);
    case N_ITEM: return eval_item(vm, n, act);
    case N_CALL: return eval_call(vm, n, act);
    default: return run_row(vm, n, jj_eval(vm, n->kid[0], act), act); /* N_FILTER, N_TEST */
    }
}

struct jj_value jj_eval(struct jj *vm, const struct jj_node *n, struct jj_act *act)
{
    jj_step(vm, 0);
    jj_enter(vm);
    vm->line = n->line;
    struct jj_value v = eval_inner(vm, n, act);
    jj_leave(vm);
    return v;
}

static void assign_tuple(struct jj *vm, const struct jj_node *target, struct jj_value v, struct jj_act *act)
{
    struct jj_value item;
    size_t wanted = 0, n = 0;
    for (const struct jj_node *t = target->kid[0]; t; t = t->next) wanted++;
    if (!jj_iter_try(vm, v)) jj_raise(vm, "cannot unpack non-iterable %s object", jj_type(v));
    struct jj_value list = jj_list_new(vm, JJ_LIST, wanted);
    struct jj_iter *it = jj_iter(vm, v);
    for (; n <= wanted && jj_next(vm, it, &item); n++) jj_push(vm, list, item);
    if (n > wanted) jj_raise(vm, "too many values to unpack (expected %zu)", wanted);
    if (n < wanted) jj_raise(vm, "not enough values to unpack (expected %zu, got %zu)", wanted, n);
    n = 0;
    for (const struct jj_node *t = target->kid[0]; t; t = t->next) jj_assign(vm, t, list.list->v[n++], act);
}

void jj_assign(struct jj *vm, const struct jj_node *target, struct jj_value v, struct jj_act *act)
{
    if (target->type == N_TUPLE) {
        assign_tuple(vm, target, v, act);
        return;
    }
    for (int up = target->ref.up; up; up--) act = act->up;
    struct jj_value *slot = &act->slots[target->ref.slot];
    if (target->type == N_NAME) {
        *slot = v;
        if (target->exported && vm->t->has_blocks)
            jj_dict_set(vm, vm->exported, (struct jj_value){.kind = JJ_STR, .s = target->name}, v);
        return;
    }
    if (slot->kind != JJ_NAMESPACE) jj_raise(vm, "cannot assign attribute on non-namespace object");
    if (*target->attr->p == '_')
        jj_raise(vm,
                 "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%s'. "
                 "Please rename "
                 "the attribute.",
                 target->attr->p);
    jj_dict_set(vm, slot->dict, (struct jj_value){.kind = JJ_STR, .s = target->attr}, v);
}
