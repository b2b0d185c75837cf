/* bench.h: what a benchmark is.
 *
 * A benchmark is a file bench_NAME.c that exports one const struct bench_NAME, declared below, and a row in
 * bench.c. Each of its works runs in a process of its own, so that peak memory is the work's and nothing is
 * warm from another. It tells rows; bench.c turns them into a table with shares of the machine's limits, or
 * into JSON lines.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "base/err.h"

struct bench_row {
    const char *what; /* "tokens", "peak memory" */
    double value;
    const char *unit;
    double gflops, gbytes; /* per second, at this value; 0: does not apply */
};

struct bench {
    const char *name, *help;
    int n_works;
    const char *(*work)(int i); /* its name; shown behind the benchmark's */
    /* May start the pool. `repeats`: how often to measure; the best is told. */
    int (*run)(int i, int repeats, struct err *e);
};

extern const struct bench bench_machine, bench_train;

/* Tell one row. */
void bench_tell(const struct bench_row *r);
/* Largest resident memory of this process so far, in MB. */
double bench_peak_mb(void);
/* A temporary folder with this config.json, for MODEL_RANDOM; the path in dir (at least 64 bytes). */
int bench_model_folder(const char *config, char *dir, struct err *e);

#endif
