/* Every reward gives what its examples say; format and tag_count equal Python's; receipts are never empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "reward/reward.h"
#include "verify/verify.h"

static json_t *parsed(const char *text)
{
    struct err e = {0};
    json_t *v = json_read_bytes(text, strlen(text), "example", &e);
    if (!v) fail_msg("%s", e.msg);
    return v;
}

static void examples_give_what_they_say(void **state)
{
    (void)state;
    for (size_t k = 0; reward_all()[k]; k++) {
        const struct reward *w = reward_all()[k];
        assert_true(w->n_examples > 0);
        if (strstr(w->name, "code") && sandbox_check(SANDBOX_BWRAP, NULL)) continue;
        bool low = false, high = false;
        for (int i = 0; i < w->n_examples; i++) {
            const struct reward_example *x = &w->examples[i];
            json_t *row = parsed(x->row);
            struct reward_input in = {.text = x->completion, .row = row, .n_ids = -1};
            struct reward_result out = {0};
            w->score(&in, &out);
            if (out.judged != x->judged || out.value != x->value)
                fail_msg("%s of %s with %s: %g, judged %d: %s", w->name, x->completion, x->row, out.value,
                         out.judged, out.reason);
            assert_true(out.reason[0]);
            assert_true(out.value >= w->lo && out.value <= w->hi);
            low = low || (out.judged && out.value == w->lo);
            high = high || out.value == w->hi;
            json_decref(row);
        }
        assert_true(low && high); /* examples show both ends */
    }
}

static void format_and_tag_count_equal_python(void **state)
{
    (void)state;
    struct err e = {0};
    struct jsonl file;
    json_t *row;
    int n = 0, passing = 0;
    if (jsonl_open(&file, "tests/golden/rewards.jsonl", &e)) fail_msg("%s", e.msg);
    const struct reward *format = reward_find("format", &e), *tags = reward_find("tag_count", &e);
    while (jsonl_next(&file, &row, &e) == 1) {
        struct reward_input in = {.text = json_string_value(json_object_get(row, "text")), .n_ids = -1};
        struct reward_result out = {0};
        format->score(&in, &out);
        if (out.value != json_number_value(json_object_get(row, "format"))) fail_msg("format of %s", in.text);
        passing += out.value == 1;
        tags->score(&in, &out);
        if (out.value != json_number_value(json_object_get(row, "tag_count")))
            fail_msg("tag_count of %s", in.text);
        n++;
        json_decref(row);
    }
    jsonl_close(&file);
    assert_true(n >= 500 && passing >= 100);
}

static void accuracy_takes_plain_answers_in_mode_any(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *row = parsed("{\"solution\":\"0\"}"), *any = parsed("{\"mode\":\"any\"}"),
           *bad = parsed("{\"mode\":3}");
    const struct reward *w = reward_find("accuracy", &e);
    struct reward_input in = {.text = "<think>-8=7 +7=4</think>0", .row = row, .n_ids = -1};
    struct reward_result out;
    w->score(&in, &out);
    assert_true(out.judged && out.value == 0);
    in.params = any;
    w->score(&in, &out);
    assert_true(out.judged && out.value == 1);
    in.text = "<think>-8=7 +7=0";
    w->score(&in, &out);
    assert_true(out.judged && out.value == 0);
    in.params = bad;
    w->score(&in, &out);
    assert_false(out.judged);
    json_decref(row);
    json_decref(any);
    json_decref(bad);
}

static void a_wrong_name_brings_the_nearest(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(reward_find("acuracy", &e));
    assert_int_equal(e.kind, ERR_USAGE);
    assert_non_null(strstr(e.msg, "did you mean \"accuracy\"?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_give_what_they_say),
        cmocka_unit_test(format_and_tag_count_equal_python),
        cmocka_unit_test(accuracy_takes_plain_answers_in_mode_any),
        cmocka_unit_test(a_wrong_name_brings_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
