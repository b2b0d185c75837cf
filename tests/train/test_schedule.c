/* test_schedule.c: learning-rate multipliers equal those of transformers (tools/golden/optim.py). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "train/train.h"

static void multipliers_equal_transformers(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *cases = json_read_file("tests/golden/optim/schedules.json", &e);
    if (!cases) fail_msg("%s", e.msg);
    size_t i, n = 0;
    json_t *c;
    json_array_foreach(cases, i, c)
    {
        struct schedule s = {0};
        const char *type = json_string_value(json_object_get(c, "type"));
        s.warmup = (long)json_integer_value(json_object_get(c, "warmup"));
        s.total = (long)json_integer_value(json_object_get(c, "total"));
        s.lr = json_number_value(json_object_get(c, "lr"));
        if (schedule_init(&s, type, json_object_get(c, "kwargs"), &e)) fail_msg("%s", e.msg);
        const json_t *steps = json_object_get(c, "steps"), *expected = json_object_get(c, "multipliers");
        for (size_t k = 0; k < json_array_size(steps); k++, n++) {
            long step = (long)json_integer_value(json_array_get(steps, k));
            double want = json_number_value(json_array_get(expected, k)), got = schedule_lr(&s, step) / s.lr;
            if (!(fabs(got - want) <= 1e-12))
                fail_msg("case %zu %s step %ld: %.17g, expected %.17g", i, type, step, got, want);
        }
    }
    assert_true(n > 700);
    json_decref(cases);
}

/* One case of plateau.json; returns how often the rate fell. After each evaluation the state goes through a
 * checkpoint. */
static size_t plateau_check(const json_t *c, const json_t *metrics)
{
    struct err e = {0};
    const json_t *falls = json_object_get(c, "falls"), *kwargs = json_object_get(c, "kwargs");
    struct schedule s = {.total = 100, .lr = json_number_value(json_object_get(c, "lr"))};
    size_t n = 0;
    if (schedule_init(&s, "reduce_lr_on_plateau", kwargs, &e)) fail_msg("%s", e.msg);
    for (size_t k = 0; k < json_array_size(metrics); k++) {
        double before = schedule_lr(&s, (long)k);
        bool fell = plateau_see(&s.plateau, json_number_value(json_array_get(metrics, k)));
        double lr = schedule_lr(&s, (long)k);
        const json_t *fall = json_array_get(falls, n);
        bool expected = fall && (size_t)json_integer_value(json_array_get(fall, 0)) == k;
        double want = expected ? json_number_value(json_array_get(fall, 1)) : before;
        if (fell != expected || lr != want)
            fail_msg("evaluation %zu: %.17g, expected %.17g, with %s", k, lr, want, json_text(kwargs));
        n += fell;
        json_t *kept = plateau_state(&s.plateau);
        if (schedule_init(&s, "reduce_lr_on_plateau", kwargs, &e) || plateau_resume(&s.plateau, kept, &e))
            fail_msg("%s", e.msg);
        json_decref(kept);
    }
    assert_int_equal(n, json_array_size(falls));
    return n;
}

static void rates_on_a_plateau_equal_torch(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *golden = json_read_file("tests/golden/optim/plateau.json", &e), *c;
    if (!golden) fail_msg("%s", e.msg);
    size_t i, falls = 0;
    json_array_foreach(json_object_get(golden, "cases"), i, c)
    {
        size_t course = (size_t)json_integer_value(json_object_get(c, "course"));
        falls += plateau_check(c, json_array_get(json_object_get(golden, "courses"), course));
    }
    assert_true(falls > 150);
    json_decref(golden);
}

static void the_mode_follows_greater_is_better_unless_it_is_given(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++) {
        struct schedule s = {.total = 100, .lr = 1, .greater = true};
        json_t *kwargs = json_pack("{s:i, s:s*}", "patience", 0, "mode", given ? "min" : NULL);
        assert_int_equal(schedule_init(&s, "reduce_lr_on_plateau", kwargs, NULL), 0);
        assert_false(plateau_see(&s.plateau, 1));
        assert_int_equal(plateau_see(&s.plateau, 2), given);
        json_decref(kwargs);
    }
}

static void refused(const char *type, const char *kwargs, const char *part)
{
    struct schedule s = {.warmup = 0, .total = 100, .lr = 1e-4};
    struct err e = {0};
    json_t *k = json_loads(kwargs, 0, NULL);
    assert_int_equal(schedule_init(&s, type, k, &e), -1);
    assert_int_equal(e.kind, ERR_USAGE);
    if (!strstr(e.msg, part)) fail_msg("'%s' does not say '%s'", e.msg, part);
    json_decref(k);
}

static void wrong_settings_are_refused_with_a_reason(void **state)
{
    (void)state;
    refused("cosin", "{}", "did you mean \"cosine\"");
    refused("cosine", "{\"min_lr\": 1e-5}", "min_lr");
    refused("cosine_with_min_lr", "{}", "neither");
    refused("cosine_with_min_lr", "{\"min_lr\": 1e-5, \"min_lr_rate\": 0.1}", "both");
    refused("warmup_stable_decay", "{}", "num_decay_steps");
    refused("warmup_stable_decay", "{\"num_decay_steps\": 5, \"decay_type\": \"exp\"}", "1-sqrt");
    refused("polynomial", "{\"lr_end\": 1}", "lr_end");
    refused("reduce_lr_on_plateau", "{\"mode\": \"less\"}", "mode is 'less'; expected min or max");
    refused("reduce_lr_on_plateau", "{\"factor\": 1}", "lr_scheduler_kwargs: factor is 1; it must be from 0");
    refused("reduce_lr_on_plateau", "{\"patience\": -1}", "patience is -1");
    refused("reduce_lr_on_plateau", "{\"min_lr\": [0, 0]}", "min_lr");
    refused("reduce_lr_on_plateau", "{\"verbose\": true}", "'verbose' means nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multipliers_equal_transformers),
        cmocka_unit_test(rates_on_a_plateau_equal_torch),
        cmocka_unit_test(the_mode_follows_greater_is_better_unless_it_is_given),
        cmocka_unit_test(wrong_settings_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
