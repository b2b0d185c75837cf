/* Open-R1's own reward cases and the measured ones: format and tag_count all, accuracy wherever numbers
 * decide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "reward/reward.h"

struct tally {
    int n, right;
};

/* All completions of one record; an accuracy that needs algebra may differ. */
static void record_check(const json_t *record, const struct reward *w, struct tally *t)
{
    const json_t *completions = json_object_get(record, "completions");
    size_t i;
    json_t *text;
    json_array_foreach((json_t *)completions, i, text)
    {
        json_t *gold = json_array_get(json_object_get(record, "solution"), i);
        json_t *row = gold ? json_pack("{s:O}", "solution", gold) : json_object();
        const json_t *expected = json_array_get(json_object_get(record, "expected"), i);
        struct reward_input in = {.text = json_string_value(text), .row = row, .n_ids = -1};
        struct reward_result out = {0};
        w->score(&in, &out);
        bool right =
            json_is_null(expected) ? !out.judged : out.judged && out.value == json_number_value(expected);
        bool accuracy = strcmp(w->name, "accuracy") == 0;
        if (!right && !accuracy) fail_msg("%s: %s gives %g: %s", w->name, in.text, out.value, out.reason);
        if (!right && out.value == 1) fail_msg("accuracy accepts %s: %s", in.text, out.reason);
        if (accuracy) {
            t->n++;
            t->right += right;
        }
        json_decref(row);
    }
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
        const char *function = json_string_value(json_object_get(record, "function"));
        const struct reward *w = NULL;
        for (size_t k = 0; reward_all()[k]; k++)
            if (strcmp(function, reward_all()[k]->metric) == 0) w = reward_all()[k];
        if (w) record_check(record, w, t);
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
    print_message("accuracy: %d of %d\n", t.right, t.n);
    assert_true(t.n > 0 && t.right * 100 >= t.n * 85);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(open_r1_cases_give_open_r1_rewards)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
