/* openr1_sandbox: what the sandbox costs. For each language a program that does nothing, alone and in the
 * box: the fastest and the median by the clock, and the median of processor time; then how many runs a second
 * all threads make. On a machine that is busy with other work only the fastest says what a run takes. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pool.h"
#include "verify/verify.h"

enum { ROUNDS = 40, MANY = 100 };
extern char **environ;

struct cost {
    double fastest_ms, wall_ms, cpu_ms;
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cpu_of_children(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void alone(const char *const *argv)
{
    pid_t pid;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) == 0) waitpid(pid, NULL, 0);
}

static void boxed(const char *const *argv)
{
    struct sandbox_job job = {.argv = argv, .limits = sandbox_limits_default};
    struct sandbox_result r;
    struct err e = {0};
    job.limits.address_space = 0;
    if (sandbox_run(&job, &r, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        _exit(1);
    }
    sandbox_result_release(&r);
}

static struct cost median(void (*run)(const char *const *), const char *const *argv)
{
    double wall[ROUNDS], cpu[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double t = clock_s(), c = cpu_of_children();
        run(argv);
        wall[i] = (clock_s() - t) * 1000;
        cpu[i] = (cpu_of_children() - c) * 1000;
    }
    qsort(wall, ROUNDS, sizeof *wall, by_size);
    qsort(cpu, ROUNDS, sizeof *cpu, by_size);
    return (struct cost){wall[0], wall[ROUNDS / 2], cpu[ROUNDS / 2]};
}

static void one_of_many(void *ctx, int i)
{
    (void)i;
    boxed(ctx);
}

int main(void)
{
    static const char *const programs[][4] = {
        {"true", NULL}, {"python3", "-c", "0", NULL}, {"bash", "-c", ":", NULL}, {"node", "-e", "0", NULL}};
    struct err e = {0};
    if (sandbox_check(SANDBOX_BWRAP, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
    printf("%d runs, ms              alone               in the box             the box costs\n", ROUNDS);
    printf("               fastest median   cpu    fastest median   cpu    fastest median   cpu\n");
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        struct cost a = median(alone, programs[i]), b = median(boxed, programs[i]);
        printf("%-12s %9.1f %6.1f %5.1f %10.1f %6.1f %5.1f %10.1f %6.1f %5.1f\n", programs[i][0],
               a.fastest_ms, a.wall_ms, a.cpu_ms, b.fastest_ms, b.wall_ms, b.cpu_ms,
               b.fastest_ms - a.fastest_ms, b.wall_ms - a.wall_ms, b.cpu_ms - a.cpu_ms);
    }
    fflush(stdout);
    pool_start(0);
    double t = clock_s();
    pool_for(MANY, one_of_many, (void *)programs[1]);
    printf("%d runs of python3 on %d threads: %.0f a second\n", MANY, pool_threads(), MANY / (clock_s() - t));
    pool_stop();
    return 0;
}
