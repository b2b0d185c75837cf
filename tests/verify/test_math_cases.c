/* The shared cases of Math-Verify, of latex2sympy and the hand-made hard ones, and our own neighbours of them
 * (tests/golden/verify): every verdict must be the expected one, but for the few listed with the reason
 * why not.
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

/* docs/verifier.md says why each of these is judged otherwise. */
static const char *const otherwise[] = {
    /* expects 1 - 1/e = 1 + 1/e, a fault that a later version mended */
    "mv-test_yujianll-string_extraction-010",
    "mv-test_timeout-001", /* about a parser that sleeps; 1+1 equals 1+1 */
};

static bool is_otherwise(const char *id)
{
    for (size_t i = 0; i < sizeof otherwise / sizeof *otherwise; i++)
        if (strcmp(id, otherwise[i]) == 0) return true;
    return false;
}

static bool opened(struct jsonl *file, const char *path)
{
    struct err e = {0};
    if (!file_exists(path)) {
        print_message("skipped: no %s\n", path);
        return false;
    }
    if (jsonl_open(file, path, &e)) fail_msg("%s", e.msg);
    return true;
}

static void cases_are_judged(const char *path)
{
    struct err e = {0};
    struct jsonl file;
    json_t *row;
    int n = 0, wrong = 0;
    if (!opened(&file, path)) skip();
    while (jsonl_next(&file, &row, &e) == 1) {
        const char *id = json_string_value(json_object_get(row, "id"));
        bool expected = json_is_true(json_object_get(row, "expected"));
        struct verify_params p = verify_defaults(EXTRACT_ANY);
        struct receipt r;
        if (verify_params_read(json_object_get(row, "params"), &p, &e)) fail_msg("%s: %s", id, e.msg);
        verify_math(json_string_value(json_object_get(row, "gold")),
                    json_string_value(json_object_get(row, "answer")), &p, &r);
        n++;
        if ((r.verdict == VERDICT_CORRECT) != expected && !is_otherwise(id)) {
            print_message("%s: expected %d; %s vs %s: %s\n", id, expected, r.gold, r.answer, r.reason);
            wrong++;
        }
        json_decref(row);
    }
    jsonl_close(&file);
    print_message("%s: %d of %d as expected\n", path, n - wrong, n);
    assert_int_equal(wrong, 0);
}

static void math_verify_cases(void **state)
{
    (void)state;
    cases_are_judged("../shared/cases/math-cases.jsonl");
}

static void hard_cases(void **state)
{
    (void)state;
    cases_are_judged("../shared/cases/math-hard-cases.jsonl");
}

static void neighbours_of_known_cases(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/neighbours.jsonl");
}

static void attacks_and_their_harmless_twins(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/adversarial.jsonl");
}

static void words_units_and_places(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/words.jsonl");
}

static void what_touches_an_answer(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/attack_reading.jsonl");
}

static void attacks_on_the_comparison(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/attack_core.jsonl");
}

static void attacks_on_names_signs_and_units(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/attack_values.jsonl");
}

static void every_kind_of_answer_in_usual_notations(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/kinds.jsonl");
}

static void endings_in_running_text(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/prose.jsonl");
}

static void pieces_limits_and_integrals(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/pieces.jsonl");
}

static void names_of_relations_functions_and_units(void **state)
{
    (void)state;
    cases_are_judged("tests/golden/verify/signs.jsonl");
}

static void dollars(const char *formula, char *out, size_t size)
{
    size_t n = strlen(formula);
    bool marked = n > 1 && formula[0] == '$' && formula[n - 1] == '$';
    snprintf(out, size, marked ? "%s" : "$%s$", formula);
}

/* A formula must equal what latex2sympy's tests call equivalent; what they call no formula must not be
 * read. */
static void latex_is_read_as_its_tests_say(void **state)
{
    (void)state;
    struct err e = {0};
    struct jsonl file;
    json_t *row;
    int n = 0, right = 0;
    char gold[4000], answer[4000];
    if (!opened(&file, "../shared/cases/latex-parse-cases.jsonl")) skip();
    while (jsonl_next(&file, &row, &e) == 1) {
        const char *same = json_string_value(json_object_get(row, "equivalent_to"));
        struct receipt r;
        if (!same) same = json_string_value(json_object_get(row, "normalized_to"));
        dollars(json_string_value(json_object_get(row, "latex")), gold, sizeof gold);
        dollars(same ? same : "0", answer, sizeof answer);
        verify_math(gold, answer, NULL, &r);
        bool good = same ? r.verdict == VERDICT_CORRECT : r.verdict != VERDICT_CORRECT;
        n++;
        right += good;
        if (!good) print_message("%s and %s: %s\n", gold, answer, r.reason);
        json_decref(row);
    }
    jsonl_close(&file);
    print_message("%d of %d formulas read as latex2sympy's tests say\n", right, n);
    assert_true(right * 100 >= n * 97);
}

static void parameters_are_checked(void **state)
{
    (void)state;
    struct err e = {0};
    struct verify_params p = verify_defaults(EXTRACT_ANY);
    json_t *good = json_pack("{s:i,s:b,s:[s],s:i,s:s}", "float_rounding", 3, "strict", 0, "match_types",
                             "latex", "boxed_match_priority", -1, "extraction_mode", "first_match");
    json_t *bad = json_pack("{s:s}", "float_rounding", "three"),
           *worse = json_pack("{s:[s]}", "match_types", "sympy");
    assert_int_equal(verify_params_read(good, &p, &e), 0);
    assert_int_equal(p.float_rounding, 3);
    assert_false(p.strict || p.expr);
    assert_true(p.first_match && p.latex && p.boxed_match_priority == -1);
    assert_int_equal(verify_params_read(bad, &p, &e), -1);
    assert_non_null(strstr(e.msg, "float_rounding"));
    assert_int_equal(verify_params_read(worse, &p, &e), -1);
    json_decref(good);
    json_decref(bad);
    json_decref(worse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(math_verify_cases),
        cmocka_unit_test(hard_cases),
        cmocka_unit_test(neighbours_of_known_cases),
        cmocka_unit_test(attacks_and_their_harmless_twins),
        cmocka_unit_test(words_units_and_places),
        cmocka_unit_test(what_touches_an_answer),
        cmocka_unit_test(attacks_on_the_comparison),
        cmocka_unit_test(attacks_on_names_signs_and_units),
        cmocka_unit_test(every_kind_of_answer_in_usual_notations),
        cmocka_unit_test(endings_in_running_text),
        cmocka_unit_test(pieces_limits_and_integrals),
        cmocka_unit_test(names_of_relations_functions_and_units),
        cmocka_unit_test(latex_is_read_as_its_tests_say),
        cmocka_unit_test(parameters_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
