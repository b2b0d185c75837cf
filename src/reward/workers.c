/* workers.c: start, feed, watch and restart the processes of a pool. */
#include "reward/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"

#define TRIES_MAX     2
#define LINES_MAX     20 /* of standard error in LINES_SPAN seconds */
#define LINES_SPAN    10.0
#define POLL_MS       200 /* how often the deadlines are looked at */
#define FAREWELL_S    2.0
#define LINE_SHOW_MAX 500

extern char **environ;

enum { TO, FROM, SAYS, PIPES };

struct worker {
    pid_t pid; /* 0: not started */
    int fd[PIPES];
    int job, tries; /* job -1: none */
    size_t sent;
    double deadline;
    struct str answer, said;
};
struct workers {
    char *name;
    char **argv;
    int n;
    double limit_s;
    struct worker *list;
    double span_start; /* of the lines counted */
    int lines, lines_lost;
};

struct workers *workers_new(const struct workers_opts *o)
{
    struct workers *w = alloc_zero(1, sizeof *w);
    size_t n = 0;
    CHECK(o->n >= 1 && o->n <= WORKERS_MAX, "%d workers", o->n);
    while (o->argv[n]) n++;
    w->argv = alloc_zero(n + 1, sizeof *w->argv);
    for (size_t i = 0; i < n; i++) w->argv[i] = alloc_str(o->argv[i]);
    w->name = alloc_str(o->name);
    w->n = o->n;
    w->limit_s = o->limit_s;
    w->list = alloc_zero((size_t)o->n, sizeof *w->list);
    for (int i = 0; i < o->n; i++) {
        struct worker *k = &w->list[i];
        k->job = -1;
        for (int p = 0; p < PIPES; p++) k->fd[p] = -1;
        str_init(&k->answer, WORKERS_ANSWER_MAX);
        str_init(&k->said, 1 << 20);
    }
    return w;
}

/* ---- one process ------------------------------------------------------------------------------------- */

static void fd_close(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* Our ends in k->fd, the child's in child. */
static int pipes_make(struct worker *k, int child[PIPES], struct err *e)
{
    for (int p = 0; p < PIPES; p++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC)) return err_errno(e, "a pipe for a worker");
        k->fd[p] = ends[p == TO];
        child[p] = ends[p != TO];
        if (fcntl(k->fd[p], F_SETFL, O_NONBLOCK)) return err_errno(e, "a pipe for a worker");
    }
    return 0;
}

static int worker_start(struct workers *w, struct worker *k, struct err *e)
{
    int child[PIPES] = {-1, -1, -1};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int rc = pipes_make(k, child, e);
    for (int p = 0; p < PIPES; p++) posix_spawn_file_actions_adddup2(&files, child[p], p);
    posix_spawn_file_actions_addclosefrom_np(&files, PIPES);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    if (!rc) {
        errno = posix_spawnp(&k->pid, w->argv[0], &files, &attr, w->argv, environ);
        if (errno) {
            k->pid = 0;
            rc = err_errno(e, "%s: %s could not be started", w->name, w->argv[0]);
        }
    }
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    for (int p = 0; p < PIPES; p++) fd_close(&child[p]);
    return rc;
}

static void line_show(struct workers *w, const char *line)
{
    double now = clock_s();
    if (now - w->span_start > LINES_SPAN) {
        if (w->lines_lost) log_warn("%s: %d more lines on standard error", w->name, w->lines_lost);
        w->span_start = now;
        w->lines = w->lines_lost = 0;
    }
    if (w->lines++ < LINES_MAX)
        log_info("%s: %.*s", w->name, LINE_SHOW_MAX, line);
    else
        w->lines_lost++;
}

/* Shows the whole lines; at the end what is left too. */
static void said_show(struct workers *w, struct worker *k, bool end)
{
    char *p = k->said.p, *line;
    while ((line = strchr(p, '\n'))) {
        *line = 0;
        line_show(w, p);
        p = line + 1;
    }
    size_t rest = strlen(p);
    if (rest && (end || rest >= LINE_SHOW_MAX)) {
        line_show(w, p);
        rest = 0;
    }
    char *copy = alloc_strn(p, rest);
    str_clear(&k->said);
    str_puts(&k->said, copy);
    free(copy);
}

/* Read what is there; false at the end of the pipe. */
static bool fd_drain(int fd, struct str *s)
{
    char piece[65536];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n > 0) str_add(s, piece, (size_t)n);
        if (n > 0 && !s->full) continue;
        return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    }
}

/* Ends it and everything it started. How it ended goes into `how`. */
static void worker_end(struct workers *w, struct worker *k, double patience_s, char *how, size_t size)
{
    int status = 0;
    pid_t done = 0;
    fd_close(&k->fd[TO]);
    for (double start = clock_s(); k->pid && !done;) {
        done = waitpid(k->pid, &status, WNOHANG);
        if (done || clock_s() - start > patience_s) break;
        poll(NULL, 0, 5);
    }
    if (k->pid) kill(-k->pid, SIGKILL);
    if (k->pid && done == 0) waitpid(k->pid, &status, 0);
    if (k->fd[SAYS] >= 0) fd_drain(k->fd[SAYS], &k->said);
    said_show(w, k, true);
    if (size && WIFEXITED(status))
        snprintf(how, size, "it ended with exit status %d", WEXITSTATUS(status));
    else if (size)
        snprintf(how, size, "it was killed by signal %d", WTERMSIG(status));
    for (int p = 0; p < PIPES; p++) fd_close(&k->fd[p]);
    k->pid = 0;
    k->sent = 0;
    str_clear(&k->answer);
}

/* ---- one round of requests --------------------------------------------------------------------------- */

struct round {
    struct workers *w;
    char *const *requests;
    int n, open; /* requests not answered */
    json_t **answers;
};

/* The next request of worker i, its process started if there is none. */
static int job_begin(struct round *r, int i, int job, struct err *e)
{
    struct worker *k = &r->w->list[i];
    k->job = job < r->n ? job : -1;
    k->tries = 0;
    k->sent = 0;
    k->deadline = clock_s() + r->w->limit_s;
    return k->job < 0 || k->pid ? 0 : worker_start(r->w, k, e);
}

static int job_failed(struct round *r, struct worker *k, const char *why, struct err *e)
{
    char how[80];
    bool slow = why != NULL;
    worker_end(r->w, k, slow ? 0 : 0.5, how, sizeof how);
    if (!why) why = how;
    if (++k->tries == TRIES_MAX)
        return err_set(e, "%s: no answer to request %d: %s, twice; what it said stands above", r->w->name,
                       k->job, why);
    log_warn("%s: %s; it is started again and asked once more", r->w->name, why);
    k->deadline = clock_s() + r->w->limit_s;
    return worker_start(r->w, k, e);
}

/* Sends what the pipe takes: the request, then a line end. */
static void job_send(struct round *r, struct worker *k)
{
    const char *text = r->requests[k->job];
    size_t n = strlen(text);
    while (k->sent <= n) {
        ssize_t sent =
            k->sent < n ? write(k->fd[TO], text + k->sent, n - k->sent) : write(k->fd[TO], "\n", 1);
        if (sent <= 0) return; /* full, or gone: then its output ends */
        k->sent += (size_t)sent;
    }
}

static int job_answered(struct round *r, int i, struct err *e)
{
    struct worker *k = &r->w->list[i];
    char *end = memchr(k->answer.p, '\n', k->answer.len);
    if (k->answer.full)
        return err_set(e, "%s: an answer is longer than %d MiB", r->w->name, WORKERS_ANSWER_MAX >> 20);
    if (!end) return 0;
    if (end + 1 != k->answer.p + k->answer.len)
        return err_set(e,
                       "%s: wrote more than one line for one request; what is not an answer belongs on "
                       "standard error",
                       r->w->name);
    r->answers[k->job] = json_read_bytes(k->answer.p, (size_t)(end - k->answer.p), r->w->name, e);
    if (!r->answers[k->job]) return err_wrap(e, "an answer must be one JSON object a line");
    str_clear(&k->answer);
    r->open--;
    return job_begin(r, i, k->job + r->w->n, e);
}

static int worker_serve(struct round *r, int i, const struct pollfd *p, struct err *e)
{
    struct worker *k = &r->w->list[i];
    if (p[SAYS].revents) {
        if (!fd_drain(k->fd[SAYS], &k->said)) fd_close(&k->fd[SAYS]);
        said_show(r->w, k, false);
    }
    if (k->job < 0) return 0;
    if (p[TO].revents) job_send(r, k);
    bool alive = !p[FROM].revents || fd_drain(k->fd[FROM], &k->answer);
    int job = k->job;
    if (job_answered(r, i, e)) return -1;
    if (k->job != job) return 0;
    if (!alive) return job_failed(r, k, NULL, e);
    return clock_s() > k->deadline ? job_failed(r, k, "it did not answer in time", e) : 0;
}

static int round_turn(struct round *r, struct err *e)
{
    struct pollfd p[WORKERS_MAX * PIPES];
    for (int i = 0; i < r->w->n; i++) {
        struct worker *k = &r->w->list[i];
        bool busy = k->job >= 0, sending = busy && k->sent <= strlen(r->requests[k->job]);
        struct pollfd *q = &p[i * PIPES];
        q[TO] = (struct pollfd){.fd = sending ? k->fd[TO] : -1, .events = POLLOUT};
        q[FROM] = (struct pollfd){.fd = busy ? k->fd[FROM] : -1, .events = POLLIN};
        q[SAYS] = (struct pollfd){.fd = k->fd[SAYS], .events = POLLIN};
    }
    if (poll(p, (nfds_t)r->w->n * PIPES, POLL_MS) < 0 && errno != EINTR) return err_errno(e, "poll");
    for (int i = 0; i < r->w->n; i++)
        if (worker_serve(r, i, &p[i * PIPES], e)) return -1;
    return 0;
}

int workers_ask(struct workers *w, char *const *requests, int n, json_t **answers, struct err *e)
{
    struct round r = {.w = w, .requests = requests, .n = n, .open = n, .answers = answers};
    int rc = 0;
    memset(answers, 0, (size_t)n * sizeof *answers);
    for (int i = 0; i < w->n && !rc; i++) rc = job_begin(&r, i, i, e);
    while (!rc && r.open) rc = round_turn(&r, e);
    if (!rc) return 0;
    for (int i = 0; i < n; i++) json_decref(answers[i]);
    for (int i = 0; i < w->n; i++)
        if (w->list[i].pid) worker_end(w, &w->list[i], 0, NULL, 0);
    return -1;
}

int workers_ready(struct workers *w, char *request, double limit_s, struct err *e)
{
    double usual = w->limit_s;
    json_t *answer = NULL;
    w->limit_s = limit_s;
    int rc = workers_ask(w, &request, 1, &answer, e);
    w->limit_s = usual;
    json_decref(answer);
    return rc;
}

void workers_free(struct workers *w)
{
    if (!w) return;
    for (int i = 0; i < w->n; i++) fd_close(&w->list[i].fd[TO]); /* all at once */
    for (int i = 0; i < w->n; i++) {
        struct worker *k = &w->list[i];
        if (k->pid) worker_end(w, k, FAREWELL_S, NULL, 0);
        str_release(&k->answer);
        str_release(&k->said);
    }
    for (char **a = w->argv; *a; a++) free(*a);
    free(w->argv);
    free(w->name);
    free(w->list);
    free(w);
}
