/* bench.h: what a benchmark of a part is.
 *
 * A benchmark is a file bench_NAME.c that exports one const struct bench_NAME, declared below, and a row in
 * bench_main.c. It tells lines; a rate alone means little, so each line may carry its share of what the
 * benchmark has measured as the limit. Whole steps of training and generation are in steps/.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

struct bench {
    const char *name, *help;
    void (*run)(int repeats); /* how often to measure; the best is told */
};

extern const struct bench bench_kern;

void bench_title(const char *title);
/* rate: per second, shown in thousand millions; limit: of the same unit, 0 for none. */
void bench_line(const char *what, const char *unit, double rate, double limit);

#endif
