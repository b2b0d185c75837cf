/* loss_sapo.c: a soft gate around ratio 1 in place of the clip, narrower for negative advantages. */
#include "base/fmath.h"
#include "train/policy_int.h"

static struct policy_term sapo_term(const struct policy_opts *o, const struct policy_row *r, double ratio,
                                    double lp)
{
    (void)lp;
    double a = r->advantage, tau = a > 0 ? o->sapo_pos : o->sapo_neg;
    double gate = 1 / (1 + fm_exp(-tau * (ratio - 1)));
    return (struct policy_term){.value = -4 / tau * gate * a, .slope = -4 * gate * (1 - gate) * a};
}

const struct grpo_loss loss_sapo = {
    .name = "sapo",
    .formula = "l = -(4 / tau) sigmoid(tau (rho - 1)) A, tau by the sign of A; mean over completions of the "
               "mean over their tokens",
    .source = "SAPO, arXiv 2511.20347",
    .mean = POLICY_SEQUENCES,
    .term = sapo_term,
};
