/* verify_explain: what is shown of the way to a verdict, to the letter; within bounds; without a say in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/str.h"
#include "verify/verify.h"

/* The explanation as one text; free(). */
static char *explained(const char *gold, const char *answer, const struct verify_params *p, struct receipt *r)
{
    struct str steps;
    str_init(&steps, 0);
    verify_explain(gold, answer, p, r, &steps);
    return str_take(&steps);
}

struct example {
    const char *gold, *answer, *text;
};

static const struct example examples[] = {
    /* exact rationals; the tree of a fraction */
    {"\\frac{3}{6}", "I try. \\boxed{\\frac{1}{2}}",
     "gold        \\frac{3}{6}\n"
     "  found     the whole text (LaTeX)\n"
     "  read as   3/6\n"
     "  tree      quotient\n"
     "              3\n"
     "              6\n"
     "asked for   a number\n"
     "answer      \\frac{1}{2}\n"
     "  found     boxed (LaTeX)\n"
     "  read as   1/2\n"
     "  tree      quotient\n"
     "              1\n"
     "              2\n"
     "compare     3/6  with  1/2\n"
     "  structure   different, terms and factors in any order\n"
     "  rational    1/2\n"
     "              1/2\n"
     "  yes         equal rational numbers\n"
     "decided     correct: equal rational numbers\n"
     "rests on    exact steps: nothing was taken on a criterion\n"},
    /* polynomials */
    {"(x+1)^2", "\\boxed{x^2+2x+1}",
     "gold        (x+1)^2\n"
     "  found     the whole text (LaTeX)\n"
     "  read as   (x + 1)^2\n"
     "  tree      power\n"
     "              sum\n"
     "                x\n"
     "                1\n"
     "              2\n"
     "asked for   a formula, list or relation\n"
     "answer      x^2+2x+1\n"
     "  found     boxed (LaTeX)\n"
     "  read as   x^2 + 2*x + 1\n"
     "  tree      sum\n"
     "              power\n"
     "                x\n"
     "                2\n"
     "              product\n"
     "                2\n"
     "                x\n"
     "              1\n"
     "compare     (x + 1)^2  with  x^2 + 2*x + 1\n"
     "  structure   different, terms and factors in any order\n"
     "  residues    equal modulo three primes of 61 bits\n"
     "  polynomial  x^2+2*x+1\n"
     "              x^2+2*x+1\n"
     "  yes         the same after expansion\n"
     "decided     correct: the same after expansion\n"
     "rests on    exact steps: nothing was taken on a criterion\n"},
    /* rational functions, each quotient as it is */
    {"\\frac{1}{x+1}", "\\boxed{\\frac{x-1}{x^2-1}}",
     "compare     1/(x + 1)  with  (x - 1)/(x^2 - 1)\n"
     "  structure   different, terms and factors in any order\n"
     "  residues    equal modulo three primes of 61 bits\n"
     "  polynomial  (1)/(x+1)\n"
     "              (x-1)/(x^2-1)\n"
     "  yes         the same after expansion\n"},
    /* balls, and a bound */
    {"\\sqrt{2}", "so it is $\\frac{2}{\\sqrt{2}}$",
     "compare     sqrt(2)  with  2/sqrt(2)\n"
     "  structure   different, terms and factors in any order\n"
     "  residues    658966859614178142 modulo 1493217305827431073, roots and functions taken as variables\n"
     "              811590713361824595\n"
     "  enclosure   balls that hold the values, computed with 128 bits\n"
     "              [1.4142135623730950488016887242096980786 +/- 3.69e-38]\n"
     "              [1.4142135623730950488016887242096980786 +/- 4.28e-38]\n"
     "  difference  [+/- 1.77e-38]\n"
     "  yes         equal: the difference is an algebraic number below its separation bound\n"
     "decided     correct: equal: the difference is an algebraic number below its separation bound\n"
     "rests on    exact steps: nothing was taken on a criterion\n"},
    /* criteria say how far they are to be trusted */
    {"\\sin^2 x + \\cos^2 x", "\\boxed{1}",
     "  yes         equal at 14 points, to 27 digits each\n"
     "decided     correct: equal at 14 points, to 27 digits each\n"
     "rests on    criterion: equal to 27 digits at points of every piece; errs with a probability below "
     "2^-90 "
     "for each piece\n"},
    {"\\int_0^1 x^2 e^x dx", "\\boxed{e-2}",
     "decided     correct: equal to 15 digits, computed numerically\n"
     "rests on    criterion: two numerical approximations agree to 15 digits; no probability is known\n"},
    {"\\sin(1)^2+\\cos(1)^2", "\\boxed{1}",
     "decided     correct: equal to 300 digits\n"
     "rests on    criterion: equal in all digits computed; no probability is known, and no case of an "
     "error\n"},
    {"(x+y+z)^{60}", "\\boxed{(y+x+z)^{59}(x+y+z)}",
     "  residues    equal modulo three primes of 61 bits\n"
     "  yes         the same at random points of three prime fields\n"
     "decided     correct: the same at random points of three prime fields\n"
     "rests on    criterion: equal modulo three primes of 61 bits at random points; errs with a probability "
     "below 2^-100\n"},
    {"1/3", "0.333333",
     "  rational    1/3\n"
     "              333333/1000000\n"
     "  rounded     333333 and 333333, in units of 10^-6\n"
     "  yes         equal when rounded to 6 decimals\n"
     "decided     correct: equal when rounded to 6 decimals\n"
     "rests on    convention: a decimal is compared after rounding\n"},
    /* where two formulas differ */
    {"|x-1|", "\\boxed{x-1}",
     "  point       x = 0.7128295898\n"
     "  enclosure   0.28717041015625000000000000000000000000\n"
     "              -0.28717041015625000000000000000000000000\n"
     "  no          the formulas differ at a point\n"
     "decided     wrong: the formulas differ at a point\n"},
    /* sets: comparisons inside a comparison; the reason is said once */
    {"\\{1,2\\}", "\\boxed{2, 1}",
     "compare     {1, 2}  with  2, 1\n"
     "  compare     1  with  2\n"
     "    no          different rational numbers\n"
     "  compare     1  with  1\n"
     "    yes         the same formula\n"
     "  compare     2  with  2\n"
     "    yes         the same formula\n"
     "  yes         the same set of 2\n"
     "decided     correct: the same set of 2\n"},
    {"50\\%", "0.5",
     "compare     50%  with  1/2\n"
     "  compare     50/100  with  1/2\n"
     "    structure   different, terms and factors in any order\n"
     "    rational    1/2\n"
     "                1/2\n"
     "    yes         equal rational numbers\n"
     "  yes\n"},
    {"x>5", "$2x>10$",
     "compare     x > 5  with  2*x > 10\n"
     "  pieces      (5, oo)\n"
     "              (5, oo)\n"
     "  compare     5  with  5\n"
     "    yes         the same formula\n"
     "  yes         the same subset of the real line\n"},
    /* places that were passed over, and why */
    {"5 \\text{ m}", "\\boxed{500\\text{ cm}}",
     "passed      5 (last number): what stands before it is the gold\n"
     "asked for   a number\n"},
    {"10", "<think>12</think>The answer is 10x, so x is 10.",
     "searched    30 of 47 bytes: what stands behind the reasoning, before marks of a chat\n"
     "answer      10x\n"
     "  found     behind \"answer is\" (plain text)\n"
     "  read as   10*x\n"
     "  tree      product\n"
     "              10\n"
     "              x\n"
     "  passed    an open formula, and a number is asked for\n"},
    {"A", "The answer is (B).",
     "asked for   the letter of a choice\n"
     "answer      B\n"
     "  found     behind \"answer is\" (plain text)\n"
     "  read as   B\n"
     "compare     choice A  with  choice B\n"
     "passed      (B) (closing formula): what stands before it decided\n"
     "passed      The answer is (B). (last line): what stands before it decided\n"
     "decided     wrong: another choice\n"},
    {"5", "<think>it is 5",
     "asked for   a number\n"
     "answer      none: the reasoning was never finished\n"
     "decided     wrong: the reasoning was never finished\n"},
    {"", "5", "decided     undecided: the gold is empty\n"},
    /* words: what is left of them */
    {"the Blue whale", "a blue whale!",
     "  words       blue whale\n"
     "              blue whale\n"
     "  yes         the same words\n"},
};

static void explanations_say_what_was_done(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct receipt r;
        char *text = explained(examples[i].gold, examples[i].answer, NULL, &r);
        if (!strstr(text, examples[i].text))
            fail_msg("gold %s, answer %s:\n%s\nholds not:\n%s", examples[i].gold, examples[i].answer, text,
                     examples[i].text);
        free(text);
    }
}

/* The same verdict and reason as without an explanation. */
static void an_explanation_has_no_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct receipt with, without;
        char *text = explained(examples[i].gold, examples[i].answer, NULL, &with);
        verify_math(examples[i].gold, examples[i].answer, NULL, &without);
        assert_int_equal(with.verdict, without.verdict);
        assert_string_equal(with.reason, without.reason);
        assert_string_equal(with.answer, without.answer);
        free(text);
    }
}

static char *repeated(const char *unit, int n, const char *end)
{
    struct str s;
    str_init(&s, 0);
    for (int i = 0; i < n; i++) str_puts(&s, unit);
    str_puts(&s, end);
    return str_take(&s);
}

/* Long, deep, wide, and foreign bytes: always short, valid, and with its last lines. */
static void explanations_are_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        int n;
        const char *end, *says;
    } hostile[] = {
        {"x^2+", 400, "1", "... (1202 nodes)\n"},
        {"(", 900, "", "decided"},
        {"\\sqrt{", 400, "2", "decided"},
        {"1,", 3000, "2", "... (3002 nodes)\n"},
        {"\\text{a\xff\x01}+", 50, "1", "decided"},
        {"7", 9000, "", "... (9000 bytes)\n"},
        {"\n", 1000, "5", "decided"},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct receipt r;
        char *gold = repeated(hostile[i].unit, hostile[i].n, hostile[i].end);
        char *answer = repeated(hostile[i].unit, hostile[i].n, "3");
        char *text = explained(gold, answer, NULL, &r);
        json_t *valid = json_string(text);
        assert_non_null(valid);
        json_decref(valid);
        if (!strstr(text, hostile[i].says)) fail_msg("%s: %s", hostile[i].unit, text);
        assert_non_null(strstr(text, "\ndecided     "));
        assert_true(strlen(text) < 60000);
        free(text);
        free(gold);
        free(answer);
    }
}

/* A hundred elements in another order are ten thousand comparisons, of which few are shown. */
static void comparisons_are_counted_where_they_are_many(void **state)
{
    (void)state;
    struct str gold, answer;
    struct receipt r;
    str_init(&gold, 0);
    str_init(&answer, 0);
    for (int i = 0; i < 90; i++) str_addf(&gold, "%s%d", i ? "," : "", i);
    for (int i = 90; i-- > 0;) str_addf(&answer, "%d%s", i, i ? "," : "");
    char *text = explained(gold.p, answer.p, NULL, &r);
    int shown = 0;
    for (const char *p = text; (p = strstr(p, "compare  ")); p++) shown++;
    assert_int_equal(shown, 30);
    assert_non_null(strstr(text, " more comparisons)\n"));
    assert_non_null(strstr(text, "decided     correct: the same set of 90\n"));
    free(text);
    str_release(&gold);
    str_release(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explanations_say_what_was_done),
        cmocka_unit_test(an_explanation_has_no_say),
        cmocka_unit_test(explanations_are_bounded),
        cmocka_unit_test(comparisons_are_counted_where_they_are_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
