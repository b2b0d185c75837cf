/* grpo_setup.c: what a GRPO run has before its first step: rewards, prompts, layout, sampling, reference,
 * engine, and buffers for the largest group there can be.
 */
#include "train/preflight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static int read_control(struct entropy_control *out, struct conf *c, struct err *e)
{
    static const char *const own[] = {"entropy_coef_min", "entropy_coef_max", "entropy_coef_delta",
                                      "entropy_target"};
    *out = (struct entropy_control){.adaptive = conf_bool(c, "use_adaptive_entropy"),
                                    .coef = conf_real(c, "entropy_coef"),
                                    .min = conf_real(c, "entropy_coef_min"),
                                    .max = conf_real(c, "entropy_coef_max"),
                                    .delta = conf_real(c, "entropy_coef_delta"),
                                    .target = conf_real(c, "entropy_target"),
                                    .last = INFINITY};
    for (size_t i = 0; i < sizeof own / sizeof *own && !out->adaptive; i++)
        if (conf_given(c, own[i])) log_warn("%s has no effect without use_adaptive_entropy: true", own[i]);
    if (!out->adaptive) return 0;
    if (out->min > out->max)
        return err_usage(e, "entropy_coef_min %g is above entropy_coef_max %g", out->min, out->max);
    if (out->coef < out->min || out->coef > out->max)
        return err_usage(e, "entropy_coef %g, where use_adaptive_entropy begins, is not within "
                            "entropy_coef_min %g and entropy_coef_max %g",
                         out->coef, out->min, out->max);
    return 0;
}

static int check_policy(const struct policy_opts *o, struct err *e)
{
    if (o->delta > 0 && o->delta <= 1)
        return err_usage(e,
                         "delta %g caps ratios that are 1, as all are at first, so that nothing is learned "
                         "from completions with A > 0; it must be above 1 + epsilon_high (INTELLECT-2: 4)",
                         o->delta);
    return 0;
}

static int read_policy(struct grpo *g, struct conf *c, struct err *e)
{
    struct policy_opts *o = &g->policy;
    policy_defaults(o);
    o->loss = policy_loss_find(conf_str(c, "loss_type"), e);
    if (!o->loss) return -1;
    o->epsilon_low = conf_real(c, "epsilon");
    o->epsilon_high = conf_is_set(c, "epsilon_high") ? conf_real(c, "epsilon_high") : o->epsilon_low;
    o->delta = conf_is_set(c, "delta") ? conf_real(c, "delta") : 0;
    o->beta = conf_real(c, "beta");
    o->sequence_level = strcmp(conf_str(c, "importance_sampling_level"), "sequence") == 0;
    o->kl_correction = conf_bool(c, "use_bias_correction_kl");
    o->max_completion_length = (int)conf_int(c, "max_completion_length");
    o->sapo_pos = conf_real(c, "sapo_temperature_pos");
    o->sapo_neg = conf_real(c, "sapo_temperature_neg");
    o->vespo_k[0] = conf_real(c, "vespo_k_pos");
    o->vespo_k[1] = conf_real(c, "vespo_k_neg");
    o->vespo_lambda[0] = conf_real(c, "vespo_lambda_pos");
    o->vespo_lambda[1] = conf_real(c, "vespo_lambda_neg");
    o->top_entropy = conf_real(c, "top_entropy_quantile");
    if (conf_is_set(c, "off_policy_mask_threshold"))
        o->off_policy = conf_real(c, "off_policy_mask_threshold");
    if (read_control(&g->control, c, e) || check_policy(o, e)) return -1;
    if (!g->samples_only) policy_say(o);
    g->mask_truncated = conf_bool(c, "mask_truncated_completions");
    g->rounds = conf_bool(c, "dynamic_sampling") ? (int)conf_int(c, "dynamic_sampling_rounds") : 0;
    return reference_read(&g->reference, c, e);
}

/* generation_kwargs: the same settings by the names of transformers, which win. */
static int read_kwargs(struct sampling *s, struct conf *c, struct err *e)
{
    const struct {
        const char *key;
        float *real;
        int *whole;
    } known[] = {{"temperature", &s->temperature, NULL},
                 {"top_p", &s->top_p, NULL},
                 {"top_k", NULL, &s->top_k},
                 {"min_p", &s->min_p, NULL},
                 {"repetition_penalty", &s->repetition_penalty, NULL},
                 {"max_new_tokens", NULL, &s->max_new_tokens}};
    json_t *map = conf_map(c, "generation_kwargs"), *value;
    const char *key;
    int failed = 0;
    json_object_foreach(map, key, value)
    {
        size_t i = 0, n = sizeof known / sizeof *known;
        if (failed || (strcmp(key, "do_sample") == 0 && json_is_true(value))) continue;
        while (i < n && strcmp(key, known[i].key) != 0) i++;
        if (i == n)
            failed = err_usage(e,
                               "generation_kwargs: %s is not known; known: temperature, top_p, top_k, min_p, "
                               "repetition_penalty, max_new_tokens, do_sample: true",
                               key);
        else if (!json_is_number(value) || (known[i].whole && !json_is_integer(value)))
            failed = err_usage(e, "generation_kwargs: %s must be a %s", key,
                               known[i].whole ? "whole number" : "number");
        else if (known[i].whole)
            *known[i].whole = (int)json_integer_value(value);
        else
            *known[i].real = (float)json_number_value(value);
    }
    json_decref(map);
    if (!failed && sampling_check(s, e)) failed = err_wrap(e, "generation_kwargs");
    if (!failed && s->temperature == 0)
        failed =
            err_usage(e, "generation_kwargs: temperature 0 gives every completion of a group the same text");
    return failed;
}

static int read_sampling(struct grpo *g, struct conf *c, struct err *e)
{
    struct sampling *s = &g->sampling;
    const char *const *stops, *eos = conf_str(c, "eos_token");
    const int *ids;
    sampling_default(s);
    s->temperature = (float)conf_real(c, "temperature");
    s->top_p = (float)conf_real(c, "top_p");
    s->top_k = conf_is_set(c, "top_k") && conf_int(c, "top_k") > 0 ? (int)conf_int(c, "top_k") : 0;
    s->min_p = conf_is_set(c, "min_p") ? (float)conf_real(c, "min_p") : 0;
    s->repetition_penalty = (float)conf_real(c, "repetition_penalty");
    s->max_new_tokens = (int)conf_int(c, "max_completion_length");
    if (read_kwargs(s, c, e)) return -1;
    if (s->top_p <= 0 || s->top_k == 1 || s->min_p >= 1)
        return err_usage(e,
                         "top_p %g, top_k %d, min_p %g leave one token to draw from: every completion of a "
                         "group would be the same. Off are top_p 1, top_k 0, min_p 0",
                         (double)s->top_p, s->top_k, (double)s->min_p);
    int n = model_eos(g->t->model, &ids);
    for (int i = 0; i < n && s->n_stop_ids < 63; i++) g->stop_ids[s->n_stop_ids++] = ids[i];
    int own = eos && *eos ? tokenizer_id(model_tokenizer(g->t->model), eos) : -1;
    if (own >= 0) g->stop_ids[s->n_stop_ids++] = own;
    s->stop_ids = g->stop_ids;
    if (s->n_stop_ids == 0)
        return err_set(
            e, "the model names no end-of-sequence token (generation_config.json, config.json), so no "
               "completion could end; give eos_token");
    size_t n_stops = conf_list(c, "stop_strings", &stops);
    if (n_stops > STOP_STRINGS_MAX)
        return err_usage(e, "stop_strings: %zu, at most %d", n_stops, STOP_STRINGS_MAX);
    for (size_t i = 0; i < n_stops; i++) g->stop_strings[i] = stops[i];
    s->stop_strings = g->stop_strings;
    s->n_stop_strings = (int)n_stops;
    g->keeps_sets = !g->samples_only && (s->top_p < 1 || s->top_k > 0 || s->min_p > 0);
    if (g->keeps_sets)
        log_info("sampling: log-probs are those of the softmax over the tokens that top_p, top_k and min_p "
                 "left to "
                 "draw from, the same when trained");
    if (s->repetition_penalty != 1)
        log_warn(
            "repetition_penalty changes what is sampled but not the log-probs that are trained: the ratio is "
            "biased. temperature, top_p, top_k and min_p are exact");
    return 0;
}

/* How many groups a microbatch holds: small models are better off with some thousand rows at a time. It
 * depends on the data and the configuration alone, never on the machine, since it decides the order of sums.
 */
enum { MICRO_ROWS = 4096 };

static int size_micro(struct grpo *g, long *rows, long *tokens, struct err *e)
{
    struct grpo_layout *l = &g->layout;
    long group_tokens = (long)l->group * g->sampling.max_new_tokens,
         group_rows = g->prompts.longest + group_tokens;
    if (group_rows > 1 << 28)
        return err_usage(e, "num_generations %d x max_completion_length %d is more than a pass can hold",
                         l->group, g->sampling.max_new_tokens);
    for (l->micro_groups = 1;
         l->micro_groups * 2 <= l->step_groups && l->micro_groups * 2 * group_rows <= MICRO_ROWS;)
        l->micro_groups *= 2;
    *rows = l->micro_groups * group_rows;
    *tokens = l->micro_groups * group_tokens;
    g->t->max_micro = (l->step_groups + l->micro_groups - 1) / l->micro_groups;
    return 0;
}

/* Putting a number aside and taking it costs about as much time as so many operations of products. */
enum { KEPT_COST = 256 };

static void drop_store(struct grpo *g)
{
    activations_free(g->store);
    g->store = NULL;
}

/* What sampling may put aside for training, where that is wanted and gains. */
static void open_store(struct grpo *g)
{
    struct conf *c = g->t->conf;
    const struct model_config *f = model_config(g->t->model);
    bool given = conf_is_set(c, "reuse_activations");
    if (g->micro.drops || (given && !conf_bool(c, "reuse_activations"))) return;
    g->store = model_activations(g->t->model);
    if (given || !g->store) return;
    double outer = (double)f->vocab * f->hidden * (f->tied ? 1 : 2), rows = 1 << 10;
    double operations = 2 * ((double)model_n_active(g->t->model) - outer);
    double numbers = (double)activations_bytes(g->store, (size_t)rows) / sizeof(float) / rows;
    if (operations < KEPT_COST * numbers) drop_store(g);
}

static int take_buffers(struct grpo *g, struct err *e)
{
    long rows = 0, tokens = 0;
    if (size_micro(g, &rows, &tokens, e)) return -1;
    size_t step = (size_t)g->layout.step_groups * (size_t)g->layout.group, most = (size_t)tokens;
    size_t step_tokens = step * (size_t)g->sampling.max_new_tokens;
    micro_init(&g->micro, (int)rows, (g->layout.group + 1) * g->layout.micro_groups, (int)tokens);
    if (g->keeps_sets) micro_sets(&g->micro);
    if (peft_dropout(g->t) > 0) micro_dropout(&g->micro, g->t->seed);
    if (grpo_known(g)) micro_known(&g->micro, entropy_control_on(&g->control));
    g->micro.moe = moe_record(&g->t->moe);
    open_store(g);
    g->active = alloc_zero((size_t)g->layout.micro_groups, sizeof *g->active);
    g->lengths = alloc_zero(step, sizeof *g->lengths);
    g->starts = alloc_zero(step + 1, sizeof *g->starts);
    g->weights = alloc_zero(step, sizeof *g->weights);
    g->entropy_weights = alloc_zero(step, sizeof *g->entropy_weights);
    g->step_mask = alloc_zero(step_tokens, sizeof *g->step_mask);
    g->step_logp = alloc_zero(step_tokens, sizeof *g->step_logp);
    g->step_entropy = alloc_zero(step_tokens, sizeof *g->step_entropy);
    if (g->policy.top_entropy < 1) g->step_keep = alloc_zero(step_tokens, sizeof *g->step_keep);
    g->old = alloc_zero(most, sizeof *g->old);
    g->refs = alloc_zero(most, sizeof *g->refs);
    g->grad = alloc_zero(most, sizeof *g->grad);
    g->grad_entropy = alloc_zero(most, sizeof *g->grad_entropy);
    rollouts_init(&g->now, g->layout.groups, g->layout.group, g->scorer.n);
    return 0;
}

static int check_positions(struct grpo *g)
{
    int limit = model_config(g->t->model)->max_positions,
        most = g->prompts.longest + g->sampling.max_new_tokens;
    if (limit > 0 && most > limit)
        log_warn("prompt and completion can reach %d tokens; the model's config.json speaks of %d positions",
                 most, limit);
    return 0;
}

static int check_adapted(const struct grpo *g, struct err *e)
{
    if (!model_is_adapted(g->t->model)) return 0;
    if (g->reference.every > 0)
        return err_usage(e, "sync_ref_model and ref_refresh_steps: with adapters the reference is the model "
                            "that training began from; leave them out");
    if (peft_dropout(g->t) > 0)
        log_warn(
            "lora_dropout %g: what is trained differs from what was sampled, so the first ratio is not 1; "
            "lora_dropout: 0 keeps it exact",
            peft_dropout(g->t));
    return 0;
}

/* Weights and keys and values are all that is needed. */
static int set_up_sampling(struct grpo *g, struct err *e)
{
    struct trainer *t = g->t;
    struct conf *c = t->conf;
    struct engine_limits limits = grpo_engine_limits(g);
    t->plan.n = 1; /* the weights, the first row */
    plan_add(&t->plan, plan_sampling, engine_bytes(t->model, &limits));
    if (plan_total(&t->plan) > plan_limit(c))
        return err_usage(e, "this takes %.3g GB and %.3g GB may be used (max_memory_gb); lower max_running",
                         (double)plan_total(&t->plan) / 1e9, (double)plan_limit(c) / 1e9);
    g->engine = engine_new(t->model, &limits, e);
    return g->engine ? 0 : -1;
}

/* For what sampling puts aside, as planned. */
static void take_store(struct grpo *g)
{
    if (g->t->plan.kept && activations_limit(g->store, g->t->plan.kept)) {
        micro_aside(&g->micro, g->store);
        return;
    }
    if (conf_is_set(g->t->conf, "reuse_activations") && conf_bool(g->t->conf, "reuse_activations"))
        log_warn(
            "reuse_activations: nothing is kept: gradient_checkpointing, lora_dropout, a mixture of experts "
            "rule it out, or no memory is left for one group");
    g->t->plan.kept = 0;
    drop_store(g);
}

int grpo_set_up(struct grpo *g, struct err *e)
{
    struct trainer *t = g->t;
    if (read_policy(g, t->conf, e) || read_sampling(g, t->conf, e)) return -1;
    if (check_adapted(g, e) || grpo_layout_read(&g->layout, t, e) || rows_open(&g->rows, t, e)) return -1;
    grpo_show_read(g, t->conf);
    struct row_list rows = {g->rows.rows, g->rows.places}, held_out = {g->rows.held_out, g->rows.held_places};
    if (prompts_read(&g->prompts, &rows, t, e) || check_positions(g)) return -1;
    if (g->samples_only) return set_up_sampling(g, e);
    if (held_out.rows && prompts_read(&g->held_out, &held_out, t, e))
        return err_wrap(e, "rows to evaluate on");
    g->eval_group = conf_is_set(t->conf, "num_generations_eval")
                        ? (int)conf_int(t->conf, "num_generations_eval")
                        : g->layout.group;
    conf_int(t->conf, "per_device_eval_batch_size"); /* the engine decides how many run together */
    if (g->prompts.n < g->layout.groups)
        return err_usage(
            e,
            "the dataset has %d prompts, one generation needs %d; lower prompts_per_step (or the batch "
            "sizes), or use more data",
            g->prompts.n, g->layout.groups);
    g->course.window_groups = g->layout.groups;
    g->course.streams = g->rounds > 0 && strcmp(conf_str(t->conf, "curriculum"), "pass_rate") != 0;
    if (course_open(&g->course, &g->rows, &g->prompts, t, e)) return -1;
    grpo_layout_say(&g->layout, g->prompts.n);
    t->steps_per_epoch = g->prompts.n / g->layout.groups * g->layout.window_steps;
    t->micro_per_epoch = t->steps_per_epoch * t->accumulation;
    preflight_read(g);
    if (take_buffers(g, e) || trainer_count_steps(t, e)) return -1;
    trainer_plan(t);
    if (plan_total(&t->plan) > plan_limit(t->conf)) return 0; /* trainer_go says so */
    if (t->dry) return 0;
    take_store(g);
    if (g->policy.beta != 0) g->ref = model_is_adapted(t->model) ? t->model : model_copy(t->model);
    g->engine = engine_new(t->model, &g->limits, e);
    return g->engine ? 0 : -1;
}

void grpo_release(struct grpo *g)
{
    engine_free(g->engine);
    drop_store(g);
    if (g->ref != g->t->model) model_free(g->ref);
    rollouts_release(&g->now);
    scorer_release(&g->scorer);
    prompts_release(&g->prompts);
    rows_release(&g->rows);
    micro_release(&g->micro);
    double *const all[] = {
        g->weights,   g->entropy_weights, g->step_mask, g->step_logp, g->step_entropy,
        g->step_keep, g->old,             g->refs,      g->grad,      g->grad_entropy};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(g->lengths);
    free(g->starts);
    free(g->active);
    course_release(&g->course);
    for (int i = 0; i < LOOK_MODES; i++) ids_release(&g->preflight.behind[i]);
    prompts_release(&g->held_out);
}
