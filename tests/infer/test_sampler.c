/* The sampler against a plain double-precision one, and its draws against the exact distribution. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "infer/infer_int.h"

enum { VOCAB_MAX = 3000 };

static uint32_t random_below(uint32_t n, uint32_t trial, uint32_t what)
{
    return rng_below(&(struct rng_at){11, RNG_TEST, trial, what, 0}, n);
}

static void random_logits(float *z, int n, uint32_t trial, float scale)
{
    rng_normal(&(struct rng_at){12, RNG_TEST, trial, 0, 0}, z, (size_t)n, 0, scale);
}

/* ---- the plain sampler --------------------------------------------------------------------------------- */

struct plain {
    int n, order[VOCAB_MAX]; /* token by rank */
    double y[VOCAB_MAX];     /* processed logit by token */
    bool kept[VOCAB_MAX];
    double p[VOCAB_MAX]; /* final probability by token */
};

static const struct plain *sorting;
static int by_rank(const void *a, const void *b)
{
    int i = *(const int *)a, j = *(const int *)b;
    if (sorting->y[i] != sorting->y[j]) return sorting->y[i] > sorting->y[j] ? -1 : 1;
    return i - j;
}

static double kept_sum(const struct plain *r, int n)
{
    double sum = 0;
    for (int i = n - 1; i >= 0; i--)
        if (r->kept[r->order[i]]) sum += exp(r->y[r->order[i]] - r->y[r->order[0]]);
    return sum;
}

static void plain_penalise(struct plain *r, const struct draw *d)
{
    bool seen[VOCAB_MAX] = {false};
    for (int i = 0; i < d->n_prompt; i++) seen[d->prompt[i]] = true;
    for (int i = 0; i < d->n_ids; i++) seen[d->ids[i]] = true;
    double penalty = (double)d->how->repetition_penalty;
    for (int v = 0; v < r->n; v++) {
        r->y[v] = (double)d->z[v];
        if (seen[v]) r->y[v] = r->y[v] < 0 ? r->y[v] * penalty : r->y[v] / penalty;
    }
}

/* The processors one after another, each with a softmax and a full sort of its own. *margin: how close the
 * nearest cumulative sum comes to top_p, and the nearest probability to min_p. */
static void plain_run(struct plain *r, const struct draw *d, int vocab, double *margin)
{
    const struct sampling *how = d->how;
    r->n = vocab;
    *margin = 1;
    plain_penalise(r, d);
    for (int v = 0; v < vocab; v++) r->y[v] /= (double)how->temperature, r->order[v] = v, r->kept[v] = true;
    sorting = r;
    qsort(r->order, (size_t)vocab, sizeof r->order[0], by_rank);
    if (how->top_k > 0)
        for (int i = how->top_k; i < vocab; i++) r->kept[r->order[i]] = false;
    if (how->top_p < 1) {
        double total = kept_sum(r, vocab), above = 0;
        for (int i = 0; i < vocab; i++) {
            int v = r->order[i];
            if (!r->kept[v]) continue;
            if (i > 0 && above / total >= (double)how->top_p) r->kept[v] = false;
            above += exp(r->y[v] - r->y[r->order[0]]);
            *margin = fmin(*margin, fabs(above / total - (double)how->top_p));
        }
    }
    for (int v = 0; v < vocab; v++) {
        double ratio = exp(r->y[v] - r->y[r->order[0]]);
        if (!r->kept[v]) continue;
        if (ratio < (double)how->min_p) r->kept[v] = false;
        if (how->min_p > 0) *margin = fmin(*margin, fabs(ratio - (double)how->min_p));
    }
    double total = kept_sum(r, vocab);
    for (int v = 0; v < vocab; v++) r->p[v] = r->kept[v] ? exp(r->y[v] - r->y[r->order[0]]) / total : 0;
}

/* ---- tests --------------------------------------------------------------------------------------------- */

static struct sampling random_sampling(uint32_t trial, int vocab)
{
    static const float penalties[] = {1, 1, 1.3F, 0.8F}, temperatures[] = {1, 0.6F, 1.7F, 0.05F};
    struct sampling how;
    sampling_default(&how);
    how.temperature = temperatures[random_below(4, trial, 1)];
    how.repetition_penalty = penalties[random_below(4, trial, 2)];
    if (random_below(2, trial, 3)) how.top_k = 1 + (int)random_below((uint32_t)vocab, trial, 4);
    if (random_below(4, trial, 5) == 0) how.top_k = 1 + (int)random_below(20, trial, 4);
    if (random_below(2, trial, 6)) how.top_p = (float)random_below(1000, trial, 7) / 1000;
    if (random_below(3, trial, 8) == 0) how.min_p = (float)random_below(1000, trial, 9) / 2000;
    return how;
}

static void test_kept_set_equals_that_of_plain_double_precision_sampler(void **state)
{
    (void)state;
    static const int vocabs[] = {1, 2, 25, 256, 257, 1000, VOCAB_MAX};
    static struct plain plain;
    static float z[VOCAB_MAX];
    int filtered = 0;
    for (uint32_t trial = 0; trial < 420; trial++) {
        int vocab = vocabs[trial % 7], seen[40];
        struct sampler s;
        sampler_init(&s, vocab, 1);
        random_logits(z, vocab, trial, trial % 3 == 0 ? 0.2F : 3);
        if (trial % 5 == 0) /* many ties */
            for (int v = 0; v < vocab; v++) z[v] = rintf(z[v]);
        for (uint32_t i = 0; i < 40; i++) seen[i] = (int)random_below((uint32_t)vocab, trial, 100 + i);
        struct sampling how = random_sampling(trial, vocab);
        struct draw d = {.z = z, .how = &how, .prompt = seen, .n_prompt = 30, .ids = seen + 30, .n_ids = 10};
        double margin;
        plain_run(&plain, &d, vocab, &margin);
        const struct candidates *c = sampler_kept(&s, &d);
        assert_non_null(c);
        bool kept[VOCAB_MAX] = {false};
        double sum = select_sum(c->weights, c->n, NULL);
        for (int i = 0; i < c->n; i++) {
            kept[c->ids[i]] = true;
            assert_true(i == 0 || c->ids[i] > c->ids[i - 1]);
            assert_true(fabs((double)c->weights[i] / sum - plain.p[c->ids[i]]) < 1e-5 || margin < 1e-6);
        }
        if (margin >= 1e-6)
            for (int v = 0; v < vocab; v++) assert_int_equal(kept[v], plain.kept[v]);
        filtered += margin >= 1e-6 && c->n < vocab;
        sampler_release(&s);
    }
    assert_true(filtered > 200);
}

static void test_ties_at_the_cut_are_kept_in_order_of_id(void **state)
{
    (void)state;
    float z[] = {1, 5, 1, 5, 5, -0.0F, 0.0F, 5};
    struct sampler s;
    struct sampling how;
    sampler_init(&s, 8, 1);
    sampling_default(&how);
    how.top_k = 3;
    struct draw d = {.z = z, .how = &how};
    const struct candidates *c = sampler_kept(&s, &d);
    assert_int_equal(c->n, 3);
    assert_int_equal(c->ids[0], 1);
    assert_int_equal(c->ids[1], 3);
    assert_int_equal(c->ids[2], 4);
    how.top_k = 7;
    c = sampler_kept(&s, &d);
    assert_int_equal(c->n, 7);
    assert_int_equal(c->ids[5], 5); /* -0 is not below +0 */
    how.top_k = 0;
    how.top_p = 0.5F;
    c = sampler_kept(&s, &d);
    assert_int_equal(c->n, 3); /* two of four equal ones are a little less than half of all */
    float equal[] = {2, 2, 2, 2, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    d.z = equal;
    c = sampler_kept(&s, &d);
    assert_int_equal(c->n, 2); /* exactly half is enough */
    sampler_release(&s);
}

/* Upper bound of chi-square with n degrees of freedom that a right sampler passes but once in 10^6 (Wilson,
 * Hilferty 1931). */
static double chi_square_bound(int n)
{
    double k = n, a = 2 / (9 * k);
    return k * pow(1 - a + 4.75 * sqrt(a), 3);
}

static void check_chi_square(struct sampler *s, const struct sampling *how, const float *z, int vocab)
{
    enum { DRAWS = 20000 };
    static struct plain plain;
    static long count[VOCAB_MAX];
    double margin, chi = 0, rest_expected = 0, rest_seen = 0;
    struct draw d = {.z = z, .how = how};
    plain_run(&plain, &d, vocab, &margin);
    memset(count, 0, sizeof count);
    for (uint32_t i = 0; i < DRAWS; i++) {
        d.at = (struct rng_at){77, RNG_SAMPLE, 3, i / 100, i % 100};
        sampler_draw(s, &d);
        assert_false(d.bad);
        count[d.id]++;
    }
    int bins = 0;
    for (int v = 0; v < vocab; v++) {
        double expected = plain.p[v] * DRAWS;
        if (expected == 0) assert_int_equal(count[v], 0);
        if (expected >= 8) {
            chi += ((double)count[v] - expected) * ((double)count[v] - expected) / expected;
            bins++;
        } else {
            rest_expected += expected;
            rest_seen += (double)count[v];
        }
    }
    if (rest_expected >= 8) {
        chi += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected;
        bins++;
    }
    if (bins < 2) return;
    if (chi > chi_square_bound(bins - 1))
        fail_msg("chi-square %g over %d bins, bound %g", chi, bins, chi_square_bound(bins - 1));
    assert_true(chi > 0);
}

static void test_draws_follow_the_exact_distribution(void **state)
{
    (void)state;
    static float z[VOCAB_MAX];
    static const struct {
        int vocab, top_k;
        float temperature, top_p, min_p, scale;
    } cases[] = {{25, 0, 1, 1, 0, 1},         {25, 5, 1, 1, 0, 1},
                 {25, 0, 0.5F, 0.8F, 0, 1},   {1000, 0, 1, 1, 0, 2},
                 {1000, 50, 0.7F, 1, 0, 2},   {1000, 0, 1, 0.9F, 0, 2},
                 {1000, 0, 1.2F, 1, 0.1F, 2}, {1500, 200, 1, 0.95F, 0.02F, 2},
                 {600, 0, 1, 1, 0, 0.01F}};
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sampler s;
        struct sampling how;
        sampler_init(&s, cases[i].vocab, 1);
        sampling_default(&how);
        how.temperature = cases[i].temperature;
        how.top_k = cases[i].top_k;
        how.top_p = cases[i].top_p;
        how.min_p = cases[i].min_p;
        random_logits(z, cases[i].vocab, 900 + i, cases[i].scale);
        check_chi_square(&s, &how, z, cases[i].vocab);
        sampler_release(&s);
    }
}

static void test_greedy_is_the_lowest_of_the_largest_after_the_penalty(void **state)
{
    (void)state;
    float z[] = {2, 3, 3, -1};
    int seen[] = {1, 1};
    struct sampler s;
    struct sampling how;
    sampler_init(&s, 4, 1);
    sampling_default(&how);
    how.temperature = 0;
    struct draw d = {.z = z, .how = &how, .prompt = seen, .n_prompt = 2};
    sampler_draw(&s, &d);
    assert_int_equal(d.id, 1);
    struct kern_logits row = {.z = z, .n = 4, .inv_t = 1};
    kern()->logits(&row);
    assert_true(d.logp == z[1] - row.lse);
    how.repetition_penalty = 1.1F;
    sampler_draw(&s, &d);
    assert_int_equal(d.id, 2);
    how.repetition_penalty = 0.9F; /* below 1: what was seen becomes likelier */
    seen[0] = 2;
    seen[1] = 3;
    sampler_draw(&s, &d);
    assert_int_equal(d.id, 2);
    sampler_release(&s);
}

static void test_recorded_logp_is_that_of_unprocessed_logits(void **state)
{
    (void)state;
    float z[25];
    int seen[] = {0, 1, 2, 3, 4};
    struct sampler s;
    sampler_init(&s, 25, 1);
    for (uint32_t trial = 0; trial < 100; trial++) {
        random_logits(z, 25, trial, 2);
        struct sampling how = random_sampling(trial, 25);
        struct draw d = {.z = z, .how = &how, .prompt = seen, .n_prompt = 5, .at = {.seed = trial}};
        sampler_draw(&s, &d);
        struct kern_logits row = {.z = z, .n = 25, .inv_t = 1 / how.temperature};
        kern()->logits(&row);
        assert_true(d.logp == z[d.id] * row.inv_t - row.lse);
    }
    sampler_release(&s);
}

static void test_a_wanted_set_is_the_kept_one_and_logp_is_within_it(void **state)
{
    (void)state;
    enum { VOCAB = 300 };
    static float z[VOCAB];
    static int set[SET_MAX];
    int seen[] = {0, 1, 2, 3, 4}, sets = 0;
    struct sampler s;
    sampler_init(&s, VOCAB, 1);
    for (uint32_t trial = 0; trial < 200; trial++) {
        random_logits(z, VOCAB, trial, 2);
        struct sampling how = random_sampling(trial, VOCAB);
        struct draw d = {
            .z = z, .how = &how, .prompt = seen, .n_prompt = 5, .at = {.seed = trial}, .set = set};
        sampler_draw(&s, &d);
        double sum = 0, t = (double)how.temperature;
        bool found = d.n_set == 0;
        for (int i = 0; i < (d.n_set ? d.n_set : VOCAB); i++)
            sum += exp(((double)z[d.n_set ? set[i] : i] - (double)z[d.id]) / t);
        assert_true(fabs((double)d.logp + log(sum)) < 1e-4);
        struct draw again = d;
        const struct candidates *c = sampler_kept(&s, &again);
        if (d.n_set) assert_int_equal(d.n_set, c->n);
        for (int i = 0; i < d.n_set; i++) {
            assert_int_equal(set[i], c->ids[i]);
            found = found || set[i] == d.id;
        }
        assert_true(found);
        sets += d.n_set > 0 && d.n_set < VOCAB;
    }
    assert_true(sets > 100);
    sampler_release(&s);
}

static void test_damaged_logits_are_seen(void **state)
{
    (void)state;
    float bad[] = {NAN, INFINITY};
    struct sampler s;
    struct sampling how;
    sampler_init(&s, 40, 1);
    for (int i = 0; i < 8; i++) {
        float z[40] = {0};
        z[i * 5] = bad[i % 2];
        sampling_default(&how);
        how.temperature = i & 2 ? 1 : 0;
        how.top_k = i & 4 ? 3 : 0;
        struct draw d = {.z = z, .how = &how};
        sampler_draw(&s, &d);
        assert_true(d.bad);
        z[i * 5] = -INFINITY; /* impossible, but not damaged */
        sampler_draw(&s, &d);
        assert_false(d.bad);
        assert_int_not_equal(d.id, i * 5);
    }
    sampler_release(&s);
}

static void test_extreme_parameters_leave_one_token(void **state)
{
    (void)state;
    static float z[VOCAB_MAX];
    random_logits(z, VOCAB_MAX, 5, 1);
    int best = 0;
    for (int v = 1; v < VOCAB_MAX; v++)
        if (z[v] > z[best]) best = v;
    struct sampler s;
    sampler_init(&s, VOCAB_MAX, 1);
    for (int i = 0; i < 4; i++) {
        struct sampling how;
        sampling_default(&how);
        if (i == 0) how.top_k = 1;
        if (i == 1) how.top_p = 0;
        if (i == 2) how.min_p = 1;
        if (i == 3) how.temperature = 1e-4F;
        struct draw d = {.z = z, .how = &how, .at = {.seed = 9}};
        sampler_draw(&s, &d);
        assert_false(d.bad);
        assert_int_equal(d.id, best);
    }
    sampler_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_set_equals_that_of_plain_double_precision_sampler),
        cmocka_unit_test(test_ties_at_the_cut_are_kept_in_order_of_id),
        cmocka_unit_test(test_draws_follow_the_exact_distribution),
        cmocka_unit_test(test_greedy_is_the_lowest_of_the_largest_after_the_penalty),
        cmocka_unit_test(test_recorded_logp_is_that_of_unprocessed_logits),
        cmocka_unit_test(test_a_wanted_set_is_the_kept_one_and_logp_is_within_it),
        cmocka_unit_test(test_damaged_logits_are_seen),
        cmocka_unit_test(test_extreme_parameters_leave_one_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
