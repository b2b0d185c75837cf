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
    bool plan_only; /* out receives the memory plan and nothing is run; weights are not read */
    bool plan_json; /* as one JSON object */
    char *(*card)(const json_t *facts); /* text of a model card (report.h); NULL: none is written */
    /* Called with each step's record when it is written; false ends the run there, without a final model. */
    bool (*recorded)(void *ctx, long step, const json_t *metrics, const json_t *hashes);
    void *ctx;
    /* Called when all else in the finished run's `dir` is there, for what is made of it; a failure is only
     * warned of. */
    int (*finished)(const char *dir, struct err *e);
    size_t (*finished_bytes)(long steps, int numbers); /* what that will take, for the plan (report.h) */
};
struct algo {
    const char *name, *help;
    const struct opt *options; /* its own keys; the shared ones are train_options */
    /* out receives what is for standard output: the plan of a dry run, or one JSON object about the run. */
    int (*run)(struct conf *c, const struct train_hooks *hooks, struct str *out, struct err *e);
};
const struct algo *algo_find(const char *name); /* it must exist */
/* checkpoint.c: the newest checkpoint in a run's folder at or before `step` that can be gone on from, and its
 * step; NULL if there is none. Caller frees. */
char *checkpoint_before(const char *dir, long step, long *at);
extern const struct opt sft_options[], grpo_options[], pass_rate_options[];
extern const struct opt train_options[]; /* TrainingArguments' keys (spec: names and defaults of TRL) */
extern const struct opt model_options[]; /* ModelConfig's keys */

/* ---- plateau.c: a learning rate that goes by the metric of evaluations --------------------------------- */

struct plateau {
    bool on;
    bool greater, absolute; /* mode max, threshold_mode abs */
    double factor, threshold, min_lr, eps;
    long patience, cooldown; /* evaluations */
    double lr, best;         /* as they are now */
    long bad, cooling;       /* evaluations in a row that were not better; left of the cooldown */
};
/* From lr_scheduler_kwargs; greater: what mode is where they do not say. */
int plateau_init(struct plateau *p, double lr, bool greater, const json_t *kwargs, struct err *e);
/* An evaluation gave x. True: p->lr has fallen. */
bool plateau_see(struct plateau *p, double x);
json_t *plateau_state(const struct plateau *p); /* for a checkpoint */
/* What that holds; NULL: nothing was seen yet. */
int plateau_resume(struct plateau *p, const json_t *state, struct err *e);

/* ---- schedule.c: the learning rate after `done` optimiser steps ---------------------------------------- */

struct schedule {
    const char *type; /* linear, cosine, constant, constant_with_warmup, cosine_with_restarts, polynomial,
                         inverse_sqrt, cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay,
                         reduce_lr_on_plateau */
    long warmup, total;
    double lr;
    bool greater; /* the evaluations' metric is better when it is greater */
    double num_cycles, power, lr_end, min_lr_rate, timescale, warmup_lr_rate;
    long stable, decay; /* warmup_stable_decay */
    const char *warmup_type, *decay_type;
    double (*at)(const struct schedule *s, double done); /* the type's formula; NULL: plateau */
    struct plateau plateau;
};
/* Does the rate of this type go by evaluations? */
bool schedule_by_metric(const char *type);
/* s->warmup, total, lr and greater are set; fills the rest. */
int schedule_init(struct schedule *s, const char *type, const json_t *kwargs, struct err *e);
double schedule_lr(const struct schedule *s, long done);

/* ---- optimiser.c: a gradient becomes a change of the weights, by the rules of optim_list.h ---------------
 */

struct optim_opts {
    const char *name; /* as the key `optim` has it */
    double b1, b2, eps;
    double weight_decay;  /* spares biases and norms */
    double max_grad_norm; /* 0: no clipping */
    struct muon_opts {
        double momentum;
        bool nesterov;
        bool match_rms; /* updates as large as AdamW's; false: the original's size */
    } muon;
    uint64_t seed;        /* of stochastic rounding */
    const char *paged_in; /* keep the state in an unnamed file in this folder; NULL: in memory */
};
/* AdamW, and transformers' defaults. */
void optim_defaults(struct optim_opts *o);
struct optimiser;
/* State for the weights that have a gradient. Fails on an unknown name, and for want of space on disk. */
struct optimiser *optimiser_new(struct model *m, const struct optim_opts *o, struct err *e);
void optimiser_free(struct optimiser *o);
struct optim_bytes {
    size_t memory, disk;
};
struct optim_bytes optimiser_bytes(struct model *m, const struct optim_opts *o); /* for the memory plan */
/* One step from the gradients in the model. Returns the gradient norm before clipping; NaN or infinite:
 * nothing was changed and *bad names the first bad tensor. */
double optimiser_step(struct optimiser *o, double lr, const char **bad);
int optimiser_save(const struct optimiser *o, const char *path, struct err *e);
int optimiser_load(struct optimiser *o, const char *path, struct err *e);

/* ---- policy.c: GRPO's losses on log-probs; what `openr1 loss grpo` exposes --------------------------------
 */

/* One loss (loss_*.c). NULL and e when no loss has the name. policy_loss_at: in order, NULL past the last. */
struct grpo_loss;
const struct grpo_loss *policy_loss_find(const char *name, struct err *e);
const struct grpo_loss *policy_loss_at(int i);
const char *policy_loss_name(const struct grpo_loss *loss);

struct policy_opts {
    const struct grpo_loss *loss;
    double epsilon_low, epsilon_high, delta; /* delta <= 0: none */
    double beta;
    bool sequence_level;       /* importance_sampling_level "sequence" (GSPO) */
    bool kl_correction;        /* use_bias_correction_kl: KL times the ratio */
    int max_completion_length; /* dr_grpo's constant */
    double n_tokens;     /* dapo, cispo, vespo: loss tokens of the whole optimiser step; 0: the batch's */
    double accumulation; /* micro-steps of this optimiser step */
    double top_entropy;  /* top_entropy_quantile; below 1 the batch has keep */
    double off_policy;   /* off_policy_mask_threshold; INFINITY: none */
    double entropy_coef; /* of the bonus; not 0: the batch has entropies */
    double sapo_pos, sapo_neg;          /* sapo's temperatures */
    double vespo_k[2], vespo_lambda[2]; /* for A >= 0 and A < 0 */
};
/* TRL's defaults, one micro-step; loss dapo. */
void policy_defaults(struct policy_opts *o);
/* Right after sampling, is the loss minus the mean advantage? */
bool policy_starts_at_zero(const struct policy_opts *o);
void policy_say(const struct policy_opts *o); /* the formula in use, and settings that do not go together */

/* n sequences of lengths[i] tokens each, all arrays concatenated in order. mask may be NULL (all ones). ref
 * may be NULL iff beta is 0; old NULL means on-policy (ratio 1). Double precision throughout. */
struct policy_batch {
    int n;
    const int *lengths;
    const double *logp, *old, *ref, *mask;
    const double *entropy;         /* or NULL */
    const double *keep;            /* of policy_top_entropy; NULL: all tokens */
    const double *advantages;      /* [n] */
    const double *weights;         /* [n] from policy_weights over the micro-step */
    const double *entropy_weights; /* [n] from the same; may be NULL without entropy */
};
/* Sums, so that the parts of a step can be put together. */
struct policy_out {
    double loss;                        /* its share of the step's loss */
    double n_tokens, n_rows;            /* mask total; sequences */
    double n_kept;                      /* tokens of high entropy; all where no share is set */
    double n_dropped;                   /* sequences that off_policy leaves out */
    double kl;                          /* sum over tokens that count */
    double entropy, entropy_kept;       /* sums over the tokens that count, and over the kept ones */
    double bonus;                       /* the step's mean entropy, as the bonus weighs it */
    double clip_low, clip_high;         /* sums of 0/1 over tokens, or over sequences at sequence level */
    double n_ratios;                    /* what those are divided by */
    double clip_low_min, clip_high_max; /* over sequences, of the sequence's share; -1: none yet */
    double max_ratio_error;             /* max |ratio - 1| */
    double held;                        /* sum of the loss's own factors of sequences (vespo) */
};
/* What a sequence's masked token sum is multiplied by in the step's loss, and its sum of entropies in the
 * bonus, for the sequences of one micro-step. */
void policy_weights(const struct policy_batch *b, const struct policy_opts *o, double *weights,
                    double *entropy_weights);
/* keep[t]: 1 for tokens whose entropy is at least the (1 - share)-quantile over all n tokens that the mask
 * counts (ties stay), else 0. */
void policy_top_entropy(const double *entropy, const double *mask, size_t n, double share, double *keep);
/* Adds this batch to out (zeroed by policy_out_init); grad receives d loss / d logp, grad_entropy
 * d loss / d entropy (not looked at where the batch has no entropies). */
void policy_out_init(struct policy_out *out);
void policy_loss(const struct policy_batch *b, const struct policy_opts *o, double *grad,
                 double *grad_entropy, struct policy_out *out);

/* The coefficient of the entropy bonus; adaptive as in Skywork-OR1 (arXiv 2505.22312): after each step it
 * goes up by delta where the step's mean entropy is at most the target, else down, within [min, max]; and it
 * is applied only while the last step's was at most the target. */
struct entropy_control {
    bool adaptive;
    double coef, min, max, delta, target;
    double last; /* mean entropy of the last step; INFINITY before the first */
};
bool entropy_control_on(const struct entropy_control *c); /* is there a bonus at all */
double entropy_control_applied(const struct entropy_control *c);
/* After a step with that coefficient: its metrics, and the coefficient of the next one. */
void entropy_control_end(struct entropy_control *c, const struct policy_out *out, double applied,
                         json_t *metrics);

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
 * {"config","logps","old_logps","ref_logps","entropies","mask","last_entropy","advantages" or "rewards"},
 * evaluated as one micro-step that is one optimiser step. New object {"loss","grad","grad_entropies" where
 * there are entropies,"advantages","metrics"}, or NULL and e.
 * num_generations absent: 8 when that divides the rows, else all rows are one group. */
json_t *policy_eval(const json_t *record, struct err *e);

#endif
