/* loss_bnpo.c: the clipped term, every token of a micro-step weighing the same. */
#include "train/policy_int.h"

const struct grpo_loss loss_bnpo = {
    .name = "bnpo",
    .formula = "l = -min(min(rho, delta) A, clip(rho, 1 - epsilon, 1 + epsilon_high) A); mean over the "
               "tokens of a micro-step, then over micro-steps",
    .source = "TRL's own name for the token mean of a micro-batch",
    .mean = POLICY_MICRO_TOKENS,
    .term = policy_clipped,
    .metrics = policy_clip_metrics,
};
