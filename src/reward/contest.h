/* contest.h: how a program's tests become a reward, by the rules of Open-R1's Codeforces and IOI scoring;
 * where the tests run is the caller's business. */
#ifndef REWARD_CONTEST_H
#define REWARD_CONTEST_H

#include <stdbool.h>

struct str;

enum contest_status {
    CONTEST_RAN,
    CONTEST_COMPILE_ERROR,
    CONTEST_LOST /* whoever should have run it failed: says nothing about the program */
};
struct contest_answer {
    enum contest_status status;
    double score; /* 0..1 */
    char note[200];
};

struct contest {
    int n, batch; /* tests; how many run before it is looked whether to go on (below 1: all) */
    bool compat; /* Open-R1's numbers with its faults: lost tests fail, IOI in batches below 1 runs nothing */
    void (*run)(void *ctx, int test, struct contest_answer *a);
    void *ctx;
    struct str *steps; /* the explanation, or NULL */
    int runs;         /* out: tests that were run */
    char reason[240]; /* out: one line */
};

/* Codeforces: "pass_fail" 1 if all tests pass, else 0, ends at the first batch with a failure; "partial" the
 * share that passes; "weighted_sum" pass_fail + 0.1 partial. -0.1 when it does not compile. False: not
 * judged. */
bool contest_cf(struct contest *c, const char *mode, double *value);
/* IOI: the lowest score of the subtask's tests, rounded to `precision` decimals as Python does; ends at the
 * first batch with a zero. False: not judged. */
bool contest_ioi(struct contest *c, int precision, double *value);
double contest_round(double x, int precision);

/* Open-R1's add_includes: an IOI submission with the headers that it was meant to begin with; malloc. */
char *contest_includes(const char *code, const char *id);

#endif
