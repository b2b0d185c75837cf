/* trainer_plan.c: the memory of a run by its settings, and by others.
 *
 * One function makes the plan; what other settings would need is that function's answer again, so that a run
 * which takes the advice gets the plan that it was promised.
 */
#include "train/train_int.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* What no other row counts and is there already: the program, its tokenizer, the rows of the dataset, what
 * the allocator keeps. Of the plan's own rows, weights and gradients are there; where nothing will be run,
 * only those of adapters. */
static size_t held_beside(const struct trainer *t, size_t grads)
{
    size_t all = machine_resident();
    size_t own = !t->dry                      ? model_bytes(t->model, t->settings.model) + grads
                 : model_is_adapted(t->model) ? 2 * grads
                                              : 0;
    return all > own ? all - own : 0;
}

/* Buffers of the files that a run writes, and what is made of them at its end. */
static size_t output_bytes(const struct trainer *t)
{
    bool report = t->hooks && t->hooks->finished_bytes;
    return (1 << 20) + (report ? t->hooks->finished_bytes(t->total_steps, t->learner->numbers) : 0);
}

static const char plan_gradients[] = "gradients";

void trainer_plan(struct trainer *t)
{
    struct plan *p = &t->plan;
    struct optim_bytes state = optimiser_bytes(t->model, &t->settings.optim);
    *p = (struct plan){.mapped = model_mapped_bytes(t->model, t->settings.model), .disk = state.disk};
    plan_add(p, "weights", model_bytes(t->model, t->settings.model));
    model_overlay(t->model, false);
    size_t grads = model_grad_bytes(t->model);
    plan_add(p, plan_gradients, grads);
    plan_add(p, "optimiser state", state.memory);
    t->learner->plan(t->self, t);
    if (!t->beside) t->beside = held_beside(t, grads); /* once: with other settings it is the same */
    plan_add(p, "program, tokenizer, data", t->beside);
    plan_add(p, "files written, report", output_bytes(t));
}

static const char *activations_row(const struct trainer *t)
{
    static const char *const names[] = {"activations and head", "activations (checkpointed) and head"};
    return names[t->checkpointing];
}

/* Do gradients lie over activations? Of those of layers the row counts nothing then: the pass does. */
static void plan_overlay(struct trainer *t, bool on)
{
    model_overlay(t->model, on);
    plan_change(&t->plan, plan_gradients, model_grad_bytes(t->model));
}

void trainer_plan_micro(struct trainer *t, const struct micro *largest)
{
    struct plan *p = &t->plan;
    plan_add(p, "gradient sums over microbatches", grad_tree_bytes(t->model, t->max_micro));
    plan_overlay(t, t->max_micro == 1);
    size_t limit = plan_limit(t->conf), rest = plan_total(p);
    bool decided = t->settings.checkpoints != WHERE_NEEDED;
    size_t plain = t->settings.checkpoints == ALWAYS ? 0 : plan_micro(largest, t->model, false, true);
    t->checkpointing = decided ? t->settings.checkpoints == ALWAYS : rest + plain > limit / 2;
    if (t->checkpointing) plan_overlay(t, false);
    t->step_bytes = t->checkpointing ? plan_micro(largest, t->model, true, true) : plain;
    plan_add(p, activations_row(t), t->step_bytes);
}

size_t trainer_expect_micro(const struct trainer *t, const struct micro *largest, struct plan *p)
{
    size_t bytes = largest ? plan_micro(largest, t->model, t->checkpointing, true) : 0;
    plan_change(p, activations_row(t), bytes > t->arena.peak ? bytes : t->arena.peak);
    return bytes;
}

void trainer_plan_evaluation(struct trainer *t, size_t bytes)
{
    if (bytes <= t->step_bytes) return;
    plan_add(&t->plan, "evaluation, beyond a step", bytes - t->step_bytes);
    t->step_bytes = bytes;
}

/* ---- other settings -------------------------------------------------------------------------------- */

/* Make and keep the plan of the run with these settings. */
static void plan_as(struct trainer *t, const struct settings *s)
{
    int changed = t->settings.model ^ s->model;
    if (changed & MODEL_BF16) model_suppose_bf16(t->model, s->model & MODEL_BF16);
    t->settings = *s;
    trainer_plan(t);
}

/* running: 0, or how many completions are sampled at once; with less memory in use there would be more. */
static void name_of(struct plan_other *o, bool bf16, bool checkpoints, const char *optim, int running)
{
    const char *const parts[] = {checkpoints ? "gradient_checkpointing: true" : NULL,
                                 bf16 ? "weights_dtype: bfloat16" : NULL, optim ? "optim: " : NULL};
    size_t n = 0;
    o->settings[0] = 0;
    for (int i = 0; i < 3; i++)
        if (parts[i])
            n += (size_t)snprintf(o->settings + n, sizeof o->settings - n, "%s%s%s", n ? ", " : "", parts[i],
                                  i == 2 ? optim : "");
    if (n && running)
        n += (size_t)snprintf(o->settings + n, sizeof o->settings - n, ", max_running: %d", running);
    CHECK(n < sizeof o->settings, "settings %s", o->settings);
}

static struct settings other(struct settings s, const char *dir, bool bf16, bool checkpoints,
                             const char *optim)
{
    if (bf16) s.model |= MODEL_BF16;
    if (checkpoints) s.checkpoints = ALWAYS;
    if (optim) {
        s.optim.name = optim;
        s.optim.paged_in = str_starts(optim, "paged_") ? dir : NULL;
    }
    return s;
}

void trainer_plan_others(struct trainer *t)
{
    static const char *const optims[] = {NULL, "adamw_bf16", "adamw_8bit", "paged_adamw_32bit"};
    enum { WAYS = 8 /* of the optimiser, with checkpoints and as it is */ };
    _Static_assert(2 * WAYS - 1 <= PLAN_OTHERS, "room for all but the run itself");
    const struct settings own = t->settings;
    const int narrow = MODEL_BF16 | MODEL_IN_PLACE | MODEL_NF4 | MODEL_FP4 | MODEL_INT8;
    struct plan_other list[2 * WAYS];
    size_t n = 0, without = 0;
    int running = t->plan.fewer_running;
    t->suppose_running = running;
    for (int i = 0; i < (own.model & narrow ? WAYS : 2 * WAYS); i++) {
        bool checkpoints = i % 2, bf16 = i / WAYS;
        const char *optim = optims[i % WAYS / 2];
        struct settings s = other(own, t->dir, bf16, checkpoints, optim);
        plan_as(t, &s);
        list[n] = (struct plan_other){.bytes = plan_total(&t->plan), .disk = t->plan.disk};
        name_of(&list[n], bf16, checkpoints, optim, running);
        bool new = checkpoints ? list[n].bytes != without : i > 0; /* else layers are checkpointed already */
        if (!checkpoints) without = list[n].bytes;
        n += new;
    }
    plan_as(t, &own);
    t->suppose_running = 0;
    memcpy(t->plan.others, list, n * sizeof *list);
    t->plan.n_others = (int)n;
}
