/* grpo_window.c: one window: its prompts, their completions, rewards, advantages, reference log-probs.
 *
 * With dynamic_sampling (DAPO, arXiv 2503.14476) prompts whose completions all got the same reward make room
 * for further ones, at most dynamic_sampling_rounds times; those that are then still without variance stay.
 * A window either comes about whole or leaves nothing behind, so that a run that is stopped in the middle
 * of one makes the same one again.
 */
#include "train/grpo_int.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

static double group_tokens(const struct grpo *g, int slot)
{
    double n = 0;
    for (int i = slot * g->now.group; i < (slot + 1) * g->now.group; i++)
        n += g->prompts.list[g->now.prompts[slot]].n + rollouts_at(&g->now, i)->n;
    return n;
}

static int fill(struct grpo *g, long window, int round, const int *slots, int n, struct err *e)
{
    struct sample_call c = {.rows = g->rows.rows,
                            .prompts = &g->prompts,
                            .to = &g->now,
                            .slots = slots,
                            .n_slots = n,
                            .seed = g->t->seed,
                            .step = (uint32_t)window,
                            .first_sequence = (uint32_t)(round * g->now.groups * g->now.group),
                            .what = "sampling",
                            .aside = true};
    if (grpo_sample(g, &c, e)) return -1;
    return scorer_advantages(&g->scorer, &g->now, e);
}

/* Put the next prompts in the place of groups without variance. Returns how many; slots lists them. */
static int replace(struct grpo *g, int *slots)
{
    int n = 0;
    for (int slot = 0; slot < g->now.groups; slot++) {
        if (!rollouts_flat(&g->now, &g->scorer, slot)) continue;
        int next = course_next(&g->course);
        if (next < 0) break;
        g->now.extra_tokens += group_tokens(g, slot);
        group_give_back(&g->now.out[slot], g->store);
        group_release(&g->now.out[slot]);
        g->now.prompts[slot] = next;
        slots[n++] = slot;
    }
    return n;
}

static int fill_window(struct grpo *g, long w, int *slots, struct err *e)
{
    int n = g->now.groups;
    course_begin(&g->course, w);
    for (int i = 0; i < n; i++) {
        g->now.prompts[i] = course_next(&g->course);
        CHECK(g->now.prompts[i] >= 0, "window %ld has no prompt %d", w, i);
        slots[i] = i;
    }
    if (fill(g, w, 0, slots, n, e)) return -1;
    g->now.sampled = n;
    for (int round = 1; round <= g->rounds; round++) {
        if ((n = replace(g, slots)) == 0) break;
        g->now.sampled += n;
        g->now.rounds = round;
        if (fill(g, w, round, slots, n, e)) return -1;
    }
    return g->ref ? grpo_reference(g, e) : 0;
}

int grpo_window(struct grpo *g, long w, struct err *e)
{
    struct course before = g->course;
    int *slots = alloc_zero((size_t)g->now.groups, sizeof *slots);
    rollouts_clear(&g->now);
    if (g->store) activations_clear(g->store);
    g->scorer.step = g->t->step;
    int failed = fill_window(g, w, slots, e);
    free(slots);
    if (failed) {
        rollouts_clear(&g->now);
        g->course.next = before.next;
        return -1;
    }
    g->now.window = w;
    for (int slot = 0; slot < g->now.groups; slot++) {
        int passed = 0;
        for (int k = 0; k < g->now.group; k++)
            passed += scorer_passes(&g->scorer, &g->now, slot * g->now.group + k);
        course_note(&g->course, g->now.prompts[slot], passed, g->now.group);
    }
    return 0;
}

void grpo_window_metrics(const struct grpo *g, json_t *metrics)
{
    const struct rollouts *r = &g->now;
    int flat = 0, passed = 0, n = r->groups * r->group;
    rollouts_metrics(r, &g->scorer, metrics);
    for (int i = 0; i < n; i++) passed += scorer_passes(&g->scorer, r, i);
    if (g->rounds > 0) {
        for (int slot = 0; slot < r->groups; slot++) flat += rollouts_flat(r, &g->scorer, slot);
        json_object_set_new(metrics, "dynamic_sampling/rounds", json_integer(r->rounds));
        json_object_set_new(metrics, "dynamic_sampling/groups_sampled", json_integer(r->sampled));
        json_object_set_new(metrics, "dynamic_sampling/groups_flat", json_integer(flat));
    }
    if (g->course.by_pass_rate)
        json_object_set_new(metrics, "curriculum/pass_rate", number_json((double)passed / n));
}
