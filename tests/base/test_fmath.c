/* fmath against libm, whose own error is below one ulp: so a difference of one ulp is allowed, two are not.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/fmath.h"
#include "base/rng.h"

static int64_t ordered(double x)
{
    int64_t i;
    memcpy(&i, &x, sizeof i);
    return i < 0 ? INT64_MIN - i : i;
}

static double ulps(double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : INFINITY;
    int64_t x = ordered(a), y = ordered(b);
    return x > y ? (double)((uint64_t)x - (uint64_t)y) : (double)((uint64_t)y - (uint64_t)x);
}

static double random_in(uint32_t i, double lo, double hi)
{
    struct rng_at at = {.seed = 1, .purpose = RNG_TEST, .sequence = i};
    return lo + (hi - lo) * rng_double(&at);
}

struct range {
    double (*ours)(double);
    double (*theirs)(double);
    double lo, hi;
};

static void every_function_is_within_one_ulp_of_libm(void **state)
{
    (void)state;
    static const struct range ranges[] = {
        {fm_exp, exp, -1, 1},           {fm_exp, exp, -745, 709.7},
        {fm_exp, exp, -1e-8, 1e-8},     {fm_log, log, 0, 4},
        {fm_log, log, 0.9, 1.1},        {fm_log, log, 0, 1e300},
        {fm_log, log, 0, 1e-300},       {fm_log, log, 0, 1e-310},
        {fm_sin, sin, -8, 8},           {fm_cos, cos, -8, 8},
        {fm_sin, sin, -1e-6, 1e-6},     {fm_sin, sin, -0x1p30, 0x1p30},
        {fm_cos, cos, -0x1p30, 0x1p30},
    };
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
        double worst = 0;
        for (uint32_t i = 0; i < 200000; i++) {
            double x = random_in(i, ranges[r].lo, ranges[r].hi);
            double d = ulps(ranges[r].ours(x), ranges[r].theirs(x));
            if (d > worst) worst = d;
        }
        if (worst > 1) fail_msg("range %zu: %g ulp", r, worst);
    }
}

static void sin_and_cos_hold_near_multiples_of_a_right_angle(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        double x = nearbyint(random_in(i, 0, 0x1p30 / 1.5708)) * 1.57079632679489662;
        assert_true(ulps(fm_sin(x), sin(x)) <= 1);
        assert_true(ulps(fm_cos(x), cos(x)) <= 1);
        assert_true(ulps(fm_sin(nextafter(x, 0)), sin(nextafter(x, 0))) <= 1);
    }
}

static void pow_is_within_two_ulp_of_libm(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 300000; i++) {
        double b = exp(random_in(i, -20, 20)), e = random_in(i + 1000000, -35, 35);
        if (i % 3 == 0) b = random_in(i, 0.99, 1.01), e *= 1e3;
        double d = ulps(fm_pow(b, e), pow(b, e));
        if (d > 2) fail_msg("pow(%.17g, %.17g): %g ulp", b, e, d);
    }
}

static void pow_of_small_whole_numbers_is_exact(void **state)
{
    (void)state;
    for (int b = 1; b <= 10; b++) {
        double product = 1;
        for (int e = 0; e <= 15; e++, product *= b)
            assert_true(fm_pow(b, e) == product || ulps(fm_pow(b, e), product) <= 1);
    }
    for (int e = -1074; e <= 1023; e++) assert_true(fm_pow(2, e) == ldexp(1, e));
}

static void edges_behave_as_in_c(void **state)
{
    (void)state;
    assert_true(fm_exp(0) == 1 && fm_exp(-INFINITY) == 0 && isinf(fm_exp(INFINITY)));
    assert_true(isinf(fm_exp(709.79)) && isinf(fm_exp(1e308)) && fm_exp(-1e308) == 0);
    assert_true(fm_exp(709.78) < INFINITY && fm_exp(-745.1) > 0 && fm_exp(-745.2) == 0);
    assert_true(isnan(fm_exp(NAN)) && isnan(fm_log(NAN)) && isnan(fm_sin(NAN)) && isnan(fm_cos(NAN)));
    assert_true(fm_log(1) == 0 && fm_log(0) == -INFINITY && fm_log(-0.0) == -INFINITY);
    assert_true(isnan(fm_log(-1)) && isinf(fm_log(INFINITY)) && ulps(fm_log(DBL_MAX), log(DBL_MAX)) <= 1);
    assert_true(ulps(fm_log(0x1p-1074), log(0x1p-1074)) <= 1);
    assert_true(fm_sin(0) == 0 && signbit(fm_sin(-0.0)) && fm_cos(0) == 1 && fm_sin(0x1p-1074) == 0x1p-1074);
    assert_true(isnan(fm_sin(INFINITY)) && isnan(fm_cos(-INFINITY)) && isnan(fm_sin(0x1p31)));
    assert_true(fm_pow(0, 0) == 1 && fm_pow(NAN, 0) == 1 && fm_pow(1, NAN) == 1 && isnan(fm_pow(NAN, 1)));
    assert_true(fm_pow(0, 2) == 0 && isinf(fm_pow(0, -2)) && isnan(fm_pow(-2, 2)));
    assert_true(fm_pow(INFINITY, -1) == 0 && isinf(fm_pow(INFINITY, 0.5)));
    assert_true(isinf(fm_pow(2, INFINITY)) && fm_pow(0.5, INFINITY) == 0 && fm_pow(2, -INFINITY) == 0);
    assert_true(isinf(fm_pow(10, 309)) && fm_pow(10, -400) == 0 && isinf(fm_pow(1e300, 1e300)));
    assert_true(fm_sqrt(2) == sqrt(2) && isnan(fm_sqrt(-1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_within_one_ulp_of_libm),
        cmocka_unit_test(sin_and_cos_hold_near_multiples_of_a_right_angle),
        cmocka_unit_test(pow_is_within_two_ulp_of_libm),
        cmocka_unit_test(pow_of_small_whole_numbers_is_exact),
        cmocka_unit_test(edges_behave_as_in_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
