/* last_number: equal numbers have one spelling, operators are no signs, nothing is evaluated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "verify/verify.h"

static void the_last_number_is_found_in_one_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text, *number;
    } cases[] = {
        {"41 + 33.", "33"},
        {"41 + 33 = 74.", "74"},
        {"It is -14", "-14"},
        {"11 - 25", "25"},
        {"5-3", "3"},
        {"5 = -3", "-3"},
        {"(2)-3", "3"},
        {"(-3)", "-3"},
        {"\xE2\x88\x92"
         "7 degrees",
         "-7"},
        {"1,200.50 dollars", "1200.5"},
        {"\\boxed{-2}", "-2"},
        {"12,34", "34"},
        {"1,234,567", "1234567"},
        {"0012", "12"},
        {"3.000", "3"},
        {"-0", "0"},
        {"-0.0", "0"},
        {"0.50", "0.5"},
        {"$-8$.", "-8"},
        {"1.", "1"},
        {"1234,567", "567"},
        {"1e3", "1000"},
        {"It is -1.25E+02.", "-125"},
        {"5e-2", "0.05"},
        {"3e", "3"},
        {"2e5x", "5"},
    };
    char number[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!last_number(cases[i].text, number, sizeof number)) fail_msg("%s has no number", cases[i].text);
        if (strcmp(number, cases[i].number) != 0) fail_msg("%s: %s", cases[i].text, number);
    }
}

static void no_number_and_too_long_a_number_are_none(void **state)
{
    (void)state;
    char number[8];
    assert_false(last_number("", number, sizeof number));
    assert_false(last_number("none - at all", number, sizeof number));
    assert_false(last_number("123456789", number, sizeof number));
    assert_true(last_number("-123456", number, sizeof number));
    assert_string_equal(number, "-123456");
}

static void last_numbers_are_the_same_or_close(void **state)
{
    (void)state;
    static const struct {
        const char *gold, *answer;
        double tolerance;
        int same;
    } cases[] = {
        {"74", "41 + 33 = 74.", 0, 1}, {"74", "41 + 33.", 0, 0},       {"3.14159", "3.14", 0, 0},
        {"3.14159", "3.14", 0.01, 1},  {"-1,200.50", "-1200.5", 0, 1}, {"5", "none", 0, 0},
        {"five", "5", 0, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reason[200] = "";
        int same =
            last_numbers_same(cases[i].gold, cases[i].answer, cases[i].tolerance, reason, sizeof reason);
        if (same != cases[i].same || !reason[0])
            fail_msg("%s and %s: %d (%s)", cases[i].gold, cases[i].answer, same, reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_number_is_found_in_one_spelling),
        cmocka_unit_test(no_number_and_too_long_a_number_are_none),
        cmocka_unit_test(last_numbers_are_the_same_or_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
