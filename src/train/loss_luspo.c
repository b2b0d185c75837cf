/* loss_luspo.c: the clipped term, a completion weighing as much as it is long (with sequence ratios). */
#include "train/policy_int.h"

const struct grpo_loss loss_luspo = {
    .name = "luspo",
    .formula = "l = -min(min(rho, delta) A, clip(rho, 1 - epsilon, 1 + epsilon_high) A); mean over "
               "completions of the sum over their tokens",
    .source = "LUSPO, arXiv 2602.05261",
    .mean = POLICY_SEQUENCE_TOTALS,
    .term = policy_clipped,
    .metrics = policy_clip_metrics,
};
