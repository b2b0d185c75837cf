/* The shared cases of Math-Verify and the hand-made hard ones: numbers in all their spellings must be judged
 * right. Categories that need algebra are counted and printed; the only demand there is that hardly any
 * wrong answer passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "verify/verify.h"

static const char *const numeric[] = {"number_format",
                                      "fraction",
                                      "percent",
                                      "percent_v09",
                                      "boxed",
                                      "near_miss",
                                      "thousands_locale",
                                      "tiny_numbers",
                                      "scientific",
                                      "currency",
                                      "choice_string_extraction",
                                      "mixed_number_plain_pr81"};
/* Not asked of numbers: letters in fractions, a ratio, a percentage of x. */
static const char *const algebra[] = {"hard-fraction-007", "hard-fraction-015", "hard-percent-016"};

static bool listed(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, list[i]) == 0) return true;
    return false;
}
#define LISTED(word, list) listed(word, list, sizeof list / sizeof *list)

static void cases_are_judged(const char *path, int right_min, int false_correct_max)
{
    struct err e = {0};
    struct jsonl file;
    json_t *row;
    int n = 0, right = 0, n_numeric = 0, false_correct = 0;
    if (!file_exists(path)) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    if (jsonl_open(&file, path, &e)) fail_msg("%s", e.msg);
    while (jsonl_next(&file, &row, &e) == 1) {
        const char *id = json_string_value(json_object_get(row, "id"));
        const char *category = json_string_value(json_object_get(row, "category"));
        bool expected = json_is_true(json_object_get(row, "expected"));
        struct receipt r;
        verify_math(json_string_value(json_object_get(row, "gold")),
                    json_string_value(json_object_get(row, "answer")), NULL, &r);
        bool same = (r.verdict == VERDICT_CORRECT) == expected, number = LISTED(category, numeric);
        if (number && !same && !LISTED(id, algebra))
            fail_msg("%s: expected %d; %s vs %s: %s", id, expected, r.gold, r.answer, r.reason);
        n++;
        right += same;
        n_numeric += number;
        false_correct += !expected && r.verdict == VERDICT_CORRECT;
        json_decref(row);
    }
    jsonl_close(&file);
    print_message("%s: %d of %d as expected, %d of them numeric; %d wrong answers passed\n", path, right, n,
                  n_numeric, false_correct);
    assert_true(right >= right_min);
    assert_true(false_correct <= false_correct_max);
}

static void math_verify_cases(void **state)
{
    (void)state;
    /* Passed though expected wrong: a formula over several lines; a case about a time limit of zero. */
    cases_are_judged("../shared/cases/math-cases.jsonl", 139, 2);
}

static void hard_cases(void **state)
{
    (void)state;
    /* "The answer is not 12." */
    cases_are_judged("../shared/cases/math-hard-cases.jsonl", 195, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(math_verify_cases),
        cmocka_unit_test(hard_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
