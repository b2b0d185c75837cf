/* sft.c: supervised fine-tuning: the negative log-likelihood of the tokens that have loss,
 *
 *     L = - (1/N) sum_t log p(y_t | y_<t),   N = tokens with loss in the whole optimiser step,
 *
 * so that the split into micro-steps changes nothing but the order of sums. loss_type dft weighs each term
 * with the probability itself, held fixed (Wu et al. 2025). label_smoothing_factor s makes the target of a
 * term (1 - s) the token and s the uniform distribution over the vocabulary. neftune_noise_alpha adds noise
 * to the embeddings, uniform up to alpha / sqrt(L D), L tokens of the example, D hidden size (Jain et al.
 * 2023); it is there in training alone, not in evaluation.
 *
 * Documents lie side by side, each a span of its own: packed or not, no document sees another. The output
 * head works only where the next token has loss.
 */
#include "train/sft_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fmath.h"
#include "base/json.h"

struct sft {
    struct rows rows;
    struct examples data, held_out; /* held_out.n_bins 0: no evaluation */
    struct micro micro, eval_micro;
    int batch, eval_batch; /* bins of a micro-step */
    long n_micro;          /* micro-steps of an epoch */
    uint32_t *order;       /* [n_bins] of the epoch at hand */
    long epoch;            /* of `order`; -1: none */
    bool shuffled, dft;
    double smoothing; /* label_smoothing_factor */
    double further;   /* mtp_loss_weight */
};

struct sums {
    double loss, entropy, correct, targets, tokens;
    double further; /* loss of the modules behind the last layer, mean over them, not weighed */
};

static void set_order(struct sft *s, const struct trainer *t, long epoch)
{
    if (s->epoch == epoch) return;
    struct rng_at at = {.seed = t->data_seed, .purpose = RNG_SHUFFLE, .step = (uint32_t)epoch};
    if (s->shuffled)
        rng_permutation(&at, s->order, (uint32_t)s->data.n_bins);
    else
        for (int i = 0; i < s->data.n_bins; i++) s->order[i] = (uint32_t)i;
    s->epoch = epoch;
}

/* Bins [*from, *to) of batch j when each has `batch` of n. */
static void batch_range(long j, int batch, int n, int *from, int *to)
{
    long end = (j + 1) * batch;
    *from = (int)(j * batch);
    *to = end < n ? (int)end : n;
}

/* Of micro-step j of the epoch, as places in `order`. */
static void micro_range(const struct sft *s, long j, int *from, int *to)
{
    batch_range(j, s->batch, s->data.n_bins, from, to);
}

static double window_targets(const struct sft *s, long first, long count)
{
    double total = 0;
    for (long j = first; j < first + count; j++) {
        int from, to;
        micro_range(s, j, &from, &to);
        for (int i = from; i < to; i++) {
            const struct examples *x = &s->data;
            int bin = (int)s->order[i];
            for (int k = x->first[bin]; k < x->first[bin + 1]; k++) total += x->list[x->docs[k]].n_loss;
        }
    }
    return total;
}

static void fill(struct sft *s, long j, struct sums *sums)
{
    int from, to;
    micro_range(s, j, &from, &to);
    micro_clear(&s->micro);
    for (int i = from; i < to; i++) {
        const struct examples *x = &s->data;
        int bin = (int)s->order[i];
        examples_add(x, bin, &s->micro);
        for (int k = x->first[bin]; k < x->first[bin + 1]; k++) sums->tokens += x->list[x->docs[k]].n;
    }
}

/* The row that a prediction belongs to has bad logits. */
static int bad_logits(const struct sft *s, long j, int head, struct err *e)
{
    int from, to;
    micro_range(s, j, &from, &to);
    err_set(e, "the logits are not finite");
    return row_wrap(&s->rows.places[examples_row(&s->data, from, to, s->order, head)], e);
}

/* Adds up the loss over n tokens and its metrics. */
static void add_loss(const struct sft *s, const struct forward *f, double n, struct sums *sums)
{
    for (int i = 0; i < f->rows.n; i++) {
        double logp = (double)f->out.logp->data[i], weight = s->dft ? fm_exp(logp) / n : 1 / n;
        double mean = s->smoothing > 0 ? (double)f->out.mean_logp->data[i] : 0;
        sums->loss -= weight * ((1 - s->smoothing) * logp + s->smoothing * mean);
        sums->entropy += (double)f->out.entropy->data[i];
        sums->correct += f->out.argmax[i] == f->rows.targets[i];
    }
    sums->targets += f->rows.n;
}

/* Its derivatives for nll, which are known before. */
static void derive_nll(const struct sft *s, double n)
{
    const struct micro *b = &s->micro;
    for (int i = 0; i < b->n_heads; i++) {
        b->dlogp[i] = (float)(-1 / n * (1 - s->smoothing));
        if (b->dmean) b->dmean[i] = (float)(-1 / n * s->smoothing);
    }
}

/* For dft, which weighs with what forward found. */
static void seed_dft(struct tape *t, const struct forward *f, double n)
{
    float *dlogp = tape_seed(t, f->out.logp);
    for (int i = 0; i < f->rows.n; i++) dlogp[i] = (float)(-fm_exp((double)f->out.logp->data[i]) / n);
}

/* + mtp_loss_weight / D * sum over the D modules of - (1/N) sum log p */
static void seed_further(const struct sft *s, struct tape *t, const struct forward *f, double n,
                         struct sums *sums)
{
    for (int k = 0; k < s->micro.n_further; k++) {
        if (!f->further[k].rows.n) continue;
        const struct tensor *logp = f->further[k].out.logp;
        float *grad = tape_seed(t, f->further[k].out.logp);
        for (int i = 0; i < logp->rows; i++) {
            grad[i] = (float)(-s->further / (n * s->micro.n_further));
            sums->further -= (double)logp->data[i] / (n * s->micro.n_further);
        }
    }
}

static int run_micro(struct sft *s, struct trainer *t, long j, double n, struct sums *sums, struct err *e)
{
    struct forward f = {.rows = {.temperature = 1}};
    if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "stopped");
    model_clear_grad(t->model);
    if (!s->dft) derive_nll(s, n);
    tape_start(t->tape, true);
    micro_forward(&s->micro, t->model, t->tape, t->checkpointing, &f);
    if (f.out.bad_row >= 0) return bad_logits(s, j, f.out.bad_row, e);
    add_loss(s, &f, n, sums);
    if (s->dft) seed_dft(t->tape, &f, n);
    seed_further(s, t->tape, &f, n, sums);
    moe_end_micro(&t->moe);
    tape_backward(t->tape);
    grad_tree_push(&t->tree, true);
    return 0;
}

static void hash_micro(const struct micro *b, struct hash *h)
{
    hash_add(h, b->tokens, (size_t)b->n_rows * sizeof *b->tokens);
    hash_add(h, b->rows, (size_t)b->n_heads * sizeof *b->rows);
    hash_add(h, b->targets, (size_t)b->n_heads * sizeof *b->targets);
}

static int sft_step(void *self, struct trainer *t, struct step_out *out, struct err *e)
{
    struct sft *s = self;
    struct sums sums = {0};
    char hex[HASH_HEX];
    long first = t->step % t->steps_per_epoch * t->accumulation, count = s->n_micro - first;
    if (count > t->accumulation) count = t->accumulation;
    set_order(s, t, t->step / t->steps_per_epoch);
    double n = window_targets(s, first, count);
    struct hash *h = hash_new();
    int failed = 0;
    s->micro.noise.at.step = s->micro.dropout.at.step = (uint32_t)t->step;
    grad_tree_begin(&t->tree, count);
    moe_begin_step(&t->moe);
    for (long j = first; j < first + count && !failed; j++) {
        fill(s, j, &sums);
        hash_micro(&s->micro, h);
        moe_begin_micro(&t->moe, s->micro.n_spans, count);
        failed = run_micro(s, t, j, n, &sums, e);
    }
    hash_end(h, hex);
    if (failed) return -1;
    out->loss = sums.loss + s->further * sums.further + t->moe.loss;
    if (s->micro.n_further) json_object_set_new(out->metrics, "mtp_loss", number_json(sums.further));
    t->num_tokens += sums.tokens;
    json_object_set_new(out->hashes, "batch", json_string(hex));
    json_object_set_new(out->metrics, "mean_token_accuracy", number_json(sums.correct / sums.targets));
    json_object_set_new(out->metrics, "entropy", number_json(sums.entropy / sums.targets));
    snprintf(out->note, sizeof out->note, "loss=%.3f acc=%.3f", sums.loss, sums.correct / sums.targets);
    return 0;
}

/* ---- evaluation ------------------------------------------------------------------------------------ */

static int evaluate_batch(struct sft *s, struct trainer *t, long j, struct sums *sums, struct err *e)
{
    struct forward f = {.rows = {.temperature = 1}};
    const struct examples *x = &s->held_out;
    int from, to;
    batch_range(j, s->eval_batch, x->n_bins, &from, &to);
    micro_clear(&s->eval_micro);
    for (int bin = from; bin < to; bin++) examples_add(x, bin, &s->eval_micro);
    tape_start(t->tape, false);
    micro_forward(&s->eval_micro, t->model, t->tape, false, &f);
    if (f.out.bad_row >= 0) {
        err_set(e, "the logits are not finite");
        return row_wrap(&s->rows.held_places[examples_row(x, from, to, NULL, f.out.bad_row)], e);
    }
    add_loss(s, &f, (double)x->n_loss, sums);
    return 0;
}

/* Means over all tokens with loss, so that the size of a batch changes nothing but the order of sums. */
static int sft_evaluate(void *self, struct trainer *t, struct evaluation_out *out, struct err *e)
{
    struct sft *s = self;
    struct sums sums = {0};
    out->samples = s->held_out.n_bins;
    out->batches = (s->held_out.n_bins + s->eval_batch - 1) / s->eval_batch;
    for (long j = 0; j < out->batches; j++)
        if (evaluate_batch(s, t, j, &sums, e) || evaluation_watch(t, j + 1, out->batches, e)) return -1;
    json_object_set_new(out->metrics, "eval_loss", number_json(sums.loss));
    json_object_set_new(out->metrics, "eval_entropy", number_json(sums.entropy / sums.targets));
    json_object_set_new(out->metrics, "eval_mean_token_accuracy", number_json(sums.correct / sums.targets));
    json_object_set_new(out->metrics, "eval_num_tokens", json_integer((json_int_t)t->num_tokens));
    return 0;
}

static void sft_plan(void *self, struct trainer *t)
{
    const struct sft *s = self; /* whose buffers hold the largest microbatches until the first step */
    trainer_plan_micro(t, &s->micro);
    if (s->eval_micro.n_rows) trainer_plan_evaluation(t, plan_micro(&s->eval_micro, t->model, false, false));
}

static const struct learner sft_learner = {.name = "sft",
                                           .numbers = 8,
                                           .eval_loss = true,
                                           .options = sft_options,
                                           .plan = sft_plan,
                                           .step = sft_step,
                                           .evaluate = sft_evaluate};

/* ---- set-up ---------------------------------------------------------------------------------------- */

static enum packing packing_of(struct conf *c, bool wanted)
{
    const char *strategy = conf_str(c, "packing_strategy");
    if (!wanted) return PACK_NONE;
    if (strcmp(strategy, "wrapped") == 0) return PACK_WRAPPED;
    return strcmp(strategy, "bfd_split") == 0 ? PACK_BFD_SPLIT : PACK_BFD;
}

/* dataset_kwargs: skip_prepare_dataset is what TRL knows; older keys of it change nothing here. */
static int read_kwargs(struct conf *c, bool *prepared, struct err *e)
{
    json_t *kwargs = conf_map(c, "dataset_kwargs");
    int failed = json_get_bool_or(kwargs, "skip_prepare_dataset", false, prepared, e);
    const char *key;
    json_t *value;
    json_object_foreach(kwargs, key, value)
    {
        if (strcmp(key, "skip_prepare_dataset") != 0)
            log_info("dataset_kwargs: %s is accepted without effect", key);
    }
    json_decref(kwargs);
    return failed ? err_wrap(e, "dataset_kwargs") : 0;
}

static int read_options(struct example_opts *o, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    *o = (struct example_opts){
        .form = {.tok = model_tokenizer(t->model),
                 .text_field = conf_str(c, "dataset_text_field"),
                 .completion_only =
                     conf_is_set(c, "completion_only_loss") ? conf_bool(c, "completion_only_loss") : -1,
                 .assistant_only = conf_bool(c, "assistant_only_loss"),
                 .system_prompt = conf_str(c, "system_prompt"),
                 .prompt_column = conf_str(c, "dataset_prompt_column"),
                 .now = &t->now},
        .max_length = conf_is_set(c, "max_length") ? (int)conf_int(c, "max_length") : 0,
        .keep_end = strcmp(conf_str(c, "truncation_mode"), "keep_end") == 0,
        .packing = packing_of(c, conf_bool(c, "packing")),
        .shuffle = conf_bool(c, "shuffle_dataset"),
        .seed = t->data_seed,
        .eos = -1};
    const char *eos = conf_str(c, "eos_token");
    if (eos && *eos) o->eos = tokenizer_id(o->form.tok, eos);
    o->n_stops = model_eos(t->model, &o->stops);
    if (o->eos >= 0) o->stops = &o->eos, o->n_stops = 1;
    if (o->packing != PACK_NONE && o->max_length == 0) return err_usage(e, "packing needs max_length");
    return read_kwargs(c, &o->prepared, e);
}

static int read_data(struct sft *s, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    struct example_opts o;
    if (read_options(&o, t, e) || rows_open(&s->rows, t, e)) return -1;
    if (o.prepared) o.packing = PACK_NONE;
    o.places = s->rows.places;
    if (examples_read(&s->data, s->rows.rows, &o, e)) return -1;
    o.places = s->rows.held_places;
    o.shuffle = false;
    if (conf_is_set(c, "eval_packing") && !o.prepared)
        o.packing = packing_of(c, conf_bool(c, "eval_packing"));
    if (o.packing != PACK_NONE && o.max_length == 0) return err_usage(e, "eval_packing needs max_length");
    if (s->rows.held_out && examples_read(&s->held_out, s->rows.held_out, &o, e))
        return err_wrap(e, "rows to evaluate on");
    int limit = model_config(t->model)->max_positions;
    if (limit > 0 && s->data.longest > limit)
        log_warn("the longest example has %d tokens; the model's config.json speaks of %d positions",
                 s->data.longest, limit);
    return 0;
}

struct sized {
    int bin, rows;
};

static int larger_first(const void *a, const void *b)
{
    const struct sized *x = a, *y = b;
    return x->rows != y->rows ? (x->rows < y->rows) - (x->rows > y->rows)
                              : (x->bin > y->bin) - (x->bin < y->bin);
}

/* Buffers for the largest micro-step that chance could put together, which they hold. */
static void size_up(struct sft *s, struct trainer *t)
{
    const struct examples *x = &s->data;
    int n = x->n_bins, rows = 0, docs = 1, batch = s->batch < n ? s->batch : n;
    struct sized *list = alloc_zero((size_t)n, sizeof *list);
    for (int i = 0; i < n; i++) {
        list[i] = (struct sized){i, examples_bin_rows(x, i)};
        if (x->first[i + 1] - x->first[i] > docs) docs = x->first[i + 1] - x->first[i];
    }
    qsort(list, (size_t)n, sizeof *list, larger_first);
    for (int i = 0; i < batch; i++) rows += list[i].rows;
    micro_init(&s->micro, rows, docs * batch, rows);
    s->micro.moe = moe_record(&t->moe);
    s->micro.mean_logp = s->smoothing > 0;
    if (!s->dft) micro_known(&s->micro, false);
    if (x->noise > 0) micro_noise(&s->micro, t->seed);
    if (peft_dropout(t) > 0) micro_dropout(&s->micro, t->seed);
    if (s->further > 0) micro_further(&s->micro, model_config(t->model)->mtp);
    for (int i = 0; i < batch; i++) examples_add(x, list[i].bin, &s->micro);
    free(list);
}

/* The same for evaluation, whose batches are known. */
static void size_up_evaluation(struct sft *s)
{
    const struct examples *x = &s->held_out;
    int n = (x->n_bins + s->eval_batch - 1) / s->eval_batch, most = 0, most_docs = 0, from, to, largest = 0;
    for (int j = 0; j < n; j++) {
        int rows = 0;
        batch_range(j, s->eval_batch, x->n_bins, &from, &to);
        for (int bin = from; bin < to; bin++) rows += examples_bin_rows(x, bin);
        if (x->first[to] - x->first[from] > most_docs) most_docs = x->first[to] - x->first[from];
        if (rows <= most) continue;
        most = rows;
        largest = j;
    }
    if (!n) return;
    micro_init(&s->eval_micro, most, most_docs, most);
    s->eval_micro.mean_logp = s->smoothing > 0;
    batch_range(largest, s->eval_batch, x->n_bins, &from, &to);
    for (int bin = from; bin < to; bin++) examples_add(x, bin, &s->eval_micro);
}

static int read_loss(struct sft *s, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    double alpha = conf_is_set(c, "neftune_noise_alpha") ? conf_real(c, "neftune_noise_alpha") : 0;
    const char *loss = conf_str(c, "loss_type");
    s->dft = loss && strcmp(loss, "dft") == 0;
    s->smoothing = conf_real(c, "label_smoothing_factor");
    if (s->dft && s->smoothing > 0)
        return err_usage(e, "label_smoothing_factor goes with loss_type nll, not with dft");
    s->data.noise = alpha / fm_sqrt(model_config(t->model)->hidden);
    return 0;
}

static int set_up(struct sft *s, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    if (read_loss(s, t, e) || read_data(s, t, e)) return -1;
    s->batch = (int)conf_int(c, "per_device_train_batch_size");
    s->eval_batch = (int)conf_int(c, "per_device_eval_batch_size");
    s->shuffled = strcmp(conf_str(c, "train_sampling_strategy"), "sequential") != 0;
    s->epoch = -1;
    s->further = conf_real(c, "mtp_loss_weight");
    if (s->further > 0 && model_config(t->model)->mtp == 0)
        return err_usage(e, "mtp_loss_weight is set, but the model has no layers that predict further");
    if (s->further == 0) model_freeze_further(t->model);
    s->order = alloc_zero((size_t)s->data.n_bins, sizeof *s->order);
    s->n_micro = conf_bool(c, "dataloader_drop_last") ? s->data.n_bins / s->batch
                                                      : (s->data.n_bins + s->batch - 1) / s->batch;
    if (s->n_micro == 0)
        return err_usage(e, "dataloader_drop_last leaves nothing: %d rows, batches of %d", s->data.n_bins,
                         s->batch);
    t->micro_per_epoch = s->n_micro;
    t->steps_per_epoch = (s->n_micro + t->accumulation - 1) / t->accumulation;
    if (t->max_micro > s->n_micro) t->max_micro = s->n_micro;
    size_up(s, t);
    size_up_evaluation(s);
    if (trainer_count_steps(t, e)) return -1;
    trainer_plan(t);
    return 0;
}

static int sft_run(struct conf *c, const struct train_hooks *hooks, struct str *out, struct err *e)
{
    struct sft s = {0};
    struct trainer t = {.learner = &sft_learner, .self = &s};
    int failed = trainer_open(&t, c, hooks, e);
    if (!failed) failed = set_up(&s, &t, e);
    if (!failed) failed = trainer_go(&t, &s.rows, out, e);
    trainer_release(&t);
    rows_release(&s.rows);
    examples_release(&s.data);
    examples_release(&s.held_out);
    micro_release(&s.micro);
    micro_release(&s.eval_micro);
    free(s.order);
    return failed;
}

const struct algo algo_sft = {
    .name = "sft",
    .help = "supervised fine-tuning on text, conversations, or prompts with completions",
    .options = sft_options,
    .run = sft_run,
};
