/* loss_cispo.c: the ratio, capped from above, only weighs the log-probability: no token loses its gradient.
 * epsilon_high is the cap itself here, not a distance from 1. */
#include "train/policy_int.h"

static struct policy_term cispo_term(const struct policy_opts *o, const struct policy_row *r, double ratio,
                                     double lp)
{
    double a = r->advantage, held = ratio < o->epsilon_high ? ratio : o->epsilon_high;
    return (struct policy_term){
        .value = -held * a * lp, .slope = -held * a, .high = ratio > o->epsilon_high && a > 0};
}

static void cispo_metrics(const struct policy_out *out, double ratios, json_t *metrics)
{
    json_object_set_new(metrics, "cispo_clip_ratio", number_json(out->clip_high / ratios));
}

const struct grpo_loss loss_cispo = {
    .name = "cispo",
    .formula = "l = -sg(min(rho, epsilon_high)) A lp; mean over the tokens of the optimiser step",
    .source = "CISPO (MiniMax-M1), arXiv 2506.13585",
    .mean = POLICY_STEP_TOKENS,
    .direct = true,
    .term = cispo_term,
    .metrics = cispo_metrics,
};
