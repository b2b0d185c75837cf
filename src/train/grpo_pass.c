/* grpo_pass.c: the gradient of one optimiser step.
 *
 * A microbatch is a fixed number of whole groups (grpo_setup.c), counted from the first of the step, whatever
 * per_device_train_batch_size says: so the split into micro-steps changes no bit. In it each prompt is a
 * span that is computed once, and its completions are spans that share it; the first token of a completion
 * is predicted by the prompt's last row. Groups that cannot move a weight are left out.
 */
#include "train/grpo_int.h"

#include <math.h>

static int completion_of(const struct grpo *g, int group)
{
    return group * g->layout.group;
}

static bool is_masked(const struct grpo *g, int i)
{
    return g->mask_truncated && rollouts_at(&g->now, i)->finish == FINISH_LENGTH;
}

/* ---- a microbatch ---------------------------------------------------------------------------------- */

static void add_group(struct grpo *g, int group)
{
    const struct prompt *p = &g->prompts.list[g->now.prompts[group]];
    int last = g->micro.n_rows + p->n - 1;
    int parent = micro_span(&g->micro, g->prompts.ids + p->at, p->n, -1);
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        const struct completion *c = rollouts_at(&g->now, i);
        int row = g->micro.n_rows;
        if (c->n > 1) micro_span(&g->micro, c->ids, c->n - 1, parent);
        for (int t = 0; t < c->n; t++) micro_head(&g->micro, t == 0 ? last : row + t - 1, c->ids[t]);
    }
    g->active[g->n_active++] = group;
}

static int check_logits(const struct grpo *g, const struct forward *f, struct err *e)
{
    int head = f->out.bad_row;
    if (head < 0) return 0;
    for (int k = 0; k < g->n_active; k++)
        for (int i = completion_of(g, g->active[k]); i < completion_of(g, g->active[k] + 1); i++) {
            int n = rollouts_at(&g->now, i)->n;
            if (head < n)
                return err_set(e, "the logits of dataset row %ld, completion %d, token %d are not finite",
                               g->prompts.list[g->now.prompts[g->active[k]]].row, i % g->layout.group, head);
            head -= n;
        }
    return err_set(e, "some logits are not finite");
}

int grpo_reference(struct grpo *g, struct err *e)
{
    for (int group = 0; group < g->layout.groups; group += g->layout.micro_groups) {
        struct forward f = {.rows = {.temperature = g->sampling.temperature}};
        if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "stopped");
        micro_clear(&g->micro);
        g->n_active = 0;
        for (int k = group; k < group + g->layout.micro_groups && k < g->layout.groups; k++) add_group(g, k);
        tape_start(g->t->tape, false);
        micro_forward(&g->micro, g->ref, g->t->tape, g->t->checkpointing, &f);
        if (check_logits(g, &f, e)) return err_wrap(e, "reference model");
        const float *logp = f.out.logp->data;
        for (int i = completion_of(g, group); i < completion_of(g, group + g->n_active); i++)
            for (int t = 0; t < rollouts_at(&g->now, i)->n; t++)
                rollouts_ref(&g->now, i)[t] = (double)*logp++;
    }
    return 0;
}

/* ---- loss ------------------------------------------------------------------------------------------ */

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

static bool contributes(const struct grpo *g, int group)
{
    if (g->policy.beta != 0) return true;
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++)
        if (g->now.advantages[i] != 0 && !is_masked(g, i) && rollouts_at(&g->now, i)->n > 0) return true;
    return false;
}

/* A group that is left out still counts wherever something is divided. */
static void count_skipped(const struct grpo *g, int group, struct grpo_sums *p)
{
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        double tokens = is_masked(g, i) ? 0 : rollouts_at(&g->now, i)->n;
        p->out.n_tokens += tokens;
        p->out.n_rows += 1;
        p->out.n_ratios += g->policy.sequence_level ? 1 : tokens;
        if (tokens == 0) continue;
        p->out.clip_low_min = 0;
        if (p->out.clip_high_max < 0) p->out.clip_high_max = 0;
    }
}

/* The sampler's log-probs against those of this pass, which begin at `logp`. */
static int compare(const struct grpo *g, int group, const float *logp, bool fresh, struct grpo_sums *p,
                   struct err *e)
{
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        const struct completion *c = rollouts_at(&g->now, i);
        for (int t = 0; t < c->n; t++, logp++) {
            double gap = fabs((double)*logp - (double)c->logps[t]);
            if (fresh && !(gap == 0))
                return err_set(
                    e,
                    "sampler and trainer disagree: completion %d of this window, token %d has log-prob %.9g "
                    "when sampled and %.9g when trained. They must be equal to the last bit; this is a "
                    "defect of the program",
                    i, t, (double)c->logps[t], (double)*logp);
            p->gap_sum += gap;
            p->compared++;
            if (gap > p->gap_max) p->gap_max = gap;
        }
    }
    return 0;
}

/* Loss of one group; its gradient by log-prob goes to `seed`. Returns the number of its tokens. */
static int group_loss(struct grpo *g, int group, int slot, const struct forward *f, int at)
{
    int n = g->layout.group, total = 0;
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        const struct completion *c = rollouts_at(&g->now, i);
        for (int t = 0; t < c->n; t++, total++) {
            double mask = is_masked(g, i) ? 0 : 1;
            g->logp[total] = (double)f->out.logp->data[at + total];
            g->old[total] = (double)c->logps[t];
            g->mask[total] = mask;
            if (g->ref) g->refs[total] = rollouts_ref(&g->now, i)[t];
            g->sums->entropy += mask * (double)f->out.entropy->data[at + total];
            g->sums->tokens += mask;
        }
    }
    struct policy_batch b = {.n = n,
                             .lengths = g->lengths + slot * n,
                             .logp = g->logp,
                             .old = g->old,
                             .ref = g->ref ? g->refs : NULL,
                             .mask = g->mask,
                             .advantages = g->now.advantages + completion_of(g, group),
                             .weights = g->weights + slot * n};
    policy_loss(&b, &g->policy, g->grad, &g->sums->out);
    return total;
}

static int run_micro(struct grpo *g, int first_group, bool fresh, struct err *e)
{
    struct trainer *t = g->t;
    struct forward f = {.rows = {.temperature = g->sampling.temperature}};
    model_zero_grad(t->model);
    tape_start(t->tape, true);
    micro_forward(&g->micro, t->model, t->tape, t->checkpointing, &f);
    if (check_logits(g, &f, e)) return -1;
    float *seed = tape_seed(t->tape, f.out.logp);
    for (int k = 0, at = 0; k < g->n_active; k++) {
        int group = g->active[k];
        if (compare(g, group, f.out.logp->data + at, fresh, g->sums, e)) return -1;
        int n = group_loss(g, group, group - first_group, &f, at);
        for (int i = 0; i < n; i++) seed[at + i] = (float)g->grad[i];
        at += n;
    }
    moe_end_micro(&t->moe);
    tape_backward(t->tape);
    return 0;
}

int grpo_pass(struct grpo *g, int first_group, bool fresh, struct grpo_sums *sums, struct err *e)
{
    int count = g->layout.step_groups, micro = g->layout.micro_groups;
    *sums = (struct grpo_sums){0};
    policy_out_init(&sums->out);
    g->sums = sums;
    weigh(g, completion_of(g, first_group));
    long n_micro = (count + micro - 1) / micro;
    grad_tree_begin(&g->t->tree, n_micro);
    moe_begin_step(&g->t->moe);
    for (int from = 0; from < count; from += micro) {
        if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "stopped");
        micro_clear(&g->micro);
        g->n_active = 0;
        for (int group = first_group + from;
             group < first_group + from + micro && group < first_group + count; group++) {
            if (contributes(g, group))
                add_group(g, group);
            else
                count_skipped(g, group, sums);
        }
        moe_begin_micro(&g->t->moe, g->micro.n_spans, n_micro);
        if (g->n_active > 0 && run_micro(g, first_group, fresh, e)) return -1;
        grad_tree_push(&g->t->tree, g->n_active > 0);
        sums->trained += g->n_active;
    }
    return 0;
}
