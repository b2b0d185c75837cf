/* policy.c: the losses of GRPO and its relatives, as functions of log-probabilities.
 *
 * For sequence i with advantage A, token t with mask M, log-probs lp (now), old (when sampled), ref
 * (reference), entropy H:
 *
 *   ratio    rho = exp(lp - old), or at sequence level exp(sum M (lp - old) / max(1, sum M)) (GSPO)
 *   term     l of rho and A, by the loss (loss_*.c)
 *   masks    l counts 0 in a sequence with A < 0 whose mean of old - lp is above a threshold (DeepSeek-V3.2,
 *            arXiv 2512.02556), and in tokens whose entropy is not among the highest share of the step
 *            (arXiv 2506.01939)
 *   KL       k3 = exp(ref - lp) - (ref - lp) - 1, times rho when corrected; l += beta k3
 *   loss     sum_i weight_i sum_t M l, minus coef sum_i entropy_weight_i sum_t M' H
 *
 * with weight_i by the loss's mean, M' = M without the tokens of low entropy, and entropy_weight_i
 * 1 / (a sum M') over the a micro-steps of the optimiser step. The forms are TRL's. Two things are counted
 * over the optimiser step where TRL's counts follow how it is cut up: N of a mean over its tokens, and the
 * quantile of the entropies; so the cut changes nothing. The gradient is written out by hand; tests compare
 * it with automatic differentiation in double precision. Masked tokens are never looked at.
 */
#include "train/policy_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fmath.h"

#define LOSS(name) extern const struct grpo_loss loss_##name;
#include "train/loss_list.h"
#undef LOSS

static const struct grpo_loss *const losses[] = {
#define LOSS(name) &loss_##name,
#include "train/loss_list.h"
#undef LOSS
};
enum { N_LOSSES = sizeof losses / sizeof *losses };

const struct grpo_loss *policy_loss_find(const char *name, struct err *e)
{
    const char *names[N_LOSSES];
    for (int i = 0; i < N_LOSSES; i++) {
        if (strcmp(name, losses[i]->name) == 0) return losses[i];
        names[i] = losses[i]->name;
    }
    err_unknown(e, "loss_type", name, names, N_LOSSES);
    return NULL;
}

const struct grpo_loss *policy_loss_at(int i)
{
    return i < N_LOSSES ? losses[i] : NULL;
}

const char *policy_loss_name(const struct grpo_loss *loss)
{
    return loss->name;
}

void policy_defaults(struct policy_opts *o)
{
    *o = (struct policy_opts){.loss = &loss_dapo,
                              .epsilon_low = 0.2,
                              .epsilon_high = 0.2,
                              .max_completion_length = 512,
                              .accumulation = 1,
                              .top_entropy = 1,
                              .off_policy = INFINITY,
                              .sapo_pos = 1.0,
                              .sapo_neg = 1.05,
                              .vespo_k = {2, 3},
                              .vespo_lambda = {3, 2}};
}

/* Clip ranges that hardly can be meant. */
static void say_range(const struct policy_opts *o)
{
    const char *name = o->loss->name;
    if (o->loss == &loss_cispo && o->epsilon_high < 1)
        log_warn("loss_type cispo caps the ratio at epsilon_high itself, and %g is below the 1 that every "
                 "ratio begins at: all tokens weigh %g. CISPO takes about 5",
                 o->epsilon_high, o->epsilon_high);
    if (o->loss != &loss_cispo && o->epsilon_high < o->epsilon_low)
        log_warn("epsilon_high %g is below epsilon %g: likely tokens are held closer than unlikely ones, the "
                 "opposite of clip-higher (0.28)",
                 o->epsilon_high, o->epsilon_low);
    if (o->delta > 0 && o->loss->term != policy_clipped)
        log_warn("delta has no effect on loss_type %s", name);
    else if (o->delta > 0 && o->delta <= 1 + o->epsilon_high)
        log_warn("delta %g is not above 1 + epsilon_high %g: it clips before the clip range does", o->delta,
                 1 + o->epsilon_high);
}

void policy_say(const struct policy_opts *o)
{
    const struct grpo_loss *l = o->loss;
    bool by_token =
        l->mean == POLICY_MICRO_TOKENS || l->mean == POLICY_LONGEST || l->mean == POLICY_STEP_TOKENS;
    log_info("loss %s: %s (%s)", l->name, l->formula, l->source);
    say_range(o);
    if (o->sequence_level && l == &loss_vespo)
        log_warn("loss_type vespo has a weight of the whole sequence of its own: importance_sampling_level "
                 "sequence adds nothing to it");
    else if (o->sequence_level && by_token)
        log_warn("loss_type %s sums over tokens: with importance_sampling_level sequence, long completions "
                 "weigh more",
                 l->name);
    if (!o->sequence_level && l->mean == POLICY_SEQUENCE_TOTALS)
        log_warn("loss_type %s is meant for importance_sampling_level sequence", l->name);
}

bool policy_starts_at_zero(const struct policy_opts *o)
{
    return !o->loss->direct && o->entropy_coef == 0;
}

void policy_out_init(struct policy_out *out)
{
    *out = (struct policy_out){.clip_low_min = -1, .clip_high_max = -1};
}

static double at_least(double x, double least)
{
    return x > least ? x : least;
}

double policy_clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* ---- weights --------------------------------------------------------------------------------------- */

static double mask_sum(const double *mask, int n)
{
    double sum = 0;
    if (!mask) return n;
    for (int t = 0; t < n; t++) sum += mask[t];
    return sum;
}

/* The same over the tokens that are kept too. */
static double kept_sum(const double *mask, const double *keep, int n)
{
    double sum = 0;
    if (!keep) return mask_sum(mask, n);
    for (int t = 0; t < n; t++) sum += mask ? mask[t] * keep[t] : keep[t];
    return sum;
}

void policy_weights(const struct policy_batch *b, const struct policy_opts *o, double *weights,
                    double *entropy_weights)
{
    double tokens = 0, kept = 0, rows = b->n, steps = at_least(o->accumulation, 1);
    size_t at = 0;
    for (int i = 0; i < b->n; i++) {
        const double *mask = b->mask ? b->mask + at : NULL, *keep = b->keep ? b->keep + at : NULL;
        double count = mask_sum(mask, b->lengths[i]);
        weights[i] = 1.0 / (at_least(count, 1) * rows * steps);
        tokens += count;
        kept += kept_sum(mask, keep, b->lengths[i]);
        at += (size_t)b->lengths[i];
    }
    double all = 0;
    switch (o->loss->mean) {
    case POLICY_SEQUENCES: break;
    case POLICY_MICRO_TOKENS: all = at_least(tokens, 1) * steps; break;
    case POLICY_LONGEST: all = rows * o->max_completion_length * steps; break;
    case POLICY_SEQUENCE_TOTALS: all = rows * steps; break;
    case POLICY_STEP_TOKENS: all = at_least(o->n_tokens > 0 ? o->n_tokens : tokens, 1); break;
    }
    for (int i = 0; i < b->n; i++) {
        if (all > 0) weights[i] = 1.0 / all;
        entropy_weights[i] = 1.0 / (at_least(kept, 1) * steps);
    }
}

/* ---- the tokens of highest entropy ------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The q-quantile of n ascending values, linear between neighbours. A rank that is whole but for rounding
 * (1 - 0.7 is not quite 0.3) is whole. */
static double quantile(const double *sorted, size_t n, double q)
{
    double rank = q * (double)(n - 1), whole = floor(rank + 0.5);
    if (fabs(rank - whole) > 1e-6) whole = floor(rank);
    size_t low = (size_t)whole;
    double share = rank - whole > 1e-6 ? rank - whole : 0;
    return share > 0 ? sorted[low] + share * (sorted[low + 1] - sorted[low]) : sorted[low];
}

void policy_top_entropy(const double *entropy, const double *mask, size_t n, double share, double *keep)
{
    size_t count = 0;
    for (size_t t = 0; t < n; t++)
        if (!mask || mask[t] != 0) keep[count++] = entropy[t];
    if (count == 0) {
        for (size_t t = 0; t < n; t++) keep[t] = 0;
        return;
    }
    qsort(keep, count, sizeof *keep, ascending);
    double least = quantile(keep, count, 1 - share);
    for (size_t t = 0; t < n; t++) keep[t] = (!mask || mask[t] != 0) && entropy[t] >= least;
}

/* ---- the adaptive coefficient -------------------------------------------------------------------------- */

bool entropy_control_on(const struct entropy_control *c)
{
    return c->adaptive || c->coef != 0;
}

double entropy_control_applied(const struct entropy_control *c)
{
    return !c->adaptive || c->last <= c->target ? c->coef : 0;
}

/* ---- one sequence ------------------------------------------------------------------------------------ */

double policy_row_mask(const struct policy_row *r, int t)
{
    return r->mask ? r->mask[t] : 1.0;
}

double policy_row_diff(const struct policy_row *r, int t)
{
    return r->old ? r->logp[t] - r->old[t] : 0.0;
}

struct policy_term policy_clipped(const struct policy_opts *o, const struct policy_row *r, double ratio,
                                  double lp)
{
    (void)lp;
    double a = r->advantage;
    double lo = 1 - o->epsilon_low, hi = 1 + o->epsilon_high;
    bool capped = o->delta > 0 && ratio > o->delta;
    double free_ratio = capped ? o->delta : ratio;
    double l1 = free_ratio * a, l2 = policy_clamp(ratio, lo, hi) * a;
    double g1 = capped ? 0 : a, g2 = ratio >= lo && ratio <= hi ? a : 0;
    struct policy_term out = {.low = free_ratio < lo && a<0, .high = free_ratio> hi && a > 0};
    out.value = l1 < l2 ? -l1 : -l2;
    out.slope = l1 < l2   ? -g1
                : l1 > l2 ? -g2
                          : -(g1 + g2) / 2; /* on a tie both carry half, as autograd has it */
    return out;
}

static void count_clips(const struct policy_opts *o, double low, double high, double count,
                        struct policy_out *out)
{
    out->clip_low += low;
    out->clip_high += high;
    if (count > 0 && (out->clip_low_min < 0 || low / count < out->clip_low_min))
        out->clip_low_min = low / count;
    if (count > 0 && high / count > out->clip_high_max) out->clip_high_max = high / count;
    out->n_ratios += o->sequence_level ? 1 : count;
}

void policy_clip_metrics(const struct policy_out *out, double ratios, json_t *metrics)
{
    json_object_set_new(metrics, "clip_ratio/low_mean", number_json(out->clip_low / ratios));
    json_object_set_new(metrics, "clip_ratio/high_mean", number_json(out->clip_high / ratios));
    json_object_set_new(metrics, "clip_ratio/region_mean",
                        number_json((out->clip_low + out->clip_high) / ratios));
    json_object_set_new(metrics, "clip_ratio/low_min", number_json(at_least(out->clip_low_min, 0)));
    json_object_set_new(metrics, "clip_ratio/high_max", number_json(at_least(out->clip_high_max, 0)));
}

static double track_ratio(double log_ratio, struct policy_out *out)
{
    double ratio = fm_exp(log_ratio);
    out->max_ratio_error = at_least(fabs(ratio - 1), out->max_ratio_error);
    return ratio;
}

/* Is the sequence one to learn from still? Those with A < 0 that have become much less likely are not. */
static bool on_policy(const struct policy_opts *o, const struct policy_row *r)
{
    double drift = 0;
    if (r->advantage >= 0 || o->off_policy == INFINITY) return true;
    for (int t = 0; t < r->n; t++)
        if (policy_row_mask(r, t) != 0) drift -= policy_row_mask(r, t) * policy_row_diff(r, t);
    return drift / at_least(r->tokens, 1) <= o->off_policy;
}

/* Adds beta KL of token t to *value and *slope (by lp); returns the KL. At sequence level the corrected KL's
 * pull through the ratio is left to the caller. */
static double add_kl(const struct policy_opts *o, const struct policy_row *r, int t, double ratio,
                     double *value, double *slope)
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

/* The bonus of token t, and what it says of the step's entropy. */
static void add_entropy(const struct policy_opts *o, const struct policy_row *r, int t, double kept,
                        struct policy_out *out)
{
    out->entropy += policy_row_mask(r, t) * r->entropy[t];
    out->entropy_kept += kept * r->entropy[t];
    out->bonus += r->entropy_weight * kept * r->entropy[t];
    out->loss -= o->entropy_coef * r->entropy_weight * kept * r->entropy[t];
    r->grad_entropy[t] = -o->entropy_coef * r->entropy_weight * kept;
}

struct row_run {
    double ratio;
    bool counts; /* not left out as off-policy */
    double low, high, kl;
    double through; /* what reaches the log-probs through a ratio that they share */
};

static void row_token(const struct policy_opts *o, const struct policy_row *r, int t, struct row_run *run,
                      struct policy_out *out)
{
    double mask = policy_row_mask(r, t), kept = r->keep ? mask * r->keep[t] : mask;
    struct policy_term l = o->loss->term(o, r, run->ratio, r->logp[t]);
    run->low += mask * l.low;
    run->high += mask * l.high;
    if (!run->counts || kept == 0) l.value = 0, l.slope = 0;
    double slope = o->loss->direct ? l.slope : o->sequence_level ? 0 : l.slope * run->ratio;
    if (!o->loss->direct) run->through += mask * l.slope * run->ratio;
    if (r->ref) {
        double kl = add_kl(o, r, t, run->ratio, &l.value, &slope);
        run->kl += mask * kl;
        if (o->kl_correction) run->through += mask * o->beta * kl;
    }
    out->loss += r->weight * mask * l.value;
    out->n_kept += kept;
    r->grad[t] = r->weight * mask * slope;
    if (r->entropy) add_entropy(o, r, t, kept, out);
}

static void row_loss(const struct policy_opts *o, struct policy_row *r, struct policy_out *out)
{
    struct row_run run = {.counts = on_policy(o, r)};
    double log_ratio = 0;
    r->held = o->loss->hold ? o->loss->hold(o, r) : 0;
    if (o->sequence_level) {
        for (int t = 0; t < r->n; t++)
            if (policy_row_mask(r, t) != 0) log_ratio += policy_row_mask(r, t) * policy_row_diff(r, t);
        run.ratio = track_ratio(log_ratio / at_least(r->tokens, 1), out);
    }
    for (int t = 0; t < r->n; t++) {
        r->grad[t] = 0;
        if (r->grad_entropy) r->grad_entropy[t] = 0;
        if (policy_row_mask(r, t) == 0) continue;
        if (!o->sequence_level) run.ratio = track_ratio(policy_row_diff(r, t), out);
        row_token(o, r, t, &run, out);
    }
    if (o->sequence_level)
        for (int t = 0; t < r->n; t++)
            r->grad[t] += r->weight * run.through * policy_row_mask(r, t) / at_least(r->tokens, 1);
    if (o->sequence_level && r->tokens > 0) run.low /= r->tokens, run.high /= r->tokens;
    count_clips(o, run.low, run.high, o->sequence_level ? 1 : r->tokens, out);
    out->kl += run.kl;
    out->held += r->held;
    out->n_dropped += !run.counts;
    out->n_tokens += r->tokens;
    out->n_rows += 1;
}

// NOLINTBEGIN(readability-non-const-parameter): the gradients are written through the rows
void policy_loss(const struct policy_batch *b, const struct policy_opts *o, double *grad,
                 double *grad_entropy, struct policy_out *out)
{
    CHECK(o->beta == 0 || b->ref, "beta %g needs reference log-probs", o->beta);
    CHECK(o->entropy_coef == 0 || b->entropy, "an entropy bonus of %g needs entropies", o->entropy_coef);
    CHECK(b->weights, "policy_loss needs the weights of policy_weights (%d sequences)", b->n);
    size_t at = 0;
    for (int i = 0; i < b->n; i++) {
        struct policy_row r = {.n = b->lengths[i],
                               .logp = b->logp + at,
                               .old = b->old ? b->old + at : NULL,
                               .ref = b->ref && o->beta != 0 ? b->ref + at : NULL,
                               .mask = b->mask ? b->mask + at : NULL,
                               .keep = b->keep ? b->keep + at : NULL,
                               .entropy = b->entropy ? b->entropy + at : NULL,
                               .grad = grad + at,
                               .grad_entropy = b->entropy ? grad_entropy + at : NULL,
                               .advantage = b->advantages[i],
                               .weight = b->weights[i],
                               .entropy_weight = b->entropy ? b->entropy_weights[i] : 0};
        r.tokens = mask_sum(r.mask, r.n);
        row_loss(o, &r, out);
        at += (size_t)r.n;
    }
}
// NOLINTEND(readability-non-const-parameter)

/* ---- metrics ----------------------------------------------------------------------------------------- */

void policy_metrics(const struct policy_out *out, const struct policy_opts *o, json_t *metrics)
{
    double tokens = at_least(out->n_tokens, 1), ratios = at_least(out->n_ratios, 1);
    if (o->beta != 0) json_object_set_new(metrics, "kl", number_json(out->kl / tokens));
    if (o->loss->metrics) o->loss->metrics(out, ratios, metrics);
    if (o->off_policy != INFINITY)
        json_object_set_new(metrics, "off_policy_masked_ratio",
                            number_json(out->n_dropped / at_least(out->n_rows, 1)));
    if (o->top_entropy < 1)
        json_object_set_new(metrics, "entropy_kept_ratio", number_json(out->n_kept / tokens));
}

void entropy_control_end(struct entropy_control *c, const struct policy_out *out, double applied,
                         json_t *metrics)
{
    if (!entropy_control_on(c)) return;
    double entropy = out->entropy_kept / at_least(out->n_kept, 1);
    if (c->adaptive) {
        double next = entropy <= c->target ? c->coef + c->delta : c->coef - c->delta;
        c->coef = entropy <= c->target ? (next < c->max ? next : c->max) : at_least(next, c->min);
        c->last = entropy;
    }
    json_object_set_new(metrics, "policy_loss", number_json(out->loss + applied * out->bonus));
    json_object_set_new(metrics, "entropy_coef", number_json(c->coef));
}
