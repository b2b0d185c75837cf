/* loss_grpo.c: the clipped term, every completion weighing the same. */
#include "train/policy_int.h"

const struct grpo_loss loss_grpo = {
    .name = "grpo",
    .formula = "l = -min(min(rho, delta) A, clip(rho, 1 - epsilon, 1 + epsilon_high) A); mean over "
               "completions of the mean over their tokens",
    .source = "DeepSeekMath, arXiv 2402.03300",
    .mean = POLICY_SEQUENCES,
    .term = policy_clipped,
    .metrics = policy_clip_metrics,
};
