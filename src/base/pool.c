/* pool.c: persistent threads around one job at a time.
 *
 *   caller: write job; open = 1; epoch++; wake sleepers | take items | open = 0; wait until inside == 0
 *   worker: wait for a new epoch; inside++; if open: take items; inside--
 *
 * Items are taken by an atomic counter. A worker that comes late finds the job closed and goes back, so the
 * caller waits only for workers that are in the middle of an item, never for one that has not woken yet. The
 * flag pairs (open, inside) and (epoch, sleepers) are Dekker's: each side writes its own and then reads the
 * other's, in sequentially consistent order, so at least one of them sees the other.
 *
 * Waiting spins for SPIN_S and then sleeps on a futex. With more threads than CPUs it does not spin.
 */
#include "base/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"

#define SPIN_S     40e-6
#define SPIN_ROUND 64

static struct {
    /* Lines of their own for what every thread writes. */
    _Alignas(64) atomic_long next;
    _Alignas(64) atomic_int inside;   /* workers that may be reading the job; futex of the caller */
    _Alignas(64) atomic_int epoch;    /* futex of the workers */
    _Alignas(64) atomic_int sleepers; /* workers asleep, or about to be */
    atomic_bool open, quit, caller_sleeps;
    int n;
    pool_fn fn;
    void *ctx;
    int threads; /* 0: not started */
    bool spin, busy;
    pthread_t *ids;
} pool;

static _Thread_local int self_index;

static void futex_wait(atomic_int *word, int seen)
{
    syscall(SYS_futex, (int *)word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(atomic_int *word, int n)
{
    syscall(SYS_futex, (int *)word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Spin while *word == seen, for SPIN_S at most. */
static void spin_while(atomic_int *word, int seen)
{
    if (!pool.spin) return;
    double t_end = clock_s() + SPIN_S;
    do {
        for (int i = 0; i < SPIN_ROUND; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != seen) return;
            cpu_relax();
        }
    } while (clock_s() < t_end);
}

static void items_run(void)
{
    for (;;) {
        long i = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed);
        if (i >= pool.n) return;
        pool.fn(pool.ctx, (int)i);
    }
}

static void *worker_main(void *arg)
{
    self_index = (int)(long)arg;
    int seen = 0;
    while (!atomic_load(&pool.quit)) {
        atomic_fetch_add(&pool.inside, 1);
        if (atomic_load(&pool.open)) items_run();
        if (atomic_fetch_sub(&pool.inside, 1) == 1 && atomic_load(&pool.caller_sleeps))
            futex_wake(&pool.inside, 1);
        spin_while(&pool.epoch, seen);
        atomic_fetch_add(&pool.sleepers, 1);
        while (atomic_load(&pool.epoch) == seen) futex_wait(&pool.epoch, seen);
        atomic_fetch_sub(&pool.sleepers, 1);
        seen = atomic_load(&pool.epoch);
    }
    return NULL;
}

static int cpus_available(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n < POOL_THREADS_MAX ? (int)n : 1;
}

static int threads_wanted(int threads, int cpus)
{
    if (threads <= 0) {
        const char *text = getenv("OPENR1_THREADS");
        char *end = NULL;
        long n = text ? strtol(text, &end, 10) : 0;
        if (text && *text && (*end || n < 1 || n > POOL_THREADS_MAX)) {
            log_warn("OPENR1_THREADS=%s is not a number from 1 to %d: ignored", text, POOL_THREADS_MAX);
            n = 0;
        }
        threads = n > 0 ? (int)n : cpus;
    }
    return threads > POOL_THREADS_MAX ? POOL_THREADS_MAX : threads;
}

void pool_start(int threads)
{
    CHECK(pool.threads == 0, "the pool runs already, with %d threads", pool.threads);
    int cpus = cpus_available();
    threads = threads_wanted(threads, cpus);
    pool.spin = threads <= cpus;
    pool.threads = 1;
    atomic_store(&pool.quit, false);
    atomic_store(&pool.epoch, 0);
    if (threads == 1) return;
    pool.ids = alloc_zero((size_t)threads, sizeof *pool.ids);
    /* Signals are for the main thread: the stop flag's handler must not interrupt a kernel. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; pool.threads < threads; pool.threads++) {
        long index = pool.threads;
        if (pthread_create(&pool.ids[index], NULL, worker_main, (void *)index)) {
            log_warn("only %ld of %d threads could be started", index, threads);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void pool_stop(void)
{
    CHECK(!pool.busy, "pool_stop inside pool_for");
    atomic_store(&pool.quit, true);
    atomic_fetch_add(&pool.epoch, 1);
    futex_wake(&pool.epoch, INT_MAX);
    for (int i = 1; i < pool.threads; i++) pthread_join(pool.ids[i], NULL);
    free(pool.ids);
    pool.ids = NULL;
    pool.threads = 0;
}

int pool_threads(void)
{
    return pool.threads ? pool.threads : 1;
}

int pool_self(void)
{
    return self_index;
}

/* Nobody is inside any more when this returns, and nobody gets in before the next job is open. */
static void job_close(void)
{
    atomic_store(&pool.open, false);
    int inside = atomic_load(&pool.inside);
    double t_spin_end = inside && pool.spin ? clock_s() + SPIN_S : 0;
    while (inside) {
        if (t_spin_end > 0 && clock_s() < t_spin_end) {
            cpu_relax();
        } else {
            atomic_store(&pool.caller_sleeps, true);
            futex_wait(&pool.inside, inside);
            atomic_store(&pool.caller_sleeps, false);
        }
        inside = atomic_load(&pool.inside);
    }
}

void pool_for(int n, pool_fn f, void *ctx)
{
    CHECK(!pool.busy && self_index == 0, "pool_for of %d items inside another", n);
    if (n <= 0) return;
    pool.busy = true;
    if (pool.threads <= 1 || n == 1) {
        for (int i = 0; i < n; i++) f(ctx, i);
        pool.busy = false;
        return;
    }
    pool.fn = f, pool.ctx = ctx, pool.n = n;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_store(&pool.open, true);
    atomic_fetch_add(&pool.epoch, 1);
    if (atomic_load(&pool.sleepers)) futex_wake(&pool.epoch, n < pool.threads ? n - 1 : INT_MAX);
    items_run();
    job_close();
    pool.busy = false;
}
