/* grpo_pass.c: the gradient of one optimiser step.
 *
 * A microbatch is a fixed number of whole groups (grpo_setup.c), counted from the first of the step, whatever
 * per_device_train_batch_size says: so the split into micro-steps changes no bit. In it each prompt is a
 * span that is computed once, and its completions are spans that share it; the first token of a completion
 * is predicted by the prompt's last row.
 *
 * A group that cannot move a weight is left out of the pass; its tokens count in what is divided by, and in
 * the metrics, like all others. What those need, log-probs and entropies under the weights as they are, is in
 * the first step after sampling what the sampler recorded, and else comes from a pass without gradient. The
 * same holds for all groups where only tokens of high entropy count: which those are must be known before.
 *
 * In a run whose every step is the first after sampling, the loss and its derivatives are worked out from
 * what the sampler recorded, before the pass, which then needs a product of the output head less. What the
 * pass finds must be equal to what was recorded, to the last bit, in any case.
 *
 * Where there was memory, the first step after sampling does not do its forward pass: the sampler's
 * activations are the same to the last bit and were put aside (op.h). So that a difference would be found,
 * the first microbatch of a run is worked out all the same.
 */
#include "train/grpo_int.h"

#include <math.h>

static int completion_of(const struct grpo *g, int group)
{
    return group * g->layout.group;
}

static bool is_masked(const struct grpo *g, const struct rollouts *r, int i)
{
    return g->mask_truncated && rollouts_at(r, i)->finish == FINISH_LENGTH;
}

/* ---- a microbatch ---------------------------------------------------------------------------------- */

void grpo_lay_group(struct grpo *g, const struct prompt *p, const struct completion *c, int n)
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

/* Where the rows of the group's spans, from `first` on, were put aside. */
static void tell_aside(struct grpo *g, int group, int first)
{
    const struct group *out = &g->now.out[group];
    if (!g->micro.store) return;
    micro_span_aside(&g->micro, first++, group_aside(out, -1));
    for (int i = 0; i < out->n; i++)
        if (out->c[i].n > 1) micro_span_aside(&g->micro, first++, group_aside(out, i));
}

/* take: its forward pass need not be done again, if it was put aside. */
static void add_group(struct grpo *g, int group, bool take)
{
    int first = g->micro.n_spans, sequence = group * (g->layout.group + 1) - first;
    grpo_lay_group(g, &g->prompts.list[g->now.prompts[group]], g->now.out[group].c, g->layout.group);
    for (int i = first; i < g->micro.n_spans; i++)
        micro_span_sequence(&g->micro, i, (uint32_t)(sequence + i));
    if (take) tell_aside(g, group, first);
    g->active[g->n_active++] = group;
}

static int group_tokens(const struct grpo *g, int group)
{
    int n = 0;
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++)
        n += rollouts_at(&g->now, i)->n;
    return n;
}

bool grpo_is_idle(const struct grpo *g, const struct rollouts *r, int group)
{
    if (g->policy.beta != 0 || entropy_control_on(&g->control) || moe_record(&g->t->moe)) return false;
    for (int i = group * r->group; i < (group + 1) * r->group; i++)
        if (r->advantages[i] != 0 && !is_masked(g, r, i) && rollouts_at(r, i)->n > 0) return false;
    return true;
}

static bool is_idle(const struct grpo *g, int group)
{
    return grpo_is_idle(g, &g->now, group);
}

static int check_logits(const struct grpo *g, const struct forward *f, struct err *e)
{
    int head = f->out.bad_row;
    if (head < 0) return 0;
    for (int k = 0; k < g->n_active; k++)
        for (int i = completion_of(g, g->active[k]); i < completion_of(g, g->active[k] + 1); i++) {
            int n = rollouts_at(&g->now, i)->n;
            if (head < n) {
                err_set(e, "the logits of completion %d, token %d are not finite", i % g->layout.group, head);
                return row_wrap(&g->rows.places[g->prompts.list[g->now.prompts[g->active[k]]].row], e);
            }
            head -= n;
        }
    return err_set(e, "some logits are not finite");
}

/* What is taken from a group's predictions, which begin at `at`. */
typedef void (*group_take)(struct grpo *g, int group, const struct forward *f, int at);

struct look { /* at groups first .. first + count - 1, or at those of them that are idle */
    struct model *model;
    int first, count;
    bool idle;
    group_take take;
};

/* Forward without gradient, a microbatch at a time. */
static int look(struct grpo *g, const struct look *l, struct err *e)
{
    for (int group = l->first; group < l->first + l->count;) {
        struct forward f = {.rows = {.temperature = g->sampling.temperature}};
        if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "stopped");
        micro_clear(&g->micro);
        for (g->n_active = 0; g->n_active < g->layout.micro_groups && group < l->first + l->count; group++)
            if (!l->idle || is_idle(g, group)) add_group(g, group, false);
        if (g->n_active == 0) break;
        tape_start(g->t->tape, false);
        micro_forward(&g->micro, l->model, g->t->tape, g->t->checkpointing, &f);
        if (check_logits(g, &f, e)) return -1;
        for (int k = 0, at = 0; k < g->n_active; k++) {
            l->take(g, g->active[k], &f, at);
            at += group_tokens(g, g->active[k]);
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
    const struct look all = {.model = g->ref, .count = g->layout.groups, .take = take_reference};
    int failed = look(g, &all, e);
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
        bool masked = is_masked(g, &g->now, first + i);
        g->starts[i] = at;
        g->lengths[i] = rollouts_at(&g->now, first + i)->n;
        for (int t = 0; t < g->lengths[i]; t++) g->step_mask[at++] = masked ? 0 : 1;
        tokens += masked ? 0 : g->lengths[i];
    }
    g->starts[n] = at;
    g->policy.n_tokens = tokens;
    g->policy.accumulation = g->layout.micro_steps;
}

/* Where the group's tokens begin among those of the step. */
static size_t group_start(const struct grpo *g, int group)
{
    return g->starts[completion_of(g, group - g->first_group)];
}

static void take_step(struct grpo *g, int group, const struct forward *f, int at)
{
    size_t to = group_start(g, group), n = (size_t)group_tokens(g, group);
    for (size_t t = 0; t < n; t++) {
        g->step_logp[to + t] = (double)f->out.logp->data[(size_t)at + t];
        g->step_entropy[to + t] = (double)f->out.entropy->data[(size_t)at + t];
    }
}

static void take_recorded(struct grpo *g, int group)
{
    size_t to = group_start(g, group);
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        const struct completion *c = rollouts_at(&g->now, i);
        for (int t = 0; t < c->n; t++, to++) {
            g->step_logp[to] = (double)c->logps[t];
            g->step_entropy[to] = (double)c->entropies[t];
        }
    }
}

/* Log-probs and entropies that are needed beside, or before, the pass with gradient. */
static int look_ahead(struct grpo *g, bool fresh, struct err *e)
{
    const struct look l = {.model = g->t->model,
                           .first = g->first_group,
                           .count = g->layout.step_groups,
                           .idle = g->step_keep == NULL,
                           .take = take_step};
    if (!fresh) return look(g, &l, e);
    for (int group = l.first; group < l.first + l.count; group++) take_recorded(g, group);
    return 0;
}

/* The tokens of the step whose entropy is high enough to be learned from. */
static void choose_tokens(struct grpo *g)
{
    size_t n = g->starts[g->layout.step_groups * g->layout.group];
    if (g->step_keep)
        policy_top_entropy(g->step_entropy, g->step_mask, n, g->policy.top_entropy, g->step_keep);
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

/* The sampler's log-probs against those of this step. */
static int compare(const struct grpo *g, int group, bool fresh, struct grpo_sums *p, struct err *e)
{
    const double *logp = g->step_logp + group_start(g, group);
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        const struct completion *c = rollouts_at(&g->now, i);
        for (int t = 0; t < c->n; t++, logp++) {
            double gap = fabs(*logp - (double)c->logps[t]);
            if (fresh && !(gap == 0))
                return err_set(
                    e,
                    "sampler and trainer disagree: completion %d of this window, token %d has log-prob %.9g "
                    "when sampled and %.9g when trained. They must be equal to the last bit; this is a "
                    "defect of the program",
                    i, t, (double)c->logps[t], *logp);
            p->gap_sum += gap;
            p->compared++;
            if (gap > p->gap_max) p->gap_max = gap;
        }
    }
    return 0;
}

/* Loss of one group, whose log-probs and entropies are known; its gradients by log-prob and by entropy go to
 * g. Returns the number of its tokens. */
static int group_loss(struct grpo *g, int group)
{
    int n = g->layout.group, slot = completion_of(g, group - g->first_group), total = 0;
    size_t start = group_start(g, group);
    for (int i = completion_of(g, group); i < completion_of(g, group + 1); i++) {
        const struct completion *c = rollouts_at(&g->now, i);
        for (int t = 0; t < c->n; t++, total++) {
            g->old[total] = (double)c->logps[t];
            if (g->ref) g->refs[total] = rollouts_ref(&g->now, i)[t];
        }
    }
    struct policy_batch b = {.n = n,
                             .lengths = g->lengths + slot,
                             .logp = g->step_logp + start,
                             .old = g->old,
                             .ref = g->ref ? g->refs : NULL,
                             .mask = g->step_mask + start,
                             .keep = g->step_keep ? g->step_keep + start : NULL,
                             .entropy = g->step_entropy + start,
                             .advantages = g->now.advantages + completion_of(g, group),
                             .weights = g->weights + slot,
                             .entropy_weights = g->entropy_weights + slot};
    policy_loss(&b, &g->policy, g->grad, g->grad_entropy, &g->sums.out);
    return total;
}

/* Groups that are left out count all the same. */
static int count_idle(struct grpo *g, bool fresh, struct err *e)
{
    for (int group = g->first_group; group < g->first_group + g->layout.step_groups; group++) {
        if (!is_idle(g, group)) continue;
        if (compare(g, group, fresh, &g->sums, e)) return -1;
        group_loss(g, group);
    }
    return 0;
}

bool grpo_known(const struct grpo *g)
{
    return g->layout.window_steps == 1 && !g->micro.drops;
}

/* Loss of the microbatch and its derivatives. */
static void micro_loss(struct grpo *g, float *dlogp, float *dentropy)
{
    for (int k = 0, at = 0; k < g->n_active; k++) {
        int n = group_loss(g, g->active[k]);
        for (int i = 0; i < n; i++) dlogp[at + i] = (float)g->grad[i];
        for (int i = 0; dentropy && i < n; i++) dentropy[at + i] = (float)g->grad_entropy[i];
        at += n;
    }
}

static int run_micro(struct grpo *g, bool fresh, struct err *e)
{
    struct trainer *t = g->t;
    struct forward f = {.rows = {.temperature = g->sampling.temperature}};
    bool known = g->micro.dlogp;
    model_clear_grad(t->model);
    if (known) micro_loss(g, g->micro.dlogp, g->micro.dentropy);
    tape_start(t->tape, true);
    micro_forward(&g->micro, t->model, t->tape, t->checkpointing, &f);
    if (check_logits(g, &f, e)) return -1;
    for (int k = 0, at = 0; k < g->n_active; k++) {
        take_step(g, g->active[k], &f, at);
        if (compare(g, g->active[k], fresh && !g->micro.drops, &g->sums, e)) return -1;
        at += group_tokens(g, g->active[k]);
    }
    if (!known) {
        float *dlogp = tape_seed(t->tape, f.out.logp);
        micro_loss(g, dlogp, g->policy.entropy_coef != 0 ? tape_seed(t->tape, f.out.entropy) : NULL);
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
    if (look_ahead(g, fresh, e)) return -1;
    choose_tokens(g);
    weigh(g);
    if (count_idle(g, fresh, e)) return -1;
    long n_micro = (count + micro - 1) / micro;
    grad_tree_begin(&g->t->tree, n_micro);
    moe_begin_step(&g->t->moe);
    for (int from = 0; from < count; from += micro) {
        if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "stopped");
        micro_clear(&g->micro);
        g->n_active = 0;
        for (int k = from; k < from + micro && k < count; k++)
            if (!is_idle(g, first_group + k)) add_group(g, first_group + k, fresh && g->compared);
        moe_begin_micro(&g->t->moe, g->micro.n_spans, n_micro);
        if (g->n_active > 0 && run_micro(g, fresh, e)) return -1;
        grad_tree_push(&g->t->tree, g->n_active > 0);
        g->compared |= fresh && g->n_active > 0;
        g->sums.trained += g->n_active;
        if (micro_takes(&g->micro)) g->sums.taken += g->n_active;
    }
    return 0;
}
