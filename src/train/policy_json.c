/* policy_json.c: the losses of policy.c on numbers that a user writes down.
 *
 * What `openr1 loss grpo` does with one line: the configuration by TRL's names, rows of log-probs (ragged, or
 * padded with a mask), and advantages, or rewards to form them from. Everything is checked here, so that
 * policy.c sees only arrays of the right size.
 */
#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

enum { ROWS_MAX = 1 << 16, TOKENS_MAX = 1 << 24, FUNCS_MAX = 256 };

struct record {
    struct policy_opts opts;
    struct policy_batch batch;
    int *lengths;
    double *logp, *old, *ref, *mask, *advantages, *weights, *totals, *grad;
    size_t n_tokens;
    struct advantage_out stats;
    bool from_rewards;
};

static void record_release(struct record *r)
{
    free(r->lengths);
    free(r->logp);
    free(r->old);
    free(r->ref);
    free(r->mask);
    free(r->advantages);
    free(r->weights);
    free(r->totals);
    free(r->grad);
}

static int read_number(const json_t *v, const char *field, double *out, struct err *e)
{
    if (!json_is_number(v) && !json_is_boolean(v)) return err_set(e, "%s: expected numbers", field);
    *out = json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
    return 0;
}

/* A list of n lists with the lengths already known into one new array; absent or null: *out stays NULL. */
static int read_rows(const json_t *record, const char *field, const struct record *r, double **out,
                     struct err *e)
{
    const json_t *rows = json_object_get(record, field);
    if (!rows || json_is_null(rows)) return 0;
    if (!json_is_array(rows) || json_array_size(rows) != (size_t)r->batch.n)
        return err_set(e, "%s: expected a list of %d lists, one for each of logps", field, r->batch.n);
    *out = alloc_zero(r->n_tokens + 1, sizeof **out);
    size_t at = 0;
    for (int i = 0; i < r->batch.n; i++) {
        const json_t *row = json_array_get(rows, (size_t)i);
        if (!json_is_array(row) || json_array_size(row) != (size_t)r->lengths[i])
            return err_set(e, "%s[%d]: expected a list of %d numbers, as logps[%d] has", field, i,
                           r->lengths[i], i);
        for (int t = 0; t < r->lengths[i]; t++)
            if (read_number(json_array_get(row, (size_t)t), field, &(*out)[at++], e)) return -1;
    }
    return 0;
}

static int read_shape(const json_t *record, struct record *r, struct err *e)
{
    const json_t *rows = json_object_get(record, "logps");
    size_t n = json_array_size(rows);
    if (!json_is_array(rows) || n == 0 || n > ROWS_MAX)
        return err_set(e, "logps: expected a list of 1 to %d lists of numbers", ROWS_MAX);
    r->batch.n = (int)n;
    r->lengths = alloc_zero(n, sizeof *r->lengths);
    for (size_t i = 0; i < n; i++) {
        size_t length = json_array_size(json_array_get(rows, i));
        if (!json_is_array(json_array_get(rows, i)) || length > TOKENS_MAX - r->n_tokens)
            return err_set(e, "logps[%zu]: expected a list of numbers, at most %d in all", i, TOKENS_MAX);
        r->lengths[i] = (int)length;
        r->n_tokens += length;
    }
    r->batch.lengths = r->lengths;
    return 0;
}

static int read_opts(const json_t *config, struct policy_opts *o, struct err *e)
{
    long length = 0;
    policy_defaults(o);
    const char *level = json_str_or(config, "importance_sampling_level", "token");
    int loss = policy_loss_type(json_str_or(config, "loss_type", "dapo"), e);
    if (loss < 0) return -1;
    o->loss = (enum grpo_loss)loss;
    o->sequence_level = strcmp(level, "sequence") == 0;
    if (!o->sequence_level && strcmp(level, "token") != 0)
        return err_set(e, "importance_sampling_level is '%s'; expected token or sequence", level);
    if (json_get_int_or(config, "max_completion_length", o->max_completion_length, &length, e)) return -1;
    if (length < 1 || length > TOKENS_MAX) return err_set(e, "max_completion_length is %ld", length);
    o->max_completion_length = (int)length;
    const struct {
        const char *key;
        double *value;
    } reals[] = {{"epsilon", &o->epsilon_low},
                 {"delta", &o->delta},
                 {"beta", &o->beta},
                 {"sapo_temperature_pos", &o->sapo_pos},
                 {"sapo_temperature_neg", &o->sapo_neg},
                 {"vespo_k_pos", &o->vespo_k[0]},
                 {"vespo_k_neg", &o->vespo_k[1]},
                 {"vespo_lambda_pos", &o->vespo_lambda[0]},
                 {"vespo_lambda_neg", &o->vespo_lambda[1]}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (json_get_real_or(config, reals[i].key, *reals[i].value, reals[i].value, e)) return -1;
    if (json_get_real_or(config, "epsilon_high", o->epsilon_low, &o->epsilon_high, e)) return -1;
    return json_get_bool_or(config, "use_bias_correction_kl", false, &o->kl_correction, e);
}

/* rewards: a number or null a completion, or a list of them a completion (one a reward function). */
static int read_reward_matrix(const json_t *rewards, int n, double **out, int *n_funcs, struct err *e)
{
    if (!json_is_array(rewards) || json_array_size(rewards) != (size_t)n)
        return err_set(e, "rewards: expected a list of %d, one for each of logps", n);
    const json_t *first = json_array_get(rewards, 0);
    size_t width = json_is_array(first) ? json_array_size(first) : 1;
    if (width < 1 || width > FUNCS_MAX)
        return err_set(e, "rewards: expected 1 to %d rewards a completion", FUNCS_MAX);
    *out = alloc_zero((size_t)n * width, sizeof **out);
    *n_funcs = (int)width;
    for (size_t i = 0; i < (size_t)n; i++) {
        const json_t *row = json_array_get(rewards, i);
        if (json_is_array(row) != json_is_array(first) ||
            (json_is_array(row) && json_array_size(row) != width))
            return err_set(e, "rewards[%zu]: expected %zu values as in rewards[0]", i, width);
        for (size_t k = 0; k < width; k++) {
            const json_t *v = json_is_array(row) ? json_array_get(row, k) : row;
            (*out)[i * width + k] = NAN;
            if (!json_is_null(v) && read_number(v, "rewards", &(*out)[i * width + k], e)) return -1;
        }
    }
    return 0;
}

static int read_scale(const json_t *config, struct advantage_opts *o, struct err *e)
{
    const json_t *scale = json_object_get(config, "scale_rewards");
    const char *how = json_str_or(config, "multi_objective_aggregation", "sum_then_normalize");
    o->scale = json_is_string(scale) ? json_string_value(scale) : json_is_false(scale) ? "none" : "group";
    o->normalize_then_sum = strcmp(how, "normalize_then_sum") == 0;
    if (!o->normalize_then_sum && strcmp(how, "sum_then_normalize") != 0)
        return err_set(
            e, "multi_objective_aggregation is '%s'; expected sum_then_normalize or normalize_then_sum", how);
    return 0;
}

static int read_weights(const json_t *config, int n_funcs, double **out, struct err *e)
{
    const json_t *list = json_object_get(config, "reward_weights");
    if (!list || json_is_null(list)) return 0;
    if (!json_is_array(list) || json_array_size(list) != (size_t)n_funcs)
        return err_set(e, "reward_weights: expected a list of %d, one a reward", n_funcs);
    *out = alloc_zero((size_t)n_funcs, sizeof **out);
    for (int k = 0; k < n_funcs; k++)
        if (read_number(json_array_get(list, (size_t)k), "reward_weights", &(*out)[k], e)) return -1;
    return 0;
}

static int form_advantages(const json_t *config, const json_t *rewards, struct record *r, struct err *e)
{
    double *matrix = NULL, *weights = NULL;
    struct advantage_opts o = {.n = r->batch.n};
    long group = r->batch.n % 8 == 0 ? 8 : r->batch.n;
    int status = -1;
    if (json_get_int_or(config, "num_generations", group, &group, e)) goto out;
    if (group < 1 || group > ROWS_MAX) {
        err_set(e, "num_generations is %ld", group);
        goto out;
    }
    o.group = (int)group;
    if (read_scale(config, &o, e)) goto out;
    if (read_reward_matrix(rewards, r->batch.n, &matrix, &o.n_funcs, e)) goto out;
    if (read_weights(config, o.n_funcs, &weights, e)) goto out;
    o.weights = weights;
    r->totals = alloc_zero((size_t)r->batch.n, sizeof *r->totals);
    r->from_rewards = true;
    status = advantages(matrix, &o, r->totals, r->advantages, &r->stats, e);
out:
    free(matrix);
    free(weights);
    return status;
}

static int read_advantages(const json_t *record, const json_t *config, struct record *r, struct err *e)
{
    const json_t *list = json_object_get(record, "advantages"), *rewards = json_object_get(record, "rewards");
    r->advantages = alloc_zero((size_t)r->batch.n, sizeof *r->advantages);
    if (!list || json_is_null(list)) {
        if (!rewards || json_is_null(rewards)) return err_set(e, "a record needs 'advantages' or 'rewards'");
        return form_advantages(config, rewards, r, e);
    }
    if (!json_is_array(list) || json_array_size(list) != (size_t)r->batch.n)
        return err_set(e, "advantages: expected a list of %d numbers, one for each of logps", r->batch.n);
    for (int i = 0; i < r->batch.n; i++)
        if (read_number(json_array_get(list, (size_t)i), "advantages", &r->advantages[i], e)) return -1;
    return 0;
}

static int record_read(const json_t *record, struct record *r, struct err *e)
{
    const json_t *config = json_object_get(record, "config");
    if (config && !json_is_object(config) && !json_is_null(config))
        return err_set(e, "config: expected an object of settings");
    if (!json_is_object(config)) config = NULL;
    if (read_opts(config, &r->opts, e) || read_shape(record, r, e)) return -1;
    if (read_rows(record, "logps", r, &r->logp, e) || read_rows(record, "old_logps", r, &r->old, e))
        return -1;
    if (read_rows(record, "ref_logps", r, &r->ref, e) || read_rows(record, "mask", r, &r->mask, e)) return -1;
    if (r->opts.beta != 0 && !r->ref)
        return err_set(e, "beta is %g but there are no ref_logps", r->opts.beta);
    if (read_advantages(record, config, r, e)) return -1;
    r->batch.logp = r->logp;
    r->batch.old = r->old;
    r->batch.ref = r->ref;
    r->batch.mask = r->mask;
    r->batch.advantages = r->advantages;
    r->weights = alloc_zero((size_t)r->batch.n, sizeof *r->weights);
    r->grad = alloc_zero(r->n_tokens + 1, sizeof *r->grad);
    return 0;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

void policy_metrics(const struct policy_out *out, const struct policy_opts *o, json_t *metrics)
{
    double tokens = out->n_tokens > 1 ? out->n_tokens : 1, ratios = out->n_ratios > 1 ? out->n_ratios : 1;
    if (o->beta != 0) json_object_set_new(metrics, "kl", number(out->kl / tokens));
    if (o->loss == GRPO_CISPO)
        json_object_set_new(metrics, "cispo_clip_ratio", number(out->cispo_clip / ratios));
    if (o->loss == GRPO_VESPO)
        json_object_set_new(metrics, "vespo/phi_seq_mean", number(out->phi / out->n_rows));
    if (o->loss == GRPO_CISPO || o->loss == GRPO_SAPO || o->loss == GRPO_VESPO) return;
    json_object_set_new(metrics, "clip_ratio/low_mean", number(out->clip_low / ratios));
    json_object_set_new(metrics, "clip_ratio/high_mean", number(out->clip_high / ratios));
    json_object_set_new(metrics, "clip_ratio/region_mean", number((out->clip_low + out->clip_high) / ratios));
    json_object_set_new(metrics, "clip_ratio/low_min", number(out->clip_low_min < 0 ? 0 : out->clip_low_min));
    json_object_set_new(metrics, "clip_ratio/high_max",
                        number(out->clip_high_max < 0 ? 0 : out->clip_high_max));
}

static json_t *record_result(const struct record *r, const struct policy_out *out)
{
    json_t *grad = json_array(), *adv = json_array(), *metrics = json_object(), *result = json_object();
    const double *g = r->grad;
    for (int i = 0; i < r->batch.n; i++) {
        json_t *row = json_array();
        for (int t = 0; t < r->lengths[i]; t++) json_array_append_new(row, number(*g++));
        json_array_append_new(grad, row);
        json_array_append_new(adv, number(r->advantages[i]));
    }
    policy_metrics(out, &r->opts, metrics);
    if (r->from_rewards) {
        json_object_set_new(metrics, "reward", number(r->stats.reward_mean));
        json_object_set_new(metrics, "reward_std", number(r->stats.reward_std));
        json_object_set_new(metrics, "frac_reward_zero_std", number(r->stats.frac_zero_std));
    }
    json_object_set_new(result, "loss", number(out->loss));
    json_object_set_new(result, "grad", grad);
    json_object_set_new(result, "advantages", adv);
    json_object_set_new(result, "metrics", metrics);
    return result;
}

json_t *policy_eval(const json_t *record, struct err *e)
{
    struct record r = {0};
    struct policy_out out;
    json_t *result = NULL;
    if (!json_is_object(record)) {
        err_set(e, "expected an object");
        return NULL;
    }
    if (record_read(record, &r, e) == 0) {
        policy_out_init(&out);
        policy_weights(&r.batch, &r.opts, r.weights);
        r.batch.weights = r.weights;
        policy_loss(&r.batch, &r.opts, r.grad, &out);
        result = record_result(&r, &out);
    }
    record_release(&r);
    return result;
}
