/* grpo_plan.c: the memory of a GRPO run, twice.
 *
 * At most: every prompt as long as the longest, every completion at its full length. Buffers are taken for
 * that, and what it needs must be there, or the run does not begin.
 *
 * As expected: with the lengths that completions have had so far, most of what was taken is never touched,
 * and the system gives memory only for what is. So from the groups that were looked at before the first step
 * the windows of the run are drawn: each group takes a prompt of the dataset at random, one of the groups
 * seen, and from that one's completions its own (a bootstrap in two stages). Over what was drawn the same
 * functions are asked as before: a forward and backward pass over the largest microbatch, the scheduler of
 * the engine over some windows. Where none that is drawn has variance in its rewards, no pass is made: then
 * it is expected without one, until a group is trained after all.
 */
#include "train/grpo_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/machine.h"
#include "base/rng.h"

const char plan_sampling[] = "sampling: KV cache, packed weights";
static const char plan_sets[] = "tokens drawn from, at most";
static const char plan_tokens[] = "completions, their losses";

/* ---- at most --------------------------------------------------------------------------------------- */

/* As many sequences at once as a quarter of the memory lets the engine have. */
struct engine_limits grpo_engine_limits(const struct grpo *g)
{
    struct conf *c = g->t->conf;
    int total = g->layout.groups * g->layout.group;
    struct engine_limits l = {
        .max_running = total < 256 ? total : 256, .max_rows = 512, .keep_sets = g->keeps_sets};
    int longest = g->prompts.longest > g->held_out.longest ? g->prompts.longest : g->held_out.longest;
    l.max_tokens = longest + g->preflight.longest + g->sampling.max_new_tokens;
    bool guesses = strcmp(conf_str(c, "speculate"), "lookup") == 0;
    if (guesses) l.draft.by = drafter_find("lookup", NULL);
    if (conf_is_set(c, "num_draft_tokens")) l.draft.n = guesses ? (int)conf_int(c, "num_draft_tokens") : 0;
    if (conf_is_set(c, "max_running"))
        l.max_running = (int)conf_int(c, "max_running");
    else if (g->t->suppose_running)
        l.max_running = g->t->suppose_running;
    else
        while (l.max_running > 1 && engine_bytes(g->t->model, &l) > plan_limit(c) / 4) l.max_running /= 2;
    if (l.max_rows < l.max_running) l.max_rows = l.max_running;
    return l;
}

static void lay_largest(struct grpo *g)
{
    const struct prompt *p = &g->prompts.list[0];
    for (int i = 1; i < g->prompts.n; i++)
        if (g->prompts.list[i].n > p->n) p = &g->prompts.list[i];
    int length = g->sampling.max_new_tokens, *ids = alloc_zero((size_t)length, sizeof *ids);
    struct completion *c = alloc_zero((size_t)g->layout.group, sizeof *c);
    for (int i = 0; i < g->layout.group; i++) c[i] = (struct completion){.ids = ids, .n = length};
    for (int k = 0; k < g->layout.micro_groups; k++) grpo_lay_group(g, p, c, g->layout.group);
    free(c);
    free(ids);
}

/* Of a window's completions. */
static size_t sets_bytes(const struct grpo *g)
{
    int most = model_config(g->t->model)->vocab < SET_MAX ? model_config(g->t->model)->vocab : SET_MAX;
    if (g->sampling.top_k > 0 && g->sampling.top_k < most) most = g->sampling.top_k;
    size_t tokens = (size_t)g->layout.groups * (size_t)g->layout.group * (size_t)g->sampling.max_new_tokens;
    return g->keeps_sets ? tokens * (size_t)most * sizeof(int) : 0;
}

/* Of what the plan leaves, the half, or as much as the groups of a step need. Nothing where it would not hold
 * a group of theirs beside what a pass may ask for. */
static size_t kept_bytes(const struct grpo *g)
{
    const struct grpo_layout *l = &g->layout;
    const struct trainer *t = g->t;
    if (!g->store || t->checkpointing) return 0;
    size_t total = plan_total(&t->plan), limit = plan_limit(t->conf), reach = memory_within_reach();
    if (reach < limit) limit = reach;
    size_t group = (size_t)g->prompts.longest + (size_t)l->group * (size_t)(g->sampling.max_new_tokens - 1);
    size_t spare = (size_t)g->limits.max_rows, left = limit > total ? (limit - total) / 2 : 0;
    size_t most = activations_bytes(g->store, group * (size_t)l->step_groups + spare);
    if (left < activations_bytes(g->store, group + spare)) return 0;
    return left < most ? left : most;
}

/* Of a window with this many tokens in its completions: these (struct completion, rollouts_ref), and what is
 * known of each token of a step (grpo_setup.c). */
static size_t tokens_bytes(const struct grpo *g, size_t tokens)
{
    const struct grpo_layout *l = &g->layout;
    size_t each = sizeof(int) + 2 * sizeof(float) + (g->policy.beta != 0 ? sizeof(double) : 0);
    if (g->store) each += sizeof(int); /* numbers of rows */
    size_t of_step = 3 * sizeof(double) + (g->step_keep ? sizeof(double) : 0);
    size_t of_micro = 4 * sizeof(double); /* old, refs, grad, grad_entropy, of one group at a time */
    return tokens * each + tokens / (size_t)l->groups * ((size_t)l->step_groups * of_step + of_micro);
}

void grpo_plan(void *self, struct trainer *t)
{
    struct grpo *g = self;
    int completions = g->layout.groups * g->layout.group;
    g->limits = grpo_engine_limits(g);
    if (!conf_is_set(t->conf, "max_running") &&
        g->limits.max_running < (completions < 256 ? completions : 256))
        t->plan.fewer_running = g->limits.max_running;
    t->plan.at = "every completion at max_completion_length";
    plan_add(&t->plan, plan_sampling, engine_bytes(t->model, &g->limits));
    plan_add(&t->plan, plan_sets, sets_bytes(g));
    size_t longest = (size_t)g->sampling.max_new_tokens;
    plan_add(&t->plan, plan_tokens, tokens_bytes(g, (size_t)completions * longest));
    if (g->policy.beta != 0)
        plan_add(&t->plan, "reference model",
                 model_is_adapted(t->model) ? model_reference_bytes(t->model)
                                            : model_bytes(t->model, t->settings.model));
    lay_largest(g);
    trainer_plan_micro(t, &g->micro);
    micro_clear(&g->micro);
    t->plan.kept = kept_bytes(g);
}

/* ---- as expected ----------------------------------------------------------------------------------- */

enum {
    GROUPS_DRAWN = 1 << 16, /* about at most, in search of the largest microbatch */
    RUNS_DRAWN = 15,
    WINDOWS_REHEARSED = 4
};

struct drawing {
    const struct grpo *g;
    const struct rollouts *seen;
    bool *trains; /* [seen->groups] would a pass be made of it? */
};

/* Group `group` of window w: how its draws are keyed, its prompt, and the group seen that it takes after. */
struct drawn {
    struct rng_at at;
    const struct prompt *prompt;
    int slot;
};

static struct drawn draw_group(const struct drawing *d, const struct prompts *prompts, long w, int group)
{
    struct drawn x = {
        .at = {.seed = d->g->t->seed, .purpose = RNG_PLAN, .step = (uint32_t)w, .sequence = (uint32_t)group}};
    x.slot = (int)rng_below(&x.at, (uint32_t)d->seen->groups);
    x.at.position++;
    x.prompt = &prompts->list[rng_below(&x.at, (uint32_t)prompts->n)];
    return x;
}

static const struct completion *draw_completion(const struct drawing *d, const struct drawn *x, int i)
{
    struct rng_at at = x->at;
    at.position += 1 + (uint32_t)i;
    return &d->seen->out[x->slot].c[rng_below(&at, (uint32_t)d->seen->group)];
}

static void find_trained(struct drawing *d)
{
    for (int i = 0; i < d->seen->groups; i++) d->trains[i] = !grpo_is_idle(d->g, d->seen, i);
}

/* The groups from..to-1 of window w as a microbatch: its rows; with `lay`, laid out too. */
static long micro_rows(const struct drawing *d, long w, int from, int to, struct grpo *lay)
{
    int group = d->g->layout.group;
    struct completion *c = alloc_zero((size_t)group, sizeof *c);
    long rows = 0;
    for (int k = from; k < to; k++) {
        struct drawn x = draw_group(d, &d->g->prompts, w, k);
        if (!d->trains[x.slot]) continue;
        rows += x.prompt->n;
        for (int i = 0; i < group; i++) {
            c[i] = *draw_completion(d, &x, i);
            rows += c[i].n - 1;
        }
        if (lay) grpo_lay_group(lay, x.prompt, c, group);
    }
    free(c);
    return rows;
}

struct largest { /* microbatch of a run: the groups from..to-1 of a window */
    long rows, window;
    int from, to;
};

/* Of the windows first .. first + n - 1. */
static struct largest find_largest(const struct drawing *d, long first, long n)
{
    const struct grpo_layout *l = &d->g->layout;
    struct largest best = {.rows = -1};
    for (long w = first; w < first + n; w++)
        for (int from = 0; from < l->groups;) {
            int end = (from / l->step_groups + 1) * l->step_groups;
            int to = from + l->micro_groups < end ? from + l->micro_groups : end;
            long rows = micro_rows(d, w, from, to, NULL);
            if (rows > best.rows) best = (struct largest){rows, w, from, to};
            from = to;
        }
    return best;
}

static int by_rows(const void *a, const void *b)
{
    const struct largest *x = a, *y = b;
    return (x->rows > y->rows) - (x->rows < y->rows);
}

/* The largest microbatch of a run, into g->micro: of some runs that are drawn the middle one, since few
 * windows differ much by chance. Returns false when no pass is made in that. */
static bool lay_expected(struct grpo *g, const struct drawing *d)
{
    const struct grpo_layout *l = &g->layout;
    struct largest list[RUNS_DRAWN];
    long windows = (g->t->total_steps + l->window_steps - 1) / l->window_steps;
    if (windows > GROUPS_DRAWN / l->groups) windows = GROUPS_DRAWN / l->groups + 1;
    long runs = GROUPS_DRAWN / (windows * l->groups);
    runs = runs < 1 ? 1 : runs > RUNS_DRAWN ? RUNS_DRAWN : runs;
    for (long i = 0; i < runs; i++) list[i] = find_largest(d, i * windows, windows);
    qsort(list, (size_t)runs, sizeof *list, by_rows);
    const struct largest *x = &list[runs / 2];
    micro_clear(&g->micro);
    micro_rows(d, x->window, x->from, x->to, g);
    return g->micro.n_rows > 0;
}

/* Completions of prompts, n groups of `group`: all that the engine is asked for at a time. */
struct asked {
    const struct prompts *prompts;
    int n, group;
    bool each; /* prompt i for group i, not one at random */
};

struct kept { /* of completions: tokens, and bytes of the sets that they were drawn from */
    size_t tokens, sets, rows; /* rows: that are put aside */
};

/* What the engine uses for these, drawn as window w. */
static struct engine_use rehearse(const struct drawing *d, const struct asked *a, long w, struct kept *kept)
{
    const struct grpo *g = d->g;
    struct request *requests = alloc_zero((size_t)a->n, sizeof *requests);
    int *lengths = alloc_zero((size_t)a->n * (size_t)a->group, sizeof *lengths), at = 0;
    *kept = (struct kept){0};
    for (int k = 0; k < a->n; k++) {
        struct drawn x = draw_group(d, a->prompts, w, k);
        const struct prompt *p = a->each ? &a->prompts->list[k] : x.prompt;
        requests[k] = (struct request){
            .prompt = a->prompts->ids + p->at, .n_prompt = p->n, .n = a->group, .sampling = g->sampling};
        requests[k].aside = !a->each && g->store && k < g->layout.step_groups;
        if (requests[k].aside) kept->rows += (size_t)p->n;
        for (int i = 0; i < a->group; i++) {
            const struct completion *c = draw_completion(d, &x, i);
            lengths[at++] = c->n;
            kept->tokens += (size_t)c->n;
            if (requests[k].aside) kept->rows += (size_t)c->n - 1;
            if (c->set_ends && c->n) kept->sets += c->set_ends[c->n - 1] * sizeof *c->set_ids;
        }
    }
    struct engine_use use = engine_rehearse(g->t->model, &g->limits, requests, a->n, lengths);
    free(requests);
    free(lengths);
    return use;
}

static void use_more(struct engine_use *use, struct engine_use other)
{
    if (other.rows > use->rows) use->rows = other.rows;
    if (other.n_blocks > use->n_blocks) use->n_blocks = other.n_blocks;
}

static void expect_sampling(const struct drawing *d, struct plan *p)
{
    const struct grpo *g = d->g;
    struct engine_use use = engine_used(g->engine);
    struct kept kept, most = {0};
    for (long w = 0; w < WINDOWS_REHEARSED; w++) {
        const struct asked window = {&g->prompts, g->layout.groups, g->layout.group, false};
        use_more(&use, rehearse(d, &window, w, &kept));
        if (kept.sets > most.sets) most.sets = kept.sets;
        if (kept.tokens > most.tokens) most.tokens = kept.tokens;
        if (kept.rows > most.rows) most.rows = kept.rows;
    }
    if (g->held_out.n) {
        const struct asked evaluation = {&g->held_out, g->held_out.n, g->eval_group, true};
        use_more(&use, rehearse(d, &evaluation, 0, &kept));
    }
    plan_change(p, plan_sampling,
                plan_row(p, plan_sampling) - engine_untouched(g->t->model, &g->limits, &use));
    plan_change(p, plan_sets, most.sets);
    plan_change(p, plan_tokens, tokens_bytes(g, most.tokens));
    if (p->kept && activations_bytes(g->store, most.rows) < p->kept)
        p->kept = activations_bytes(g->store, most.rows);
}

/* By what is counted; no less than there was already, or than there is now and what was taken but is not
 * touched yet: step memory, of which looks may have used a part, and before the first step the state on disk.
 * pass: the largest that is expected. */
static size_t expected_bytes(const struct grpo *g, const struct plan *p, size_t pass)
{
    const struct trainer *t = g->t;
    size_t bytes = plan_resident(p), peak = memory_peak(), now = machine_resident();
    size_t kept = g->store ? activations_taken(g->store) : 0;
    if (pass > t->arena.peak) now += pass - t->arena.peak;
    if (p->kept > kept) now += p->kept - kept;
    if (pass && t->step == 0) now += p->disk;
    if (bytes < peak) bytes = peak;
    return bytes < now ? now : bytes;
}

void grpo_expect(struct grpo *g, const struct rollouts *seen)
{
    struct drawing d = {g, seen, alloc_zero((size_t)seen->groups, sizeof *d.trains)};
    struct plan p = g->t->plan;
    find_trained(&d);
    expect_sampling(&d, &p);
    trainer_expect_micro(g->t, NULL, &p);
    g->t->expected = expected_bytes(g, &p, 0);
    bool trains = lay_expected(g, &d);
    for (int i = 0; i < seen->groups && !trains; i++) d.trains[i] = true; /* who will is not known: any may */
    if (!trains) lay_expected(g, &d);
    size_t pass = trainer_expect_micro(g->t, &g->micro, &p);
    micro_clear(&g->micro);
    g->expected_trained = expected_bytes(g, &p, pass);
    if (trains) g->t->expected = g->expected_trained;
    free(d.trains);
}

void grpo_expect_trained(struct grpo *g)
{
    if (g->sums.trained && g->t->expected < g->expected_trained) g->t->expected = g->expected_trained;
}
