/* loss_dapo.c: the clipped term, every token of the optimiser step weighing the same. */
#include "train/policy_int.h"

const struct grpo_loss loss_dapo = {
    .name = "dapo",
    .formula = "l = -min(min(rho, delta) A, clip(rho, 1 - epsilon, 1 + epsilon_high) A); mean over the "
               "tokens of the optimiser step",
    .source = "DAPO, arXiv 2503.14476",
    .mean = POLICY_STEP_TOKENS,
    .term = policy_clipped,
    .metrics = policy_clip_metrics,
};
