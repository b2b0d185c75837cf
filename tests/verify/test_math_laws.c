/* Laws that every verdict keeps, on random expressions whose values are computed here in double precision: an
 * expression equals itself, the verdict is symmetric and does not see blanks, \left \right, \dfrac or
 * dollars; and expressions of clearly different value are never equal, on whatever side of a constant they
 * differ. `test_math_laws 100000` tries so many.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "base/str.h"
#include "verify/verify.h"

static int trials = 1500;
static uint32_t position;
static bool closed; /* pi and the root of 2 stand for x and y */

static uint32_t below(uint32_t n)
{
    return rng_below(&(struct rng_at){.seed = 5, .purpose = RNG_TEST, .position = position++}, n);
}

/* Writes a random expression of x and y, and returns its value at (x, y). */
static double expression(struct str *s, int depth, double x, double y)
{
    double a, b;
    uint32_t kind = depth <= 0 ? below(3) : below(12);
    switch (kind) {
    case 0:
        a = 1 + below(20);
        str_addf(s, "%g", a);
        return a;
    case 1: str_puts(s, closed ? "\\pi" : "x"); return closed ? acos(-1.0) : x;
    case 2: str_puts(s, closed ? "\\sqrt{2}" : "y"); return closed ? sqrt(2) : y;
    case 3:
    case 4:
        str_puts(s, "(");
        a = expression(s, depth - 1, x, y);
        str_puts(s, kind == 3 ? "+" : "-");
        b = expression(s, depth - 1, x, y);
        str_puts(s, ")");
        return kind == 3 ? a + b : a - b;
    case 5:
    case 6:
        a = expression(s, depth - 1, x, y);
        str_puts(s, " \\cdot ");
        b = expression(s, depth - 1, x, y);
        return a * b;
    case 7:
        str_puts(s, "\\frac{");
        a = expression(s, depth - 1, x, y);
        str_puts(s, "}{");
        b = expression(s, depth - 1, x, y);
        str_puts(s, "}");
        return a / b;
    case 8:
        str_puts(s, "(");
        a = expression(s, depth - 1, x, y);
        b = 2 + below(2);
        str_addf(s, ")^{%g}", b);
        return b == 2 ? a * a : a * a * a;
    case 9:
        str_puts(s, "\\sqrt{");
        a = expression(s, depth - 1, x, y);
        str_puts(s, "}");
        return sqrt(a);
    case 10:
        str_puts(s, "|");
        a = expression(s, 0, x, y);
        str_puts(s, "|");
        return fabs(a);
    default:
        str_puts(s, "(-");
        a = expression(s, depth - 1, x, y);
        str_puts(s, ")");
        return -a;
    }
}

static enum verdict verdict_of(const char *gold, const char *answer)
{
    struct receipt r;
    verify_math(gold, answer, NULL, &r);
    return r.verdict;
}

static void replaced(struct str *out, const char *s, const char *what, const char *by)
{
    size_t n = strlen(what);
    while (*s) {
        bool here = strncmp(s, what, n) == 0;
        if (here) {
            str_puts(out, by);
            s += n;
        } else {
            str_add(out, s++, 1);
        }
    }
}

static void spelling_changes_nothing(void **state)
{
    (void)state;
    static const char *const changes[][2] = {{"(", "\\left("}, {")", "\\right)"}, {"\\frac", "\\dfrac"},
                                             {"+", " + "},     {"-", "\\, - "},   {"^{", "^ {"},
                                             {"}{", "} {"},    {"|", " | "}};
    for (int i = 0; i < trials; i++) {
        struct str s, t;
        str_init(&s, 4000);
        str_init(&t, 8000);
        str_puts(&s, "$");
        expression(&s, 4, 1.5, 2.5);
        str_puts(&s, "$");
        const char *const *change = changes[i % 8];
        if (change[0][0] == '(' || change[0][0] == ')') { /* both together */
            struct str half;
            str_init(&half, 8000);
            replaced(&half, s.p, "(", "\\left(");
            replaced(&t, half.p, ")", "\\right)");
            str_release(&half);
        } else {
            replaced(&t, s.p, change[0], change[1]);
        }
        if (!s.full && verdict_of(s.p, s.p) != VERDICT_CORRECT) fail_msg("%s is not itself", s.p);
        if (!s.full && verdict_of(s.p, t.p) != VERDICT_CORRECT) fail_msg("%s is not %s", s.p, t.p);
        str_release(&s);
        str_release(&t);
    }
}

/* Twice the same tree with the terms of its outer sum exchanged is equal; a term more is not. */
static void order_of_terms_changes_nothing_and_a_term_more_does(void **state)
{
    (void)state;
    for (int i = 0; i < trials / 3; i++) {
        struct str a, b, gold, same, other;
        str_init(&a, 2000);
        str_init(&b, 2000);
        str_init(&gold, 5000);
        str_init(&same, 5000);
        str_init(&other, 5000);
        double value = expression(&a, 3, 1.25, 2.75) + expression(&b, 3, 1.25, 2.75);
        str_addf(&gold, "$%s+%s$", a.p, b.p);
        str_addf(&same, "$%s+%s$", b.p, a.p);
        str_addf(&other, "$%s+%s+1$", a.p, b.p);
        if (isfinite(value)) {
            if (verdict_of(gold.p, same.p) != VERDICT_CORRECT) fail_msg("%s is not %s", gold.p, same.p);
            if (verdict_of(gold.p, other.p) == VERDICT_CORRECT) fail_msg("%s is %s", gold.p, other.p);
        }
        str_release(&a);
        str_release(&b);
        str_release(&gold);
        str_release(&same);
        str_release(&other);
    }
}

static void numbers_of_different_value_are_never_equal(void **state)
{
    (void)state;
    int apart = 0;
    closed = true;
    for (int i = 0; i < trials; i++) {
        struct str s, t;
        str_init(&s, 4000);
        str_init(&t, 4000);
        str_puts(&s, "$");
        str_puts(&t, "$");
        uint32_t start = position;
        double a = expression(&s, 3, 0, 0);
        if (i % 2) position = start; /* every other pair is equal but for what the next line changes */
        double b = expression(&t, 3, 0, 0);
        str_puts(&s, "$");
        str_puts(&t, "$");
        bool differ = isfinite(a) && isfinite(b) && fabs(a - b) > 1e-5 * (1 + fabs(a));
        enum verdict forth = verdict_of(s.p, t.p), back = verdict_of(t.p, s.p);
        if (differ && forth == VERDICT_CORRECT) fail_msg("%s (%g) is %s (%g)", s.p, a, t.p, b);
        if (forth != back && forth != VERDICT_UNDECIDED && back != VERDICT_UNDECIDED)
            fail_msg("%s and %s depend on their order", s.p, t.p);
        apart += differ;
        str_release(&s);
        str_release(&t);
    }
    closed = false;
    assert_true(apart > trials / 5);
}

/* Two formulas that agree on one side of a constant of any size, and differ on the other, are not equal. */
static void the_other_side_of_a_break_is_seen(void **state)
{
    (void)state;
    static const struct {
        const char *gold, *answer;
        bool same;
    } forms[] = {{"|x-C|", "C-x", false},
                 {"|x-C|", "x-C", false},
                 {"|x-C|", "|C-x|", true},
                 {"\\max(x,C)", "C", false},
                 {"\\max(x,C)", "x", false},
                 {"\\max(x,C)", "\\frac{x+C+|x-C|}{2}", true},
                 {"\\sqrt{(x-C)^2}", "x-C", false},
                 {"\\sqrt{(x-C)^2}", "|x-C|", true},
                 {"y\\lfloor x/C\\rfloor", "0", false},
                 {"\\begin{cases}x & x<C\\\\ 2x & x\\ge C\\end{cases}", "x", false},
                 {"|x-C|+y", "y+C-x", false},
                 {"|x-C|+y", "|C-x|+y", true}};
    for (int i = 0; i < trials / 20; i++) {
        struct str pair[2], constant;
        size_t form = below(sizeof forms / sizeof *forms);
        str_init(&constant, 40);
        str_addf(&constant, "%u\\cdot10^{%d}", 1 + below(99), (int)below(31) - 12);
        for (int k = 0; k < 2; k++) {
            str_init(&pair[k], 400);
            str_puts(&pair[k], "$");
            replaced(&pair[k], k ? forms[form].answer : forms[form].gold, "C", constant.p);
            str_puts(&pair[k], "$");
        }
        bool same = verdict_of(pair[0].p, pair[1].p) == VERDICT_CORRECT;
        if (same != forms[form].same) fail_msg("%s and %s: %d", pair[0].p, pair[1].p, same);
        str_release(&pair[0]);
        str_release(&pair[1]);
        str_release(&constant);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) trials = (int)strtol(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spelling_changes_nothing),
        cmocka_unit_test(order_of_terms_changes_nothing_and_a_term_more_does),
        cmocka_unit_test(numbers_of_different_value_are_never_equal),
        cmocka_unit_test(the_other_side_of_a_break_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
