/* test_preflight.c: the look before the first step says what stands in the way and whether thinking pays, and
 * leaves no trace in the training. */
#include "tiny.h"

#include <math.h>

#include "train/preflight.h"

/* ---- the sentence -------------------------------------------------------------------------------------- */

static struct preflight_result healthy(void)
{
    struct preflight_result p = {.gain = NAN, .gain_error = NAN, .max_tokens = 512};
    p.looks[LOOK_PLAIN] = (struct look){.n = 16,
                                        .group = 8,
                                        .reward = 0.3,
                                        .tally = {.pass_1 = 0.3, .pass_k = 0.7, .varied = 0.6, .length = 90}};
    return p;
}

static void says(struct preflight_result p, bool can, const char *part)
{
    struct str s;
    str_init(&s, 4096);
    bool got = preflight_verdict(&p, &s);
    if (got != can || !strstr(s.p, part)) fail_msg("expected '%s' and %d, got %d: %s", part, can, got, s.p);
    str_release(&s);
}

static void the_sentence_names_what_stands_in_the_way(void **state)
{
    (void)state;
    struct preflight_result p = healthy();
    says(p, true, "60 % of the groups have variance");
    p.looks[0].tally.cut = 0.8;
    says(p, true, "80 % of the completions are cut off at 512");
    p.looks[0].tally.cut = 1; /* but some of what is cut off is right */
    says(p, true, "100 % of the completions are cut off at 512");
    p.mask_cut = true;
    says(p, false, "has no loss then (mask_truncated_completions): raise max_completion_length");
    p.mask_cut = false;
    p.looks[0].tally.varied = 0;
    says(p, false, "every completion was cut off at 512 tokens, before any answer: raise max_completion_");
    p.looks[0].tally.cut = 0.9;
    says(p, false, "90 % of the completions were cut off at 512 tokens, before any answer: raise");
    p = healthy();
    p.looks[0].tally.varied = 0.1;
    says(p, true, "dynamic_sampling");
    p.looks[0].tally.varied = 0;
    says(p, false, "no group has variance");
    p.looks[0].all_equal = true;
    says(p, false, "same reward");
    p.looks[0].tally.pass_1 = 1;
    says(p, false, "passes already");
    p.looks[0].all_zero = true;
    says(p, false, "every reward is zero");
    p.looks[0].reward = NAN;
    p.looks[0].tally.cut = 1;
    snprintf(p.why_none, sizeof p.why_none, "no column \"solution\"");
    says(p, false, "could judge a single completion (no column \"solution\")");
}

static void thinking_pays_beyond_two_standard_errors(void **state)
{
    (void)state;
    struct preflight_result p = healthy();
    p.looks[LOOK_FORCED] = p.looks[LOOK_FORBIDDEN] = p.looks[LOOK_PLAIN];
    p.gain = 0.3, p.gain_error = 0.1;
    says(p, true, "thinking pays (");
    p.gain = -0.3;
    says(p, true, "does not pay");
    p.gain = 0.1;
    says(p, true, "cannot be told");
}

/* ---- in a run ------------------------------------------------------------------------------------------ */

static json_t *record_of(const char *run)
{
    struct err e = {0};
    char name[64];
    snprintf(name, sizeof name, "%s/preflight.json", run);
    char *path = tiny_path(name);
    json_t *o = json_read_file(path, &e);
    if (!o) fail_msg("%s", e.msg);
    free(path);
    return o;
}

static double number_in(const json_t *record, const char *look, const char *key)
{
    const json_t *v = json_object_get(look ? json_object_get(record, look) : record, key);
    if (!json_is_number(v)) fail_msg("%s.%s is not there", look ? look : "record", key);
    return json_number_value(v);
}

#define RUN                                                                                                  \
    "model_name_or_path @base from_scratch true dataset_name @data.jsonl reward_funcs exact "                \
    "prompts_per_step 2 num_generations 4 max_completion_length 4 max_steps 2 learning_rate 1e-2 "           \
    "output_dir @out preflight_prompts 5 "

static void it_changes_no_bit_of_the_training(void **state)
{
    (void)state;
    char with[65], without[65];
    tiny_hash("grpo", RUN "beta 0.1", with);
    json_t *first = tiny_metrics("out"), *record = record_of("out");
    assert_true(number_in(record, NULL, "prompts") == 5 && number_in(record, NULL, "steps") == 2);
    assert_true(number_in(record, "plain", "mean_length") > 0);
    assert_true(number_in(record, NULL, "total_seconds") > 0);
    assert_null(json_object_get(record, "thinking_forced"));
    tiny_hash("grpo", RUN "beta 0.1 preflight false overwrite_output_dir true", without);
    json_t *second = tiny_metrics("out");
    assert_string_equal(with, without);
    assert_true(json_equal(first, second));
    json_decref(first);
    json_decref(second);
    json_decref(record);
}

static void preflight_only_stops_before_the_first_step(void **state)
{
    (void)state;
    char hash[65], plain[65];
#define ONLY RUN "reward_weights 2 "
    json_t *told = tiny_run("grpo", ONLY "output_dir @only preflight_only true");
    json_t *record = record_of("only"), *none = tiny_metrics("only");
    assert_true(json_equal(told, record));
    assert_int_equal(json_array_size(none), 0);
    /* The same run goes on from there. */
    tiny_hash("grpo", ONLY "output_dir @only", hash);
    tiny_hash("grpo", ONLY "output_dir @other preflight false", plain);
    assert_string_equal(hash, plain);
    /* A look alone keeps no other run out, and neither does its record; a step does. */
    json_decref(tiny_run("grpo", ONLY "output_dir @free preflight_only true"));
    json_decref(tiny_run("grpo", ONLY "output_dir @free learning_rate 2e-2 preflight false"));
    char *stale = tiny_path("free/preflight.json");
    assert_false(file_exists(stale));
    free(stale);
    tiny_refused("grpo", ONLY "output_dir @free learning_rate 3e-2", "changed: learning_rate");
    json_decref(told);
    json_decref(record);
    json_decref(none);
}

/* A model that is right after an open thought and wrong after an empty one. */
static void thinking_is_forced_and_forbidden(void **state)
{
    (void)state;
    static const char *const specials[] = {"<eos>", "<think>", "</think>"};
    tiny_model_over("thinker", "0123456789+=\n", specials, 3);
    struct str s, asked;
    str_init(&s, 0);
    str_init(&asked, 0);
    for (int i = 0; i < 20; i++) {
        str_addf(&s, "{\"prompt\":\"%d+1=<think>\\n\",\"completion\":\"5\"}\n", i % 10);
        str_addf(&s, "{\"prompt\":\"%d+1=<think>\\n\\n</think>\\n\\n\",\"completion\":\"7\"}\n", i % 10);
        str_addf(&asked, "{\"prompt\":\"%d+1=%s\",\"solution\":\"5\"}\n", i % 10, "<think>\\n");
    }
    tiny_write("thoughts.jsonl", s.p);
    tiny_write("asked.jsonl", asked.p);
    json_decref(tiny_run("sft", "model_name_or_path @thinker from_scratch true dataset_name @thoughts.jsonl "
                                "output_dir @taught save_strategy no max_steps 80 learning_rate 1e-2 "
                                "per_device_train_batch_size 40"));
    json_t *record =
        tiny_run("grpo", "model_name_or_path @taught/model dataset_name @asked.jsonl reward_funcs "
                         "exact prompts_per_step 2 num_generations 4 max_completion_length 4 "
                         "output_dir @asked preflight_only true");
    assert_true(number_in(record, "thinking_forced", "pass@1") > 0.8);
    assert_true(number_in(record, "thinking_forbidden", "pass@1") < 0.2);
    assert_true(number_in(record, NULL, "thinking_gain") > 0.6);
    json_decref(record);
    str_release(&s);
    str_release(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sentence_names_what_stands_in_the_way),
        cmocka_unit_test(thinking_pays_beyond_two_standard_errors),
        cmocka_unit_test(it_changes_no_bit_of_the_training),
        cmocka_unit_test(preflight_only_stops_before_the_first_step),
        cmocka_unit_test(thinking_is_forced_and_forbidden),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
