/* advantages.c: from rewards to advantages, relative to the group (Shao et al. 2024, DeepSeekMath).
 *
 * r_i = sum_k w_k R_ik over the rewards that judged completion i (None, here NaN, is left out: it is not
 * zero); A_i = r_i - mean of its group, divided by (s + 1e-4) with s the sample standard deviation of the
 * group (scale "group"), of the whole generation batch ("batch"), or not at all ("none": Dr. GRPO).
 * normalize_then_sum (GDPO): each reward is normalised in its group first, the weighted sum over the batch
 * after. A completion that nothing judged has advantage 0 and no say in mean and deviation. A group whose
 * rewards are all equal has mean exactly that value, so that its advantages are exactly 0.
 */
#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fmath.h"

static const double NORM_EPS = 1e-4; /* TRL's, beside the deviation */
static const double ZERO_STD = 1e-8; /* below this a deviation counts as none, in the metric */

struct nan_stats nan_stats(const double *v, int n, int stride)
{
    struct nan_stats s = {.mean = NAN, .std = NAN};
    double sum = 0, least = INFINITY, most = -INFINITY, squares = 0;
    for (int i = 0; i < n; i++) {
        double x = v[(size_t)i * (size_t)stride];
        if (isnan(x)) continue;
        s.n++;
        sum += x;
        if (x < least) least = x;
        if (x > most) most = x;
    }
    if (s.n == 0) return s;
    s.mean = least == most ? least : sum / s.n;
    for (int i = 0; i < n; i++) {
        double d = v[(size_t)i * (size_t)stride] - s.mean;
        if (!isnan(d)) squares += d * d;
    }
    if (s.n > 1) s.std = fm_sqrt(squares / (s.n - 1));
    return s;
}

static double weight_of(const struct advantage_opts *o, int k)
{
    return o->weights ? o->weights[k] : 1.0;
}

/* Weighted sum of row i over the columns that are numbers; NaN when none is. */
static double weighted(const double *row, const struct advantage_opts *o)
{
    double sum = 0;
    int judged = 0;
    for (int k = 0; k < o->n_funcs; k++)
        if (!isnan(row[k])) {
            sum += weight_of(o, k) * row[k];
            judged++;
        }
    return judged ? sum : NAN;
}

static double scaled(double centred, double std)
{
    double a = centred / (std + NORM_EPS);
    return isnan(a) ? 0 : a;
}

static int by_group(const struct advantage_opts *o, const double *totals, double *out)
{
    struct nan_stats all = nan_stats(totals, o->n, 1);
    bool batch = strcmp(o->scale, "batch") == 0, none = strcmp(o->scale, "none") == 0;
    int zero = 0;
    for (int at = 0; at < o->n; at += o->group) {
        struct nan_stats g = nan_stats(totals + at, o->group, 1);
        double std = batch ? all.std : g.std;
        for (int i = at; i < at + o->group; i++) {
            double centred = totals[i] - g.mean;
            out[i] = none ? (isnan(centred) ? 0 : centred) : scaled(centred, std);
            zero += std <= ZERO_STD;
        }
    }
    return zero;
}

static int by_reward(const double *rewards, const struct advantage_opts *o, const double *totals, double *out)
{
    int k_n = o->n_funcs, zero = 0;
    double *row = alloc_or_die((size_t)k_n * sizeof *row);
    for (int at = 0; at < o->n; at += o->group)
        for (int i = at; i < at + o->group; i++) {
            for (int k = 0; k < k_n; k++) {
                struct nan_stats g = nan_stats(rewards + (size_t)at * (size_t)k_n + k, o->group, k_n);
                row[k] = (rewards[(size_t)i * (size_t)k_n + (size_t)k] - g.mean) / (g.std + NORM_EPS);
            }
            double sum = weighted(row, o);
            out[i] = isnan(totals[i]) ? NAN : isnan(sum) ? 0 : sum;
        }
    struct nan_stats all = nan_stats(out, o->n, 1);
    for (int i = 0; i < o->n; i++) {
        out[i] = scaled(out[i] - all.mean, all.std);
        zero += all.std <= ZERO_STD;
    }
    free(row);
    return zero;
}

int advantages(const double *rewards, const struct advantage_opts *o, double *totals, double *out,
               struct advantage_out *stats, struct err *e)
{
    if (o->group < 1 || o->n % o->group != 0)
        return err_usage(e, "%d completions do not form whole groups of %d (num_generations)", o->n,
                         o->group);
    if (!o->normalize_then_sum && strcmp(o->scale, "group") != 0 && strcmp(o->scale, "batch") != 0 &&
        strcmp(o->scale, "none") != 0)
        return err_usage(
            e, "scale_rewards is '%s'; expected group, batch or none (true and false are group and none)",
            o->scale);
    for (int i = 0; i < o->n; i++) totals[i] = weighted(rewards + (size_t)i * (size_t)o->n_funcs, o);
    int zero = o->normalize_then_sum ? by_reward(rewards, o, totals, out) : by_group(o, totals, out);
    struct nan_stats all = nan_stats(totals, o->n, 1);
    stats->reward_mean = all.mean;
    stats->reward_std = all.std;
    stats->frac_zero_std = (double)zero / o->n;
    return 0;
}
