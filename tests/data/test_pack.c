/* pack_bfd: TRL's own cases, and what best-fit decreasing promises on many random sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rng.h"
#include "data/data.h"

#define N 400

static void trl_example_is_packed_as_in_trl(void **state)
{
    (void)state;
    /* rows [1,2,3], [4,5,6,7], [8] at length 4 give [4,5,6,7], [1,2,3,8] */
    const int lengths[] = {3, 4, 1};
    int bins[3];
    assert_int_equal(pack_bfd(lengths, 3, 4, bins), 2);
    assert_int_equal(bins[1], 0);
    assert_int_equal(bins[0], 1);
    assert_int_equal(bins[2], 1);
}

static void the_bin_that_waited_longest_wins_a_tie(void **state)
{
    (void)state;
    /* 6, 6, 6 leave room 4 in bins 0, 1, 2; then 3 goes into bin 0, which leaves 1; 2 into bin 1; 1 into
     * bin 0 */
    const int lengths[] = {6, 6, 6, 3, 2, 1};
    const int expected[] = {0, 1, 2, 0, 1, 0};
    int bins[6];
    assert_int_equal(pack_bfd(lengths, 6, 10, bins), 3);
    for (int i = 0; i < 6; i++) assert_int_equal(bins[i], expected[i]);
}

static void empty_examples_vanish(void **state)
{
    (void)state;
    const int lengths[] = {0, 2, 0};
    int bins[3];
    assert_int_equal(pack_bfd(lengths, 3, 8, bins), 1);
    assert_int_equal(bins[0], -1);
    assert_int_equal(bins[1], 0);
    assert_int_equal(bins[2], -1);
    assert_int_equal(pack_bfd(lengths, 0, 8, bins), 0);
}

/* The definition, word for word: look at every open bin. `since[b]` counts when bin b got its present
 * room. */
static int slow_bfd(const int *lengths, int n, int max_length, int *bins)
{
    static int room[N], since[N];
    int n_bins = 0, clock = 0;
    for (int want = max_length; want > 0; want--) {
        for (int i = 0; i < n; i++) {
            if (lengths[i] != want) continue;
            int best = -1;
            for (int b = 0; b < n_bins; b++) {
                if (room[b] < want) continue;
                if (best < 0 || room[b] < room[best] || (room[b] == room[best] && since[b] < since[best]))
                    best = b;
            }
            if (best < 0) best = n_bins++, room[best] = max_length;
            room[best] -= want;
            since[best] = clock++;
            bins[i] = best;
        }
    }
    return n_bins;
}

static void equals_the_definition_on_random_sets(void **state)
{
    (void)state;
    static const int max_lengths[] = {1, 5, 64, 65, 130, 1000};
    for (uint32_t k = 0; k < 60; k++) {
        struct rng_at at = {.seed = 1, .purpose = RNG_TEST, .step = k};
        int max_length = max_lengths[k % 6], lengths[N], bins[N], slow[N];
        for (int i = 0; i < N; i++) {
            at.sequence = (uint32_t)i;
            lengths[i] = 1 + (int)rng_below(&at, (uint32_t)max_length);
        }
        assert_int_equal(pack_bfd(lengths, N, max_length, bins), slow_bfd(lengths, N, max_length, slow));
        for (int i = 0; i < N; i++) assert_int_equal(bins[i], slow[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trl_example_is_packed_as_in_trl),
        cmocka_unit_test(the_bin_that_waited_longest_wins_a_tie),
        cmocka_unit_test(empty_examples_vanish),
        cmocka_unit_test(equals_the_definition_on_random_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
