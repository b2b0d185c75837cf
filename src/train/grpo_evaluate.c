/* grpo_evaluate.c: evaluation while training: completions of held-out prompts, scored with the run's rewards.
 *
 * Every evaluation draws with the same random numbers, of a purpose of its own: two of them differ by the
 * weights alone, and a run with them ends in the same weights as one without.
 */
#include "train/grpo_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/rng.h"

static void put_metrics(struct grpo *g, const struct rollouts *r, json_t *metrics)
{
    struct tally tally = rollouts_tally(r, &g->scorer);
    json_t *plain = json_object(), *value;
    const char *name;
    char key[192];
    rollouts_metrics(r, &g->scorer, plain);
    json_object_set_new(plain, "pass@1", number_json(tally.pass_1));
    snprintf(key, sizeof key, "pass@%d", r->group);
    json_object_set_new(plain, key, number_json(tally.pass_k));
    json_object_foreach(plain, name, value)
    {
        snprintf(key, sizeof key, "eval_%s", name);
        json_object_set(metrics, key, value);
    }
    json_decref(plain);
}

int grpo_evaluate(void *self, struct trainer *t, struct evaluation_out *out, struct err *e)
{
    struct grpo *g = self;
    struct rollouts r;
    struct rng_at at = {.seed = t->seed, .purpose = RNG_EVALUATE};
    int n = g->held_out.n, *slots = alloc_zero((size_t)n, sizeof *slots);
    rollouts_init(&r, n, g->eval_group, g->scorer.n);
    for (int i = 0; i < n; i++) r.prompts[i] = slots[i] = i;
    struct sample_call c = {.rows = g->rows.held_out,
                            .prompts = &g->held_out,
                            .to = &r,
                            .slots = slots,
                            .n_slots = n,
                            .seed = rng_u64(&at),
                            .what = "evaluating"};
    g->scorer.step = t->step;
    int failed = grpo_sample(g, &c, e) || scorer_advantages(&g->scorer, &r, e);
    if (!failed) put_metrics(g, &r, out->metrics);
    out->samples = (long)n * r.group;
    out->batches = n;
    rollouts_release(&r);
    free(slots);
    return failed ? -1 : 0;
}
