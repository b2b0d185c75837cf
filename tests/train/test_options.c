/* test_options.c: every key of TRL's configurations is known here, and those that are honoured have TRL's
 * defaults (tools/golden/trl_keys.py), but for a list of deliberate differences.
 */
#include "tiny.h"

#include <math.h>

#include "base/opt.h"

/* key: why ours differs */
static const char *const different[] = {
    "gradient_checkpointing",   /* unset: when memory asks for it; the result is the same */
    "use_bias_correction_kl",   /* off, as before 1.10 and in the papers; the recipes were made so */
    "num_completions_to_print", /* a few instead of all */
    "lr_scheduler_type",        /* an enumeration there */
    "eval_strategy",            /* likewise */
    "logging_strategy",         /* likewise */
    "save_strategy",            /* likewise */
    "optim",                    /* likewise */
    NULL,
};

static bool is_different(const char *key)
{
    for (int i = 0; different[i]; i++)
        if (strcmp(different[i], key) == 0) return true;
    return false;
}

static const struct opt *find(const struct opt *const tables[3], const char *key)
{
    for (int i = 0; i < 3; i++)
        for (const struct opt *o = tables[i]; o->key; o++)
            if (strcmp(o->key, key) == 0 || (o->alias && strcmp(o->alias, key) == 0)) return o;
    return NULL;
}

static void check_default(const struct opt *o, const char *key, const json_t *want)
{
    if (json_is_null(want)) {
        if (o->fallback) fail_msg("%s: default %s, TRL has none", key, o->fallback);
        return;
    }
    if (!o->fallback) fail_msg("%s: no default, TRL has one", key);
    char *end;
    bool same = false;
    double x = strtod(o->fallback, &end);
    if (json_is_boolean(want)) same = strcmp(o->fallback, json_is_true(want) ? "true" : "false") == 0;
    if (json_is_number(want)) same = !*end && fabs(x - json_number_value(want)) <= 1e-12 * fabs(x);
    if (json_is_string(want)) same = strcmp(o->fallback, json_string_value(want)) == 0;
    if (!same) fail_msg("%s: default %s, TRL has another", key, o->fallback);
}

static void check_algo(const char *name)
{
    struct err e = {0};
    json_t *all = json_read_file("tests/golden/trl_keys.json", &e), *want;
    if (!all) fail_msg("%s", e.msg);
    const struct opt *const tables[3] = {algo_find(name)->options, train_options, model_options};
    const char *key;
    int honoured = 0;
    json_object_foreach(json_object_get(all, name), key, want)
    {
        const struct opt *o = find(tables, key);
        if (!o) fail_msg("%s: TRL's key %s is not known", name, key);
        if ((o->flags & OPT_NOTED) || is_different(key) || o->type == OPT_LIST || (o->flags & OPT_REQUIRED))
            continue;
        check_default(o, key, want);
        honoured++;
    }
    assert_true(honoured > 40);
    json_decref(all);
}

static void every_key_of_trl_is_known_with_its_default(void **state)
{
    (void)state;
    check_algo("sft");
    check_algo("grpo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_trl_is_known_with_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
