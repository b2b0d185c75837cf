/* jinja_filters_value.c: filters of single values: defaults, numbers, attributes, JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text/jinja.h"

static struct jj_value f_default(struct jj *vm, struct jj_value *v)
{
    bool falls = v[0].kind == JJ_UNDEFINED || (jj_truth(vm, v[2]) && !jj_truth(vm, v[0]));
    if (!falls) return v[0];
    return v[1].kind ? v[1] : jj_text(vm, "");
}

static struct jj_value f_abs(struct jj *vm, struct jj_value *v)
{
    int64_t i;
    if (v[0].kind == JJ_UNDEFINED) jj_raise(vm, "bad operand type for abs(): 'Undefined'");
    if (v[0].kind == JJ_FLOAT) return jj_float(fabs(v[0].f));
    if (!jj_as_int(v[0], &i)) jj_raise(vm, "bad operand type for abs(): '%s'", jj_type(v[0]));
    return i < 0 ? jj_negate(vm, jj_int(i)) : jj_int(i);
}

/* int("42.7") is 42: what is no integer is read as a float first. */
static struct jj_value f_int(struct jj *vm, struct jj_value *v)
{
    struct jj_value fallback = v[1].kind ? v[1] : jj_int(0);
    int64_t i, base = v[2].kind ? jj_need_int(vm, v[2]) : 10;
    double f;
    if (base != 0 && (base < 2 || base > 36)) jj_raise(vm, "int() base must be >= 2 and <= 36, or 0");
    if (v[0].kind == JJ_UNDEFINED) jj_raise_undefined(vm, v[0]);
    if (jj_as_int(v[0], &i)) return jj_int(i);
    if (v[0].kind == JJ_FLOAT)
        f = v[0].f;
    else if (v[0].kind != JJ_STR)
        return fallback;
    else if (jj_parse_int(vm, v[0].s, (int)base, &i))
        return jj_int(i);
    else if (!jj_parse_float(v[0].s, &f))
        return fallback;
    return isfinite(f) ? jj_int(jj_float_to_int(vm, f)) : fallback;
}

static struct jj_value f_float(struct jj *vm, struct jj_value *v)
{
    double f;
    if (v[0].kind == JJ_UNDEFINED) jj_raise_undefined(vm, v[0]);
    if (jj_is_number(v[0])) return jj_float(jj_need_float(vm, v[0]));
    if (v[0].kind == JJ_STR && jj_parse_float(v[0].s, &f)) return jj_float(f);
    return v[1].kind ? v[1] : jj_float(0);
}

/* An integer to tens, hundreds ..., halves to even. */
static struct jj_value round_int(struct jj *vm, int64_t i, int64_t digits)
{
    if (digits >= 0) return jj_int(i);
    if (digits < -18) return jj_int(0);
    int64_t unit = 1, rest;
    while (digits++) unit *= 10;
    rest = i % unit;
    if (rest < 0) rest += unit;
    int64_t down;
    if (__builtin_sub_overflow(i, rest, &down)) jj_raise(vm, "an integer beyond 64 bits");
    bool up = rest > unit / 2 || (rest == unit / 2 && down / unit % 2);
    return up ? jj_binary(vm, OP_ADD, jj_int(down), jj_int(unit)) : jj_int(down);
}

static struct jj_value f_round(struct jj *vm, struct jj_value *v)
{
    int64_t digits = v[1].kind ? jj_need_int(vm, v[1]) : 0, i;
    bool up = v[2].kind && jj_is(v[2], "ceil"), down = v[2].kind && jj_is(v[2], "floor");
    if (v[2].kind && !up && !down && !jj_is(v[2], "common"))
        jj_raise(vm, "method must be common, ceil or floor");
    if (!up && !down) {
        if (jj_as_int(v[0], &i)) return round_int(vm, i, digits);
        if (v[0].kind != JJ_FLOAT) jj_raise(vm, "type %s doesn't define __round__ method", jj_type(v[0]));
        return jj_float(jj_round(v[0].f, digits));
    }
    struct jj_value power = jj_binary(vm, OP_POW, jj_int(10), jj_int(digits)),
                    scaled = jj_binary(vm, OP_MUL, v[0], power);
    if (scaled.kind == JJ_FLOAT) scaled = jj_int(jj_float_to_int(vm, up ? ceil(scaled.f) : floor(scaled.f)));
    return jj_binary(vm, OP_DIV, scaled, power);
}

static struct jj_value f_attr(struct jj *vm, struct jj_value *v)
{
    jj_need_str(vm, v[1], "attribute name");
    struct jj_value out = jj_python_attr(vm, v[0], v[1].s);
    return out.kind ? out : jj_undefined(vm, v[0], v[1]);
}

static struct jj_value f_filesizeformat(struct jj *vm, struct jj_value *v)
{
    static const char letters[] = "kMGTPEZY";
    char text[64];
    bool binary = jj_truth(vm, v[1]);
    double base = binary ? 1024 : 1000, bytes, unit;
    if (v[0].kind != JJ_STR)
        bytes = jj_need_float(vm, v[0]);
    else if (!jj_parse_float(v[0].s, &bytes))
        jj_raise(vm, "could not convert string to float: %s", jj_repr(vm, v[0]));
    if (bytes == 1) return jj_text(vm, "1 Byte");
    if (bytes < base) {
        snprintf(text, sizeof text, "%.0f Bytes", trunc(bytes));
        return jj_str_copy(vm, text, strlen(text));
    }
    int i = 0;
    for (unit = base * base; i < 7 && bytes >= unit; i++) unit *= base;
    char letter = binary && !i ? 'K' : letters[i];
    snprintf(text, sizeof text, "%.1f %c%s", base * bytes / unit, letter, binary ? "iB" : "B");
    return jj_str_copy(vm, text, strlen(text));
}

const struct jj_callable jj_filters_value[] = {
    {"default", "default_value=,boolean=", f_default, NULL},
    {"d", "default_value=,boolean=", f_default, NULL},
    {"abs", "", f_abs, NULL},
    {"int", "default=,base=", f_int, NULL},
    {"float", "default=", f_float, NULL},
    {"round", "precision=,method=", f_round, NULL},
    {"attr", "name", f_attr, NULL},
    {"tojson", "ensure_ascii=,indent=,separators=,sort_keys=", jj_filter_tojson, NULL},
    {"pprint", "", jj_filter_pprint, NULL},
    {"filesizeformat", "binary=", f_filesizeformat, NULL},
    {0}};
