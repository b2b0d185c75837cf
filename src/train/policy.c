/* policy.c: the losses of GRPO and its relatives, as functions of log-probabilities.
 *
 * For sequence i with advantage A, token t with mask M, log-probs lp (now), old (when sampled), ref
 * (reference): ratio     rho = exp(lp - old), or at sequence level exp(sum M (lp - old) / max(1, sum M))
 * (GSPO) grpo, bnpo, dr_grpo, dapo, luspo   l = -min(min(rho, delta) A, clip(rho, 1 - eps_low, 1 + eps_high)
 * A) cispo     l = -sg(min(rho, eps_high)) A lp sapo      l = -(4 / tau) sigmoid(tau (rho - 1)) A, tau by the
 * sign of A vespo     l = -sg(phi) A lp, log phi = lambda + k log w - lambda w, w = exp(sum M (lp - old)) KL
 * k3 = exp(ref - lp) - (ref - lp) - 1, times rho when corrected; l += beta k3 and the loss is the sum over
 * sequences of weight_i sum_t M l, with weight_i grpo, sapo 1/(n_i B a)   bnpo 1/(sum n a)   dr_grpo 1/(B L
 * a)   luspo 1/(B a)   dapo, cispo, vespo 1/N for B sequences of n_i loss tokens in a micro-step, a
 * micro-steps, N loss tokens in the optimiser step. (DeepSeekMath 2402.03300, DAPO 2503.14476, Dr. GRPO
 * 2503.20783, GSPO 2507.18071, CISPO 2506.13585; the forms are TRL's, except that N counts the step and not
 * the generation batch.) The gradient is written out by hand; tests compare it with automatic differentiation
 * in double precision. Masked tokens are never looked at.
 */
#include "train/train.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/fmath.h"

static const char *const loss_names[] = {"grpo",  "bnpo", "dr_grpo", "dapo",
                                         "cispo", "sapo", "luspo",   "vespo"};
enum { N_LOSSES = sizeof loss_names / sizeof *loss_names };

void policy_defaults(struct policy_opts *o)
{
    *o = (struct policy_opts){.loss = GRPO_DAPO,
                              .epsilon_low = 0.2,
                              .epsilon_high = 0.2,
                              .max_completion_length = 512,
                              .accumulation = 1,
                              .sapo_pos = 1.0,
                              .sapo_neg = 1.05,
                              .vespo_k = {2, 3},
                              .vespo_lambda = {3, 2}};
}

int policy_loss_type(const char *name, struct err *e)
{
    for (int i = 0; i < N_LOSSES; i++)
        if (strcmp(name, loss_names[i]) == 0) return i;
    const char *near = err_nearest(name, loss_names, N_LOSSES);
    return err_usage(
        e, "loss_type '%s' is not known%s%s; known: grpo, bnpo, dr_grpo, dapo, cispo, sapo, luspo, vespo",
        name, near ? ": did you mean " : "", near ? near : "");
}

void policy_out_init(struct policy_out *out)
{
    *out = (struct policy_out){.clip_low_min = -1, .clip_high_max = -1};
}

static double at_least(double x, double least)
{
    return x > least ? x : least;
}

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static double mask_sum(const double *mask, int n)
{
    double sum = 0;
    if (!mask) return n;
    for (int t = 0; t < n; t++) sum += mask[t];
    return sum;
}

void policy_weights(const struct policy_batch *b, const struct policy_opts *o, double *weights)
{
    double tokens = 0, rows = b->n, steps = at_least(o->accumulation, 1);
    const double *mask = b->mask;
    for (int i = 0; i < b->n; i++) {
        double count = mask_sum(mask, b->lengths[i]);
        if (mask) mask += b->lengths[i];
        weights[i] = 1.0 / (at_least(count, 1) * rows * steps);
        tokens += count;
    }
    double all = 0;
    switch (o->loss) {
    case GRPO_GRPO:
    case GRPO_SAPO: return;
    case GRPO_BNPO: all = at_least(tokens, 1) * steps; break;
    case GRPO_DR_GRPO: all = rows * o->max_completion_length * steps; break;
    case GRPO_LUSPO: all = rows * steps; break;
    case GRPO_DAPO:
    case GRPO_CISPO:
    case GRPO_VESPO: all = at_least(o->n_tokens > 0 ? o->n_tokens : tokens, 1); break;
    }
    for (int i = 0; i < b->n; i++) weights[i] = 1.0 / all;
}

/* One sequence: pointers to its first token. */
struct row {
    int n;
    const double *logp, *old, *ref, *mask;
    double *grad;
    double advantage, weight, tokens;
};

static double row_mask(const struct row *r, int t)
{
    return r->mask ? r->mask[t] : 1.0;
}

static double row_diff(const struct row *r, int t)
{
    return r->old ? r->logp[t] - r->old[t] : 0.0;
}

/* l and its derivative by the ratio (by lp itself for cispo and vespo, whose ratio is held fixed). */
struct term {
    double value, slope;
    bool direct;
    bool low, high; /* clipped */
};

static struct term clipped_term(const struct policy_opts *o, double a, double ratio)
{
    double lo = 1 - o->epsilon_low, hi = 1 + o->epsilon_high;
    bool capped = o->delta > 0 && ratio > o->delta;
    double free_ratio = capped ? o->delta : ratio;
    double l1 = free_ratio * a, l2 = clamp(ratio, lo, hi) * a;
    double g1 = capped ? 0 : a, g2 = ratio >= lo && ratio <= hi ? a : 0;
    struct term out = {.low = free_ratio < lo && a<0, .high = free_ratio> hi && a > 0};
    out.value = l1 < l2 ? -l1 : -l2;
    out.slope = l1 < l2   ? -g1
                : l1 > l2 ? -g2
                          : -(g1 + g2) / 2; /* on a tie both carry half, as autograd has it */
    return out;
}

static struct term row_term(const struct policy_opts *o, const struct row *r, double ratio, double lp,
                            double phi)
{
    double a = r->advantage;
    if (o->loss == GRPO_CISPO || o->loss == GRPO_VESPO) {
        double held = o->loss == GRPO_VESPO ? phi : ratio < o->epsilon_high ? ratio : o->epsilon_high;
        return (struct term){.value = -held * a * lp,
                             .slope = -held * a,
                             .direct = true,
                             .high = o->loss == GRPO_CISPO && ratio > o->epsilon_high && a > 0};
    }
    if (o->loss == GRPO_SAPO) {
        double tau = a > 0 ? o->sapo_pos : o->sapo_neg;
        double gate = 1 / (1 + fm_exp(-tau * (ratio - 1)));
        return (struct term){.value = -4 / tau * gate * a, .slope = -4 * gate * (1 - gate) * a};
    }
    return clipped_term(o, a, ratio);
}

/* vespo's weight of a sequence, from the sum of its log-ratios. */
static double row_phi(const struct policy_opts *o, const struct row *r)
{
    const double log_min = -18.420680743952367; /* log 1e-8 */
    double sum = 0;
    for (int t = 0; t < r->n; t++)
        if (row_mask(r, t) != 0) sum += row_mask(r, t) * clamp(row_diff(r, t), -20, 20);
    double log_w = clamp(sum, log_min, 20);
    int side = r->advantage >= 0 ? 0 : 1;
    double lambda = at_least(o->vespo_lambda[side], 1e-4);
    double phi = fm_exp(lambda + o->vespo_k[side] * log_w - lambda * fm_exp(log_w));
    return isfinite(phi) ? phi : 0;
}

static void count_clips(const struct policy_opts *o, double low, double high, double count,
                        struct policy_out *out)
{
    if (o->loss == GRPO_CISPO) {
        out->cispo_clip += high;
    } else {
        out->clip_low += low;
        out->clip_high += high;
        if (count > 0 && (out->clip_low_min < 0 || low / count < out->clip_low_min))
            out->clip_low_min = low / count;
        if (count > 0 && high / count > out->clip_high_max) out->clip_high_max = high / count;
    }
    out->n_ratios += o->sequence_level ? 1 : count;
}

static double track_ratio(double log_ratio, struct policy_out *out)
{
    double ratio = fm_exp(log_ratio);
    out->max_ratio_error = at_least(fabs(ratio - 1), out->max_ratio_error);
    return ratio;
}

/* Adds beta KL of token t to *value and *slope (by lp); returns the KL. share: what of the ratio's derivative
 * falls on this token; at sequence level the corrected KL's pull through the ratio is left to the caller. */
static double add_kl(const struct policy_opts *o, const struct row *r, int t, double ratio, double *value,
                     double *slope)
{
    double gap = r->ref[t] - r->logp[t], e = fm_exp(gap), kl = e - gap - 1, down = 1 - e;
    if (o->kl_correction) {
        down = ratio * down + (o->sequence_level ? 0 : ratio * kl);
        kl *= ratio;
    }
    *value += o->beta * kl;
    *slope += o->beta * down;
    return kl;
}

static void row_loss(const struct policy_opts *o, const struct row *r, struct policy_out *out)
{
    double log_ratio = 0, ratio = 1, low = 0, high = 0, kl_sum = 0, through = 0;
    double phi = o->loss == GRPO_VESPO ? row_phi(o, r) : 0;
    if (o->sequence_level) {
        for (int t = 0; t < r->n; t++)
            if (row_mask(r, t) != 0) log_ratio += row_mask(r, t) * row_diff(r, t);
        ratio = track_ratio(log_ratio / at_least(r->tokens, 1), out);
    }
    for (int t = 0; t < r->n; t++) {
        double mask = row_mask(r, t);
        r->grad[t] = 0;
        if (mask == 0) continue;
        if (!o->sequence_level) ratio = track_ratio(row_diff(r, t), out);
        struct term l = row_term(o, r, ratio, r->logp[t], phi);
        double slope = l.direct ? l.slope : o->sequence_level ? 0 : l.slope * ratio;
        if (!l.direct) through += mask * l.slope * ratio;
        if (r->ref) {
            double kl = add_kl(o, r, t, ratio, &l.value, &slope);
            kl_sum += mask * kl;
            if (o->kl_correction) through += mask * o->beta * kl;
        }
        out->loss += r->weight * mask * l.value;
        r->grad[t] = r->weight * mask * slope;
        low += mask * l.low;
        high += mask * l.high;
    }
    if (o->sequence_level)
        for (int t = 0; t < r->n; t++)
            r->grad[t] += r->weight * through * row_mask(r, t) / at_least(r->tokens, 1);
    if (o->sequence_level && r->tokens > 0) low /= r->tokens, high /= r->tokens;
    count_clips(o, low, high, o->sequence_level ? 1 : r->tokens, out);
    out->kl += kl_sum;
    out->phi += phi;
    out->n_tokens += r->tokens;
    out->n_rows += 1;
}

// NOLINTNEXTLINE(readability-non-const-parameter): grad is written through the rows
void policy_loss(const struct policy_batch *b, const struct policy_opts *o, double *grad,
                 struct policy_out *out)
{
    CHECK(o->beta == 0 || b->ref, "beta %g needs reference log-probs", o->beta);
    CHECK(b->weights, "policy_loss needs the weights of policy_weights (%d sequences)", b->n);
    size_t at = 0;
    for (int i = 0; i < b->n; i++) {
        struct row r = {.n = b->lengths[i],
                        .logp = b->logp + at,
                        .old = b->old ? b->old + at : NULL,
                        .ref = b->ref && o->beta != 0 ? b->ref + at : NULL,
                        .mask = b->mask ? b->mask + at : NULL,
                        .grad = grad + at,
                        .advantage = b->advantages[i],
                        .weight = b->weights[i]};
        r.tokens = mask_sum(r.mask, r.n);
        row_loss(o, &r, out);
        at += (size_t)r.n;
    }
}
