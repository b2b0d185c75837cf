/* steps.h: whole steps of training and generation, timed.
 *
 * A kind is a file steps_NAME.c that exports one const struct steps_NAME, declared below, and a row in
 * steps.c. Each of its works runs in a process of its own, so that peak memory is the work's and nothing is
 * warm from another. It tells rows; steps.c turns them into a table with shares of the machine's limits, or
 * into JSON lines, which bench/compare puts beside what the peers need for the same work.
 */
#ifndef STEPS_STEPS_H
#define STEPS_STEPS_H

#include "base/err.h"
#include "model/model.h"

struct steps_row {
    const char *what; /* "tokens", "peak memory" */
    double value;
    const char *unit;
    double gflops, gbytes; /* per second, at this value; 0: does not apply */
};

struct steps {
    const char *name, *help;
    int n_works;
    const char *(*work)(int i); /* its name; shown behind the benchmark's */
    /* May start the pool. `repeats`: how often to measure; the best is told. */
    int (*run)(int i, int repeats, struct err *e);
};

extern const struct steps steps_machine, steps_products, steps_train, steps_generate, steps_rollout;

/* Tell one row. */
void steps_tell(const struct steps_row *r);
/* Seconds: of the clock; with --cpu of this process, which then has one thread. */
double steps_clock(void);
int steps_threads(void); /* for pool_start */
/* Operations of products and attention so far, in thousand millions (op/op.h, flops_done). */
double steps_gflop(void);
/* Largest resident memory of this process so far, in MB. */
double steps_peak_mb(void);
const char *steps_models(void); /* the folder of model files */
/* SmolLM2-135M's config.json. */
extern const char steps_smollm2[];
/* A model of this config.json with random weights. */
struct model *steps_model(const char *config, struct err *e);

#endif
