/* policy_int.h: what policy.c and the losses (loss_*.c, the rows of loss_list.h) share.
 *
 * A loss says two things: what a token contributes (term), and what the terms of a step are divided by
 * (mean). Everything around that, ratio, masks, KL, entropy and gradient, is policy.c's.
 */
#ifndef TRAIN_POLICY_INT_H
#define TRAIN_POLICY_INT_H

#include "train/train_int.h"

struct policy_row { /* one sequence: pointers to its first token */
    int n;
    const double *logp, *old, *ref, *mask, *keep, *entropy;
    double *grad, *grad_entropy;
    double advantage, weight, entropy_weight;
    double tokens; /* sum of the mask */
    double held;   /* the loss's own factor of the sequence (hold) */
};

struct policy_term { /* l and its derivative */
    double value, slope;
    bool low, high; /* clipped */
};

enum policy_mean { /* 1 / weight of a sequence's sum, for B sequences in each of a micro-steps */
                   POLICY_SEQUENCES,      /* n_i B a: the mean over sequences of their means */
                   POLICY_MICRO_TOKENS,   /* a sum n: the mean over the tokens of a micro-step */
                   POLICY_LONGEST,        /* B L a: as if every completion had max_completion_length tokens */
                   POLICY_STEP_TOKENS,    /* N: the mean over the tokens of the step */
                   POLICY_SEQUENCE_TOTALS /* B a: the mean over sequences of their sums */
};

struct grpo_loss {
    const char *name, *formula, *source;
    enum policy_mean mean;
    bool direct; /* slope is by lp itself: the ratio is held fixed. Else it is by the ratio */
    double (*hold)(const struct policy_opts *o, const struct policy_row *r); /* or NULL */
    struct policy_term (*term)(const struct policy_opts *o, const struct policy_row *r, double ratio,
                               double lp);
    /* What it adds to the metrics, ratios being how many ratios there were; or NULL. */
    void (*metrics)(const struct policy_out *out, double ratios, json_t *metrics);
};

/* PPO's clipped term, which grpo, bnpo, dr_grpo, dapo and luspo average differently; and how much of it was
 * clipped. */
struct policy_term policy_clipped(const struct policy_opts *o, const struct policy_row *r, double ratio,
                                  double lp);
void policy_clip_metrics(const struct policy_out *out, double ratios, json_t *metrics);

double policy_row_mask(const struct policy_row *r, int t);
double policy_row_diff(const struct policy_row *r, int t); /* lp - old */
double policy_clamp(double x, double lo, double hi);

#endif
