/* loss_dr_grpo.c: the clipped term over a constant length, so that long wrong answers are not favoured. */
#include "train/policy_int.h"

const struct grpo_loss loss_dr_grpo = {
    .name = "dr_grpo",
    .formula = "l = -min(min(rho, delta) A, clip(rho, 1 - epsilon, 1 + epsilon_high) A); sum over tokens, "
               "divided by completions x max_completion_length",
    .source = "Dr. GRPO, arXiv 2503.20783",
    .mean = POLICY_LONGEST,
    .term = policy_clipped,
    .metrics = policy_clip_metrics,
};
