/* verify_math: which answers equal which golds, where answers are found, and that hostile text costs little.
 * */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/str.h"
#include "verify/parse_int.h"
#include "verify/verify.h"

struct pair {
    const char *gold, *answer;
    enum verdict verdict;
};

static void judge(const struct pair *pairs, size_t n, enum extract_mode mode)
{
    struct verify_params p = verify_defaults(mode);
    for (size_t i = 0; i < n; i++) {
        struct receipt r;
        verify_math(pairs[i].gold, pairs[i].answer, &p, &r);
        if (r.verdict != pairs[i].verdict)
            fail_msg("gold %s, answer %s: verdict %d (%s vs %s: %s)", pairs[i].gold, pairs[i].answer,
                     r.verdict, r.gold, r.answer, r.reason);
        assert_true(r.reason[0]);
    }
}
#define JUDGE(pairs, mode) judge(pairs, sizeof pairs / sizeof *pairs, mode)

static void numbers_are_compared_exactly(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"18", "The answer is 18.", VERDICT_CORRECT},
        {"18", "The answer is 81.", VERDICT_WRONG},
        {"1/2", "0.5", VERDICT_CORRECT},
        {"0.5", "\\frac{1}{2}", VERDICT_CORRECT},
        {"1/3", "0.333", VERDICT_WRONG},
        {"1/3", "0.333333", VERDICT_CORRECT},
        {"0.0000001", "0.0000002", VERDICT_WRONG},
        {"0.000001", "0", VERDICT_WRONG},
        {"1000", "$1,000", VERDICT_CORRECT},
        {"1234567", "12,34,567", VERDICT_CORRECT},
        {"1234567", "\\boxed{1\\,234\\,567}", VERDICT_CORRECT},
        {"2.74", "2,74", VERDICT_CORRECT},
        {"$1,2,3$", "123", VERDICT_WRONG},
        {"7/2", "3 1/2", VERDICT_CORRECT},
        {"7/2", "3\\frac{1}{2}", VERDICT_CORRECT},
        {"-7/2", "\\boxed{-3\\frac12}", VERDICT_CORRECT},
        {"7/6", "11 7/6", VERDICT_WRONG},
        {"-5",
         "\xE2\x88\x92"
         "5",
         VERDICT_CORRECT},
        {"1200", "1.2e3", VERDICT_CORRECT},
        {"1500", "\\boxed{1.5\\times 10^3}", VERDICT_CORRECT},
        {"0.001", "$10^{-3}$", VERDICT_CORRECT},
        {"1024", "$2^{10}$", VERDICT_CORRECT},
        {"2", "$2^{10}.$", VERDICT_WRONG},
        {"50\\%", "0.5", VERDICT_CORRECT},
        {"50\\%", "50", VERDICT_CORRECT},
        {"50", "50\\%", VERDICT_WRONG},
        {"0.28", "28 percent", VERDICT_CORRECT},
        {"5", "5 cm", VERDICT_CORRECT},
        {"5", "$5\\text{ cm}$", VERDICT_CORRECT},
        {"90", "$90^\\circ$", VERDICT_CORRECT},
        {"5", "\\boxed{5x}", VERDICT_WRONG},
        {"5", "\\boxed{x=5}", VERDICT_CORRECT},
        {"0", "\\boxed{x-3=0}", VERDICT_WRONG},
        {"1", "\\boxed{1/0}", VERDICT_WRONG},
        {"100!", "\\boxed{1}", VERDICT_WRONG},
        {"123456789012345678901234567890", "123456789012345678901234567891", VERDICT_WRONG},
        {"123456789012345678901234567890", "123,456,789,012,345,678,901,234,567,890", VERDICT_CORRECT},
        {"$\\frac{1}{36^5}$", "$\\frac{1}{60466176}$", VERDICT_CORRECT},
    };
    JUDGE(pairs, EXTRACT_ANY);
}

static void answers_are_found_where_they_stand(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"6", "\\boxed{5} then \\boxed{6}", VERDICT_CORRECT},
        {"6", "\\boxed{6} then \\boxed{5}", VERDICT_WRONG},
        {"6", "\\boxed{\\boxed{6}}", VERDICT_CORRECT},
        {"1/2", "\\boxed{\\frac{1}{2}} and {x}", VERDICT_CORRECT},
        {"6", "\\boxed{5} and then \\boxed{6", VERDICT_WRONG},
        {"6", "\\boxed{6", VERDICT_CORRECT},
        {"6", "\\boxed{}, though 6", VERDICT_WRONG},
        {"6", "It is 7.\n#### 6", VERDICT_CORRECT},
        {"6", "So the answer is 6, as 2 and 3 make 6 when 12 is halved", VERDICT_CORRECT},
        {"73", "**Final Answer:** **73**", VERDICT_CORRECT},
        {"6", "5 and 3 and 6", VERDICT_WRONG},
        {"8", "5-8", VERDICT_WRONG},
        {"-3", "5-8", VERDICT_CORRECT},
        {"6", "x6", VERDICT_WRONG},
        {"100", "It costs $100 in total.", VERDICT_CORRECT},
        {"6", "from $5 and then to $6 at last", VERDICT_CORRECT},
        {"6", "<think>it is 5</think>6", VERDICT_CORRECT},
        {"5", "<think>it is 5</think>6", VERDICT_WRONG},
        {"5", "<think>it is 5", VERDICT_WRONG},
        {"6", "it is 5</think>6", VERDICT_CORRECT},
        {"6", "<think>5</think> 7 <think>6", VERDICT_WRONG},
        {"6", "<answer>6</answer> and then 7", VERDICT_CORRECT},
        {"6", "<answer>5</answer><answer>6</answer>", VERDICT_CORRECT},
        {"Janet sells 16 - 3 = 13.\n#### 13", "13", VERDICT_CORRECT},
        {"", "6", VERDICT_UNDECIDED},
    };
    JUDGE(pairs, EXTRACT_ANY);
}

static void infinity_is_told_only_from_what_is_computed(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"$\\infty$", "$\\lim_{x\\to0}\\frac{1}{x^2}$", VERDICT_UNDECIDED},
        {"$\\infty$", "$\\sum_{n=1}^\\infty\\frac{1}{n}$", VERDICT_UNDECIDED},
        {"$\\infty$", "$\\lim_{x\\to0}\\frac{\\sin x}{x}$", VERDICT_WRONG},
        {"$\\infty$", "$2^{10}$", VERDICT_WRONG},
    };
    JUDGE(pairs, EXTRACT_ANY);
}

static void words_are_compared_as_text(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"A", "The answer is A.", VERDICT_CORRECT},
        {"A", "(A)", VERDICT_CORRECT},
        {"B", "\\boxed{\\textbf{(B)}\\ 12}", VERDICT_CORRECT},
        {"B", "Answer: C. Because B is not valid", VERDICT_WRONG},
        {"A", "A. Because B is not valid", VERDICT_CORRECT},
        {"A", "\\boxed{A, B, C, D}", VERDICT_WRONG},
        {"blue", "It must be so.\nBlue", VERDICT_CORRECT},
        {"$\\text{Monday}$", "\\boxed{\\mathrm{Monday}}", VERDICT_CORRECT},
        {"$\\text{dog}$", "\\boxed{god}", VERDICT_WRONG},
        {"$2\\pi$", "\\boxed{2\\pi}", VERDICT_CORRECT},
        {"\\left(\\frac{3}{5},\\frac{8}{3}\\right]", "\\boxed{\\left(\\frac{3}{5},\\frac{8}{3}\\right]}",
         VERDICT_CORRECT},
        {"\\left(\\frac{3}{5},\\frac{8}{3}\\right]", "\\boxed{\\frac{8}{3}}", VERDICT_WRONG},
        {"-2,1", "\\boxed{-2,1}", VERDICT_CORRECT},
        {"1, 2, 3", "3", VERDICT_WRONG},
        {"$x^2+1$", "\\boxed{1+x^2}", VERDICT_CORRECT},
    };
    JUDGE(pairs, EXTRACT_ANY);
}

static void latex_mode_wants_latex(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"6", "\\boxed{6}", VERDICT_CORRECT},
        {"6", "The answer is 6", VERDICT_WRONG},
        {"6", "The answer is $6$", VERDICT_CORRECT},
        {"6", "so $6$", VERDICT_WRONG},
        {"6", "\\boxed{5}. Therefore, the final answer is: $6$. I hope it is correct", VERDICT_CORRECT},
        {"6", "\\boxed{5}. The answer: $6$", VERDICT_WRONG},
        {"6", "The answer xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx $6$", VERDICT_WRONG},
        {"6", "<answer>\n$6$\n</answer>", VERDICT_CORRECT},
        {"6", "<answer>\n6\n</answer>", VERDICT_WRONG},
        {"1/2", "\\boxed{\\frac{1}{2}}", VERDICT_CORRECT},
        {"1/2", "\\boxed{\\frac12}", VERDICT_CORRECT},
        {"6", "\\boxed 6", VERDICT_WRONG},
        {"A", "\\boxed{A}", VERDICT_CORRECT},
        {"$\\text{A}$", "\\boxed{\\text{A}}", VERDICT_CORRECT},
        {"no numbers here", "\\boxed{6}", VERDICT_WRONG},
        {"The value is 6 units in total.", "\\boxed{6}", VERDICT_CORRECT},
    };
    JUDGE(pairs, EXTRACT_LATEX);
}

static void raw_compares_the_whole_string(void **state)
{
    (void)state;
    struct verify_params p = verify_defaults(EXTRACT_ANY);
    p.raw = true;
    struct receipt r;
    verify_math("6", "6.0", &p, &r);
    assert_int_equal(r.verdict, VERDICT_CORRECT);
    verify_math("6", "it is 6", &p, &r);
    assert_int_not_equal(r.verdict, VERDICT_CORRECT);
}

static void receipts_are_cut_not_overrun(void **state)
{
    (void)state;
    struct str s;
    struct receipt r;
    char small[16];
    const char *rule;
    str_init(&s, 0);
    str_puts(&s, "\\boxed{");
    for (int i = 0; i < 2000; i++) str_puts(&s, "\xC3\xA9");
    str_puts(&s, "}");
    verify_math(s.p, s.p, NULL, &r);
    assert_int_equal(r.verdict, VERDICT_CORRECT);
    assert_true(strlen(r.answer) < sizeof r.answer);
    assert_true(str_ends(r.answer, "..."));
    assert_true(extract_answer(s.p, EXTRACT_ANY, small, sizeof small, &rule));
    assert_true(strlen(small) < sizeof small && str_ends(small, "..."));
    assert_string_equal(rule, "boxed");
    str_release(&s);
}

/* Processor time: the machine may be busy with others. */
static double used_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void repeat(struct str *s, const char *piece, size_t bytes)
{
    str_clear(s);
    while (s->len < bytes) str_puts(s, piece);
}

/* 256 KiB of each, as gold and as answer, in both modes. Quadratic work takes a quarter of a minute and
 * more. */
static void hostile_text_is_judged_in_linear_time(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "\\boxed{",
        "}",
        "\\boxed{}",
        "{",
        "$",
        "$$",
        "\\[",
        "answer $",
        "answer",
        "answer: ",
        "answer \\[",
        "final answer is ",
        "final answer is $",
        "<think>",
        "</think>",
        "<think></think>",
        "<answer>",
        "1",
        "1 ",
        "1,",
        "1,222",
        "-",
        "(",
        "\\frac{",
        "\\frac12",
        "9^",
        "####",
        " ",
        "answer is is ",
        "\n",
        "\xFF",
        "\\text{",
        "^{",
        "1/2 ",
        "5 percent ",
        "\\\\",
        "answer    ",
        "<b>",
        "</b>",
        "~~a",
        "A ",
        "A or ",
        "so yes ",
        "(1, ",
        "1 (about ",
        "1, since ",
        "(x + ",
        "1 km ",
        "1x ",
        "boxed{",
    };
    struct str s;
    struct receipt r;
    struct verify_params p;
    double start = used_s();
    str_init(&s, 0);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        repeat(&s, pieces[i], 1 << 18);
        for (int mode = 0; mode < 2; mode++) {
            double begun = used_s();
            p = verify_defaults(mode ? EXTRACT_LATEX : EXTRACT_ANY);
            verify_math("6", s.p, &p, &r);
            verify_math(s.p, "6", &p, &r);
            verify_math("A", s.p, &p, &r);
            if (used_s() - begun > 5) fail_msg("\"%s\" took %g s", pieces[i], used_s() - begun);
        }
    }
    str_release(&s);
    print_message("hostile texts: %.1f s\n", used_s() - start);
}

/* Each is answered at once: computed where it can be, otherwise compared by form or left undecided. */
static void deep_and_huge_formulas_end_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *gold, *open, *middle, *close;
        int n;
        enum verdict verdict;
    } deep[] = {
        {"1", "(", "1", ")", 5000, VERDICT_CORRECT},
        {"1", "{", "1", "}", 5000, VERDICT_CORRECT},
        {"1", "-", "1", "", 20000, VERDICT_CORRECT},
        {"1", "\\frac{1}{", "1", "}", 5000, VERDICT_UNDECIDED},
        {"1", "\\sqrt{", "1", "}", 300, VERDICT_CORRECT},
        {"1", "9^{", "9", "}", 400, VERDICT_UNDECIDED},
        {"1", "|", "1", "|", 3000, VERDICT_UNDECIDED},
        {"1", "\\sin(", "1", ")", 3000, VERDICT_UNDECIDED},
        {"1", "1+", "1", "", 9000, VERDICT_WRONG},
        {"1", "1/", "1", "", 9000, VERDICT_UNDECIDED},
        {"1", "2^", "1", "", 9000, VERDICT_UNDECIDED},
        {"1", "", "3", "!", 9000, VERDICT_UNDECIDED},
        {"1", "\\{", "1", "\\}", 9000, VERDICT_UNDECIDED},
        {"1", "\\int ", "x", "", 3000, VERDICT_UNDECIDED},
    };
    static const char *const huge[] = {"2^{2^{100000}}",
                                       "(10^{100})!",
                                       "\\binom{10^{30}}{10^{15}}",
                                       "\\sum_{k=1}^{10^{12}}k",
                                       "\\prod_{k=1}^{10^9}k^k",
                                       "10^{10^{10}}",
                                       "((100!)!)!",
                                       "\\gcd(10^{1000000},5)",
                                       "\\int_0^{10^9}\\sin(x^2)\\,dx",
                                       "\\log_{2}(3^{10^{12}})",
                                       "(1+\\frac{1}{10^{9}})^{10^{18}}"};
    struct verify_params p = verify_defaults(EXTRACT_ANY);
    struct receipt r;
    struct str s;
    p.raw = true;
    str_init(&s, 0);
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        double begun = used_s();
        str_clear(&s);
        for (int k = 0; k < deep[i].n; k++) str_puts(&s, deep[i].open);
        str_puts(&s, deep[i].middle);
        for (int k = 0; k < deep[i].n; k++) str_puts(&s, deep[i].close);
        verify_math(deep[i].gold, s.p, &p, &r);
        if (r.verdict != deep[i].verdict) fail_msg("%s... is %d: %s", deep[i].open, r.verdict, r.reason);
        if (used_s() - begun > 3) fail_msg("%s took %g s", deep[i].open, used_s() - begun);
    }
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        double begun = used_s();
        verify_math("1", huge[i], &p, &r);
        assert_int_not_equal(r.verdict, VERDICT_CORRECT);
        verify_math(huge[i], huge[i], &p, &r);
        assert_int_equal(r.verdict, VERDICT_CORRECT);
        if (used_s() - begun > 3) fail_msg("%s took %g s", huge[i], used_s() - begun);
    }
    str_clear(&s);
    repeat(&s, "7", 50000);
    verify_math(s.p, s.p, NULL, &r);
    assert_int_equal(r.verdict, VERDICT_CORRECT);
    str_release(&s);
}

static void expressions_of_integers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *expr;
        long long num, den;
        int used;
    } good[] = {
        {"3*5-8", 7, 1, 3},
        {"8/(3-5)", -4, 1, 3},
        {"1/3+1/6", 1, 2, 4},
        {" ( 2 + 3 ) * -4 ", -20, 1, 3},
        {"8/3*3", 8, 1, 3},
        {"2-3-4", -5, 1, 3},
        {"8/4/2", 1, 1, 3},
        {"2\xC3\x97"
         "3\xC3\xB7"
         "6",
         1, 1, 3},
        {"--5", 5, 1, 1},
        {"9223372036854775807", 9223372036854775807LL, 1, 1},
    };
    static const char *const bad[] = {"",
                                      "1+",
                                      "1 2",
                                      "(1",
                                      "1)",
                                      "1/0",
                                      "1/(2-2)",
                                      "1.5",
                                      "a",
                                      "1**2",
                                      "2^3",
                                      "9223372036854775807+1",
                                      "99999999999999999999",
                                      "4000000000*4000000000"};
    struct arith a;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!arith_eval(good[i].expr, &a)) fail_msg("%s: %s", good[i].expr, a.reason);
        if (a.num != good[i].num || a.den != good[i].den || a.n_used != good[i].used)
            fail_msg("%s: %lld/%lld, %d numbers", good[i].expr, a.num, a.den, a.n_used);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (arith_eval(bad[i], &a)) fail_msg("%s: %lld/%lld", bad[i], a.num, a.den);
        assert_true(a.reason[0]);
    }
}

static void deep_expressions_end_with_a_reason(void **state)
{
    (void)state;
    struct str s;
    struct arith a;
    str_init(&s, 0);
    repeat(&s, "(", 1 << 20);
    assert_false(arith_eval(s.p, &a));
    repeat(&s, "-", 1 << 20);
    assert_false(arith_eval(s.p, &a));
    repeat(&s, "1+", 1 << 20);
    assert_false(arith_eval(s.p, &a));
    assert_string_equal(a.reason, "too many numbers");
    str_release(&s);
}

static void tables_that_are_searched_by_halves_are_sorted(void **state)
{
    (void)state;
    assert_true(commands_sorted());
    assert_true(units_sorted());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_compared_exactly),
        cmocka_unit_test(answers_are_found_where_they_stand),
        cmocka_unit_test(infinity_is_told_only_from_what_is_computed),
        cmocka_unit_test(words_are_compared_as_text),
        cmocka_unit_test(latex_mode_wants_latex),
        cmocka_unit_test(raw_compares_the_whole_string),
        cmocka_unit_test(receipts_are_cut_not_overrun),
        cmocka_unit_test(hostile_text_is_judged_in_linear_time),
        cmocka_unit_test(deep_and_huge_formulas_end_at_once),
        cmocka_unit_test(expressions_of_integers_are_exact),
        cmocka_unit_test(deep_expressions_end_with_a_reason),
        cmocka_unit_test(tables_that_are_searched_by_halves_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
