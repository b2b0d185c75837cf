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
#include "base/str.h"
#include "model/model.h"

struct train_hooks {
    char *(*card)(const json_t *facts); /* text of a model card (report.h); NULL: none is written */
};
struct algo {
    const char *name, *help;
    const struct opt *options; /* its own keys; the shared ones are train_options */
    /* out receives what is for standard output: the plan of a dry run, or one JSON object about the run. */
    int (*run)(struct conf *c, const struct train_hooks *hooks, struct str *out, struct err *e);
};
const struct algo *algo_find(const char *name); /* it must exist */
extern const struct opt sft_options[], grpo_options[];
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
    double (*at)(const struct schedule *s, double done); /* the type's formula */
};
/* s->warmup, total and lr are set; fills the rest. */
int schedule_init(struct schedule *s, const char *type, const json_t *kwargs, struct err *e);
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

enum grpo_loss {
    GRPO_GRPO,
    GRPO_BNPO,
    GRPO_DR_GRPO,
    GRPO_DAPO,
    GRPO_CISPO,
    GRPO_SAPO,
    GRPO_LUSPO,
    GRPO_VESPO
};
struct policy_opts {
    enum grpo_loss loss;
    double epsilon_low, epsilon_high, delta; /* delta <= 0: none */
    double beta;
    bool sequence_level;       /* importance_sampling_level "sequence" (GSPO) */
    bool kl_correction;        /* use_bias_correction_kl: KL times the ratio */
    int max_completion_length; /* dr_grpo's constant */
    double n_tokens;     /* dapo, cispo, vespo: loss tokens of the whole optimiser step; 0: the batch's */
    double accumulation; /* micro-steps of this optimiser step */
    double sapo_pos, sapo_neg;          /* sapo's temperatures */
    double vespo_k[2], vespo_lambda[2]; /* for A >= 0 and A < 0 */
};
/* TRL's defaults, one micro-step; loss dapo. */
void policy_defaults(struct policy_opts *o);
/* The loss type of a name, -1 and e when there is none. */
int policy_loss_type(const char *name, struct err *e);

/* n sequences of lengths[i] tokens each, all arrays concatenated in order. mask may be NULL (all ones). ref
 * may be NULL iff beta is 0; old NULL means on-policy (ratio 1). Double precision throughout. */
struct policy_batch {
    int n;
    const int *lengths;
    const double *logp, *old, *ref, *mask;
    const double *advantages; /* [n] */
    const double *weights;    /* [n] from policy_weights over the micro-step */
};
/* Sums, so that the parts of a step can be put together (policy_out_add). */
struct policy_out {
    double loss;                        /* its share of the step's loss */
    double n_tokens, n_rows;            /* mask total; sequences */
    double kl;                          /* sum over tokens that count */
    double clip_low, clip_high;         /* sums of 0/1 over tokens, or over sequences at sequence level */
    double n_ratios;                    /* what those are divided by */
    double clip_low_min, clip_high_max; /* over sequences, of the sequence's share; -1: none yet */
    double max_ratio_error;             /* max |ratio - 1| */
    double cispo_clip, phi;             /* cispo, vespo: sums */
};
/* What a sequence's masked token sum is multiplied by in the step's loss, for the sequences of one
 * micro-step. */
void policy_weights(const struct policy_batch *b, const struct policy_opts *o, double *weights);
/* Adds this batch to out (zeroed by policy_out_init); grad receives d loss / d logp. */
void policy_out_init(struct policy_out *out);
void policy_loss(const struct policy_batch *b, const struct policy_opts *o, double *grad,
                 struct policy_out *out);

/* advantages.c. rewards [n, n_funcs], NaN for None; groups of size `group`. scale: "group", "batch", "none".
 * totals[i] is the weighted sum (NaN when nothing judged it); out[i] the advantage (0 for those). */
struct advantage_opts {
    int n, n_funcs, group;
    const double *weights; /* [n_funcs]; NULL: ones */
    const char *scale;
    bool normalize_then_sum; /* multi_objective_aggregation (GDPO); scale is ignored */
};
struct advantage_out {
    double reward_mean, reward_std, frac_zero_std; /* NaN when there is nothing to average */
};
int advantages(const double *rewards, const struct advantage_opts *o, double *totals, double *out,
               struct advantage_out *stats, struct err *e);
/* Mean and sample standard deviation (n - 1) of v[0], v[stride], ..., leaving NaN out; NaN when undefined. */
struct nan_stats {
    double mean, std;
    int n;
};
struct nan_stats nan_stats(const double *v, int n, int stride);

/* The loss's metrics by TRL's names (kl, clip_ratio/low_mean, ...) into an object. */
void policy_metrics(const struct policy_out *out, const struct policy_opts *o, json_t *metrics);
/* policy_json.c: one record of `openr1 loss grpo`,
 * {"config","logps","old_logps","ref_logps","mask","advantages" or "rewards"}, evaluated as one micro-step
 * that is one optimiser step. New object {"loss","grad","advantages", "metrics"}, or NULL and e.
 * num_generations absent: 8 when that divides the rows, else all rows are one group. */
json_t *policy_eval(const json_t *record, struct err *e);

#endif
