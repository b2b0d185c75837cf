/* loss_vespo.c: the log-probability weighed by a smooth function of the whole sequence's ratio, which is 1 at
 * ratio 1 and falls on both sides. */
#include <math.h>

#include "base/fmath.h"
#include "train/policy_int.h"

static double vespo_hold(const struct policy_opts *o, const struct policy_row *r)
{
    const double log_min = -18.420680743952367; /* log 1e-8 */
    double sum = 0;
    for (int t = 0; t < r->n; t++)
        if (policy_row_mask(r, t) != 0)
            sum += policy_row_mask(r, t) * policy_clamp(policy_row_diff(r, t), -20, 20);
    double log_w = policy_clamp(sum, log_min, 20);
    int side = r->advantage >= 0 ? 0 : 1;
    double lambda = o->vespo_lambda[side] > 1e-4 ? o->vespo_lambda[side] : 1e-4;
    double phi = fm_exp(lambda + o->vespo_k[side] * log_w - lambda * fm_exp(log_w));
    return isfinite(phi) ? phi : 0;
}

static struct policy_term vespo_term(const struct policy_opts *o, const struct policy_row *r, double ratio,
                                     double lp)
{
    (void)o, (void)ratio;
    double held = r->held * r->advantage;
    return (struct policy_term){.value = -held * lp, .slope = -held};
}

static void vespo_metrics(const struct policy_out *out, double ratios, json_t *metrics)
{
    (void)ratios;
    json_object_set_new(metrics, "vespo/phi_seq_mean", number_json(out->held / out->n_rows));
}

const struct grpo_loss loss_vespo = {
    .name = "vespo",
    .formula = "l = -sg(phi) A lp, log phi = lambda + k log w - lambda w, w = exp(sum M (lp - old)); mean "
               "over the tokens of the optimiser step",
    .source = "VESPO, arXiv 2602.10693",
    .mean = POLICY_STEP_TOKENS,
    .direct = true,
    .hold = vespo_hold,
    .term = vespo_term,
    .metrics = vespo_metrics,
};
