/* reward_params.c: the parameters of a reward: checked against its table, read with their defaults. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "reward/reward_int.h"

static const struct reward_param compat = {.name = "compat", .type = PARAM_TEXT, .choices = "open-r1"};

static const struct reward_param *row_of(const struct reward_param *table, const char *key)
{
    for (; table && table->name; table++)
        if (strcmp(key, table->name) == 0 || (table->open_r1 && strcmp(key, table->open_r1) == 0))
            return table;
    return strcmp(key, compat.name) == 0 ? &compat : NULL;
}

static int unknown(const struct reward *w, const char *key, struct err *e)
{
    const char *names[32] = {compat.name};
    char kind[96];
    size_t n = 1;
    for (const struct reward_param *p = w->params; p && p->name && n < 32; p++) names[n++] = p->name;
    snprintf(kind, sizeof kind, "parameter of reward %s", w->name);
    return err_unknown(e, kind, key, names, n);
}

static bool chosen(const char *choices, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = choices; p; p = strchr(p, '|')) {
        p += *p == '|';
        if (strncmp(p, word, n) == 0 && (p[n] == '|' || !p[n])) return true;
    }
    return false;
}

static int number_check(const char *name, const struct reward_param *p, double x, struct err *e)
{
    if (p->lo < p->hi && !(x >= p->lo && x <= p->hi))
        return err_usage(e, "reward %s: parameter \"%s\" is %g; it must be from %g to %g", name, p->name, x,
                         p->lo, p->hi);
    return 0;
}

static int value_check(const char *name, const struct reward_param *p, const json_t *v, struct err *e)
{
    static const char *const kinds[] = {"a number", "a whole number", "true or false", "a text", "a list"};
    bool whole =
        json_is_integer(v) || (json_is_real(v) && json_real_value(v) == (double)(long)json_real_value(v));
    bool right = p->type == PARAM_NUMBER ? json_is_number(v)
                 : p->type == PARAM_INT  ? whole
                 : p->type == PARAM_BOOL ? json_is_boolean(v)
                 : p->type == PARAM_TEXT ? json_is_string(v)
                 : p->type == PARAM_LIST ? json_is_array(v)
                                         : true;
    if (!right) return err_usage(e, "reward %s: parameter \"%s\" must be %s", name, p->name, kinds[p->type]);
    if (json_is_number(v)) return number_check(name, p, json_number_value(v), e);
    if (p->choices && !chosen(p->choices, json_string_value(v)))
        return err_usage(e, "reward %s: parameter \"%s\" is \"%.60s\"; it must be one of %s", name, p->name,
                         json_string_value(v), p->choices);
    return 0;
}

int reward_params_check(const struct reward *w, const json_t *params, struct err *e)
{
    const char *key;
    json_t *v;
    if (params && !json_is_object(params))
        return err_usage(e, "reward %s: parameters must be an object {\"name\": value}", w->name);
    json_object_foreach((json_t *)params, key, v)
    {
        const struct reward_param *p = row_of(w->params, key);
        if (!p) return unknown(w, key, e);
        if (!json_is_null(v) && value_check(w->name, p, v, e)) return -1;
    }
    return w->check ? w->check(params, e) : 0;
}

static const struct reward_param *row_named(const struct reward_param *table, const char *name)
{
    const struct reward_param *p = row_of(table, name);
    CHECK(p, "no parameter %s in the table", name);
    return p;
}

const json_t *param_json(const json_t *params, const struct reward_param *table, const char *name)
{
    const struct reward_param *p = row_named(table, name);
    const json_t *v = json_object_get(params, p->name);
    if ((!v || json_is_null(v)) && p->open_r1) v = json_object_get(params, p->open_r1);
    return json_is_null(v) ? NULL : v;
}

double param_number(const json_t *params, const struct reward_param *table, const char *name)
{
    const json_t *v = param_json(params, table, name);
    return json_is_number(v) ? json_number_value(v) : row_named(table, name)->number;
}

bool param_flag(const json_t *params, const struct reward_param *table, const char *name)
{
    const json_t *v = param_json(params, table, name);
    return json_is_boolean(v) ? json_is_true(v) : row_named(table, name)->number != 0;
}

const char *param_text(const json_t *params, const struct reward_param *table, const char *name)
{
    const json_t *v = param_json(params, table, name);
    return json_is_string(v) ? json_string_value(v) : row_named(table, name)->text;
}

bool param_compat(const json_t *params)
{
    const char *value = json_string_value(json_object_get(params, compat.name));
    return value && strcmp(value, compat.choices) == 0;
}
