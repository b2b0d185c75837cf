/* metrics.c: from judged completions to numbers with errors.
 *
 *   pass@k   of an item with c right out of n: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021, unbiased)
 *   stderr   sqrt(sum (x_i - mean)^2 / (N - 1) / N) over items, x_i the item's own value
 * What could not be judged counts neither as right nor as wrong: n is the number of judged completions of the
 * item, and an item without any is left out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "eval/eval_int.h"
#include "verify/verify.h"

double pass_at_k(int n, int c, int k)
{
    double miss = 1;
    if (n - c < k) return 1;
    for (int i = n - c + 1; i <= n; i++) miss *= 1 - (double)k / i;
    return 1 - miss;
}

struct spread spread_of(const double *v, int n)
{
    struct spread s = {.n = n};
    double squares = 0;
    for (int i = 0; i < n; i++) s.mean += v[i];
    if (n) s.mean /= n;
    for (int i = 0; i < n; i++) squares += (v[i] - s.mean) * (v[i] - s.mean);
    if (n > 1) s.error = sqrt(squares / (n - 1) / n);
    return s;
}

bool answers_agree(const char *a, const char *b)
{
    struct receipt r;
    if (strcmp(a, b) == 0) return true;
    struct verify_params p = verify_defaults(EXTRACT_ANY);
    p.raw = true;
    verify_math(a, b, &p, &r);
    return r.verdict == VERDICT_CORRECT;
}

int majority(const struct judged *c, int n)
{
    int *first = alloc_zero((size_t)n + 1, sizeof *first), *votes = alloc_zero((size_t)n + 1, sizeof *votes);
    int groups = 0, best = -1;
    for (int i = 0; i < n; i++) {
        if (!c[i].answer[0]) continue;
        int g = 0;
        while (g < groups && !answers_agree(c[first[g]].answer, c[i].answer)) g++;
        if (g == groups) first[groups++] = i;
        votes[g]++;
    }
    for (int g = 0; g < groups; g++)
        if (best < 0 || votes[g] > votes[best]) best = g;
    int score = best < 0 ? -1 : c[first[best]].score;
    free(first);
    free(votes);
    return score;
}

static void put(json_t *out, const char *key, const char *error_key, const struct spread *s)
{
    json_object_set_new(out, key, s->n ? json_real(s->mean) : json_null());
    json_object_set_new(out, error_key, s->n ? json_real(s->error) : json_null());
}

/* pass@k over the items that have a judged completion. */
static struct spread pass_spread(const struct judged *c, int n_items, int n_samples, int k)
{
    double *v = alloc_zero((size_t)n_items + 1, sizeof *v);
    int n = 0;
    for (int i = 0; i < n_items; i++) {
        int judged = 0, right = 0;
        for (int s = 0; s < n_samples; s++) {
            judged += c[i * n_samples + s].score >= 0;
            right += c[i * n_samples + s].score == 1;
        }
        if (judged) v[n++] = pass_at_k(judged, right, k < judged ? k : judged);
    }
    struct spread out = spread_of(v, n);
    free(v);
    return out;
}

static struct spread majority_spread(const struct judged *c, int n_items, int n_samples)
{
    double *v = alloc_zero((size_t)n_items + 1, sizeof *v);
    for (int i = 0; i < n_items; i++) v[i] = majority(c + i * n_samples, n_samples) == 1;
    struct spread out = spread_of(v, n_items);
    free(v);
    return out;
}

static void put_pass(json_t *out, const struct judged *c, int n_items, int n_samples)
{
    char key[32], error_key[48];
    for (int k = 1; k <= n_samples; k = k < n_samples && 2 * k > n_samples ? n_samples : 2 * k) {
        struct spread s = pass_spread(c, n_items, n_samples, k);
        snprintf(key, sizeof key, "pass@%d", k);
        snprintf(error_key, sizeof error_key, "pass@%d_stderr", k);
        put(out, key, k == 1 ? "stderr" : error_key, &s);
    }
    if (n_samples == 1) return;
    struct spread s = majority_spread(c, n_items, n_samples);
    snprintf(key, sizeof key, "maj@%d", n_samples);
    snprintf(error_key, sizeof error_key, "maj@%d_stderr", n_samples);
    put(out, key, error_key, &s);
}

json_t *metrics_of(const struct judged *c, int n_items, int n_samples)
{
    json_t *out = json_object();
    int n = n_items * n_samples, clipped = 0, reasoned = 0, undecided = 0;
    double length = 0;
    for (int i = 0; i < n; i++) {
        length += c[i].length;
        clipped += c[i].clipped;
        reasoned += c[i].reasoned;
        undecided += c[i].score < 0;
    }
    put_pass(out, c, n_items, n_samples);
    json_object_set_new(out, "n_items", json_integer(n_items));
    json_object_set_new(out, "n_samples", json_integer(n_samples));
    json_object_set_new(out, "mean_length", json_real(n ? length / n : 0));
    json_object_set_new(out, "clipped_ratio", json_real(n ? (double)clipped / n : 0));
    json_object_set_new(out, "reasoning_ratio", json_real(n ? (double)reasoned / n : 0));
    json_object_set_new(out, "undecided", json_integer(undecided));
    return out;
}

/* The mean of a sample's judged completions; false when there is none. */
static bool sample_mean(const json_t *sample, double *mean)
{
    size_t i, judged = 0, right = 0;
    json_t *c;
    json_array_foreach(json_object_get(sample, "completions"), i, c)
    {
        const json_t *correct = json_object_get(c, "correct");
        judged += json_is_boolean(correct);
        right += json_is_true(correct);
    }
    *mean = judged ? (double)right / (double)judged : 0;
    return judged > 0;
}

/* Samples by the text of their ids. New reference. */
static json_t *by_id(const json_t *samples)
{
    json_t *index = json_object(), *sample;
    size_t i;
    json_array_foreach((json_t *)samples, i, sample)
    {
        char *key = json_dumps(json_object_get(sample, "id"), JSON_ENCODE_ANY | JSON_COMPACT);
        if (key) json_object_set(index, key, sample);
        free(key);
    }
    return index;
}

json_t *eval_compare(const json_t *samples_a, const json_t *samples_b, struct err *e)
{
    json_t *a = by_id(samples_a), *b = by_id(samples_b), *sample, *out = NULL;
    const char *key;
    double *v = alloc_zero(json_object_size(a) + 1, sizeof *v), sum_a = 0, sum_b = 0;
    int n = 0;
    json_object_foreach(a, key, sample)
    {
        double x, y;
        const json_t *other = json_object_get(b, key);
        if (!other || !sample_mean(sample, &x) || !sample_mean(other, &y)) continue;
        v[n++] = y - x;
        sum_a += x;
        sum_b += y;
    }
    struct spread s = spread_of(v, n);
    if (n)
        out = json_pack("{s:f,s:f,s:f,s:f,s:i}", "a", sum_a / n, "b", sum_b / n, "difference", s.mean,
                        "stderr", s.error, "n_items", n);
    else
        err_set(
            e,
            "the two evaluations have no judged item in common; compare samples of the same task and items");
    free(v);
    json_decref(a);
    json_decref(b);
    return out;
}
