/* What the generators call a right completion, the rewards call right too; a damaged one not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "data/data.h"
#include "reward/reward.h"

static double scored(const char *reward, const char *params, const json_t *row, const char *text)
{
    struct err e = {0};
    const struct reward *w = reward_find(reward, &e);
    json_t *p = params ? json_read_bytes(params, strlen(params), "params", &e) : NULL;
    struct reward_input in = {.text = text, .row = row, .params = p, .n_ids = -1};
    struct reward_result out = {0};
    w->score(&in, &out);
    assert_true(out.judged);
    json_decref(p);
    return out.value;
}

struct kind {
    const char *generator, *settings, *reward, *params;
};

static void every_completion_is_right(const struct kind *k)
{
    struct err e = {0};
    const struct datagen *g = datagen_find(k->generator, &e);
    json_t *settings = json_read_bytes(k->settings, strlen(k->settings), "settings", &e);
    assert_non_null(settings);
    for (uint32_t i = 0; i < 300; i++) {
        struct rng_at at = {.seed = 11, .purpose = RNG_DATA, .sequence = i};
        json_t *row = g->make(&at, i % 2, settings, &e);
        if (!row) fail_msg("%s", e.msg);
        const json_t *c = json_object_get(row, "completion");
        if (json_is_array(c)) c = json_object_get(json_array_get(c, 0), "content");
        const char *text = json_string_value(c);
        if (scored(k->reward, k->params, row, text) != 1)
            fail_msg("%s: %s for %s", k->generator, text, json_dumps(row, 0));
        char *damaged = strdup(text), *digit = damaged + strlen(damaged) - 1;
        while (*digit < '0' || *digit > '9') digit--;
        *digit = *digit == '9' ? '8' : '9'; /* the last digit of the answer */
        assert_true(scored(k->reward, k->params, row, damaged) == 0);
        free(damaged);
        json_decref(row);
    }
    json_decref(settings);
}

static void generated_completions_earn_their_reward(void **state)
{
    (void)state;
    static const struct kind kinds[] = {
        {"chain", "{\"worked\": 0.5}", "accuracy", "{\"mode\": \"any\"}"},
        {"chain", "{\"worked\": 0.5, \"style\": \"compact\", \"n_digits\": 9}", "exact", NULL},
        {"countdown", "{\"worked\": 0.5}", "countdown", NULL},
        {"countdown", "{\"count\": 5, \"max\": 20, \"style\": \"words\"}", "countdown", NULL},
        {"arithmetic", "{\"n_terms\": 5}", "accuracy", NULL},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) every_completion_is_right(&kinds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(generated_completions_earn_their_reward)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
