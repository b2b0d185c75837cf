/* test_policy.c: losses, their gradients, advantages and metrics equal an independent computation in double
 * precision and TRL's own (tools/golden/grpo.py). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "train/train.h"

static bool close_to(double got, double want)
{
    return fabs(got - want) <= 1e-11 * (1 + fabs(want));
}

/* Every number of `want` is in `got` at the same place. */
static void compare(const char *id, const char *field, const json_t *got, const json_t *want)
{
    if (json_is_array(want)) {
        if (json_array_size(got) != json_array_size(want)) fail_msg("%s: %s has another length", id, field);
        for (size_t i = 0; i < json_array_size(want); i++)
            compare(id, field, json_array_get(got, i), json_array_get(want, i));
    } else if (json_is_object(want)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)want, key, value) compare(id, key, json_object_get(got, key), value);
    } else if (!json_is_number(got) || !close_to(json_number_value(got), json_number_value(want))) {
        fail_msg("%s: %s is %.17g, expected %.17g", id, field, json_number_value(got),
                 json_number_value(want));
    }
}

static int check_file(const char *path)
{
    struct err e = {0};
    struct jsonl in;
    json_t *record;
    int n = 0, status;
    if (jsonl_open(&in, path, &e)) fail_msg("%s", e.msg);
    while ((status = jsonl_next(&in, &record, &e)) == 1) {
        const char *id = json_string_value(json_object_get(record, "id"));
        json_t *got = policy_eval(record, &e);
        if (!got) fail_msg("%s: %s", id, e.msg);
        compare(id, "result", got, json_object_get(record, "expect"));
        json_decref(got);
        json_decref(record);
        n++;
    }
    if (status < 0) fail_msg("%s", e.msg);
    jsonl_close(&in);
    return n;
}

static void losses_and_gradients_equal_the_witness(void **state)
{
    (void)state;
    assert_int_equal(check_file("tests/golden/grpo/policy.jsonl"), 198);
}

static void advantages_equal_the_witness(void **state)
{
    (void)state;
    assert_int_equal(check_file("tests/golden/grpo/advantages.jsonl"), 18);
}

enum { ROWS = 12, MAX_LEN = 9 };
struct data {
    int lengths[ROWS];
    double logp[ROWS * MAX_LEN], old[ROWS * MAX_LEN], mask[ROWS * MAX_LEN], grad[ROWS * MAX_LEN];
    double entropy[ROWS * MAX_LEN], keep[ROWS * MAX_LEN], grad_entropy[ROWS * MAX_LEN];
    double advantages[ROWS], weights[ROWS], entropy_weights[ROWS];
};

static void draw(struct data *d)
{
    struct rng_at at = {.seed = 5, .purpose = RNG_TEST};
    int n = 0;
    for (int i = 0; i < ROWS; i++) {
        at.sequence = (uint32_t)i;
        d->lengths[i] = 1 + (int)rng_below(&at, MAX_LEN);
        d->advantages[i] = rng_double(&at) - 0.5;
        for (int t = 0; t < d->lengths[i]; t++, n++) {
            at.position = (uint32_t)t + 1;
            d->logp[n] = -rng_double(&at);
            d->old[n] = d->logp[n] + (t % 3 - 1) * 0.3;
            d->mask[n] = t % 4 != 3;
            d->entropy[n] = 3 * rng_double(&at);
        }
    }
}

static void split_batches_sum_to_the_whole(void **state)
{
    (void)state;
    for (int loss = 0; policy_loss_at(loss); loss++) {
        static struct data d;
        static double whole_grad[ROWS * MAX_LEN], whole_entropy[ROWS * MAX_LEN];
        draw(&d);
        struct policy_opts o;
        policy_defaults(&o);
        o.loss = policy_loss_at(loss);
        o.entropy_coef = 0.02;
        o.top_entropy = 0.6;
        o.off_policy = -0.2;
        struct policy_batch b = {.n = ROWS,
                                 .lengths = d.lengths,
                                 .logp = d.logp,
                                 .old = d.old,
                                 .mask = d.mask,
                                 .entropy = d.entropy,
                                 .keep = d.keep,
                                 .advantages = d.advantages,
                                 .weights = d.weights,
                                 .entropy_weights = d.entropy_weights};
        size_t all = 0;
        for (int i = 0; i < ROWS; i++) all += (size_t)d.lengths[i];
        policy_top_entropy(d.entropy, d.mask, all, o.top_entropy, d.keep);
        policy_weights(&b, &o, d.weights, d.entropy_weights);
        struct policy_out whole, parts;
        policy_out_init(&whole);
        policy_out_init(&parts);
        policy_loss(&b, &o, whole_grad, whole_entropy, &whole);
        int at = 0;
        for (int i = 0; i < ROWS; i += 3) {
            struct policy_batch p = b;
            p.n = 3;
            p.lengths += i, p.advantages += i, p.weights += i, p.entropy_weights += i;
            p.logp += at, p.old += at, p.mask += at, p.entropy += at, p.keep += at;
            policy_loss(&p, &o, d.grad + at, d.grad_entropy + at, &parts);
            for (int k = 0; k < 3; k++) at += d.lengths[i + k];
        }
        assert_true(fabs(whole.loss - parts.loss) < 1e-14);
        assert_memory_equal(whole_grad, d.grad, (size_t)at * sizeof *d.grad);
        assert_memory_equal(whole_entropy, d.grad_entropy, (size_t)at * sizeof *d.grad);
        assert_true(whole.n_dropped > 0 && whole.n_dropped == parts.n_dropped);
        assert_true(whole.n_kept < whole.n_tokens && whole.n_kept == parts.n_kept);
        assert_true(whole.n_tokens == parts.n_tokens && whole.n_rows == parts.n_rows);
    }
}

static void dapo_over_accumulation_equals_one_big_batch(void **state)
{
    (void)state;
    static struct data d;
    static double one[ROWS], two[ROWS], other[ROWS];
    draw(&d);
    struct policy_opts o;
    policy_defaults(&o);
    struct policy_batch b = {.n = ROWS, .lengths = d.lengths, .mask = d.mask};
    policy_weights(&b, &o, one, other);
    double tokens = 0;
    int n = 0, half = 0;
    for (int i = 0; i < ROWS; i++)
        for (int t = 0; t < d.lengths[i]; t++) tokens += d.mask[n++];
    for (int i = 0; i < ROWS / 2; i++) half += d.lengths[i];
    o.n_tokens = tokens;
    o.accumulation = 2;
    struct policy_batch first = {.n = ROWS / 2, .lengths = d.lengths, .mask = d.mask};
    struct policy_batch second = {.n = ROWS / 2, .lengths = d.lengths + ROWS / 2, .mask = d.mask + half};
    policy_weights(&first, &o, two, other);
    policy_weights(&second, &o, two + ROWS / 2, other);
    assert_memory_equal(one, two, sizeof one);
}

static void refused(const char *text, const char *part)
{
    struct err e = {0};
    json_t *record = json_loads(text, 0, NULL);
    assert_non_null(record);
    assert_null(policy_eval(record, &e));
    if (!strstr(e.msg, part)) fail_msg("'%s' does not say '%s'", e.msg, part);
    json_decref(record);
}

static void malformed_records_are_refused_with_a_reason(void **state)
{
    (void)state;
    refused("{}", "logps");
    refused("{\"logps\": [[-1], 3]}", "logps[1]");
    refused("{\"logps\": [[-1], [-2]]}", "'advantages' or 'rewards'");
    refused("{\"logps\": [[-1]], \"advantages\": [1, 2]}", "list of 1");
    refused("{\"logps\": [[-1]], \"old_logps\": [[-1, -2]], \"advantages\": [1]}", "old_logps[0]");
    refused("{\"logps\": [[-1]], \"advantages\": [1], \"config\": {\"beta\": 0.1}}", "ref_logps");
    refused("{\"logps\": [[-1]], \"advantages\": [1], \"config\": {\"loss_type\": \"dopo\"}}",
            "did you mean \"dapo\"");
    refused("{\"logps\": [[-1], [-1]], \"rewards\": [1, 0], \"config\": {\"num_generations\": 3}}",
            "groups of 3");
    refused("{\"logps\": [[-1]], \"rewards\": [\"a\"]}", "numbers");
}

static void constant_groups_have_advantage_exactly_zero(void **state)
{
    (void)state;
    double rewards[7], totals[7], out[7];
    struct advantage_out stats;
    struct err e = {0};
    for (int i = 0; i < 7; i++) rewards[i] = 0.1 + 0.2;
    const char *const scales[] = {"group", "batch", "none"};
    for (int s = 0; s < 3; s++) {
        struct advantage_opts o = {.n = 7, .n_funcs = 1, .group = 7, .scale = scales[s]};
        assert_int_equal(advantages(rewards, &o, totals, out, &stats, &e), 0);
        for (int i = 0; i < 7; i++) assert_true(out[i] == 0);
        assert_true(stats.frac_zero_std == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_and_gradients_equal_the_witness),
        cmocka_unit_test(advantages_equal_the_witness),
        cmocka_unit_test(split_batches_sum_to_the_whole),
        cmocka_unit_test(dapo_over_accumulation_equals_one_big_batch),
        cmocka_unit_test(malformed_records_are_refused_with_a_reason),
        cmocka_unit_test(constant_groups_have_advantage_exactly_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
