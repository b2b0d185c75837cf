/* Known answers of Random123 (kat_vectors, philox4x32 10 rounds), and the shape of the distributions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"

static void philox_gives_the_published_words(void **state)
{
    (void)state;
    static const struct {
        struct rng_at at;
        uint32_t want[4];
    } cases[] = {
        {{0, 0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{.position = 0x243f6a88,
          .sequence = 0x85a308d3,
          .step = 0x13198a2e,
          .purpose = 0x03707344,
          .seed = 0x299f31d0a4093822},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t w[4];
        rng_words(&cases[i].at, w);
        for (int j = 0; j < 4; j++) assert_int_equal(w[j], cases[i].want[j]);
    }
}

static void every_coordinate_changes_the_draw(void **state)
{
    (void)state;
    struct rng_at at = {7, RNG_TEST, 1, 2, 3};
    uint64_t here = rng_u64(&at);
    struct rng_at others[] = {at, at, at, at, at};
    others[0].seed++, others[1].purpose++, others[2].step++, others[3].sequence++, others[4].position++;
    for (int i = 0; i < 5; i++) assert_true(rng_u64(&others[i]) != here);
    others[0].seed = at.seed + ((uint64_t)1 << 40);
    assert_true(rng_u64(&others[0]) != here);
}

static void uniform_values_stay_in_range_and_have_the_right_mean(void **state)
{
    (void)state;
    double sum = 0, sum_float = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        struct rng_at at = {1, RNG_TEST, 0, 0, i};
        float f = rng_float(&at);
        double d = rng_double(&at);
        assert_true(f >= 0 && f < 1 && d >= 0 && d < 1);
        sum += d, sum_float += f;
    }
    assert_true(fabs(sum / 1e5 - 0.5) < 0.004 && fabs(sum_float / 1e5 - 0.5) < 0.004);
}

static void below_is_unbiased_where_a_plain_remainder_is_not(void **state)
{
    (void)state;
    uint32_t n = 0xC0000000, low = 0; /* 3 * 2^30: modulo would hit the lowest third twice as often */
    for (uint32_t i = 0; i < 60000; i++) {
        struct rng_at at = {2, RNG_TEST, 0, 0, i};
        uint32_t v = rng_below(&at, n);
        assert_true(v < n);
        low += v < 0x40000000;
        assert_int_equal(rng_below(&at, 1), 0);
    }
    assert_true(low > 19400 && low < 20600);
    int counts[7] = {0};
    for (uint32_t i = 0; i < 70000; i++) {
        struct rng_at at = {3, RNG_TEST, 0, i, 0};
        counts[rng_below(&at, 7)]++;
    }
    for (int i = 0; i < 7; i++) assert_true(counts[i] > 9600 && counts[i] < 10400);
}

static void normal_deviates_have_their_moments_and_do_not_depend_on_n(void **state)
{
    (void)state;
    static float a[100001], b[1000];
    struct rng_at at = {5, RNG_INIT, 3, 0, 0};
    rng_normal(&at, a, 100001, 1.0F, 2.0F);
    at.position = 99;
    rng_normal(&at, b, 999, 1.0F, 2.0F);
    for (int i = 0; i < 999; i++) assert_true(a[i] == b[i]);
    double sum = 0, square = 0, fourth = 0;
    for (int i = 0; i < 100001; i++) {
        double z = (a[i] - 1) / 2.0;
        sum += z, square += z * z, fourth += z * z * z * z;
    }
    assert_true(fabs(sum / 1e5) < 0.015 && fabs(square / 1e5 - 1) < 0.02 && fabs(fourth / 1e5 - 3) < 0.15);
}

static void permutation_holds_every_index_once_and_moves_them(void **state)
{
    (void)state;
    uint32_t p[1000], seen[1000] = {0}, fixed = 0;
    struct rng_at at = {9, RNG_SHUFFLE, 0, 0, 0};
    rng_permutation(&at, p, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(p[i] < 1000);
        seen[p[i]]++;
        fixed += p[i] == i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(seen[i], 1);
    assert_true(fixed < 10);
    rng_permutation(&at, p, 0);
    rng_permutation(&at, p, 1);
    assert_int_equal(p[0], 0);
    int counts[6] = {0};
    for (uint32_t e = 0; e < 6000; e++) {
        at.step = e;
        rng_permutation(&at, p, 3);
        counts[p[0] * 2 + (p[1] > p[2])]++;
    }
    for (int i = 0; i < 6; i++) assert_true(counts[i] > 880 && counts[i] < 1120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_words),
        cmocka_unit_test(every_coordinate_changes_the_draw),
        cmocka_unit_test(uniform_values_stay_in_range_and_have_the_right_mean),
        cmocka_unit_test(below_is_unbiased_where_a_plain_remainder_is_not),
        cmocka_unit_test(normal_deviates_have_their_moments_and_do_not_depend_on_n),
        cmocka_unit_test(permutation_holds_every_index_once_and_moves_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
