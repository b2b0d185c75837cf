/* jinja_tests.c: what stands behind `is`. */
#include <string.h>

#include "text/jinja.h"
#include "text/pystr.h"

static bool remainder_is(struct jj *vm, struct jj_value v, struct jj_value by, int64_t wanted)
{
    return jj_equal(vm, jj_binary(vm, OP_MOD, v, by), jj_int(wanted));
}

static struct jj_value t_odd(struct jj *vm, struct jj_value *v)
{
    return jj_bool(remainder_is(vm, v[0], jj_int(2), 1));
}
static struct jj_value t_even(struct jj *vm, struct jj_value *v)
{
    return jj_bool(remainder_is(vm, v[0], jj_int(2), 0));
}
static struct jj_value t_divisibleby(struct jj *vm, struct jj_value *v)
{
    return jj_bool(remainder_is(vm, v[0], v[1], 0));
}

/* Tests of the kind alone: a set of kinds each. */
#define KIND(k) (1u << (k))
#define KIND_TEST(name, kinds)                                                                               \
    static struct jj_value t_##name(struct jj *vm, struct jj_value *v)                                       \
    {                                                                                                        \
        (void)vm;                                                                                            \
        return jj_bool(((kinds) >> v[0].kind & 1u) != 0);                                                    \
    }
KIND_TEST(defined, ~KIND(JJ_UNDEFINED))
KIND_TEST(undefined, KIND(JJ_UNDEFINED))
KIND_TEST(none, KIND(JJ_NONE))
KIND_TEST(boolean, KIND(JJ_BOOL))
KIND_TEST(integer, KIND(JJ_INT))
KIND_TEST(float, KIND(JJ_FLOAT))
KIND_TEST(number, KIND(JJ_INT) | KIND(JJ_FLOAT) | KIND(JJ_BOOL))
KIND_TEST(string, KIND(JJ_STR))
KIND_TEST(mapping, KIND(JJ_DICT))
KIND_TEST(sequence,
          KIND(JJ_STR) | KIND(JJ_LIST) | KIND(JJ_TUPLE) | KIND(JJ_DICT) | KIND(JJ_RANGE) | KIND(JJ_UNDEFINED))
KIND_TEST(iterable, KIND(JJ_STR) | KIND(JJ_LIST) | KIND(JJ_TUPLE) | KIND(JJ_DICT) | KIND(JJ_RANGE) |
                        KIND(JJ_UNDEFINED) | KIND(JJ_VIEW) | KIND(JJ_ITER) | KIND(JJ_LOOP))
KIND_TEST(callable, KIND(JJ_FUNC) | KIND(JJ_METHOD) | KIND(JJ_MACRO) | KIND(JJ_LOOP) | KIND(JJ_JOINER) |
                        KIND(JJ_UNDEFINED))

static struct jj_value t_false(struct jj *vm, struct jj_value *v)
{
    (void)vm;
    return jj_bool(v[0].kind == JJ_BOOL && !v[0].b);
}
static struct jj_value t_true(struct jj *vm, struct jj_value *v)
{
    (void)vm;
    return jj_bool(v[0].kind == JJ_BOOL && v[0].b);
}
static struct jj_value t_escaped(struct jj *vm, struct jj_value *v)
{
    (void)vm;
    return jj_bool(v[0].kind == JJ_STR && v[0].safe);
}

/* A str method without arguments, asked of str(value). */
static struct jj_value ask_text(struct jj *vm, struct jj_value v, const char *method)
{
    const struct jj_args none = {0};
    return jj_call(vm, jj_getattr(vm, jj_to_str(vm, v), jj_text(vm, method).s), &none);
}

static struct jj_value t_lower(struct jj *vm, struct jj_value *v)
{
    return ask_text(vm, v[0], "islower");
}
static struct jj_value t_upper(struct jj *vm, struct jj_value *v)
{
    return ask_text(vm, v[0], "isupper");
}

/* The same object; for what has no identity here (numbers, texts), the same value of the same type. */
static struct jj_value t_sameas(struct jj *vm, struct jj_value *v)
{
    if (v[0].kind != v[1].kind) return jj_bool(false);
    if (v[0].kind <= JJ_STR) return jj_bool(jj_equal(vm, v[0], v[1]));
    return jj_bool(v[0].list == v[1].list);
}

static struct jj_value t_in(struct jj *vm, struct jj_value *v)
{
    return jj_bool(jj_in(vm, v[0], v[1]));
}
static struct jj_value t_eq(struct jj *vm, struct jj_value *v)
{
    return jj_bool(jj_compare(vm, OP_EQ, v[0], v[1]));
}
static struct jj_value t_ne(struct jj *vm, struct jj_value *v)
{
    return jj_bool(jj_compare(vm, OP_NE, v[0], v[1]));
}
static struct jj_value t_lt(struct jj *vm, struct jj_value *v)
{
    return jj_bool(jj_compare(vm, OP_LT, v[0], v[1]));
}
static struct jj_value t_le(struct jj *vm, struct jj_value *v)
{
    return jj_bool(jj_compare(vm, OP_LE, v[0], v[1]));
}
static struct jj_value t_gt(struct jj *vm, struct jj_value *v)
{
    return jj_bool(jj_compare(vm, OP_GT, v[0], v[1]));
}
static struct jj_value t_ge(struct jj *vm, struct jj_value *v)
{
    return jj_bool(jj_compare(vm, OP_GE, v[0], v[1]));
}

static struct jj_value t_filter(struct jj *vm, struct jj_value *v)
{
    (void)vm;
    return jj_bool(v[0].kind == JJ_STR && jj_find_filter(v[0].s->p, v[0].s->n));
}
static struct jj_value t_test(struct jj *vm, struct jj_value *v)
{
    (void)vm;
    return jj_bool(v[0].kind == JJ_STR && jj_find_row(jj_tests, v[0].s->p, v[0].s->n));
}

const struct jj_callable jj_tests[] = {{"odd", "", t_odd, NULL},
                                       {"even", "", t_even, NULL},
                                       {"divisibleby", "num", t_divisibleby, NULL},
                                       {"defined", "", t_defined, NULL},
                                       {"undefined", "", t_undefined, NULL},
                                       {"filter", "", t_filter, NULL},
                                       {"test", "", t_test, NULL},
                                       {"none", "", t_none, NULL},
                                       {"boolean", "", t_boolean, NULL},
                                       {"false", "", t_false, NULL},
                                       {"true", "", t_true, NULL},
                                       {"integer", "", t_integer, NULL},
                                       {"float", "", t_float, NULL},
                                       {"lower", "", t_lower, NULL},
                                       {"upper", "", t_upper, NULL},
                                       {"string", "", t_string, NULL},
                                       {"mapping", "", t_mapping, NULL},
                                       {"number", "", t_number, NULL},
                                       {"sequence", "", t_sequence, NULL},
                                       {"iterable", "", t_iterable, NULL},
                                       {"callable", "", t_callable, NULL},
                                       {"sameas", "other", t_sameas, NULL},
                                       {"escaped", "", t_escaped, NULL},
                                       {"in", "seq", t_in, NULL},
                                       {"==", "/b", t_eq, NULL},
                                       {"eq", "/b", t_eq, NULL},
                                       {"equalto", "/b", t_eq, NULL},
                                       {"!=", "/b", t_ne, NULL},
                                       {"ne", "/b", t_ne, NULL},
                                       {">", "/b", t_gt, NULL},
                                       {"gt", "/b", t_gt, NULL},
                                       {"greaterthan", "/b", t_gt, NULL},
                                       {"ge", "/b", t_ge, NULL},
                                       {">=", "/b", t_ge, NULL},
                                       {"<", "/b", t_lt, NULL},
                                       {"lt", "/b", t_lt, NULL},
                                       {"lessthan", "/b", t_lt, NULL},
                                       {"<=", "/b", t_le, NULL},
                                       {"le", "/b", t_le, NULL},
                                       {0}};

const struct jj_callable *jj_find_row(const struct jj_callable *rows, const char *p, size_t n)
{
    for (; rows->name; rows++)
        if (!strncmp(rows->name, p, n) && !rows->name[n]) return rows;
    return NULL;
}

const struct jj_callable *jj_find_filter(const char *p, size_t n)
{
    const struct jj_callable *const tables[] = {jj_filters_text, jj_filters_list, jj_filters_value},
                                    *row = NULL;
    for (int i = 0; i < 3 && !row; i++) row = jj_find_row(tables[i], p, n);
    return row;
}

const struct jj_callable *jj_need_filter(struct jj *vm, struct jj_value name)
{
    const struct jj_callable *row = name.kind == JJ_STR ? jj_find_filter(name.s->p, name.s->n) : NULL;
    if (!row) jj_raise(vm, "No filter named %s.", jj_repr(vm, name));
    return row;
}

const struct jj_callable *jj_need_test(struct jj *vm, struct jj_value name)
{
    const struct jj_callable *row = name.kind == JJ_STR ? jj_find_row(jj_tests, name.s->p, name.s->n) : NULL;
    if (!row) jj_raise(vm, "No test named %s.", jj_repr(vm, name));
    return row;
}
