/* grpo.c: group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300).
 *
 * A window: for each of some prompts sample G completions, score them, take from each reward its group's mean
 * (advantages.c). Then one or more optimiser steps on the loss of policy.c. A microbatch is one group: the
 * prompt is a span that is computed once, its completions are spans that share it. The old log-probs are
 * those the sampler recorded; they are what this pass computes, bit for bit, and the first step after
 * sampling checks that.
 *
 * A group whose advantages are all zero has gradient exactly zero when beta is 0, so it is left out of the
 * pass while all normalisers count it. (The metric `entropy` is then the mean over the tokens that were
 * trained on.)
 */
#include "train/grpo_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"

struct pass { /* sums over the groups of one step */
    struct policy_out out;
    double entropy, tokens, gap_sum, gap_max, compared;
    int trained;
};

/* ---- generation
 * ------------------------------------------------------------------------------------------- */

static bool watch(void *ctx, const struct engine_progress *p)
{
    struct trainer *t = ctx;
    char note[64];
    snprintf(note, sizeof note, "sampling %ld/%ld", p->done_sequences, p->total_sequences);
    progress_update(&t->bar, t->step, note);
    return stop_signal() != 0;
}

/* Prompts of window w: its place in the permutation of its epoch. */
static void choose_prompts(struct grpo *g, long w)
{
    long windows = g->prompts.n / g->layout.groups, epoch = w / windows,
         first = w % windows * g->layout.groups;
    if (g->epoch != epoch) {
        struct rng_at at = {.seed = g->t->data_seed, .purpose = RNG_SHUFFLE, .step = (uint32_t)epoch};
        if (g->shuffled)
            rng_permutation(&at, g->order, (uint32_t)g->prompts.n);
        else
            for (int i = 0; i < g->prompts.n; i++) g->order[i] = (uint32_t)i;
        g->epoch = epoch;
    }
    for (int i = 0; i < g->layout.groups; i++) g->now.prompts[i] = (int)g->order[first + i];
}

static int sample(struct grpo *g, long w, struct err *e)
{
    struct engine_hooks hooks = {.watch = watch, .ctx = g->t};
    for (int i = 0; i < g->layout.groups; i++) {
        const struct prompt *p = &g->prompts.list[g->now.prompts[i]];
        g->requests[i] = (struct request){.prompt = g->prompts.ids + p->at,
                                          .n_prompt = p->n,
                                          .n = g->layout.group,
                                          .sampling = g->sampling,
                                          .seed = g->t->seed,
                                          .step = (uint32_t)w,
                                          .first_sequence = (uint32_t)(i * g->layout.group)};
    }
    engine_reset(g->engine);
    if (engine_run(g->engine, g->requests, g->layout.groups, g->now.out, &hooks, e)) return -1;
    return stop_signal() ? err_kind_set(e, ERR_STOPPED, "stopped") : 0;
}

/* ---- a group as a microbatch
 * ------------------------------------------------------------------------------ */

static void fill_group(struct grpo *g, int group)
{
    const struct prompt *p = &g->prompts.list[g->now.prompts[group]];
    micro_clear(&g->micro);
    int parent = micro_span(&g->micro, g->prompts.ids + p->at, p->n, -1), last = p->n - 1;
    for (int i = 0; i < g->layout.group; i++) {
        const struct completion *c = rollouts_at(&g->now, group * g->layout.group + i);
        int row = g->micro.n_rows;
        if (c->n > 1) micro_span(&g->micro, c->ids, c->n - 1, parent);
        for (int t = 0; t < c->n; t++) micro_head(&g->micro, t == 0 ? last : row + t - 1, c->ids[t]);
    }
}

static int check_logits(const struct grpo *g, int group, const struct forward *f, struct err *e)
{
    if (f->out.bad_row < 0) return 0;
    int head = f->out.bad_row, i = group * g->layout.group;
    while (head >= rollouts_at(&g->now, i)->n) head -= rollouts_at(&g->now, i++)->n;
    return err_set(e, "the logits of dataset row %ld, completion %d, token %d are not finite",
                   g->prompts.list[g->now.prompts[group]].row, i % g->layout.group, head);
}

static int score_reference(struct grpo *g, struct err *e)
{
    for (int group = 0; group < g->layout.groups; group++) {
        struct forward f = {.rows = {.temperature = g->sampling.temperature}};
        if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "stopped");
        fill_group(g, group);
        if (g->micro.n_heads == 0) continue;
        tape_start(g->t->tape, false);
        micro_forward(&g->micro, g->ref, g->t->tape, g->t->checkpointing, &f);
        if (check_logits(g, group, &f, e)) return err_wrap(e, "reference model");
        const float *logp = f.out.logp->data;
        for (int i = group * g->layout.group; i < (group + 1) * g->layout.group; i++) {
            const struct completion *c = rollouts_at(&g->now, i);
            g->now.ref[i] = alloc_zero((size_t)c->n + 1, sizeof **g->now.ref);
            for (int k = 0; k < c->n; k++) g->now.ref[i][k] = (double)*logp++;
        }
    }
    return 0;
}

static int new_window(struct grpo *g, long w, struct err *e)
{
    double start = clock_s();
    rollouts_clear(&g->now);
    choose_prompts(g, w);
    if (sample(g, w, e)) return -1;
    g->now.generate_s = clock_s() - start;
    if (scorer_run(&g->scorer, g->rows.rows, &g->prompts, &g->now, e)) return -1;
    g->now.score_s = clock_s() - start - g->now.generate_s;
    if (g->ref && score_reference(g, e)) return -1;
    g->now.window = w;
    return 0;
}

/* ---- one optimiser step
 * ----------------------------------------------------------------------------------- */

static bool is_masked(const struct grpo *g, int i)
{
    return g->mask_truncated && rollouts_at(&g->now, i)->finish == FINISH_LENGTH;
}

/* lengths and weights of the completions of this step, by micro-steps as TRL forms them. */
static void weigh(struct grpo *g, int first)
{
    int n = g->layout.step_groups * g->layout.group;
    double tokens = 0;
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        bool masked = is_masked(g, first + i);
        g->lengths[i] = rollouts_at(&g->now, first + i)->n;
        for (int t = 0; t < g->lengths[i]; t++) g->step_mask[at++] = masked ? 0 : 1;
        tokens += masked ? 0 : g->lengths[i];
    }
    g->policy.n_tokens = tokens;
    g->policy.accumulation = g->layout.micro_steps;
    at = 0;
    for (int i = 0; i < n; i += g->layout.micro) {
        struct policy_batch b = {.n = g->layout.micro, .lengths = g->lengths + i, .mask = g->step_mask + at};
        policy_weights(&b, &g->policy, g->weights + i);
        for (int k = 0; k < b.n; k++) at += (size_t)b.lengths[k];
    }
}

static bool contributes(const struct grpo *g, int first)
{
    if (g->policy.beta != 0) return true;
    for (int i = first; i < first + g->layout.group; i++)
        if (g->now.advantages[i] != 0 && !is_masked(g, i) && rollouts_at(&g->now, i)->n > 0) return true;
    return false;
}

/* The sampler's log-probs against those of this pass. */
static int compare(const struct grpo *g, int first, const struct forward *f, bool must_be_equal,
                   struct pass *p, struct err *e)
{
    const float *logp = f->out.logp->data;
    for (int i = first; i < first + g->layout.group; i++) {
        const struct completion *c = rollouts_at(&g->now, i);
        for (int k = 0; k < c->n; k++, logp++) {
            double gap = fabs((double)*logp - (double)c->logps[k]);
            if (must_be_equal && !(gap == 0))
                return err_set(
                    e,
                    "sampler and trainer disagree: completion %d of this window, token %d has log-prob %.9g "
                    "when sampled and %.9g when trained. They must be equal to the last bit; this is a "
                    "defect of the program",
                    i, k, (double)c->logps[k], (double)*logp);
            p->gap_sum += gap;
            p->compared++;
            if (gap > p->gap_max) p->gap_max = gap;
        }
    }
    return 0;
}

/* Loss and seeds of one group whose forward pass is done. */
static void seed_group(struct grpo *g, int slot, int first, struct forward *f, struct pass *p)
{
    int n = g->layout.group, at = slot * n, total = 0;
    for (int i = 0; i < n; i++) {
        const struct completion *c = rollouts_at(&g->now, first + i);
        for (int k = 0; k < c->n; k++, total++) {
            g->logp[total] = (double)f->out.logp->data[total];
            g->old[total] = (double)c->logps[k];
            g->mask[total] = is_masked(g, first + i) ? 0 : 1;
            if (g->ref) g->refs[total] = g->now.ref[first + i][k];
            p->entropy += g->mask[total] * (double)f->out.entropy->data[total];
            p->tokens += g->mask[total];
        }
    }
    struct policy_batch b = {.n = n,
                             .lengths = g->lengths + at,
                             .logp = g->logp,
                             .old = g->old,
                             .ref = g->ref ? g->refs : NULL,
                             .mask = g->mask,
                             .advantages = g->now.advantages + first,
                             .weights = g->weights + at};
    policy_loss(&b, &g->policy, g->grad, &p->out);
    float *seed = tape_seed(g->t->tape, f->out.logp);
    for (int k = 0; k < total; k++) seed[k] = (float)g->grad[k];
}

/* A group that is left out still counts wherever something is divided. */
static void count_skipped(const struct grpo *g, int first, struct pass *p)
{
    for (int i = first; i < first + g->layout.group; i++) {
        double tokens = is_masked(g, i) ? 0 : rollouts_at(&g->now, i)->n;
        p->out.n_tokens += tokens;
        p->out.n_rows += 1;
        p->out.n_ratios += g->policy.sequence_level ? 1 : tokens;
        if (tokens == 0) continue;
        p->out.clip_low_min = 0;
        if (p->out.clip_high_max < 0) p->out.clip_high_max = 0;
    }
}

static int run_group(struct grpo *g, int slot, int group, bool fresh, struct pass *p, struct err *e)
{
    struct trainer *t = g->t;
    int first = group * g->layout.group;
    struct forward f = {.rows = {.temperature = g->sampling.temperature}};
    if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "stopped");
    if (!contributes(g, first)) {
        count_skipped(g, first, p);
        grad_tree_push(&t->tree, false);
        return 0;
    }
    fill_group(g, group);
    model_zero_grad(t->model);
    tape_start(t->tape, true);
    micro_forward(&g->micro, t->model, t->tape, t->checkpointing, &f);
    if (check_logits(g, group, &f, e) || compare(g, first, &f, fresh, p, e)) return -1;
    seed_group(g, slot, first, &f, p);
    tape_backward(t->tape);
    grad_tree_push(&t->tree, true);
    p->trained++;
    return 0;
}

static void hash_step(struct grpo *g, int first_group, json_t *hashes)
{
    char batch[HASH_HEX], ids[HASH_HEX], rewards[HASH_HEX];
    struct hash *h = hash_new();
    for (int i = first_group; i < first_group + g->layout.step_groups; i++) {
        const struct prompt *p = &g->prompts.list[g->now.prompts[i]];
        hash_add(h, &p->row, sizeof p->row);
        hash_add(h, g->prompts.ids + p->at, (size_t)p->n * sizeof *g->prompts.ids);
    }
    hash_end(h, batch);
    rollouts_hash(&g->now, first_group * g->layout.group, g->layout.step_groups * g->layout.group, ids,
                  rewards);
    json_object_set_new(hashes, "batch", json_string(batch));
    json_object_set_new(hashes, "rollouts", json_string(ids));
    json_object_set_new(hashes, "rewards", json_string(rewards));
}

static void put_metrics(struct grpo *g, const struct pass *p, bool fresh, struct step_out *out)
{
    policy_metrics(&p->out, &g->policy, out->metrics);
    json_object_set_new(out->metrics, "ratio/max_deviation", number_json(p->out.max_ratio_error));
    if (p->tokens > 0) json_object_set_new(out->metrics, "entropy", number_json(p->entropy / p->tokens));
    if (fresh && p->trained > 0) {
        json_object_set_new(out->metrics, "sampling/sampling_logp_difference/mean",
                            number_json(p->gap_sum / p->compared));
        json_object_set_new(out->metrics, "sampling/sampling_logp_difference/max", number_json(p->gap_max));
    }
    if (fresh) {
        rollouts_metrics(&g->now, &g->scorer, out->metrics);
        json_object_set_new(out->timings, "generate_time", number_json(g->now.generate_s));
        json_object_set_new(out->timings, "reward_time", number_json(g->now.score_s));
    }
    out->loss = p->out.loss;
    snprintf(out->note, sizeof out->note, "reward=%.3f loss=%.4f", g->now.stats.reward_mean, out->loss);
}

static void count_tokens(struct grpo *g)
{
    for (int i = 0; i < g->layout.groups * g->layout.group; i++)
        g->t->num_tokens +=
            g->prompts.list[g->now.prompts[i / g->layout.group]].n + rollouts_at(&g->now, i)->n;
}

static int grpo_step(void *self, struct trainer *t, struct step_out *out, struct err *e)
{
    struct grpo *g = self;
    const struct grpo_layout *l = &g->layout;
    long window = t->step / l->window_steps, at = t->step % l->window_steps;
    int first_group = (int)(at % l->slices) * l->step_groups;
    bool fresh = at == 0;
    struct pass p = {0};
    if (g->now.window != window && new_window(g, window, e)) return -1;
    policy_out_init(&p.out);
    weigh(g, first_group * l->group);
    grad_tree_begin(&t->tree, l->step_groups);
    for (int i = 0; i < l->step_groups; i++)
        if (run_group(g, i, first_group + i, fresh, &p, e)) return -1;
    hash_step(g, first_group, out->hashes);
    put_metrics(g, &p, fresh, out);
    if (fresh) {
        count_tokens(g);
        grpo_warn(g);
    }
    grpo_explain_loss(g, out->loss);
    return 0;
}

/* ---- checkpoints
 * ------------------------------------------------------------------------------------------ */

static int grpo_save(void *self, const char *dir, struct err *e)
{
    struct grpo *g = self;
    if (g->t->step % g->layout.window_steps == 0) return 0;
    char *path = path_join(dir, "rollouts.jsonl");
    int failed = rollouts_save(&g->now, path, e);
    free(path);
    return failed;
}

static int grpo_load(void *self, const char *dir, struct err *e)
{
    struct grpo *g = self;
    rollouts_clear(&g->now);
    if (g->t->step % g->layout.window_steps == 0) return 0;
    char *path = path_join(dir, "rollouts.jsonl");
    int failed = rollouts_load(&g->now, path, g->prompts.n, e);
    long window = g->t->step / g->layout.window_steps;
    if (!failed && g->now.window != window)
        failed =
            err_set(e, "%s: holds window %ld, step %ld needs %ld", path, g->now.window, g->t->step, window);
    free(path);
    return failed;
}

static const struct learner grpo_learner = {
    .name = "grpo", .step = grpo_step, .show = grpo_show, .save = grpo_save, .load = grpo_load};

/* ---- set-up
 * ----------------------------------------------------------------------------------------------- */

static const struct refusal grpo_refused[] = {
    {"sync_ref_model", OPT_BOOL, 0, "the reference model stays the starting model"},
    {"top_entropy_quantile", OPT_REAL, 1, "the entropy mask is not built"},
    {"entropy_coef", OPT_REAL, 0, "the entropy bonus is not built"},
    {"use_adaptive_entropy", OPT_BOOL, 0, "the entropy bonus is not built"},
    {"off_policy_mask_threshold", OPT_REAL, -1, "the off-policy mask is not built"},
    {"max_tool_calling_iterations", OPT_INT, 0, "tools are not built"},
    {"generation_kwargs", OPT_MAP, 0, "set temperature, top_p, top_k, min_p, repetition_penalty instead"},
    {"chat_template_kwargs", OPT_MAP, 0, "templates take no extra values here"},
    {NULL, OPT_BOOL, 0, NULL},
};

static int grpo_run(struct conf *c, const struct train_hooks *hooks, struct str *out, struct err *e)
{
    struct grpo g = {.epoch = -1};
    struct trainer t = {.learner = &grpo_learner, .self = &g};
    g.t = &t;
    int failed = train_refuse(c, grpo_refused, e);
    if (!failed) failed = trainer_open(&t, c, hooks, e);
    if (!failed) failed = grpo_set_up(&g, e);
    if (!failed) failed = trainer_go(&t, &g.rows, out, e);
    grpo_release(&g);
    trainer_release(&t);
    return failed;
}

const struct algo algo_grpo = {
    .name = "grpo",
    .help = "group relative policy optimisation on checked rewards",
    .options = grpo_options,
    .run = grpo_run,
};
