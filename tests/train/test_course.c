/* test_course.c: which prompts come next: every prompt once an epoch, one stream where windows take more, by
 * pass rate those that are solved now and then; and the same after a checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/grpo_int.h"

enum { N = 30, WINDOW = 4 };

/* A course over N rows of which row i has the pass rate i / (N - 1). */
static struct course course_with(const char *key, const char *value, bool streams)
{
    static const struct opt *const tables[] = {grpo_options, train_options, model_options};
    const char *words[] = {"--output_dir",       "x",   "--model_name_or_path", "x", key, value,
                           "--pass_rate_column", "rate"};
    struct course c = {.window_groups = WINDOW, .streams = streams};
    struct prompt list[N];
    struct prompts p = {.list = list, .n = N};
    struct err e = {0};
    json_t *rows = json_array();
    for (int i = 0; i < N; i++) {
        list[i] = (struct prompt){.row = i};
        json_array_append_new(rows, json_pack("{s:f}", "rate", (double)i / (N - 1)));
    }
    int n = strcmp(key, "--curriculum") == 0 ? 8 : 6;
    struct conf *conf = conf_new(tables, 3, n, (char **)words, &e);
    if (!conf) fail_msg("%s", e.msg);
    struct trainer t = {.conf = conf, .data_seed = 7};
    if (course_open(&c, &(struct rows){.rows = rows}, &p, &t, &e)) fail_msg("%s", e.msg);
    conf_free(conf);
    json_decref(rows);
    return c;
}

static void count(struct course *c, long window, int *seen)
{
    course_begin(c, window);
    for (int i = 0; i < WINDOW; i++) seen[course_next(c)]++;
}

static void every_prompt_comes_once_an_epoch(void **state)
{
    (void)state;
    struct course c = course_with("--shuffle_dataset", "true", false);
    int seen[N] = {0}, once = 0;
    for (long w = 0; w < N / WINDOW; w++) count(&c, w, seen);
    for (int i = 0; i < N; i++) once += seen[i] == 1;
    assert_int_equal(once, N / WINDOW * WINDOW);
    /* A window is the same whichever was looked at before. */
    int first[N] = {0}, again[N] = {0};
    count(&c, 3, first);
    count(&c, 11, again);
    memset(again, 0, sizeof again);
    count(&c, 3, again);
    assert_memory_equal(first, again, sizeof first);
    course_release(&c);
}

static void a_stream_leaves_no_prompt_out(void **state)
{
    (void)state;
    struct course c = course_with("--shuffle_dataset", "true", true);
    int seen[N] = {0};
    for (int w = 0; w < 15; w++) count(&c, w, seen);
    for (int i = 0; i < N; i++) assert_int_equal(seen[i], 2);
    course_release(&c);
}

static void by_pass_rate_the_uncertain_come_most_and_none_is_lost(void **state)
{
    (void)state;
    struct course c = course_with("--curriculum", "pass_rate", false);
    int seen[N] = {0};
    for (int w = 0; w < 1000; w++) count(&c, w, seen);
    int ends = seen[0] + seen[1] + seen[N - 2] + seen[N - 1];
    int middle = seen[N / 2 - 2] + seen[N / 2 - 1] + seen[N / 2] + seen[N / 2 + 1];
    if (!(middle > 3 * ends)) fail_msg("%d from the middle, %d from the ends", middle, ends);
    for (int i = 0; i < N; i++) assert_true(seen[i] > 0);
    course_release(&c);
}

static void what_was_seen_moves_the_rate(void **state)
{
    (void)state;
    struct course c = course_with("--curriculum", "pass_rate", false);
    double before = course_rate(&c, N / 2), gap = 1;
    for (int i = 0; i < 6; i++) {
        course_note(&c, N / 2, 8, 8);
        assert_true(1 - course_rate(&c, N / 2) < gap);
        gap = 1 - course_rate(&c, N / 2);
    }
    assert_true(before < 0.55 && gap < 0.2);
    /* A course that reads what this one saved goes on as it does. */
    struct course other = course_with("--curriculum", "pass_rate", false);
    struct err e = {0};
    json_t *saved = json_object();
    course_save(&c, saved);
    assert_int_equal(course_load(&other, saved, &e), 0);
    json_decref(saved);
    int a[N] = {0}, b[N] = {0};
    for (int w = 5; w < 30; w++) count(&c, w, a), count(&other, w, b);
    assert_memory_equal(a, b, sizeof a);
    course_release(&c);
    course_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prompt_comes_once_an_epoch),
        cmocka_unit_test(a_stream_leaves_no_prompt_out),
        cmocka_unit_test(by_pass_rate_the_uncertain_come_most_and_none_is_lost),
        cmocka_unit_test(what_was_seen_moves_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
