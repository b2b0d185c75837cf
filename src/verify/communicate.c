/* communicate.c: a program that is judged by a talk with another, the problem's manager (IOI: communication).
 *
 * Two pipes join two boxes, so that neither program can reach the other but by what it says. As in the
 * Contest Management System the manager is called with the names of the pipe from the program and of the pipe
 * to it, the program with these the other way round (or it has them as standard input and output). The
 * manager reads the test from its standard input and prints the score, 0 to 1. When one of the two ends, the
 * other finds the end of its pipe.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "verify/judge_int.h"

/* The tested program's side, in a thread of its own. */
struct side {
    const struct code_program *program;
    struct code_run run;
    struct sandbox_result r;
    struct err e;
    int rc;
};

static void *side_run(void *ctx)
{
    struct side *s = ctx;
    s->rc = code_run(s->program, &s->run, &s->r, &s->e);
    return NULL;
}

/* The manager's word, unless the program did not end well. */
static void settle(struct code_outcome *o, const struct sandbox_result *manager, const struct side *s)
{
    bool said = code_score(manager, &o->score);
    o->verdict = code_verdict_of(&s->r);
    o->time_s = s->r.wall_s;
    o->memory = s->r.memory;
    if (o->verdict == CODE_PASSED) {
        code_note(o, manager);
        if (!said) snprintf(o->note, sizeof o->note, "the manager printed no score");
        if (o->score < 1) o->verdict = CODE_WRONG;
    } else {
        code_note(o, &s->r);
        o->score = 0;
    }
}

/* A pipe that can be opened by its name in a box too, where its reader or writer is another user. */
static int pipe_make(int end[2], struct err *e)
{
    if (pipe2(end, O_CLOEXEC)) return err_errno(e, "a pipe between two programs");
    if (fchmod(end[0], 0666) == 0) return 0;
    err_errno(e, "a pipe between two programs");
    close(end[0]);
    close(end[1]);
    return -1;
}

/* To the program (0 is read, 1 written), and from it (2, 3). */
static int pipes_make(int end[4], struct err *e)
{
    if (pipe_make(end, e)) return -1;
    if (pipe_make(end + 2, e) == 0) return 0;
    close(end[0]);
    close(end[1]);
    return -1;
}

int code_communicate(const struct code_task *t, const struct code_program *p, const struct code_test *test,
                     struct code_outcome *o, struct err *e)
{
    static const char *const args[] = {"/dev/fd/3", "/dev/fd/4", NULL};
    int end[4];
    pthread_t thread;
    struct sandbox_result r;
    *o = (struct code_outcome){.verdict = CODE_SKIPPED};
    if (pipes_make(end, e)) return -1;
    const int managers[SANDBOX_LINKS] = {end[2], end[1]}, programs[SANDBOX_LINKS] = {end[0], end[3]};
    struct side s = {.program = p, .run = {.links = programs, .limits = t->limits}};
    s.run.links_standard = t->manager_standard;
    s.run.args = t->manager_standard ? NULL : args;
    struct code_run run = {
        .input = test->input, .n_input = test->n_input, .args = args, .links = managers, .limits = t->limits};
    run.limits.time_s = 2 * t->limits.time_s + 5; /* it also waits for the program */
    CHECK(pthread_create(&thread, NULL, side_run, &s) == 0, "no thread for a program");
    int rc = code_run(t->manager, &run, &r, e);
    pthread_join(thread, NULL);
    if (!rc && s.rc) {
        if (e) *e = s.e;
        rc = -1;
    }
    if (!rc) settle(o, &r, &s);
    sandbox_result_release(&r);
    sandbox_result_release(&s.r);
    return rc;
}
