/* eval_int.h: what the files of this room share. */
#ifndef EVAL_EVAL_INT_H
#define EVAL_EVAL_INT_H

#include "eval/eval.h"

/* ---- metrics.c ---------------------------------------------------------------------------------------- */

/* A mean over items and its standard error (0 for fewer than two items). */
struct spread {
    double mean, error;
    int n;
};
struct spread spread_of(const double *v, int n);

/* One completion as the metrics see it. */
struct judged {
    int score; /* 1, 0, -1: undecided */
    int length;
    bool clipped, reasoned;
    const char *answer; /* borrowed; "" when there is none, which casts no vote */
};
/* Do two extracted answers say the same? */
bool answers_agree(const char *a, const char *b);
/* The vote of n completions: the score of the answer given most often, the earliest one at a tie; -1 when
 * nothing votes. */
int majority(const struct judged *c, int n);
/* The result object of n_items * n_samples completions. New reference. */
json_t *metrics_of(const struct judged *c, int n_items, int n_samples);

/* ---- tasks -------------------------------------------------------------------------------------------- */

/* Rows of a dataset, or without one `n` held-out problems of a generator. New reference. */
json_t *items_or_generated(const char *dataset, const char *split, const char *generator, struct err *e);
/* The item's own prompt. New reference. */
json_t *item_prompt(const json_t *item, const json_t *params);
/* verify_math on column "solution" or "answer", plain answers allowed. */
int score_answer(const json_t *item, const char *completion, char *reason, size_t size);

#endif
