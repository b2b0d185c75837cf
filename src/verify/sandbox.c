/* sandbox.c: start the box, watch it, end it.
 *
 * posix_spawn starts it without copying the page tables of a process that may hold a whole model. Standard
 * input is a sealed file in memory: no program can block us by not reading. Where it is a secret it is a
 * socket instead: a file can be opened again through /proc and read from its beginning, a socket cannot. The
 * outputs are pipes, always read and cut at their limits. A look at the process tree every few milliseconds
 * finds processor time, memory and number of all processes together, which no limit of a single process can.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "verify/sandbox_int.h"

enum { ERR_KEEP = 16 << 10, FD_HIGH = 160, TICK_FIRST_MS = 2, TICK_MS = 20, GRACE_MS = 3000 };

const struct sandbox_limits sandbox_limits_default = {
    .cpu_s = 10,
    .wall_s = 25,
    .memory = (size_t)512 << 20,
    .address_space = (size_t)1280 << 20,
    .output = (size_t)16 << 20,
    .disk = (size_t)64 << 20,
    .processes = 64,
};

struct watch {
    const struct sandbox_job *job;
    struct sandbox_result *r;
    pid_t pid;
    int pid_fd, out_fd, err_fd, ready_fd, in_fd;
    size_t sent;         /* of the input, through in_fd */
    size_t said;         /* bytes of standard error, kept or not */
    bool started, ended; /* ended: by us, for the reason in r->end */
    bool stopped;        /* by a signal to this program */
    double t0;
    char *folder;
};

/* Descriptors for the child: made above FD_HIGH, so that putting them at 0, 1, 2, ... overwrites none. */
struct gift {
    int fd[SANDBOX_FD_FILES + SANDBOX_FILES_MAX];
    int n;
};

static int gift_add(struct gift *g, int fd, struct err *e)
{
    if (fd < 0) return err_errno(e, "sandbox: a file descriptor");
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);
    close(fd);
    if (high < 0) return err_errno(e, "sandbox: a file descriptor above %d (see ulimit -n)", FD_HIGH);
    g->fd[g->n++] = high;
    return 0;
}

static void gift_release(struct gift *g)
{
    for (int i = 0; i < g->n; i++) close(g->fd[i]);
    g->n = 0;
}

/* Bytes as a file that nobody can change. */
static int sealed(const char *bytes, size_t n, struct err *e)
{
    int fd = memfd_create("openr1", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return err_errno(e, "sandbox: a file in memory");
    for (size_t at = 0; at < n;) {
        ssize_t put = write(fd, bytes + at, n - at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) {
            close(fd);
            return err_errno(e, "sandbox: a file in memory of %zu bytes", n);
        }
        at += (size_t)put;
    }
    lseek(fd, 0, SEEK_SET);
    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    return fd;
}

/* A pipe: its writing end for the child, its reading end for us. */
static int gift_pipe(struct gift *g, int *ours, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return err_errno(e, "sandbox: a pipe");
    *ours = ends[0];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return gift_add(g, ends[1], e);
}

/* A socket: one end for the child, the other for us. */
static int gift_socket(struct gift *g, int *ours, struct err *e)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) return err_errno(e, "sandbox: a socket");
    *ours = ends[0];
    return gift_add(g, ends[1], e);
}

static int gift_input(struct gift *g, struct watch *w, struct err *e)
{
    const struct sandbox_job *job = w->job;
    if (job->input && job->secret) return gift_socket(g, &w->in_fd, e);
    int in = job->input ? sealed(job->input, job->n_input, e) : open("/dev/null", O_RDONLY | O_CLOEXEC);
    return gift_add(g, in, e);
}

static int gift_links(struct gift *g, const int *links, struct err *e)
{
    for (int i = 0; i < SANDBOX_LINKS; i++)
        if (gift_add(g, links ? dup(links[i]) : open("/dev/null", O_RDWR | O_CLOEXEC), e)) return -1;
    return 0;
}

static int gifts(struct gift *g, struct watch *w, struct err *e)
{
    const struct sandbox_job *job = w->job;
    if (gift_input(g, w, e) || gift_pipe(g, &w->out_fd, e) || gift_pipe(g, &w->err_fd, e) ||
        gift_links(g, job->links, e) || gift_socket(g, &w->ready_fd, e))
        return -1;
    if (job->mode != SANDBOX_BWRAP) return 0;
    if (gift_add(g, sandbox_filter_fd(e), e)) return -1;
    for (int i = 0; i < job->n_files; i++)
        if (gift_add(g, sealed(job->files[i].bytes, job->files[i].n, e), e)) return -1;
    return 0;
}

/* The work folder of the mode without namespaces, on disk. */
static int folder_make(struct watch *w, struct err *e)
{
    const char *base = getenv("TMPDIR");
    char *path = path_join(base && *base ? base : "/tmp", "openr1-XXXXXX");
    if (!mkdtemp(path)) {
        err_errno(e, "sandbox: a work folder %s", path);
        free(path);
        return -1;
    }
    w->folder = path;
    for (int i = 0; i < w->job->n_files; i++) {
        const struct sandbox_file *f = &w->job->files[i];
        char *to = path_join(path, f->name);
        int rc = file_write(to, f->bytes, f->n, e);
        if (!rc) rc = chmod(to, f->executable ? 0755 : 0644) ? err_errno(e, "%s", to) : 0;
        free(to);
        if (rc) return -1;
    }
    if (geteuid() == 0 && chown(path, SANDBOX_NOBODY, SANDBOX_NOBODY)) return err_errno(e, "%s", path);
    return 0;
}

static int start(struct watch *w, const struct sandbox_command *c, const struct gift *g, struct err *e)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    for (int i = 0; i < g->n; i++) posix_spawn_file_actions_adddup2(&files, g->fd[i], i);
    posix_spawn_file_actions_addclosefrom_np(&files, g->n);
    if (w->folder) posix_spawn_file_actions_addchdir_np(&files, w->folder);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    w->t0 = clock_s();
    int rc = posix_spawnp(&w->pid, c->argv[0], &files, &attr, c->argv, sandbox_environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (rc) {
        errno = rc;
        w->pid = 0;
        return err_errno(e, "sandbox: %s could not be started (Debian: apt-get install bubblewrap)",
                         c->argv[0]);
    }
    w->pid_fd = (int)syscall(SYS_pidfd_open, w->pid, 0);
    if (w->pid_fd < 0) return err_errno(e, "sandbox: pidfd_open (Linux 5.3 or newer is needed)");
    fcntl(w->pid_fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

static void kill_all(struct watch *w)
{
    struct process_tree t;
    process_tree_look(w->pid, &t);
    if (w->job->mode == SANDBOX_BWRAP && t.child) {
        kill(t.child, SIGKILL); /* process 1 of the namespace: the kernel kills the rest */
        return;
    }
    process_tree_kill(w->pid);
    kill(-w->pid, SIGKILL);
    kill(w->pid, SIGKILL);
}

static void end(struct watch *w, enum sandbox_end why)
{
    if (w->ended) return;
    w->ended = true;
    w->r->end = why;
    kill_all(w);
}

/* Read what is there. False at the end of the pipe. */
static bool drain(struct watch *w, int fd, bool is_err)
{
    char piece[65536];
    struct str *s = is_err ? &w->r->err : &w->r->out;
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 && errno == EAGAIN;
        str_add(s, piece, (size_t)n);
        if (!is_err && s->full) end(w, SANDBOX_OUTPUT);
        if (is_err) w->said += (size_t)n;
        if (w->said > w->job->limits.output) end(w, SANDBOX_OUTPUT);
        if (is_err && s->len > ERR_KEEP) { /* keep the end */
            memmove(s->p, s->p + s->len - ERR_KEEP, ERR_KEEP + 1);
            s->len = ERR_KEEP;
        }
    }
}

/* Send what fits of a secret input. False when all is sent, or nobody reads. */
static bool feed(struct watch *w)
{
    const struct sandbox_job *job = w->job;
    while (w->sent < job->n_input) {
        ssize_t n = send(w->in_fd, job->input + w->sent, job->n_input - w->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return true;
        if (n < 0) break;
        w->sent += (size_t)n;
    }
    shutdown(w->in_fd, SHUT_WR);
    return false;
}

static void look(struct watch *w)
{
    const struct sandbox_limits *l = &w->job->limits;
    struct process_tree t;
    double wall = clock_s() - w->t0;
    process_tree_look(w->pid, &t);
    if (t.resident > w->r->memory) w->r->memory = t.resident;
    if (t.cpu_s > l->cpu_s || wall > l->wall_s)
        end(w, SANDBOX_TIME);
    else if (t.memory > l->memory)
        end(w, SANDBOX_MEMORY);
    else if (t.threads > l->processes + 4)
        end(w, SANDBOX_PROCESSES);
    if (w->job->stops && stop_signal()) {
        w->stopped = true;
        end(w, SANDBOX_TIME);
    }
}

static void follow(struct watch *w)
{
    struct pollfd p[5] = {{w->pid_fd, POLLIN, 0},
                          {w->out_fd, POLLIN, 0},
                          {w->err_fd, POLLIN, 0},
                          {w->ready_fd, POLLIN, 0},
                          {w->in_fd, POLLOUT, 0}};
    int tick = TICK_FIRST_MS;
    double next = w->t0, ended_at = 0;
    while (!(p[0].revents & POLLIN)) {
        double now = clock_s();
        if (now >= next) {
            if (!w->ended) look(w);
            next = now + tick / 1000.0;
            if (tick < TICK_MS) tick *= 2;
        }
        if (w->ended && ended_at == 0) ended_at = now;
        if (w->ended && now - ended_at > GRACE_MS / 1000.0) { /* what hangs in the kernel is not waited for */
            process_tree_kill(w->pid);
            kill(w->pid, SIGKILL);
        }
        poll(p, 5, (int)((next - now) * 1000) + 1);
        if (p[1].revents && !drain(w, w->out_fd, false)) p[1].fd = -1;
        if (p[2].revents && !drain(w, w->err_fd, true)) p[2].fd = -1;
        if (p[3].revents) {
            char byte;
            w->started = recv(w->ready_fd, &byte, 1, 0) == 1 && send(w->ready_fd, "\n", 1, MSG_NOSIGNAL) == 1;
            p[3].fd = -1;
        }
        if (p[4].revents && !feed(w)) p[4].fd = -1;
    }
}

/* How it ended, from what the kernel and the shell say (128 + signal). */
static void judge(struct watch *w, int status, const struct rusage *u)
{
    struct sandbox_result *r = w->r;
    double cpu = (double)u->ru_utime.tv_sec + (double)u->ru_stime.tv_sec +
                 (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1e-6;
    r->cpu_s = cpu;
    r->wall_s = clock_s() - w->t0;
    if (w->ended) return;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r->end = code > 128 && code <= 128 + 64 ? SANDBOX_SIGNAL : SANDBOX_EXITED;
    r->status = r->end == SANDBOX_SIGNAL ? code - 128 : code;
    if (cpu > w->job->limits.cpu_s) r->end = SANDBOX_TIME;
}

static int run(struct watch *w, struct err *e)
{
    struct gift g = {.n = 0};
    struct sandbox_command c = {.n = 0};
    struct rusage u;
    int status = 0, rc = w->job->mode == SANDBOX_RLIMIT ? folder_make(w, e) : 0;
    if (!rc) rc = sandbox_command_init(&c, w->job, w->folder, e);
    if (!rc) rc = gifts(&g, w, e);
    if (!rc) rc = start(w, &c, &g, e);
    gift_release(&g);
    for (int i = 0; w->job->links && i < SANDBOX_LINKS; i++) close(w->job->links[i]);
    sandbox_command_release(&c);
    if (rc && w->pid) kill_all(w);
    if (!rc) follow(w);
    if (w->pid) {
        while (wait4(w->pid, &status, 0, &u) < 0 && errno == EINTR) {
        }
        if (!rc) judge(w, status, &u);
        if (w->folder) kill(-w->pid, SIGKILL);
    }
    if (rc) return -1;
    drain(w, w->out_fd, false);
    drain(w, w->err_fd, true);
    if (w->stopped) return err_kind_set(e, ERR_STOPPED, "sandbox: interrupted");
    if (w->started) return 0;
    if (w->ended) return err_set(e, "sandbox: it took more than %.1f s to build", w->job->limits.wall_s);
    return err_set(e, "sandbox: it could not be built: %.300s", w->r->err.len ? w->r->err.p : "no message");
}

int sandbox_run(const struct sandbox_job *job, struct sandbox_result *r, struct err *e)
{
    struct watch w = {
        .job = job, .r = r, .pid_fd = -1, .out_fd = -1, .err_fd = -1, .ready_fd = -1, .in_fd = -1};
    *r = (struct sandbox_result){.end = SANDBOX_EXITED};
    CHECK(job->limits.output > 0 && job->limits.wall_s > 0, "limits are missing");
    str_init(&r->out, job->limits.output);
    str_init(&r->err, 0);
    int rc = run(&w, e);
    const int ours[] = {w.pid_fd, w.out_fd, w.err_fd, w.ready_fd, w.in_fd};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (ours[i] >= 0) close(ours[i]);
    if (w.folder) file_remove_tree(w.folder, NULL);
    free(w.folder);
    return rc;
}

void sandbox_result_release(struct sandbox_result *r)
{
    str_release(&r->out);
    str_release(&r->err);
}

static pthread_mutex_t check_lock = PTHREAD_MUTEX_INITIALIZER;

int sandbox_check(enum sandbox_mode mode, struct err *e)
{
    static int known[2]; /* 1: it works, -1: it does not */
    static struct err why[2];
    pthread_mutex_lock(&check_lock);
    if (!known[mode]) {
        const char *const argv[] = {"true", NULL};
        struct sandbox_job job = {.argv = argv, .limits = sandbox_limits_default, .mode = mode};
        struct sandbox_result r;
        int rc = sandbox_run(&job, &r, &why[mode]);
        sandbox_result_release(&r);
        if (why[mode].kind != ERR_STOPPED) known[mode] = rc ? -1 : 1;
    }
    int rc = known[mode] == 1 ? 0 : -1;
    if (rc && mode == SANDBOX_BWRAP)
        err_set(
            e,
            "%s\nCode of models is not run outside of the sandbox. It needs bubblewrap and user namespaces "
            "(sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0; in a container: "
            "permission to make them). For code that you trust: sandbox \"rlimit\", which only limits "
            "resources",
            why[mode].msg);
    else if (rc)
        err_set(e, "%s", why[mode].msg);
    pthread_mutex_unlock(&check_lock);
    return rc;
}

void sandbox_end_text(const struct sandbox_job *job, const struct sandbox_result *r, char *out, size_t size)
{
    const struct sandbox_limits *l = &job->limits;
    switch (r->end) {
    case SANDBOX_EXITED: snprintf(out, size, "exit status %d", r->status); break;
    case SANDBOX_SIGNAL:
        snprintf(out, size, "killed by signal %d (%s)", r->status, strsignal(r->status));
        break;
    case SANDBOX_TIME:
        snprintf(out, size, "time limit: %.1f s of processor, %.1f s of clock", l->cpu_s, l->wall_s);
        break;
    case SANDBOX_MEMORY: snprintf(out, size, "memory limit: %zu MiB", l->memory >> 20); break;
    case SANDBOX_OUTPUT: snprintf(out, size, "output limit: %zu bytes", l->output); break;
    case SANDBOX_PROCESSES: snprintf(out, size, "limit of %d processes", l->processes); break;
    }
}
