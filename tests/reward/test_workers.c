/* A pool answers in order, starts the dead again, keeps its limits; rewards that are programs. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "reward/workers.h"

/* A shell as the program: it needs nothing else of the machine. */
static struct workers *pool(const char *script, int n, double limit_s)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct workers_opts o = {.name = "test", .argv = argv, .n = n, .limit_s = limit_s};
    return workers_new(&o);
}

static int ask_once(const char *script, double limit_s, struct err *e)
{
    char *const requests[] = {"{}"};
    json_t *answer = NULL;
    struct workers *w = pool(script, 1, limit_s);
    int rc = workers_ask(w, requests, 1, &answer, e);
    if (!rc) json_decref(answer);
    workers_free(w);
    return rc;
}

static void answers_keep_the_order_of_the_requests(void **state)
{
    (void)state;
    enum { N = 40 };
    struct err e = {0};
    char text[N][32];
    char *requests[N];
    json_t *answers[N];
    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "{\"n\":%d}", i);
        requests[i] = text[i];
    }
    struct workers *w = pool("while read -r l; do echo \"$l\"; done", 3, 20);
    for (int round = 0; round < 3; round++) {
        if (workers_ask(w, requests, N, answers, &e)) fail_msg("%s", e.msg);
        for (int i = 0; i < N; i++) {
            assert_int_equal(json_integer_value(json_object_get(answers[i], "n")), i);
            json_decref(answers[i]);
        }
    }
    workers_free(w);
}

static void a_request_longer_than_a_pipe_goes_through(void **state)
{
    (void)state;
    struct err e = {0};
    size_t n = 3 << 20;
    char *text = malloc(n + 8);
    json_t *answer;
    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text, "[\"", 2);
    memcpy(text + n - 2, "\"]", 3);
    struct workers *w = pool("exec cat", 1, 60);
    if (workers_ask(w, &text, 1, &answer, &e)) fail_msg("%s", e.msg);
    assert_int_equal(json_string_length(json_array_get(answer, 0)), n - 4);
    json_decref(answer);
    workers_free(w);
    free(text);
}

static void a_worker_that_dies_is_started_again_once_a_request(void **state)
{
    (void)state;
    struct err e = {0};
    char flag[] = "/tmp/openr1-workers-XXXXXX", script[200];
    int fd = mkstemp(flag);
    assert_true(fd >= 0);
    close(fd);
    snprintf(script, sizeof script, "read l; [ -e %s ] && { rm %s; exit 9; }; echo '[1]'", flag, flag);
    if (ask_once(script, 20, &e)) fail_msg("%s", e.msg);
    assert_false(file_exists(flag));
    assert_int_equal(ask_once("read l; exit 9", 20, &e), -1);
    assert_non_null(strstr(e.msg, "exit status 9, twice"));
    assert_int_equal(ask_once("read l; kill -9 $$", 20, &e), -1);
    assert_non_null(strstr(e.msg, "signal 9, twice"));
}

static void what_is_no_answer_is_an_error(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(ask_once("read l; sleep 60", 0.2, &e), -1);
    assert_non_null(strstr(e.msg, "did not answer in time, twice"));
    assert_int_equal(ask_once("read l; echo no; sleep 60", 20, &e), -1);
    assert_non_null(strstr(e.msg, "one JSON object a line"));
    assert_int_equal(ask_once("read l; printf '[]\\n[]\\n'; sleep 60", 20, &e), -1);
    assert_non_null(strstr(e.msg, "more than one line"));
    const char *const argv[] = {"no-such-program-here", NULL};
    struct workers_opts o = {.name = "test", .argv = argv, .n = 1, .limit_s = 5};
    struct workers *w = workers_new(&o);
    char *const requests[] = {"{}"};
    json_t *answer;
    assert_int_equal(workers_ask(w, requests, 1, &answer, &e), -1);
    assert_non_null(strstr(e.msg, "no-such-program-here"));
    workers_free(w);
}

/* What a program started must not outlive the pool. */
static void nothing_is_left_running(void **state)
{
    (void)state;
    struct err e = {0};
    char *const requests[] = {"{}"};
    json_t *answer;
    struct workers *w = pool("sleep 100 & read l; echo \"[$$]\"; exec sleep 100", 1, 20);
    if (workers_ask(w, requests, 1, &answer, &e)) fail_msg("%s", e.msg);
    pid_t group = (pid_t)json_integer_value(json_array_get(answer, 0));
    json_decref(answer);
    assert_int_equal(kill(-group, 0), 0);
    double start = clock_s();
    workers_free(w);
    assert_true(clock_s() - start < 30);
    while (kill(-group, 0) == 0 && clock_s() - start < 30) usleep(10000); /* the orphan is reaped by others */
    assert_int_equal(kill(-group, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_keep_the_order_of_the_requests),
        cmocka_unit_test(a_request_longer_than_a_pipe_goes_through),
        cmocka_unit_test(a_worker_that_dies_is_started_again_once_a_request),
        cmocka_unit_test(what_is_no_answer_is_an_error),
        cmocka_unit_test(nothing_is_left_running),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
