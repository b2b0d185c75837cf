/* reward.h: scores for completions, each with a receipt.
 *
 * One file and one row a reward. A reward gets one completion and the columns of its dataset row, and returns
 * a number, or says that the completion could not be judged (None in TRL's terms), which is never zero.
 */
#ifndef REWARD_REWARD_H
#define REWARD_REWARD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct reward_input {
    const char *text;     /* completion as text, special tokens left out */
    const json_t *row;    /* the dataset row (object): solution, answer, nums, target, ... */
    const json_t *params; /* {"key": value} or NULL */
    int n_ids;            /* tokens of the completion; -1 unknown */
};
struct reward_result {
    double value;
    bool judged;      /* false: None */
    char reason[320]; /* one line: what was extracted, which rule decided */
};
struct reward_example {           /* worked examples: run as tests, shown by help and docs */
    const char *completion, *row; /* row as JSON text */
    double value;
    bool judged;
};
struct reward {
    const char
        *name; /* accuracy; the metric is rewards/<name>_reward/mean as Open-R1's function names give */
    const char *metric;
    const char *help;
    double lo, hi;
    void (*score)(const struct reward_input *in, struct reward_result *out);
    const struct reward_example *examples;
    int n_examples;
};
const struct reward *const *reward_all(void); /* NULL at the end */
/* NULL and e (with the nearest name) when there is none. */
const struct reward *reward_find(const char *name, struct err *e);

#endif
