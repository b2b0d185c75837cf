/* check, err, str, arena, log: the small things that every room leans on. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

/* Run f in a child with standard error in a pipe; returns the signal that ended it, 0 if none. */
static int ended_by(void (*f)(void), char *text, size_t cap)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fd[1], STDERR_FILENO);
        f();
        _exit(0);
    }
    close(fd[1]);
    size_t n = 0;
    ssize_t got;
    while ((got = read(fd[0], text + n, cap - 1 - n)) > 0) n += (size_t)got;
    text[n] = 0;
    close(fd[0]);
    int status;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void break_an_invariant(void)
{
    int rows = 3;
    CHECK(rows == 4, "rows is %d", rows);
}

static void pass_the_limit_of_an_arena(void)
{
    struct arena a;
    arena_init(&a, 128);
    arena_alloc(&a, 64);
    arena_alloc(&a, 65);
}

static void ask_for_too_much(void)
{
    float *held = alloc_floats((size_t)2 << 20);
    held[0] = *(float *)alloc_zero((size_t)1 << 31, (size_t)1 << 31);
}

static void a_broken_invariant_aborts_with_its_values(void **state)
{
    (void)state;
    char text[1000];
    assert_int_equal(ended_by(break_an_invariant, text, sizeof text), SIGABRT);
    assert_non_null(strstr(text, "test_core.c:"));
    assert_non_null(strstr(text, "rows == 4: rows is 3\n"));
    assert_int_equal(ended_by(pass_the_limit_of_an_arena, text, sizeof text), SIGABRT);
    assert_non_null(strstr(text, "arena of 128 bytes: 64 in use, 128 more wanted"));
    assert_int_equal(ended_by(ask_for_too_much, text, sizeof text), SIGABRT);
    assert_non_null(strstr(text, "out of memory: 4611686018427387904 bytes more were wanted"));
    assert_null(strstr(text, "holds 0 MB"));
}

static void allocation_is_aligned_zeroed_and_bounded(void **state)
{
    (void)state;
    float *f = alloc_floats(17);
    assert_int_equal((uintptr_t)f % 64, 0);
    for (int i = 0; i < 17; i++) assert_true(f[i] == 0);
    free(f);
    free(alloc_floats(0));
    assert_null(alloc_try(SIZE_MAX / 4));
    assert_null(alloc_floats_try(SIZE_MAX / 16));
    char *p = alloc_try(100);
    assert_non_null(p);
    p[0] = 'x';
    assert_null(alloc_try_again(p, SIZE_MAX / 4));
    assert_int_equal(p[0], 'x');
    free(p);
    char *s = alloc_strn("abcdef", 3);
    assert_string_equal(s, "abc");
    free(s);
}

static void messages_are_filled_wrapped_and_cut(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, "line %d", 7), -1);
    assert_int_equal(e.kind, ERR_FAILED);
    assert_int_equal(err_wrap(&e, "file %s", "x"), -1);
    assert_string_equal(e.msg, "file x: line 7");
    assert_int_equal(err_usage(&e, "u"), -1);
    err_wrap(&e, "w");
    assert_int_equal(e.kind, ERR_USAGE);
    err_kind_set(&e, ERR_GATE, "g");
    assert_int_equal(e.kind, ERR_GATE);
    errno = ENOENT;
    err_errno(&e, "open");
    assert_string_equal(e.msg, "open: No such file or directory");
    char long_text[3000];
    memset(long_text, 'a', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    err_set(&e, "%s", long_text);
    err_wrap(&e, "front");
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    assert_memory_equal(e.msg, "front: aaa", 10);
    err_wrap(&e, "%s", long_text);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    assert_int_equal(err_set(NULL, "x"), -1);
    assert_int_equal(err_wrap(NULL, "x"), -1);
    assert_int_equal(err_errno(NULL, "x"), -1);
}

static void the_nearest_name_is_what_was_meant_or_none(void **state)
{
    (void)state;
    static const char *const names[] = {"learning_rate", "num_generations", "beta", "seed"};
    assert_string_equal(err_nearest("learning_rte", names, 4), "learning_rate");
    assert_string_equal(err_nearest("Num-Generatoins", names, 4), "num_generations");
    assert_string_equal(err_nearest("bata", names, 4), "beta");
    static const char *const more[] = {"data_seed", "dataset_batch_size", "dataset_name"};
    assert_string_equal(err_nearest("dataset", more, 3), "dataset_name");
    assert_null(err_nearest("zzzz", names, 4));
    assert_null(err_nearest("", names, 4));
    assert_null(err_nearest("s", names, 4));
}

static void a_string_grows_to_its_maximum_and_says_so(void **state)
{
    (void)state;
    struct str s;
    str_init(&s, 10);
    str_addf(&s, "%d-%s", 12, "ab");
    assert_string_equal(s.p, "12-ab");
    assert_false(s.full);
    str_addf(&s, "%s", "0123456789");
    assert_string_equal(s.p, "12-ab01234");
    assert_true(s.full);
    str_puts(&s, "x");
    assert_int_equal(s.len, 10);
    char *taken = str_take(&s);
    assert_string_equal(taken, "12-ab01234");
    free(taken);
    assert_null(s.p);
    str_release(&s);
    str_init(&s, 0);
    for (int i = 0; i < 1000; i++) str_addf(&s, "%04d", i);
    assert_int_equal(s.len, 4000);
    assert_memory_equal(s.p + 3996, "0999", 5);
    str_add(&s, "a\0b", 3);
    assert_int_equal(s.len, 4003);
    str_clear(&s);
    assert_int_equal(s.len, 0);
    str_release(&s);
    assert_true(str_starts("abc", "ab") && !str_starts("a", "ab"));
    assert_true(str_ends("abc", "bc") && !str_ends("c", "bc") && str_ends("c", ""));
}

/* Answers of Python 3.11: bytes.decode("utf-8", "replace"), with R for U+FFFD. */
static void invalid_utf8_is_replaced_as_python_does(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"plain", "plain"},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"a\x80z", "aRz"},
        {"\xC0\x80", "RR"},
        {"\xE0\x80\x80", "RRR"},
        {"\xED\xA0\x80", "RRR"},
        {"\xF0\x80\x80\x80", "RRRR"},
        {"\xF4\x90\x80\x80", "RRRR"},
        {"\xF5\x80", "RR"},
        {"\xE2\x82", "R"},
        {"\xE2\x82x", "Rx"},
        {"\xF0\x9F\x98", "R"},
        {"\xF0\x9F\x98\xF0\x9F\x98\x80", "R\xF0\x9F\x98\x80"},
        {"\xF0\x9Fz\x98", "RzR"},
        {"\xC3", "R"},
        {"\xC3(", "R("},
        {"\xFF\xFE", "RR"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
         "A",
         "RRRRA"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str want, got;
        str_init(&want, 0);
        str_init(&got, 0);
        for (const char *p = cases[i].want; *p; p++)
            if (*p == 'R')
                str_puts(&want, "\xEF\xBF\xBD");
            else
                str_add(&want, p, 1);
        utf8_clean(&got, cases[i].in, strlen(cases[i].in));
        assert_string_equal(got.p, want.p);
        str_release(&want);
        str_release(&got);
    }
    assert_int_equal(utf8_length("\xF0\x9F\x98\x80", 4), 4);
    assert_int_equal(utf8_length("\xF0\x9F\x98\x80", 3), 0);
    assert_int_equal(utf8_length("", 0), 0);
    assert_int_equal(utf8_count("a\xC3\xA9\xFF", 4), 3);
}

static void an_arena_gives_aligned_pieces_that_do_not_overlap(void **state)
{
    (void)state;
    struct arena a, plan;
    arena_init(&a, (size_t)64 << 20);
    arena_init_plan(&plan);
    unsigned char *pieces[300];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 300; i++) {
            size_t n = i * 517 % 70001 + 1;
            pieces[i] = arena_alloc(&a, n);
            arena_alloc(&plan, n);
            assert_int_equal((uintptr_t)pieces[i] % 64, 0);
            memset(pieces[i], (int)i, n);
        }
        for (size_t i = 0; i < 300; i++) {
            size_t n = i * 517 % 70001 + 1;
            assert_true(pieces[i][0] == (unsigned char)i && pieces[i][n - 1] == (unsigned char)i);
        }
        assert_int_equal(a.peak, plan.peak);
        size_t reserved = a.reserved;
        arena_reset(&a);
        arena_reset(&plan);
        assert_int_equal(a.used, 0);
        if (round) assert_int_equal(a.reserved, reserved);
    }
    size_t reserved = a.reserved;
    struct arena_mark outer = arena_here(&a);
    void *first = arena_alloc(&a, 1000);
    struct arena_mark inner = arena_here(&a);
    arena_alloc(&a, 3000000);
    arena_back(&a, inner);
    assert_int_equal(a.used, 1024);
    arena_back(&a, outer);
    assert_ptr_equal(arena_alloc(&a, 10), first);
    assert_int_equal(a.reserved, reserved);
    arena_release(&a);
    arena_release(&plan);
}

static void raise_twice(void)
{
    stop_install();
    if (stop_signal() != 0) _exit(1);
    raise(SIGTERM);
    if (stop_signal() != SIGTERM) _exit(2);
    raise(SIGINT);
    if (stop_signal() != SIGTERM) _exit(3);
    fputs("still here", stderr);
    struct timespec later = {.tv_nsec = 700000000};
    nanosleep(&later, NULL); /* what comes at once is the same interruption */
    raise(SIGINT);
}

static void the_stop_flag_keeps_the_first_signal_and_a_later_interrupt_ends(void **state)
{
    (void)state;
    char text[100];
    assert_int_equal(ended_by(raise_twice, text, sizeof text), SIGINT);
    assert_string_equal(text, "still here");
}

static void show_progress(void)
{
    struct progress p;
    progress_start(&p, "train", 4);
    progress_update(&p, 2, "reward=0.5");
    p.t_drawn_s -= 60;
    progress_update(&p, 3, "reward=0.5");
    progress_end(&p);
    log_warn("careful %d", 1);
    log_line(LOG_DEBUG, "hidden");
}

static void progress_off_a_terminal_is_plain_lines(void **state)
{
    (void)state;
    char text[1000];
    assert_int_equal(ended_by(show_progress, text, sizeof text), 0);
    assert_non_null(strstr(text, "train:  75%|"));
    assert_non_null(strstr(text, " 3/4 ["));
    assert_non_null(strstr(text, ", reward=0.5]\n"));
    assert_non_null(strstr(text, "warning: careful 1\n"));
    assert_null(strstr(text, "hidden"));
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\r'));
    assert_null(strstr(text, " 2/4 ["));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_invariant_aborts_with_its_values),
        cmocka_unit_test(allocation_is_aligned_zeroed_and_bounded),
        cmocka_unit_test(messages_are_filled_wrapped_and_cut),
        cmocka_unit_test(the_nearest_name_is_what_was_meant_or_none),
        cmocka_unit_test(a_string_grows_to_its_maximum_and_says_so),
        cmocka_unit_test(invalid_utf8_is_replaced_as_python_does),
        cmocka_unit_test(an_arena_gives_aligned_pieces_that_do_not_overlap),
        cmocka_unit_test(the_stop_flag_keeps_the_first_signal_and_a_later_interrupt_ends),
        cmocka_unit_test(progress_off_a_terminal_is_plain_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
