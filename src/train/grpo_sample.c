/* grpo_sample.c: completions of some prompts, sampled from the weights as they are, and scored. Windows,
 * evaluation and the look before the first step all come this way.
 */
#include "train/grpo_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct watching {
    struct trainer *t;
    const char *what;
};

static bool watch(void *ctx, const struct engine_progress *p)
{
    const struct watching *w = ctx;
    char note[64];
    snprintf(note, sizeof note, "%s %ld/%ld", w->what, p->done_sequences, p->total_sequences);
    progress_update(&w->t->bar, w->t->step, note);
    return stop_signal() != 0;
}

/* The prompts in a row, each with what is put behind it. */
static int *lay_prompts(const struct sample_call *c, struct request *requests)
{
    size_t n = 0, at = 0, more = c->behind ? c->behind->n : 0;
    for (int i = 0; i < c->n_slots; i++) n += (size_t)c->prompts->list[c->to->prompts[c->slots[i]]].n + more;
    int *ids = alloc_zero(n + 1, sizeof *ids);
    for (int i = 0; i < c->n_slots; i++) {
        const struct prompt *p = &c->prompts->list[c->to->prompts[c->slots[i]]];
        memcpy(ids + at, c->prompts->ids + p->at, (size_t)p->n * sizeof *ids);
        if (more) memcpy(ids + at + p->n, c->behind->p, more * sizeof *ids);
        requests[i].prompt = ids + at;
        requests[i].n_prompt = p->n + (int)more;
        at += (size_t)requests[i].n_prompt;
    }
    return ids;
}

/* What was put behind the prompt is the first part of the text that rewards see. */
static void put_in_front(const struct sample_call *c, struct group *group)
{
    size_t more = c->behind_text ? strlen(c->behind_text) : 0;
    for (int k = 0; more && k < group->n; k++) {
        struct completion *done = &group->c[k];
        char *text = alloc_or_die(more + done->n_text + 1);
        memcpy(text, c->behind_text, more);
        memcpy(text + more, done->text, done->n_text + 1);
        free(done->text);
        done->text = text;
        done->n_text += more;
    }
}

int grpo_sample(struct grpo *g, const struct sample_call *c, struct err *e)
{
    struct watching w = {g->t, c->what};
    struct engine_hooks hooks = {.watch = watch, .ctx = &w, .aside = c->aside ? g->store : NULL};
    struct request *requests = alloc_zero((size_t)c->n_slots, sizeof *requests);
    struct group *out = alloc_zero((size_t)c->n_slots, sizeof *out);
    for (int i = 0; i < c->n_slots; i++)
        requests[i] =
            (struct request){.n = c->to->group,
                             .sampling = g->sampling,
                             .seed = c->seed,
                             .step = c->step,
                             .first_sequence = c->first_sequence + (uint32_t)(c->slots[i] * c->to->group),
                             .aside = hooks.aside && c->slots[i] < g->layout.step_groups};
    int *ids = lay_prompts(c, requests);
    double start = clock_s();
    engine_reset(g->engine);
    int failed = engine_run(g->engine, requests, c->n_slots, out, &hooks, e);
    if (!failed && stop_signal()) failed = err_kind_set(e, ERR_STOPPED, "stopped");
    for (int i = 0; i < c->n_slots; i++) {
        if (failed) {
            group_release(&out[i]);
            continue;
        }
        put_in_front(c, &out[i]);
        c->to->out[c->slots[i]] = out[i];
    }
    free(ids);
    free(out);
    free(requests);
    if (failed) return -1;
    c->to->generate_s += clock_s() - start;
    start = clock_s();
    failed = scorer_run(&g->scorer, c, e);
    g->t->reward_failed = failed != 0;
    c->to->score_s += clock_s() - start;
    return failed;
}
