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
            double want = json_number_value(json_array_get(expected, k)), got = schedule_at(&s, step);
            if (!(fabs(got - want) <= 1e-12))
                fail_msg("case %zu %s step %ld: %.17g, expected %.17g", i, type, step, got, want);
        }
    }
    assert_true(n > 700);
    json_decref(cases);
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multipliers_equal_transformers),
        cmocka_unit_test(wrong_settings_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
