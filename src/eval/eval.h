/* eval.h: score a model on tasks: pass@1 over n samples with its standard error, pass@k, majority, length. */
#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "infer/infer.h"

/* A task: where its items come from, how an item becomes a prompt, how a completion is scored. */
struct task {
    const char *name, *help;
    /* Rows of the task from --dataset_name (NULL: the task's own generator or standard file). New reference.
     */
    json_t *(*items)(const char *dataset, const char *split, struct err *e);
    /* Text or messages of an item; new reference: a string (used as it is) or an array of messages. */
    json_t *(*prompt)(const json_t *item, const json_t *params);
    /* 1 right, 0 wrong, -1 could not be judged; reason one line. */
    int (*score)(const json_t *item, const char *completion, char *reason, size_t size);
};
const struct task *const *task_all(void);
const struct task *task_find(const char *name, struct err *e);

struct eval_opts {
    const char *dataset, *split;
    int limit;       /* 0: all items */
    int num_samples; /* samples an item; with temperature 0 only 1 makes sense */
    struct sampling sampling;
    uint64_t seed;
    const char *system_prompt;
    bool apply_chat;
    const json_t *params;
    int max_running; /* sequences decoded together; changes speed and memory only */
    size_t kv_bytes; /* most memory for keys and values; 0: no bound */
    struct speculation draft;
};
/* result: {"pass@1","stderr","pass@k" for k = powers of two up to n and n,"maj@n","n_items","n_samples" (an
 * item), "mean_length","clipped_ratio","reasoning_ratio","undecided" (completions)}; other metrics have
 * NAME_stderr beside them. samples: array of {"id","prompt","gold"?,"completions":[{"text","correct" (null:
 * undecided), "answer","reason","length","finish_reason"}]}. The standard error is over items (of each
 * item's mean), so that samples of one item do not count as independent; what could not be judged counts
 * neither way. */
struct eval_out {
    json_t *result, *samples; /* new references */
};
int eval_task(struct model *m, const struct task *t, const struct eval_opts *o, struct eval_out *out,
              struct err *e);
/* The paired difference b - a of two sample arrays over the items (by id) that both have:
 * {"a","b","difference", "stderr","n_items"}, from each item's mean. New reference; NULL and e when they
 * have no item in common. */
json_t *eval_compare(const json_t *samples_a, const json_t *samples_b, struct err *e);
/* lm-eval's table shape, for standard output: |Tasks|Metric| |Value| |Stderr|. */
void eval_table(const json_t *results, struct str *out);
/* Unbiased pass@k of c right out of n (Chen et al. 2021): 1 - C(n-c,k)/C(n,k). */
double pass_at_k(int n, int c, int k);

#endif
