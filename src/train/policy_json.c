/* policy_json.c: the losses of policy.c on numbers that a user writes down.
 *
 * What `openr1 loss grpo` does with one line: the configuration by TRL's names, rows of log-probs and
 * entropies (ragged, or padded with a mask), and advantages, or rewards to form them from. Everything is
 * checked here, so that policy.c sees only arrays of the right size.
 */
#include "train/policy_int.h"

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
    double *logp, *old, *ref, *mask, *entropy, *keep, *advantages, *weights, *totals, *grad;
    size_t n_tokens;
    struct entropy_control control;
    struct advantage_out stats;
    bool from_rewards;
};

static void record_release(struct record *r)
{
    double *const all[] = {r->logp, r->old,        r->ref,     r->mask,   r->entropy,
                           r->keep, r->advantages, r->weights, r->totals, r->grad};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(r->lengths);
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
    o->loss = policy_loss_find(json_str_or(config, "loss_type", "dapo"), e);
    if (!o->loss) return -1;
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
                 {"top_entropy_quantile", &o->top_entropy},
                 {"off_policy_mask_threshold", &o->off_policy},
                 {"sapo_temperature_pos", &o->sapo_pos},
                 {"sapo_temperature_neg", &o->sapo_neg},
                 {"vespo_k_pos", &o->vespo_k[0]},
                 {"vespo_k_neg", &o->vespo_k[1]},
                 {"vespo_lambda_pos", &o->vespo_lambda[0]},
                 {"vespo_lambda_neg", &o->vespo_lambda[1]}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (json_get_real_or(config, reals[i].key, *reals[i].value, reals[i].value, e)) return -1;
    if (json_get_real_or(config, "epsilon_high", o->epsilon_low, &o->epsilon_high, e)) return -1;
    if (!(o->top_entropy >= 0 && o->top_entropy <= 1))
        return err_set(e, "top_entropy_quantile is %g; expected 0 to 1", o->top_entropy);
    return json_get_bool_or(config, "use_bias_correction_kl", false, &o->kl_correction, e);
}

/* The bonus's coefficient: last_entropy, beside the configuration, is the step before's mean. */
static int read_control(const json_t *record, const json_t *config, struct record *r, struct err *e)
{
    struct entropy_control *c = &r->control;
    *c = (struct entropy_control){.max = 1, .delta = 0.005, .target = 0.2, .last = INFINITY};
    const struct {
        const json_t *from;
        const char *key;
        double *value;
    } reals[] = {{config, "entropy_coef", &c->coef},     {config, "entropy_coef_min", &c->min},
                 {config, "entropy_coef_max", &c->max},  {config, "entropy_coef_delta", &c->delta},
                 {config, "entropy_target", &c->target}, {record, "last_entropy", &c->last}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (json_get_real_or(reals[i].from, reals[i].key, *reals[i].value, reals[i].value, e)) return -1;
    if (json_get_bool_or(config, "use_adaptive_entropy", false, &c->adaptive, e)) return -1;
    r->opts.entropy_coef = entropy_control_applied(c);
    return 0;
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
    if (read_opts(config, &r->opts, e) || read_control(record, config, r, e) || read_shape(record, r, e))
        return -1;
    if (read_rows(record, "logps", r, &r->logp, e) || read_rows(record, "old_logps", r, &r->old, e))
        return -1;
    if (read_rows(record, "ref_logps", r, &r->ref, e) || read_rows(record, "mask", r, &r->mask, e)) return -1;
    if (read_rows(record, "entropies", r, &r->entropy, e)) return -1;
    if (r->opts.beta != 0 && !r->ref)
        return err_set(e, "beta is %g but there are no ref_logps", r->opts.beta);
    if (!r->entropy && (r->opts.top_entropy < 1 || entropy_control_on(&r->control)))
        return err_set(e, "top_entropy_quantile and entropy_coef need entropies, one for each of logps");
    if (read_advantages(record, config, r, e)) return -1;
    r->batch.logp = r->logp;
    r->batch.old = r->old;
    r->batch.ref = r->ref;
    r->batch.mask = r->mask;
    r->batch.advantages = r->advantages;
    r->batch.entropy = r->entropy;
    r->weights = alloc_zero(2 * (size_t)r->batch.n, sizeof *r->weights);
    r->grad = alloc_zero(2 * r->n_tokens + 1, sizeof *r->grad);
    return 0;
}

/* One number a token, as rows. */
static json_t *rows_json(const struct record *r, const double *values)
{
    json_t *rows = json_array();
    for (int i = 0; i < r->batch.n; i++) {
        json_t *row = json_array();
        for (int t = 0; t < r->lengths[i]; t++) json_array_append_new(row, number_json(*values++));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *record_metrics(struct record *r, const struct policy_out *out)
{
    json_t *metrics = json_object();
    policy_metrics(out, &r->opts, metrics);
    if (r->entropy)
        json_object_set_new(metrics, "entropy",
                            number_json(out->entropy / (out->n_tokens > 1 ? out->n_tokens : 1)));
    entropy_control_end(&r->control, out, r->opts.entropy_coef, metrics);
    if (r->from_rewards) {
        json_object_set_new(metrics, "reward", number_json(r->stats.reward_mean));
        json_object_set_new(metrics, "reward_std", number_json(r->stats.reward_std));
        json_object_set_new(metrics, "frac_reward_zero_std", number_json(r->stats.frac_zero_std));
    }
    return metrics;
}

static json_t *record_result(struct record *r, const struct policy_out *out)
{
    json_t *adv = json_array(), *result = json_object();
    for (int i = 0; i < r->batch.n; i++) json_array_append_new(adv, number_json(r->advantages[i]));
    json_object_set_new(result, "loss", number_json(out->loss));
    json_object_set_new(result, "grad", rows_json(r, r->grad));
    if (r->entropy) json_object_set_new(result, "grad_entropies", rows_json(r, r->grad + r->n_tokens));
    json_object_set_new(result, "advantages", adv);
    json_object_set_new(result, "metrics", record_metrics(r, out));
    return result;
}

static json_t *record_eval(struct record *r)
{
    struct policy_out out;
    double *entropy_weights = r->weights + r->batch.n;
    if (r->opts.top_entropy < 1) {
        r->keep = alloc_zero(r->n_tokens + 1, sizeof *r->keep);
        policy_top_entropy(r->entropy, r->mask, r->n_tokens, r->opts.top_entropy, r->keep);
        r->batch.keep = r->keep;
    }
    policy_out_init(&out);
    policy_weights(&r->batch, &r->opts, r->weights, entropy_weights);
    r->batch.weights = r->weights;
    r->batch.entropy_weights = entropy_weights;
    policy_loss(&r->batch, &r->opts, r->grad, r->grad + r->n_tokens, &out);
    return record_result(r, &out);
}

json_t *policy_eval(const json_t *record, struct err *e)
{
    struct record r = {0};
    json_t *result = NULL;
    if (!json_is_object(record)) {
        err_set(e, "expected an object");
        return NULL;
    }
    if (record_read(record, &r, e) == 0) result = record_eval(&r);
    record_release(&r);
    return result;
}
