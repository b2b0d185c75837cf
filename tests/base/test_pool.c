/* The pool runs each item once, whatever the number of threads, and survives starting, stopping and sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/pool.h"

#define ITEMS 5000

struct job {
    atomic_int runs[ITEMS];
    atomic_int bad_self;
};

static void item_count(void *ctx, int i)
{
    struct job *job = ctx;
    atomic_fetch_add(&job->runs[i], 1);
    if (pool_self() < 0 || pool_self() >= pool_threads()) atomic_fetch_add(&job->bad_self, 1);
}

static void check_once(int n)
{
    static struct job job;
    memset(&job, 0, sizeof job);
    pool_for(n, item_count, &job);
    for (int i = 0; i < ITEMS; i++) assert_int_equal(job.runs[i], i < n);
    assert_int_equal(job.bad_self, 0);
}

static void without_a_start_everything_runs_on_the_caller(void **state)
{
    (void)state;
    assert_int_equal(pool_threads(), 1);
    check_once(ITEMS);
    check_once(0);
    assert_int_equal(pool_self(), 0);
}

static void each_item_runs_once_on_any_number_of_threads(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        pool_start(threads);
        assert_int_equal(pool_threads(), threads);
        for (int n = 0; n < 40; n++) check_once(n);
        for (int round = 0; round < 200; round++) check_once(ITEMS);
        pool_stop();
        assert_int_equal(pool_threads(), 1);
    }
}

static void threads_that_slept_still_take_part(void **state)
{
    (void)state;
    pool_start(3);
    for (int round = 0; round < 50; round++) {
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
        check_once(ITEMS);
    }
    pool_stop();
}

static atomic_int meeting;

static void item_meet(void *ctx, int i)
{
    (void)ctx, (void)i;
    atomic_fetch_add(&meeting, 1);
    struct timespec pause = {0, 100000};
    for (int wait = 0; wait < 50000 && atomic_load(&meeting) < 2; wait++) nanosleep(&pause, NULL);
}

static void two_items_really_run_at_the_same_time(void **state)
{
    (void)state;
    pool_start(2);
    atomic_store(&meeting, 0);
    time_t start = time(NULL);
    pool_for(2, item_meet, NULL);
    assert_true(time(NULL) - start < 4); /* alone, the first item would wait five seconds for the second */
    pool_stop();
}

static void the_environment_sets_the_number_of_threads(void **state)
{
    (void)state;
    setenv("OPENR1_THREADS", "3", 1);
    pool_start(0);
    assert_int_equal(pool_threads(), 3);
    pool_stop();
    pool_start(2);
    assert_int_equal(pool_threads(), 2);
    pool_stop();
    setenv("OPENR1_THREADS", "many", 1);
    pool_start(0);
    assert_true(pool_threads() >= 1);
    pool_stop();
    unsetenv("OPENR1_THREADS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_start_everything_runs_on_the_caller),
        cmocka_unit_test(each_item_runs_once_on_any_number_of_threads),
        cmocka_unit_test(threads_that_slept_still_take_part),
        cmocka_unit_test(two_items_really_run_at_the_same_time),
        cmocka_unit_test(the_environment_sets_the_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
