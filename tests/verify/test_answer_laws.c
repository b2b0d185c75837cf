/* Laws about answers that are no mere values, on random numbers: what repeats the question answers nothing, a
 * base is honoured, names say which value is whose, a letter in a formula is no choice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "verify/verify.h"

#define TRIALS 400

static uint32_t position;

/* A whole number from lo to hi. */
static int draw(int lo, int hi)
{
    struct rng_at at = {.seed = 6, .purpose = RNG_TEST, .position = position++};
    return lo + (int)rng_below(&at, (uint32_t)(hi - lo + 1));
}

static void expect(const char *gold, const char *answer, bool correct)
{
    struct receipt r;
    verify_math(gold, answer, NULL, &r);
    if ((r.verdict == VERDICT_CORRECT) != correct)
        fail_msg("%s and %s: %s (%s)", gold, answer, correct ? "not correct" : "correct", r.reason);
}

static void an_equation_that_is_not_solved_answers_no_solution(void **state)
{
    (void)state;
    char gold[64], value[64], open[96], line[96];
    for (int i = 0; i < TRIALS; i++) {
        int x = draw(-30, 30), a = draw(2, 9), b = draw(1, 40) * (draw(0, 1) ? 1 : -1), c = a * x + b;
        snprintf(gold, sizeof gold, "$x=%d$", x);
        snprintf(value, sizeof value, "$%d$", x);
        snprintf(open, sizeof open, "\\boxed{%dx%+d=%d}", a, b, c);
        expect(gold, open, false);
        expect(value, open, false);
        snprintf(open, sizeof open, "\\boxed{%d=%dx%+d}", c, a, b);
        expect(gold, open, false);
        snprintf(open, sizeof open, "\\boxed{%dx%+d=%dx%+d}", a + 1, b, 1, c);
        expect(gold, open, false);
        snprintf(open, sizeof open, "\\boxed{%d=x}", x);
        expect(gold, open, true);
        expect(value, open, true);
        snprintf(open, sizeof open, "$%dx%+d=%d$", a, b, c);
        snprintf(line, sizeof line, "\\boxed{%dx%+d=%d}", 3 * a, 3 * b, 3 * c);
        expect(open, line, true);
    }
}

static void an_inequality_that_is_not_solved_answers_no_region(void **state)
{
    (void)state;
    char interval[64], chain[64], open[96];
    for (int i = 0; i < TRIALS; i++) {
        int middle = draw(1, 20) * (draw(0, 1) ? 1 : -1), r = draw(1, 30), lo = middle - r, hi = middle + r;
        snprintf(interval, sizeof interval, "$(%d,%d)$", lo, hi);
        snprintf(chain, sizeof chain, "$%d<x<%d$", lo, hi);
        snprintf(open, sizeof open, "\\boxed{|x%+d|<%d}", -middle, r);
        expect(interval, open, false);
        expect(chain, open, false);
        snprintf(open, sizeof open, "\\boxed{x^2%+dx<%d}", -2 * middle, r * r - middle * middle);
        expect(interval, open, false);
        expect(chain, open, false);
        snprintf(open, sizeof open, "\\boxed{\\{t : |t%+d|<%d\\}}", -middle, r);
        expect(interval, open, false);
        snprintf(open, sizeof open, "\\boxed{%d>x>%d}", hi, lo);
        expect(interval, open, true);
        expect(chain, open, true);
        snprintf(open, sizeof open, "\\boxed{x<%d, x>%d}", hi, lo);
        expect(interval, open, true);
        snprintf(open, sizeof open, "$|x%+d|<%d$", -middle, r);
        expect(open, chain, true); /* a question as the gold is answered by its solution */
        snprintf(open, sizeof open, "\\boxed{%dx>%d}", draw(2, 9), 7);
        snprintf(chain, sizeof chain, "$(%d,\\infty)$", hi);
        expect(chain, open, false);
    }
}

static void a_false_equation_answers_neither_side(void **state)
{
    (void)state;
    char left[64], right[64], answer[96];
    for (int i = 0; i < TRIALS; i++) {
        int a = draw(1, 500), b = draw(1, 500);
        snprintf(left, sizeof left, "$%d$", a);
        snprintf(right, sizeof right, "$%d$", b);
        snprintf(answer, sizeof answer, "\\boxed{%d=%d}", a, b);
        expect(left, answer, a == b);
        expect(right, answer, a == b);
        snprintf(answer, sizeof answer, "\\boxed{%d+%d=%d}", a, b, a + b);
        snprintf(left, sizeof left, "$%d$", a + b);
        expect(left, answer, true);
    }
}

static void digits_with_a_base_have_the_value_they_have_in_it(void **state)
{
    (void)state;
    char digits[32], value[32], based[64];
    for (int i = 0; i < TRIALS; i++) {
        int base = draw(2, 9), n = draw(2, 6), sum = 0, k = 0;
        digits[k++] = '$';
        for (int p = 0; p < n; p++) {
            int d = draw(p == 0, base - 1);
            digits[k++] = (char)('0' + d);
            sum = sum * base + d;
        }
        digits[k++] = '$';
        digits[k] = 0;
        snprintf(value, sizeof value, "$%d$", sum);
        snprintf(based, sizeof based, "$%.*s_{%d}$", k - 2, digits + 1, base);
        expect(value, based, true);
        expect(digits, based, false); /* two digits and more are another number in base ten */
        expect(based, digits, true);  /* the question names the base */
        snprintf(digits, sizeof digits, "$%d_{10}$", sum);
        expect(based, digits, true);
        snprintf(digits, sizeof digits, "$%d_{10}$", sum + 1);
        expect(based, digits, false);
    }
}

static void names_say_which_value_is_whose(void **state)
{
    (void)state;
    static const char *const names[][3] = {{"x", "y", "z"}, {"a", "b", "c"}, {"x_1", "x_2", "x_3"}};
    char gold[96], tuple[64], answer[96], wrong[96];
    for (int i = 0; i < TRIALS; i++) {
        const char *const *name = names[i % 3];
        int v[3] = {draw(-9, 9), draw(10, 19), draw(20, 29)}, p = draw(0, 2), q = (p + draw(1, 2)) % 3,
            r = 3 - p - q;
        snprintf(gold, sizeof gold, "$%s=%d,%s=%d,%s=%d$", name[0], v[0], name[1], v[1], name[2], v[2]);
        snprintf(tuple, sizeof tuple, "$(%d,%d,%d)$", v[0], v[1], v[2]);
        snprintf(answer, sizeof answer, "\\boxed{%s=%d, %s=%d, %s=%d}", name[p], v[p], name[q], v[q], name[r],
                 v[r]);
        snprintf(wrong, sizeof wrong, "\\boxed{%s=%d, %s=%d, %s=%d}", name[q], v[p], name[p], v[q], name[r],
                 v[r]);
        expect(gold, answer, true);
        expect(tuple, answer, true);
        expect(gold, wrong, false);
        expect(tuple, wrong, false);
    }
}

static void a_letter_in_a_formula_is_no_choice(void **state)
{
    (void)state;
    static const char *const behind[] = {"\\cup ", "+",     "-",       "\\cap ", "\\setminus ", "=",
                                         "<",      "\\le ", "\\cdot ", ":",      "/",           "^"};
    static const char *const choice[] = {"\\boxed{%c}",
                                         "\\boxed{(%c)}",
                                         "\\boxed{%c. 12}",
                                         "(%c)",
                                         "\\boxed{\\text{(%c) x}}",
                                         "Answer: %c",
                                         "The answer is %c because it fits."};
    char gold[8], answer[64];
    for (int i = 0; i < 10; i++) {
        snprintf(gold, sizeof gold, "%c", 'A' + i);
        for (size_t k = 0; k < sizeof behind / sizeof *behind; k++) {
            snprintf(answer, sizeof answer, "\\boxed{%c%s%c}", 'A' + i, behind[k], 'A' + (i + 1) % 10);
            expect(gold, answer, false);
            expect(answer, answer, true);
        }
        for (size_t k = 0; k < sizeof choice / sizeof *choice; k++)
            for (int other = 0; other < 10; other++) {
                const char *at = strstr(choice[k], "%c");
                snprintf(answer, sizeof answer, "%.*s%c%s", (int)(at - choice[k]), choice[k], 'A' + other,
                         at + 2);
                expect(gold, answer, other == i);
            }
    }
}

/* Braces say what belongs together: the same letters in other groups are another formula. */
static void braces_are_no_mere_markup(void **state)
{
    (void)state;
    char gold[64], answer[64];
    for (int i = 0; i < TRIALS; i++) {
        int a = draw(1, 9), b = draw(1, 9), c = draw(1, 9);
        snprintf(gold, sizeof gold, "$\\frac{%d}{%d%d}$", a, b, c);
        snprintf(answer, sizeof answer, "\\boxed{\\frac{%d%d}{%d}}", a, b, c);
        expect(gold, answer, false);
        snprintf(gold, sizeof gold, "$%d^{%d%d}$", a + 1, b, c);
        snprintf(answer, sizeof answer, "\\boxed{%d^{%d}%d}", a + 1, b, c);
        expect(gold, answer, false);
        snprintf(gold, sizeof gold, "$\\sqrt{%d%d}$", a, b);
        snprintf(answer, sizeof answer, "\\boxed{\\sqrt{%d}%d}", a, b);
        expect(gold, answer, a == 1 && b == 0);
        snprintf(gold, sizeof gold, "$\\sqrt{x+%d}$", a);
        snprintf(answer, sizeof answer, "\\boxed{\\sqrt{x}+%d}", a);
        expect(gold, answer, false);
    }
}

/* A bound is another answer than its number, and meets the same bound written with a sign. */
static void words_that_bound_or_deny_a_number_are_not_that_number(void **state)
{
    (void)state;
    static const char *const bounds[][2] = {
        {"\\text{less than }%d", "<"},
        {"\\text{at least }%d", "\\ge "},
        {"\\text{no more than }%d", "\\le "},
        {"%d\\text{ apples or more}", "\\ge "},
        {"\\text{not }%d", "\\ne "},
        {"\\text{not less than }%d", "\\ge "},
        {"%d\\text{ is wrong}", "\\ne "},
        {"%d\\text{ at most}", "\\le "},
        {"\\text{more than }%d", ">"}};
    static const char *const neutral[] = {"\\text{exactly }%d", "\\text{about }%d", "\\text{Total: }%d",
                                          "%d\\text{ apples}", "%d\\text{ more apples}"};
    char number[16], body[64], box[96], prose[96], relation[48];
    for (int i = 0; i < TRIALS; i++) {
        int v = draw(2, 900);
        size_t k = (size_t)draw(0, 8), other = (size_t)draw(0, 8);
        snprintf(number, sizeof number, "$%d$", v);
        const char *mark = strstr(bounds[k][0], "%d");
        snprintf(body, sizeof body, "%.*s%d%s", (int)(mark - bounds[k][0]), bounds[k][0], v, mark + 2);
        snprintf(box, sizeof box, "\\boxed{%s}", body);
        snprintf(relation, sizeof relation, "$x%s%d$", bounds[other][1], v);
        expect(number, box, false);
        expect(relation, box, strcmp(bounds[k][1], bounds[other][1]) == 0);
        snprintf(prose, sizeof prose, "The answer is %s%d.", k % 2 ? "at least " : "less than ", v);
        expect(number, prose, false);
        const char *plain = neutral[i % 5];
        mark = strstr(plain, "%d");
        snprintf(box, sizeof box, "\\boxed{%.*s%d%s}", (int)(mark - plain), plain, v, mark + 2);
        expect(number, box, true);
    }
}

/* Factors from the definitions of the units, beside the program's table. */
static void units_convert_exactly_and_are_never_passed_over_when_both_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *large, *small;
        int times;
    } units[] = {{"kg", "g", 1000},        {"hours", "minutes", 60},  {"feet", "inches", 12},
                 {"years", "months", 12},  {"miles", "feet", 5280},   {"weeks", "hours", 168},
                 {"dollars", "cents", 100}, {"m^2", "cm^2", 10000},   {"L", "mL", 1000},
                 {"gallons", "cups", 16},  {"pounds", "ounces", 16},  {"m", "mm", 1000},
                 {"tonnes", "kg", 1000},   {"bytes", "bits", 8}};
    static const char *const others[] = {"radians", "euros", "apples", "K"};
    char gold[64], answer[64], same[64];
    for (int i = 0; i < TRIALS; i++) {
        int v = draw(2, 300), k = draw(0, 13);
        snprintf(gold, sizeof gold, "$%d\\text{ %s}$", v, units[k].large);
        snprintf(answer, sizeof answer, "\\boxed{%d\\text{ %s}}", v * units[k].times, units[k].small);
        expect(gold, answer, true);
        expect(answer, gold, true);
        snprintf(same, sizeof same, "\\boxed{%d\\text{ %s}}", v, units[k].small);
        expect(gold, same, false);
        expect(same, gold, false);
        snprintf(same, sizeof same, "\\boxed{%d\\text{ %s}}", v, units[k].large);
        expect(gold, same, true);
        snprintf(same, sizeof same, "\\boxed{%d}", v);
        expect(gold, same, true);
        snprintf(answer, sizeof answer, "\\boxed{%d\\text{ %s}}", v, others[i % 4]);
        expect(gold, answer, i % 4 == 2);
        int celsius = 5 * draw(-20, 60);
        snprintf(gold, sizeof gold, "$%d^\\circ C$", celsius);
        snprintf(answer, sizeof answer, "\\boxed{%d^\\circ F}", celsius * 9 / 5 + 32);
        expect(gold, answer, true);
        snprintf(answer, sizeof answer, "\\boxed{%d^\\circ F}", celsius);
        expect(gold, answer, celsius == -40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_equation_that_is_not_solved_answers_no_solution),
        cmocka_unit_test(an_inequality_that_is_not_solved_answers_no_region),
        cmocka_unit_test(a_false_equation_answers_neither_side),
        cmocka_unit_test(digits_with_a_base_have_the_value_they_have_in_it),
        cmocka_unit_test(names_say_which_value_is_whose),
        cmocka_unit_test(a_letter_in_a_formula_is_no_choice),
        cmocka_unit_test(braces_are_no_mere_markup),
        cmocka_unit_test(words_that_bound_or_deny_a_number_are_not_that_number),
        cmocka_unit_test(units_convert_exactly_and_are_never_passed_over_when_both_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
