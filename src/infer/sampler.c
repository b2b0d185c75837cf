/* sampler.c: from one row of logits z to a token, in Hugging Face's order of processors:
 *
 *   repetition penalty r   z_v = z_v / r if z_v > 0, z_v * r if z_v < 0, for each v in prompt or completion
 *                          (Keskar et al. 2019)
 *   temperature T          y = z / T, p = softmax(y);  T = 0: the largest z, lowest id on ties, and done
 *   top-k                  the k largest
 *   top-p                  of these, the smallest set whose probabilities sum to at least p (Holtzman et al.
 *                          2020)
 *   min-p                  of these, p_v >= min_p * max p (Nguyen et al. 2024)
 *   draw                   inverse of the cumulative distribution, in order of id, at a uniform number that
 *                          belongs to (seed, step, sequence, position)
 *
 * Ties are cut in order of id. The log-probability that is recorded is another matter: that of the token
 * under softmax(z / T) of the unprocessed logits (T = 1 when greedy), worked out by the same slot on the
 * same row as op_head's, so that it equals the trainer's to the last bit; so is the entropy beside it. Where
 * the set that was left to draw from is wanted, they are those of the softmax over the set: all other logits
 * are -inf, as in op_head.
 */
#include "infer/infer_int.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"

/* ---- the parameters ------------------------------------------------------------------------------------ */

void sampling_default(struct sampling *s)
{
    *s = (struct sampling){.temperature = 1, .top_p = 1, .repetition_penalty = 1, .max_new_tokens = 256};
}

int sampling_check(const struct sampling *s, struct err *e)
{
    if (!(s->temperature >= 0 && s->temperature <= 1e4F))
        return err_usage(e, "temperature is %g; expected 0 (greedy) to 10000", (double)s->temperature);
    if (s->temperature > 0 && s->temperature < 1e-4F)
        return err_usage(e, "temperature is %g; below 0.0001 use 0, which is greedy", (double)s->temperature);
    if (s->top_k < 0) return err_usage(e, "top_k is %d; expected 0 (off) or more", s->top_k);
    if (!(s->top_p >= 0 && s->top_p <= 1))
        return err_usage(e, "top_p is %g; expected 0 to 1", (double)s->top_p);
    if (!(s->min_p >= 0 && s->min_p <= 1))
        return err_usage(e, "min_p is %g; expected 0 to 1", (double)s->min_p);
    if (!(s->repetition_penalty > 0 && s->repetition_penalty < INFINITY))
        return err_usage(e, "repetition_penalty is %g; expected more than 0 (1 is off)",
                         (double)s->repetition_penalty);
    if (s->max_new_tokens < 1)
        return err_usage(e, "max_new_tokens is %d; expected at least 1", s->max_new_tokens);
    for (int i = 0; i < s->n_stop_strings; i++)
        if (!*s->stop_strings[i]) return err_usage(e, "an empty stop string stops nothing: leave it out");
    return 0;
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static size_t scratch_bytes(int vocab)
{
    size_t n = (size_t)vocab;
    return n * (2 * sizeof(float) + sizeof(uint32_t) + sizeof(float) + sizeof(int)) +
           (n / SELECT_PEAK + 1) * sizeof(float) + (n / SELECT_BLOCK + 1) * sizeof(double) +
           SELECT_BINS * sizeof(struct select_bin);
}

size_t sampler_bytes(int vocab, int n_threads)
{
    return scratch_bytes(vocab) * (size_t)n_threads;
}

void sampler_init(struct sampler *s, int vocab, int n_threads)
{
    CHECK(vocab > 0 && n_threads > 0, "sampler for %d tokens on %d threads", vocab, n_threads);
    *s = (struct sampler){.vocab = vocab, .n_threads = n_threads};
    s->threads = alloc_zero((size_t)n_threads, sizeof *s->threads);
    size_t n = (size_t)vocab;
    for (int i = 0; i < n_threads; i++) {
        struct sampler_scratch *t = &s->threads[i];
        t->penalised = alloc_floats(n);
        t->prob = alloc_floats(n);
        t->kept.weights = alloc_floats(n);
        t->kept.keys = alloc_zero(n, sizeof *t->kept.keys);
        t->kept.ids = alloc_zero(n, sizeof *t->kept.ids);
        t->peaks = alloc_floats(n / SELECT_PEAK + 1);
        t->blocks = alloc_zero(n / SELECT_BLOCK + 1, sizeof *t->blocks);
        t->bins = alloc_zero(SELECT_BINS, sizeof *t->bins);
    }
}

void sampler_release(struct sampler *s)
{
    for (int i = 0; i < s->n_threads; i++) {
        struct sampler_scratch *t = &s->threads[i];
        free(t->penalised);
        free(t->prob);
        free(t->kept.weights);
        free(t->kept.keys);
        free(t->kept.ids);
        free(t->peaks);
        free(t->blocks);
        free(t->bins);
    }
    free(s->threads);
    *s = (struct sampler){0};
}

/* ---- repetition penalty -------------------------------------------------------------------------------- */

static void penalise(float *out, const float *z, const int *ids, int n, float penalty)
{
    /* From the original each time: a token that comes twice is penalised once. */
    for (int i = 0; i < n; i++) {
        float x = z[ids[i]];
        out[ids[i]] = x < 0 ? x * penalty : x / penalty;
    }
}

/* The logits to draw from: d->z itself when there is no penalty. */
static const float *penalised(const struct sampler *s, struct sampler_scratch *t, const struct draw *d)
{
    float penalty = d->how->repetition_penalty;
    if (penalty == 1) return d->z;
    memcpy(t->penalised, d->z, (size_t)s->vocab * sizeof *t->penalised);
    penalise(t->penalised, d->z, d->prompt, d->n_prompt, penalty);
    penalise(t->penalised, d->z, d->ids, d->n_ids, penalty);
    return t->penalised;
}

/* ---- the kept set -------------------------------------------------------------------------------------- */

static bool wants_top_k(const struct sampling *how, int vocab)
{
    return how->top_k > 0 && how->top_k < vocab;
}

static bool filters(const struct sampling *how, int vocab)
{
    return wants_top_k(how, vocab) || how->top_p < 1 || how->min_p > 0;
}

/* All tokens whose weight is at least `least`; t->peaks tells where there are none. */
static void candidates_fill(struct sampler_scratch *t, const float *z, int vocab, float least)
{
    struct candidates *c = &t->kept;
    int n = 0;
    for (int run = 0, from = 0; from < vocab; run++, from += SELECT_PEAK) {
        if (t->peaks[run] < least) continue;
        int end = vocab - from < SELECT_PEAK ? vocab : from + SELECT_PEAK;
        for (int v = from; v < end; v++) {
            c->keys[n] = select_key(z[v]);
            c->weights[n] = t->prob[v];
            c->ids[n] = v;
            n += t->prob[v] >= least;
        }
    }
    c->n = n;
}

/* A weight that the k largest all have at least: of n runs, k have such a peak. */
static float least_of_top_k(struct sampler_scratch *t, int n, int k)
{
    struct candidates *c = &t->kept;
    if (k > n) return 0;
    for (int i = 0; i < n; i++) {
        c->keys[i] = select_key(t->peaks[i]);
        c->weights[i] = t->peaks[i];
        c->ids[i] = i;
    }
    c->n = n;
    select_prefix(c, t->bins, k, INFINITY);
    float least = c->weights[0];
    for (int i = 1; i < c->n; i++)
        if (c->weights[i] < least) least = c->weights[i];
    return least;
}

/* From t->prob and z to t->kept. Tokens that are cut off in any case are not looked at: for top-k those below
 * some peak, for top-p those so improbable that all of them together are not half of what it cuts off. */
static void candidates_keep(struct sampler_scratch *t, const float *z, const struct sampling *how, int vocab)
{
    struct candidates *c = &t->kept;
    int runs = select_peaks(t->peaks, t->prob, vocab);
    double sum = 0;
    if (wants_top_k(how, vocab)) {
        candidates_fill(t, z, vocab, least_of_top_k(t, runs, how->top_k));
        select_prefix(c, t->bins, how->top_k, INFINITY);
        sum = select_sum(c->weights, c->n, NULL);
    } else {
        sum = select_sum(t->prob, vocab, NULL);
        float least = how->top_p < 1 ? (float)(0.5 * (1 - (double)how->top_p) * sum / vocab) : how->min_p;
        candidates_fill(t, z, vocab, least);
    }
    if (how->top_p < 1) select_prefix(c, t->bins, INT_MAX, (double)how->top_p * sum);
    if (how->min_p > 0) select_least(c, how->min_p); /* the largest weight is 1 */
}

/* ---- the draw ------------------------------------------------------------------------------------------ */

/* Index i with sum(weights[0..i)) <= u * sum < sum(weights[0..i]). */
static int draw_index(const float *weights, int n, double *blocks, double u)
{
    double target = u * select_sum(weights, n, blocks), before = 0;
    int b = 0, last = (n - 1) / SELECT_BLOCK, found = -1;
    while (b < last && before + blocks[b] <= target) before += blocks[b++];
    int end = b == last ? n : (b + 1) * SELECT_BLOCK;
    /* A block's sum and the steps through it may differ by rounding: then the last possible one. */
    for (int i = b * SELECT_BLOCK; i < end; i++) {
        if (weights[i] > 0) found = i;
        before += (double)weights[i];
        if (before > target) break;
    }
    CHECK(found >= 0, "nothing to draw from in block %d of %d weights", b, n);
    return found;
}

static int argmax(const float *z, int n)
{
    int best = 0;
    for (int v = 1; v < n; v++)
        if (z[v] > z[best]) best = v;
    return best;
}

static struct kern_logits row_of(const struct draw *d, int vocab)
{
    float temperature = d->how->temperature > 0 ? d->how->temperature : 1;
    return (struct kern_logits){.z = d->z, .n = vocab, .inv_t = 1 / temperature};
}

/* Log-softmax of the row as the model gives it; row->prob receives its weights, if not NULL. */
static bool row_look(struct kern_logits *row)
{
    kern()->logits(row);
    return !row->bad && row->lse > -INFINITY && row->lse < INFINITY;
}

static struct sampler_scratch *scratch_here(struct sampler *s)
{
    int self = pool_self();
    CHECK(self < s->n_threads, "thread %d of %d", self, s->n_threads);
    return &s->threads[self];
}

/* Fills t->prob with the weights to draw from and *z with the logits behind them. */
static bool weights_look(struct sampler *s, struct draw *d, struct kern_logits *row, const float **z)
{
    struct sampler_scratch *t = scratch_here(s);
    *z = penalised(s, t, d);
    bool same = *z == d->z;
    *row = row_of(d, s->vocab);
    if (same) row->prob = t->prob;
    if (!row_look(row)) return false;
    if (same) return true;
    struct kern_logits changed = {.z = *z, .n = s->vocab, .inv_t = row->inv_t, .prob = t->prob};
    kern()->logits(&changed);
    return !changed.bad;
}

/* The set of t->kept, and the log-prob of d->id in it. */
static void draw_set(struct sampler *s, struct draw *d, struct kern_logits *row)
{
    struct sampler_scratch *t = scratch_here(s);
    if (t->kept.n > SET_MAX) return;
    d->n_set = t->kept.n;
    memcpy(d->set, t->kept.ids, (size_t)t->kept.n * sizeof *d->set);
    memcpy(t->penalised, d->z, (size_t)s->vocab * sizeof *t->penalised);
    op_head_keep(&(struct head_set){d->set, d->n_set}, t->penalised, 0, s->vocab, -INFINITY);
    row->z = t->penalised;
    row->prob = NULL;
    kern()->logits(row);
}

static int draw_random(struct sampler *s, const struct draw *d, const float *z)
{
    struct sampler_scratch *t = scratch_here(s);
    double u = rng_double(&d->at);
    if (!filters(d->how, s->vocab)) return draw_index(t->prob, s->vocab, t->blocks, u);
    candidates_keep(t, z, d->how, s->vocab);
    return t->kept.ids[draw_index(t->kept.weights, t->kept.n, t->blocks, u)];
}

void sampler_draw(struct sampler *s, struct draw *d)
{
    struct kern_logits row;
    const float *z;
    if (d->how->temperature > 0) {
        d->bad = !weights_look(s, d, &row, &z);
        if (d->bad) return;
        d->id = draw_random(s, d, z);
        if (d->set && filters(d->how, s->vocab)) draw_set(s, d, &row);
    } else {
        row = row_of(d, s->vocab);
        d->bad = !row_look(&row);
        if (d->bad) return;
        z = penalised(s, scratch_here(s), d);
        d->id = z == d->z ? row.argmax : argmax(z, s->vocab);
    }
    d->logp = d->z[d->id] * row.inv_t - row.lse;
    d->entropy = row.entropy;
}

const struct candidates *sampler_kept(struct sampler *s, struct draw *d)
{
    struct sampler_scratch *t = scratch_here(s);
    struct kern_logits row;
    const float *z;
    d->bad = !weights_look(s, d, &row, &z);
    if (d->bad) return NULL;
    candidates_keep(t, z, d->how, s->vocab); /* without filters: all */
    return &t->kept;
}
