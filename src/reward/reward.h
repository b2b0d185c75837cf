/* reward.h: scores for completions, each with a receipt.
 *
 * One file and one row a reward. A reward gets completions and the columns of their dataset row, and
 * returns numbers, or says that a completion could not be judged (None in TRL's terms), which is never
 * zero.
 *
 * A reward that is no row of the table is a program of the user: see reward_open.
 */
#ifndef REWARD_REWARD_H
#define REWARD_REWARD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct reward_input {
    const char *text;     /* completion as text, special tokens left out */
    const json_t *row;    /* the dataset row (object): solution, answer, nums, target, ... */
    const json_t *params; /* {"key": value} or NULL */
    int n_ids;            /* tokens of the completion; -1 unknown */
    const int *ids;       /* [n_ids] or NULL */
    struct str *steps; /* the way to the value is added, line by line (base/step_lines.h); NULL: not wanted */
    /* For programs of the user, as TRL hands them over; NULL: unknown, and the text. */
    const json_t *prompt, *completion;
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
    const char *params; /* JSON text or NULL */
};
/* A parameter: checked before the first completion, so that a score function may trust it. */
enum reward_param_type { PARAM_NUMBER, PARAM_INT, PARAM_BOOL, PARAM_TEXT, PARAM_LIST, PARAM_ANY };
struct reward_param {
    const char *name, *open_r1; /* Open-R1's key for it in a recipe, or NULL */
    enum reward_param_type type;
    double number;       /* default of a number or a truth value */
    double lo, hi;       /* range of a number where lo < hi */
    const char *text;    /* default of a text, NULL: none */
    const char *choices; /* "a|b": the texts allowed; NULL: any */
    const char *help;
};
struct reward {
    const char *name;
    const char *metric; /* the metric is rewards/<metric>/mean: Open-R1's and TRL's function names */
    const char *help;
    double lo, hi;                     /* with the default parameters */
    const struct reward_param *params; /* name NULL at the end; NULL: none. "compat" is known to all */
    int (*check)(const json_t *params, struct err *e); /* what the table cannot say; may be NULL */
    /* One of the two: a completion by itself, or all completions of one prompt together. */
    void (*score)(const struct reward_input *in, struct reward_result *out);
    void (*score_group)(const struct reward_input *in, int n, struct reward_result *out);
    const struct reward_example *examples;
    int n_examples;
};
const struct reward *const *reward_all(void); /* NULL at the end */
/* By registry name (accuracy) or by the name of Open-R1's or TRL's function (accuracy_reward,
 * get_cosine_scaled_reward). NULL and e (with the nearest name) when there is none. */
const struct reward *reward_find(const char *name, struct err *e);
/* Parameters known, of the right type, in range? */
int reward_params_check(const struct reward *w, const json_t *params, struct err *e);
/* Score the n completions of one prompt. */
void reward_score(const struct reward *w, const struct reward_input *in, int n, struct reward_result *out);

/* ---- A reward in use: a row of the table, or a program of the user -----------------------------------
 *
 * Names of programs: "FILE.py:FUNCTION" or "MODULE.FUNCTION", a TRL reward function, run by python3 (or what
 * OPENR1_PYTHON names); or a path with "/" in it, an executable. Each runs in worker processes that read one
 * request a line,
 *   {"prompts":[...],"completions":[...],"completion_ids":[...],"COLUMN":[...],...}
 * the completions of one prompt, parameters as further keys, and answer
 *   {"rewards":[number or null,...]} or {"error":"text"}.
 */
struct reward_opts {
    int workers;    /* processes of a program; 0: 1 */
    double limit_s; /* for an answer; 0: 600 */
};
struct reward_use;
/* `params` is kept. NULL and e: no such reward, wrong parameters. */
struct reward_use *reward_open(const char *name, json_t *params, const struct reward_opts *o, struct err *e);
void reward_close(struct reward_use *u);
const char *reward_metric(const struct reward_use *u);
/* The row of the table, NULL for a program. */
const struct reward *reward_of(const struct reward_use *u);

/* The n completions of one prompt, to be scored together. */
struct reward_group {
    const struct reward_input *in;
    struct reward_result *out;
    int n;
};
/* Score groups: on all threads, or by all workers. A program that fails is an error that names it. `state`
 * (TRL's trainer_state) may be NULL. */
int reward_groups(struct reward_use *u, const struct reward_group *groups, int n, const json_t *state,
                  struct err *e);
/* For how many completions of the last call a Python function returned NaN, which counts as None. */
int reward_nans(const struct reward_use *u);

#endif
