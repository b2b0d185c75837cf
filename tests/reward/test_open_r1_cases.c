/* Open-R1's own reward cases and the measured ones, all of them, with "compat": "open-r1". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "reward/reward.h"

enum { GROUP_MAX = 64 };

struct tally {
    int n, wrong;
};

/* The row of completion i: its solution, and further columns of the record. */
static json_t *row_of(const json_t *record, size_t i)
{
    json_t *row = json_object(), *v;
    const char *key;
    json_t *solution = json_array_get(json_object_get(record, "solution"), i);
    if (solution) json_object_set(row, "solution", solution);
    json_object_foreach(json_object_get(record, "kwargs"), key, v)
        json_object_set(row, key, json_is_array(v) ? json_array_get(v, i) : v);
    return row;
}

static void expect(const json_t *record, size_t i, const struct reward_result *r, struct tally *t)
{
    const json_t *want = json_array_get(json_object_get(record, "expected"), i);
    double tolerance = json_number_value(json_object_get(record, "tolerance"));
    bool right =
        json_is_null(want) ? !r->judged : r->judged && fabs(r->value - json_number_value(want)) <= tolerance;
    t->n++;
    t->wrong += !right;
    if (!right)
        print_message("%s, completion %zu: %g (judged %d), not %g: %s\n",
                      json_string_value(json_object_get(record, "id")), i, r->value, r->judged,
                      json_number_value(want), r->reason);
}

static void record_check(const json_t *record, const struct reward *w, struct tally *t)
{
    const json_t *completions = json_object_get(record, "completions");
    const json_t *counts = json_object_get(record, "completion_token_counts");
    struct reward_input in[GROUP_MAX];
    struct reward_result out[GROUP_MAX];
    struct err e = {0};
    json_t *rows[GROUP_MAX], *params = json_deep_copy(json_object_get(record, "params"));
    size_t n = counts ? json_array_size(counts) : json_array_size(completions);
    assert_true(n <= GROUP_MAX);
    json_object_set_new(params, "compat", json_string("open-r1"));
    if (reward_params_check(w, params, &e)) fail_msg("%s", e.msg);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(completions, i));
        rows[i] = row_of(record, i);
        in[i] =
            (struct reward_input){.text = text ? text : "",
                                  .row = rows[i],
                                  .params = params,
                                  .n_ids = counts ? (int)json_integer_value(json_array_get(counts, i)) : -1};
    }
    reward_score(w, in, (int)n, out);
    for (size_t i = 0; i < n; i++) {
        expect(record, i, &out[i], t);
        json_decref(rows[i]);
    }
    json_decref(params);
}

static void file_check(const char *path, struct tally *t)
{
    struct err e = {0};
    struct jsonl file;
    json_t *record;
    if (!file_exists(path)) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    if (jsonl_open(&file, path, &e)) fail_msg("%s", e.msg);
    while (jsonl_next(&file, &record, &e) == 1) {
        const struct reward *w = reward_find(json_string_value(json_object_get(record, "function")), &e);
        /* What needs data or services from outside, or is no list, is not for this test. */
        bool here =
            !json_object_get(record, "requires") && json_is_array(json_object_get(record, "expected"));
        if (w && here) record_check(record, w, t);
        json_decref(record);
    }
    jsonl_close(&file);
}

static void open_r1_cases_give_open_r1_rewards(void **state)
{
    (void)state;
    struct tally t = {0};
    file_check("../shared/cases/open-r1-reward-cases.jsonl", &t);
    file_check("../shared/cases/open-r1-extra-cases.jsonl", &t);
    print_message("%d of %d\n", t.n - t.wrong, t.n);
    assert_true(t.n > 250);
    assert_int_equal(t.wrong, 0);
}

static void functions_are_found_by_their_python_names(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"accuracy_reward", "accuracy"},
                                           {"get_cosine_scaled_reward", "cosine"},
                                           {"cosine_scaled_reward", "cosine"},
                                           {"len_reward", "length"},
                                           {"get_repetition_penalty_reward", "repetition_penalty"},
                                           {"get_soft_overlong_punishment", "soft_overlong_punishment"},
                                           {"get_code_format_reward", "code_format"},
                                           {"think_format_reward", "think_format"}};
    struct err e = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct reward *w = reward_find(names[i][0], &e);
        if (!w) fail_msg("%s", e.msg);
        assert_string_equal(w->name, names[i][1]);
    }
    assert_null(reward_find("get_", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(open_r1_cases_give_open_r1_rewards),
                                       cmocka_unit_test(functions_are_found_by_their_python_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
