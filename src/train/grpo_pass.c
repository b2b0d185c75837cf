/* grpo_pass.c: the gradient of one optimiser step.
 *
 * A microbatch is a fixed number of whole groups (grpo_setup.c), counted from the first of the step, whatever
 * per_device_train_batch_size says: so the split into micro-steps changes no bit. In it each prompt is a
 * span that is computed once, and its completions are spans that share it; the first token of a completion
 * is predicted by the prompt's last row. Groups that cannot move a weight are left out.
 *
 * Where only tokens of high entropy count, or entropy decides anything else over the whole step, the step is
 * looked at once without gradient first.
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

/* The prompt is one span, each completion one that shares it. */
static void lay(struct grpo *g, const struct prompt *p, const struct completion *c, int n)
{
    int last = g->micro.n_rows + p->n - 1;
    int parent = micro_span(&g->micro, g->prompts.ids + p->at, p->n, -1);
    for (const struct completion *end = c + n; c < end; c++) {
        int row = g->micro.n_rows;
        if (c->n > 1) micro_span(&g->micro, c->ids, c->n - 1, parent);
        for (int t = 0; t < c->n; t++) {
            micro_head(&g->micro, t == 0 ? last : row + t - 1, c->ids[t]);
            if (c->set_ends) {
                size_t from = t == 0 ? 0 : c->set_ends[t - 1];
                micro_head_set(&g->micro, c->set_ids + from, (int)(c->set_ends[t] - from));
            }
        }
    }
}

static void add_group(struct grpo *g, int group)
{
    int first = g->micro.n_spans, sequence = group * (g->layout.group + 1) - first;
    lay(g, &g->prompts.list[g->now.prompts[group]], g->now.out[group].c, g->layout.group);
    for (int i = first; i < g->micro.n_spans; i++)
        micro_span_sequence(&g->micro, i, (uint32_t)(sequence + i));
    g->active[g->n_active++] = group;
}

void grpo_lay_group(struct grpo *g, const struct prompt *p, const struct completion *c, int n)
{
    micro_clear(&g->micro);
    lay(g, p, c, n);
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

/* What is taken from a group's predictions, which begin at `at`. */
typedef void (*group_take)(struct grpo *g, int group, const struct forward *f, int at);

/* Forward without gradient over groups first .. first + count - 1, a microbatch at a time. */
static int look(struct grpo *g, struct model *m, int first, int count, group_take take, struct err *e)
{
    for (int from = first; from < first + count; from += g->layout.micro_groups) {
        struct forward f = {.rows = {.temperature = g->sampling.temperature}};
        if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "stopped");
        micro_clear(&g->micro);
        g->n_active = 0;
        for (int k = from; k < from + g->layout.micro_groups && k < first + count; k++) add_group(g, k);
        tape_start(g->t->tape, false);
        micro_forward(&g->micro, m, g->t->tape, g->t->checkpointing, &f);
        if (check_logits(g, &f, e)) return -1;
        for (int k = 0, at = 0; k < g->n_active; k++) {
            int group = g->active[k];
            take(g, group, &f, at);
            for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++)
                at += rollouts_at(&g->now, i)->n;
        }
    }
    return 0;
}

static void take_reference(struct grpo *g, int group, const struct forward *f, int at)
{
    const float *logp = f->out.logp->data + at;
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++)
        for (int t = 0; t < rollouts_at(&g->now, i)->n; t++) rollouts_ref(&g->now, i)[t] = (double)*logp++;
}

int grpo_reference(struct grpo *g, struct err *e)
{
    bool same = g->ref == g->t->model; /* an adapted model is its own reference */
    if (same) model_as_reference(g->ref, true);
    int failed = look(g, g->ref, 0, g->layout.groups, take_reference, e);
    if (same) model_as_reference(g->ref, false);
    return failed ? err_wrap(e, "reference model") : 0;
}

/* ---- loss ------------------------------------------------------------------------------------------ */

/* Lengths and masks of the completions of this step, and where each begins among its tokens. */
static void lay_out(struct grpo *g, int first)
{
    int n = g->layout.step_groups * g->layout.group;
    double tokens = 0;
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        bool masked = is_masked(g, first + i);
        g->starts[i] = at;
        g->lengths[i] = rollouts_at(&g->now, first + i)->n;
        for (int t = 0; t < g->lengths[i]; t++) g->step_mask[at++] = masked ? 0 : 1;
        tokens += masked ? 0 : g->lengths[i];
    }
    g->starts[n] = at;
    g->policy.n_tokens = tokens;
    g->policy.accumulation = g->layout.micro_steps;
}

static void take_entropy(struct grpo *g, int group, const struct forward *f, int at)
{
    int slot = completion_of(g, group - g->first_group);
    size_t from = g->starts[slot], n = g->starts[slot + g->layout.group] - from;
    for (size_t t = 0; t < n; t++) g->step_entropy[from + t] = (double)f->out.entropy->data[(size_t)at + t];
}

/* The tokens of the step whose entropy is high enough to be learned from. */
static int choose_tokens(struct grpo *g, struct err *e)
{
    size_t n = g->starts[g->layout.step_groups * g->layout.group];
    if (!g->step_keep) return 0;
    if (look(g, g->t->model, g->first_group, g->layout.step_groups, take_entropy, e)) return -1;
    policy_top_entropy(g->step_entropy, g->step_mask, n, g->policy.top_entropy, g->step_keep);
    return 0;
}

/* What each completion weighs, by micro-steps as TRL forms them. */
static void weigh(struct grpo *g)
{
    for (int i = 0; i < g->layout.step_groups * g->layout.group; i += g->layout.micro) {
        struct policy_batch b = {.n = g->layout.micro,
                                 .lengths = g->lengths + i,
                                 .mask = g->step_mask + g->starts[i],
                                 .keep = g->step_keep ? g->step_keep + g->starts[i] : NULL};
        policy_weights(&b, &g->policy, g->weights + i, g->entropy_weights + i);
    }
}

static bool contributes(const struct grpo *g, int group)
{
    if (g->policy.beta != 0 || entropy_control_on(&g->control)) return true;
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++)
        if (g->now.advantages[i] != 0 && !is_masked(g, i) && rollouts_at(&g->now, i)->n > 0) return true;
    return false;
}

/* A group that is left out still counts wherever something is divided. */
static void count_skipped(const struct grpo *g, int group, struct grpo_sums *p)
{
    int slot = completion_of(g, group - g->first_group);
    for (size_t t = g->starts[slot]; t < g->starts[slot + g->layout.group]; t++)
        p->out.n_kept += g->step_keep ? g->step_keep[t] : g->step_mask[t];
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        double tokens = is_masked(g, i) ? 0 : rollouts_at(&g->now, i)->n;
        p->out.n_tokens += tokens;
        p->out.n_rows += 1;
        p->skipped += tokens;
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

/* Loss of one group, the slot-th of the step; its gradients by log-prob and by entropy go to g. Returns the
 * number of its tokens. */
static int group_loss(struct grpo *g, int group, int slot, const struct forward *f, int at)
{
    int n = g->layout.group, total = 0;
    size_t start = g->starts[slot * n];
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        const struct completion *c = rollouts_at(&g->now, i);
        for (int t = 0; t < c->n; t++, total++) {
            g->logp[total] = (double)f->out.logp->data[at + total];
            g->entropy[total] = (double)f->out.entropy->data[at + total];
            g->old[total] = (double)c->logps[t];
            if (g->ref) g->refs[total] = rollouts_ref(&g->now, i)[t];
        }
    }
    struct policy_batch b = {.n = n,
                             .lengths = g->lengths + slot * n,
                             .logp = g->logp,
                             .old = g->old,
                             .ref = g->ref ? g->refs : NULL,
                             .mask = g->step_mask + start,
                             .keep = g->step_keep ? g->step_keep + start : NULL,
                             .entropy = g->entropy,
                             .advantages = g->now.advantages + completion_of(g, group),
                             .weights = g->weights + slot * n,
                             .entropy_weights = g->entropy_weights + slot * n};
    policy_loss(&b, &g->policy, g->grad, g->grad_entropy, &g->sums.out);
    return total;
}

static int run_micro(struct grpo *g, bool fresh, struct err *e)
{
    struct trainer *t = g->t;
    struct forward f = {.rows = {.temperature = g->sampling.temperature}};
    model_zero_grad(t->model);
    tape_start(t->tape, true);
    micro_forward(&g->micro, t->model, t->tape, t->checkpointing, &f);
    if (check_logits(g, &f, e)) return -1;
    float *seed = tape_seed(t->tape, f.out.logp);
    float *entropy_seed = g->policy.entropy_coef != 0 ? tape_seed(t->tape, f.out.entropy) : NULL;
    for (int k = 0, at = 0; k < g->n_active; k++) {
        int group = g->active[k];
        if (compare(g, group, f.out.logp->data + at, fresh && !g->micro.drops, &g->sums, e)) return -1;
        int n = group_loss(g, group, group - g->first_group, &f, at);
        for (int i = 0; i < n; i++) seed[at + i] = (float)g->grad[i];
        for (int i = 0; entropy_seed && i < n; i++) entropy_seed[at + i] = (float)g->grad_entropy[i];
        at += n;
    }
    moe_end_micro(&t->moe);
    tape_backward(t->tape);
    return 0;
}

int grpo_pass(struct grpo *g, int first_group, bool fresh, struct err *e)
{
    g->micro.dropout.at.step = (uint32_t)g->t->step;
    int count = g->layout.step_groups, micro = g->layout.micro_groups;
    g->sums = (struct grpo_sums){0};
    policy_out_init(&g->sums.out);
    g->first_group = first_group;
    g->policy.entropy_coef = entropy_control_applied(&g->control);
    lay_out(g, completion_of(g, first_group));
    if (choose_tokens(g, e)) return -1;
    weigh(g);
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
                count_skipped(g, group, &g->sums);
        }
        moe_begin_micro(&g->t->moe, g->micro.n_spans, n_micro);
        if (g->n_active > 0 && run_micro(g, fresh, e)) return -1;
        grad_tree_push(&g->t->tree, g->n_active > 0);
        g->sums.trained += g->n_active;
    }
    return 0;
}
