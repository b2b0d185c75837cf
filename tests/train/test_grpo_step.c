/* test_grpo_step.c: one off-policy GRPO step equals the same step on a transformers model
 * (tools/golden/grpo_step.py): loss, gradient norm, KL, entropy and clipping, with prompts shared by groups
 * on our side and padded rows on theirs.
 *
 * The completions come in through a checkpoint: a run with learning rate 0 stops in the middle of a window,
 * the checkpoint's rollouts are replaced by the golden ones, and the run goes on with them.
 */
#include "tiny.h"

#include <math.h>

#define RUN                                                                                                  \
    "model_name_or_path tests/golden/sft/model dataset_name tests/golden/grpo/step_prompts.jsonl "           \
    "shuffle_dataset false reward_funcs exact num_generations 4 max_completion_length 6 temperature 0.8 "    \
    "num_iterations 2 learning_rate 0 max_steps 2 save_steps 1 output_dir @step "

static void compare(const char *words, const json_t *metrics, const json_t *expect)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)expect, key, value)
    {
        double got = tiny_metric(metrics, 1, key), want = json_number_value(value);
        double tolerance = strcmp(key, "grad_norm") == 0 ? 1e-4 : 2e-5;
        if (!(fabs(got - want) <= tolerance * (1e-2 + fabs(want))))
            fail_msg("%s: %s is %.9g, expected %.9g", words, key, got, want);
    }
}

static void a_step_equals_that_on_a_transformers_model(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *cases = json_read_file("tests/golden/grpo/step.json", &e), *c;
    if (!cases) fail_msg("%s", e.msg);
    char *rollouts = tiny_path("step/checkpoint-1/rollouts.jsonl");
    size_t i;
    json_array_foreach(cases, i, c)
    {
        const char *own = json_string_value(json_object_get(c, "words"));
        char words[1024];
        /* Where the case does not say: one micro-step of all twelve completions. */
        snprintf(words, sizeof words, RUN "%s %s", own,
                 strstr(own, "per_device") ? "" : "per_device_train_batch_size 12");
        char first[1100], second[1100];
        snprintf(first, sizeof first, "%s overwrite_output_dir true", words);
        snprintf(second, sizeof second, "%s resume_from_checkpoint @step/checkpoint-1", words);
        json_decref(tiny_run("grpo", first));
        assert_true(file_exists(rollouts));
        char from[128];
        snprintf(from, sizeof from, "tests/golden/grpo/%s", json_str_or(c, "rollouts", ""));
        if (file_copy(from, rollouts, &e)) fail_msg("%s", e.msg);
        json_decref(tiny_run("grpo", second));
        json_t *metrics = tiny_metrics("step");
        compare(words, metrics, json_object_get(c, "expect"));
        json_decref(metrics);
    }
    assert_int_equal(i, 18);
    free(rollouts);
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_equals_that_on_a_transformers_model),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
