/* Every reward gives what its examples say; format and tag_count equal Python's; receipts are never empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
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

/* One example as a group of its own. */
static struct reward_result example_score(const struct reward *w, const struct reward_example *x)
{
    struct err e = {0};
    json_t *row = parsed(x->row), *params = x->params ? parsed(x->params) : NULL;
    const json_t *ids = json_object_get(row, "completion_ids");
    int list[16], n = -1;
    if (ids)
        for (n = 0; n < (int)json_array_size(ids); n++)
            list[n] = (int)json_integer_value(json_array_get(ids, (size_t)n));
    struct reward_input in = {
        .text = x->completion, .row = row, .params = params, .n_ids = n, .ids = ids ? list : NULL};
    struct reward_result out = {0};
    if (reward_params_check(w, params, &e)) fail_msg("%s", e.msg);
    reward_score(w, &in, 1, &out);
    json_decref(row);
    json_decref(params);
    return out;
}

static void examples_give_what_they_say(void **state)
{
    (void)state;
    for (size_t k = 0; reward_all()[k]; k++) {
        const struct reward *w = reward_all()[k];
        assert_true(w->n_examples > 0);
        if (strstr(w->name, "code") && sandbox_check(SANDBOX_BWRAP, NULL)) continue;
        bool low = w->score_group, high = w->score_group;
        for (int i = 0; i < w->n_examples; i++) {
            const struct reward_example *x = &w->examples[i];
            struct reward_result out = example_score(w, x);
            if (out.judged != x->judged || fabs(out.value - x->value) > 1e-15)
                fail_msg("%s of %s with %s: %g, judged %d: %s", w->name, x->completion, x->row, out.value,
                         out.judged, out.reason);
            assert_true(out.reason[0]);
            assert_true(out.value >= w->lo && out.value <= w->hi);
            low = low || (out.judged && out.value <= w->lo + (w->hi - w->lo) / 4);
            high = high || out.value == w->hi;
        }
        assert_true(low && high); /* examples show both ends */
    }
}

/* Each default passes its own check, and what is out of range does not. */
static void parameters_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        {"repetition_penalty", "{\"max_penalty\":0.5}", "must be from -1e+300 to 0"},
        {"repetition_penalty", "{\"ngram_size\":0}", "must be from 1"},
        {"repetition_penalty", "{\"ngram_size\":1.5}", "must be a whole number"},
        {"repetition_penalty", "{\"ngrams_size\":2}", "did you mean \"ngram_size\"?"},
        {"repetition_penalty", "{\"language\":\"z\"}", "must be one of en|zh"},
        {"cosine", "{\"max_len\":0}", "must be from 1e-09"},
        {"accuracy", "{\"mode\":3}", "must be a text"},
        {"accuracy", "{\"compat\":\"trl\"}", "must be one of open-r1"},
        {"numeric", "{\"tolerance\":-1}", "must be from 0"},
        {"format", "{\"tags\":1}", "no parameter of reward format is called"},
        {"format", "[]", "must be an object"},
        {"regex", "{\"pattern\":\"(\"}", "is wrong"},
        {"xml", "{\"tags\":[]}", "empty"},
        {"xml", "{\"only\":1}", "must be true or false"},
        {"json", "{\"required\":\"a\"}", "must be a list"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err e = {0};
        json_t *params = parsed(wrong[i][1]);
        assert_int_equal(reward_params_check(reward_find(wrong[i][0], &e), params, &e), -1);
        assert_int_equal(e.kind, ERR_USAGE);
        if (!strstr(e.msg, wrong[i][2])) fail_msg("%s of %s says %s", wrong[i][1], wrong[i][0], e.msg);
        json_decref(params);
    }
    struct err e = {0};
    json_t *right = parsed("{\"cosine_max_len\":50,\"max_value_wrong\":null,\"compat\":\"open-r1\"}");
    if (reward_params_check(reward_find("cosine", &e), right, &e)) fail_msg("%s", e.msg);
    json_decref(right);
}

/* Kimi's formula by hand: lengths 9, 19, 29. */
static void length_is_relative_to_the_group(void **state)
{
    (void)state;
    static const char *const texts[] = {"\\boxed{6}", "\\boxed{7}          ",
                                        "\\boxed{6}                    ", "\\boxed{7}"};
    static const double want[] = {0.5, 0, -0.5, 0};
    struct err e = {0};
    json_t *row = parsed("{\"solution\":\"6\"}");
    struct reward_input in[4];
    struct reward_result out[4];
    for (int i = 0; i < 4; i++) in[i] = (struct reward_input){.text = texts[i], .row = row, .n_ids = -1};
    reward_score(reward_find("length", &e), in, 4, out);
    for (int i = 0; i < 4; i++)
        if (!out[i].judged || out[i].value != want[i]) fail_msg("%d: %g: %s", i, out[i].value, out[i].reason);
    json_decref(row);
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
    json_t *row = parsed("{\"solution\":\"0\"}"), *any = parsed("{\"mode\":\"any\"}");
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
    json_decref(row);
    json_decref(any);
}

static void reasons_are_valid_utf8_where_text_is_cut(void **state)
{
    (void)state;
    struct err e = {0};
    char text[400] = "x";
    for (int i = 0; i < 190; i++) memcpy(text + 1 + 2 * i, "é", 3);
    json_t *row = parsed("{\"solution\":\"7\"}");
    struct reward_input in = {.text = text, .row = row, .n_ids = -1};
    struct reward_result out = {0};
    reward_score(reward_find("exact", &e), &in, 1, &out);
    json_t *reason = json_string(out.reason);
    assert_non_null(reason);
    json_decref(reason);
    json_decref(row);
}

static void a_wrong_name_brings_the_nearest(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(reward_find("acuracy", &e));
    assert_int_equal(e.kind, ERR_USAGE);
    assert_non_null(strstr(e.msg, "did you mean \"accuracy\"?"));
}

/* A column that is missing is told from one that holds something else. */
static void reasons_say_what_is_wrong_with_a_column(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"accuracy", "{}", "no column \"solution\" or \"answer\""},
        {"accuracy", "{\"solution\":null}", "no column"},
        {"accuracy", "{\"solution\":[1]}", "column \"solution\" is a list; it must be a text or a number"},
        {"exact", "{\"solution\":{\"a\":1}}", "column \"solution\" is an object"},
        {"numeric", "{\"answer\":true}", "column \"answer\" is true"},
        {"regex", "{\"pattern\":5}", "column \"pattern\" is an integer; it must be a text"},
        {"regex", "{}", "neither a parameter nor a column"},
        {"multiple_choice", "{}", "no column \"solution\""},
        {"multiple_choice", "{\"solution\":true}", "column \"solution\" is true"},
        {"multiple_choice", "{\"solution\":\"Paris\"}", "\"Paris\" is no letter"},
        {"countdown", "{\"nums\":[1]}", "no column \"target\""},
        {"multiple_choice", "{\"solution\":\"A\",\"choices\":\"x\"}", "column \"choices\" is a text"},
        {"countdown", "{\"nums\":[\"1\"],\"target\":3}",
         "column \"nums\" is a list; it must be a list of integers"},
        {"code_format", "{\"language\":[1]}", "column \"language\" is a list; it must be a text"},
        {"code", "{}", "no column \"verification_info\""},
        {"code", "{\"verification_info\":[1]}", "column \"verification_info\" is a list; it must be {"},
        {"code", "{\"verification_info\":\"[1]\"}",
         "column \"verification_info\" holds a list; it must be {"},
        {"code", "{\"verification_info\":{\"language\":5,\"test_cases\":[]}}", "\"language\" is an integer"},
        {"cf_code", "{\"language\":5}", "\"language\" is an integer; it must be the name"},
        {"cf_code", "{\"official_tests\":\"x\"}", "column \"official_tests\" is a text; it must be a list"},
        {"cf_code", "{\"input_mode\":1}", "field \"input_mode\" is an integer"},
        {"ioi_code", "{\"id\":\"a\",\"grader_files\":\"x\"}", "column \"grader_files\" is a text"},
        {"ioi_code", "{\"id\":\"a\",\"score_precision\":\"x\"}", "field \"score_precision\" is a text"},
        {"countdown", "{\"nums\":\"1 2\",\"target\":3}", "column \"nums\" is a text; it must be a list"},
    };
    struct err e = {0};
    bool runs = !sandbox_check(SANDBOX_BWRAP, NULL) && code_language_find("cpp", &e);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strstr(cases[i][0], "code") && !runs) continue;
        json_t *row = parsed(cases[i][1]);
        struct reward_input in = {.text = "6", .row = row, .n_ids = -1};
        struct reward_result out = {0};
        reward_score(reward_find(cases[i][0], &e), &in, 1, &out);
        if (out.judged || !strstr(out.reason, cases[i][2]))
            fail_msg("%s of %s: %s", cases[i][0], cases[i][1], out.reason);
        json_decref(row);
    }
}

/* What looks ahead to the end of the text at each line or word would need many minutes for these: this test
 * then meets the time limit of all tests. */
static void a_long_text_costs_no_more_than_its_length(void **state)
{
    (void)state;
    static const char *const units[] = {"\n", " \n", "1.\n", "<think>"};
    enum { LONG = 2 << 20 };
    json_t *row = parsed("{\"solution\":\"6\",\"pattern\":\"6\",\"nums\":[6],\"target\":6}");
    char *text = test_malloc(LONG + 1);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t n = strlen(units[u]);
        for (size_t i = 0; i < LONG; i++) text[i] = units[u][i % n];
        text[LONG] = 0;
        for (size_t k = 0; reward_all()[k]; k++) {
            struct reward_input in = {.text = text, .row = row, .n_ids = -1};
            struct reward_result out = {0};
            reward_score(reward_all()[k], &in, 1, &out);
            assert_true(out.reason[0]);
        }
    }
    test_free(text);
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_give_what_they_say),
        cmocka_unit_test(parameters_are_checked),
        cmocka_unit_test(length_is_relative_to_the_group),
        cmocka_unit_test(format_and_tag_count_equal_python),
        cmocka_unit_test(accuracy_takes_plain_answers_in_mode_any),
        cmocka_unit_test(reasons_are_valid_utf8_where_text_is_cut),
        cmocka_unit_test(a_wrong_name_brings_the_nearest),
        cmocka_unit_test(reasons_say_what_is_wrong_with_a_column),
        cmocka_unit_test(a_long_text_costs_no_more_than_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
