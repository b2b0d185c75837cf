/* grpo.c: group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300).
 *
 * A window: for each of some prompts sample G completions, score them, take from each reward its group's mean
 * (advantages.c). Then one or more optimiser steps on the loss of policy.c. A microbatch is one group: the
 * prompt is a span that is computed once, its completions are spans that share it (grpo_pass.c). The old
 * log-probs are those the sampler recorded; they are what this pass computes, bit for bit, and the first
 * step after sampling checks that.
 *
 * A group whose advantages are all zero has gradient exactly zero when beta is 0, so it is left out of the
 * pass, while all normalisers and metrics count it.
 */
#include "train/preflight.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"

/* ---- one optimiser step ---------------------------------------------------------------------------- */

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

static void put_metrics(struct grpo *g, const struct grpo_sums *p, bool fresh, struct step_out *out)
{
    policy_metrics(&p->out, &g->policy, out->metrics);
    json_object_set_new(out->metrics, "ratio/max_deviation", number_json(p->out.max_ratio_error));
    if (p->out.n_tokens > 0)
        json_object_set_new(out->metrics, "entropy", number_json(p->out.entropy / p->out.n_tokens));
    if (fresh && p->compared > 0) {
        json_object_set_new(out->metrics, "sampling/sampling_logp_difference/mean",
                            number_json(p->gap_sum / p->compared));
        json_object_set_new(out->metrics, "sampling/sampling_logp_difference/max", number_json(p->gap_max));
    }
    if (fresh) {
        grpo_window_metrics(g, out->metrics);
        json_object_set_new(out->timings, "generate_time", number_json(g->now.generate_s));
        json_object_set_new(out->timings, "reward_time", number_json(g->now.score_s));
        if (g->store) json_object_set_new(out->timings, "groups_without_forward", json_integer(p->taken));
    }
    out->loss = p->out.loss + g->t->moe.loss;
    snprintf(out->note, sizeof out->note, "reward=%.3f loss=%.4f", g->now.stats.reward_mean, out->loss);
}

static void count_tokens(struct grpo *g)
{
    for (int i = 0; i < g->layout.groups * g->layout.group; i++) {
        int prompt = g->now.prompts[i / g->layout.group];
        g->t->num_tokens += g->prompts.list[prompt].n + rollouts_at(&g->now, i)->n;
    }
    g->t->num_tokens += g->now.extra_tokens;
}

/* There was no look before the first step, or none that this run knows of. */
static void expect_from_window(struct grpo *g)
{
    struct str text;
    grpo_expect(g, &g->now);
    str_init(&text, 1 << 10);
    preflight_memory((double)g->t->expected, (double)g->expected_trained, (double)plan_resident(&g->t->plan),
                     &text);
    log_info("%s", text.p);
    str_release(&text);
}

static int grpo_step(void *self, struct trainer *t, struct step_out *out, struct err *e)
{
    struct grpo *g = self;
    const struct grpo_layout *l = &g->layout;
    long window = t->step / l->window_steps, at = t->step % l->window_steps;
    int first_group = (int)(at % l->slices) * l->step_groups;
    bool fresh = at == 0;
    if (g->now.window != window && grpo_window(g, window, e)) return -1;
    if (!t->expected) expect_from_window(g);
    if (grpo_pass(g, first_group, fresh, e)) return -1;
    grpo_expect_trained(g);
    hash_step(g, first_group, out->hashes);
    put_metrics(g, &g->sums, fresh, out);
    if (fresh) {
        count_tokens(g);
        grpo_warn(g);
    }
    grpo_explain_loss(g, out->loss);
    grpo_warn_drift(g);
    return 0;
}

static void grpo_updated(void *self, struct trainer *t, json_t *metrics)
{
    struct grpo *g = self;
    entropy_control_end(&g->control, &g->sums.out, g->policy.entropy_coef, metrics);
    if (g->ref) reference_sync(&g->reference, g->ref, t->model, t->step);
    grpo_warn_end(g);
}

/* ---- checkpoints ----------------------------------------------------------------------------------- */

#define STATE "grpo_state.json"

/* What is more than a function of the step: only there when some option asks for it. */
static bool has_state(const struct grpo *g)
{
    return g->control.adaptive || g->course.streams || g->course.by_pass_rate;
}

static int state_save(struct grpo *g, const char *dir, struct err *e)
{
    if (!has_state(g)) return 0;
    char *path = path_join(dir, STATE);
    json_t *o = json_pack("{s:f, s:o}", "entropy_coef", g->control.coef, "last_entropy",
                          number_json(g->control.last));
    course_save(&g->course, o);
    int failed = json_write_file(o, path, e);
    json_decref(o);
    free(path);
    return failed;
}

static int state_load(struct grpo *g, const char *dir, struct err *e)
{
    if (!has_state(g)) return 0;
    char *path = path_join(dir, STATE);
    json_t *o = json_read_file(path, e);
    int failed = o ? json_get_real_or(o, "entropy_coef", g->control.coef, &g->control.coef, e) : -1;
    if (!failed) failed = json_get_real_or(o, "last_entropy", INFINITY, &g->control.last, e);
    if (!failed) failed = course_load(&g->course, o, e);
    json_decref(o);
    free(path);
    return failed;
}

/* Are the last step's rollouts wanted again: by steps that follow, or by its record, if that is still to be
 * written? */
static bool is_window_open(const struct grpo *g)
{
    const struct trainer *t = g->t;
    return t->step % g->layout.window_steps != 0 || (t->step > 0 && t->pending.metrics);
}

static int grpo_save(void *self, const char *dir, struct err *e)
{
    struct grpo *g = self;
    if (state_save(g, dir, e) || reference_save(&g->reference, g->ref, dir, g->t->step, e)) return -1;
    if (!is_window_open(g)) return 0;
    char *path = path_join(dir, "rollouts.jsonl");
    int failed = rollouts_save(&g->now, path, e);
    free(path);
    return failed;
}

static int grpo_load(void *self, const char *dir, struct err *e)
{
    struct grpo *g = self;
    rollouts_clear(&g->now);
    preflight_recall(g);
    if (state_load(g, dir, e) || reference_load(&g->reference, g->ref, dir, g->t->step, e)) return -1;
    if (!is_window_open(g)) return 0;
    char *path = path_join(dir, "rollouts.jsonl");
    int failed = rollouts_load(&g->now, path, g->prompts.n, e);
    long window = (g->t->step - (g->t->pending.metrics != NULL)) / g->layout.window_steps;
    if (!failed && g->now.window != window)
        failed =
            err_set(e, "%s: holds window %ld, step %ld needs %ld", path, g->now.window, g->t->step, window);
    free(path);
    return failed;
}

static const struct learner grpo_learner = {.name = "grpo",
                                            .numbers = 27,
                                            .options = grpo_options,
                                            .plan = grpo_plan,
                                            .begin = preflight_run,
                                            .step = grpo_step,
                                            .updated = grpo_updated,
                                            .show = grpo_show,
                                            .evaluate = grpo_evaluate,
                                            .save = grpo_save,
                                            .load = grpo_load};

/* ---- set-up ---------------------------------------------------------------------------------------- */

static const struct refusal grpo_refused[] = {
    {"label_smoothing_factor", OPT_REAL, 0, "it belongs to supervised fine-tuning"},
    {"reward_model_name_or_path", OPT_STR, 0,
     "a model that scores is asked through a program in reward_funcs (FILE.py:FUNCTION; docs/rewards.md)"},
    {"neftune_noise_alpha", OPT_REAL, 0, "log-probs of noisy embeddings are not the sampler's"},
    {NULL, OPT_BOOL, 0, NULL},
};

static int grpo_run(struct conf *c, const struct train_hooks *hooks, struct str *out, struct err *e)
{
    struct grpo g = {0};
    struct trainer t = {.learner = &grpo_learner, .self = &g};
    g.t = &t;
    int failed = train_refuse(c, grpo_refused, e);
    if (!failed) failed = scorer_read(&g.scorer, c, e); /* first: a slip there costs no model's loading */
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
