/* train.h: learning: optimiser, schedules, checkpoints, and one file per algorithm (sft.c, grpo.c).
 *
 * The training loop (loop.c) owns steps, accumulation, clipping, logging, checkpoints, resume and signals; an
 * algorithm supplies microbatches. Microbatches are numbered by the data, never by thread or rank, and their
 * gradients are summed along one fixed binary tree.
 */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/opt.h"
#include "model/model.h"

struct algo {
    const char *name, *help;
    const struct opt *options; /* its own keys; the shared ones are train_options */
    int (*run)(struct conf *c, struct err *e);
};
const struct algo *const *algo_all(void);
extern const struct opt train_options[]; /* TrainingArguments' keys (spec: names and defaults of TRL) */
extern const struct opt model_options[]; /* ModelConfig's keys */

/* ---- schedule.c: multiplier on the learning rate after `done` optimiser steps ----------------------------
 */

struct schedule {
    const char *type; /* linear, cosine, constant, constant_with_warmup, cosine_with_restarts, polynomial,
                         inverse_sqrt, cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay */
    long warmup, total;
    double lr;
    double num_cycles, power, lr_end, min_lr_rate, timescale, warmup_lr_rate;
    long stable, decay; /* warmup_stable_decay */
    const char *warmup_type, *decay_type;
};
int schedule_init(struct schedule *s, const char *type, double lr, long warmup, long total,
                  const json_t *kwargs, struct err *e);
double schedule_at(const struct schedule *s, long done); /* multiplier */

/* ---- optimiser.c: AdamW over a model's weights ------------------------------------------------------------
 */

struct adamw_opts {
    double b1, b2, eps, weight_decay,
        max_grad_norm; /* weight decay spares biases and norms; 0 norm: no clipping */
};
struct optimiser;
struct optimiser *optimiser_new(struct model *m, const struct adamw_opts *o);
void optimiser_free(struct optimiser *o);
/* One step from the gradients in the model. Returns the gradient norm before clipping; NaN or infinite:
 * nothing was changed and *bad names the first bad tensor. */
double optimiser_step(struct optimiser *o, double lr, const char **bad);
int optimiser_save(const struct optimiser *o, const char *path, struct err *e);
int optimiser_load(struct optimiser *o, const char *path, struct err *e);

/* ---- policy.c: GRPO's losses on log-probs; what `openr1 loss grpo` exposes --------------------------------
 */

enum grpo_loss { GRPO_GRPO, GRPO_BNPO, GRPO_DR_GRPO, GRPO_DAPO };
struct policy_opts {
    enum grpo_loss loss;
    double epsilon_low, epsilon_high, delta; /* delta <= 0: none */
    double beta;
    bool sequence_level;
    int max_completion_length; /* dr_grpo's constant */
    double n_tokens;           /* dapo: loss tokens of the whole optimiser step */
    double accumulation;       /* micro-steps of this optimiser step */
};
/* n sequences of lengths[i] tokens each, all arrays concatenated in order. mask may be NULL. ref may be NULL
 * iff beta is 0; old NULL means on-policy (ratio 1). grad receives d loss / d logp. Double precision
 * throughout. */
struct policy_batch {
    int n;
    const int *lengths;
    const float *logp, *old, *ref, *mask;
    const double *advantages; /* [n] */
};
struct policy_out {
    double loss, kl, clip_low, clip_high, clip_region; /* means over tokens that count */
    double n_tokens, max_ratio_error;                  /* max |ratio - 1| */
};
void policy_loss(const struct policy_batch *b, const struct policy_opts *o, float *grad,
                 struct policy_out *out);

/* advantages.c. rewards [n_completions, n_funcs], NaN for None; groups of size G. scale:
 * "group","batch","none". */
struct advantage_out {
    double reward_mean, reward_std, frac_zero_std;
};
int advantages(const double *rewards, int n, int n_funcs, int group, const double *weights, const char *scale,
               double *totals, double *out, struct advantage_out *stats, struct err *e);

#endif
