/* test_reuse.c: GRPO without the forward pass of training, whose activations sampling has kept, makes the
 * run that it makes with that pass, record by record: over several steps and passes of a window, with a
 * reference, with groups that made room for others, with sets of tokens, guesses, adapters, weights of 16
 * bits.
 */
#include "tiny.h"

#define COMMON                                                                                               \
    "model_name_or_path @begun/model dataset_name @data.jsonl overwrite_output_dir true "                    \
    "save_strategy no preflight false logging_steps 1 max_steps 6 learning_rate 1e-2 num_generations 4 "     \
    "max_completion_length 20 reward_funcs regex reward_params {\"regex\":{\"pattern\":\"^[0-6]\"}} "

/* Groups that were trained without a forward pass, of all steps. */
static double taken(const char *run)
{
    json_t *records = tiny_records(run, "timings.jsonl"), *record;
    double sum = 0;
    size_t i;
    json_array_foreach(records, i, record)
    {
        const json_t *value = json_object_get(record, "groups_without_forward");
        sum += value ? json_number_value(value) : 0;
    }
    json_decref(records);
    return sum;
}

static void log_head(const char *words, const char *more, char hex[65])
{
    char all[1024];
    snprintf(all, sizeof all, COMMON "%s %s", words, more);
    json_t *result = tiny_run("grpo", all);
    snprintf(hex, 65, "%s", json_str_or(result, "log_head", ""));
    assert_int_equal(strlen(hex), 64);
    json_decref(result);
}

static void a_run_is_the_same_without_the_forward_pass(void **state)
{
    (void)state;
    static const char *const runs[] = {
        "prompts_per_step 6",
        "prompts_per_step 3 beta 0.1",
        "prompts_per_step 4 num_iterations 2",
        "per_device_train_batch_size 8 gradient_accumulation_steps 1 steps_per_generation 3",
        "prompts_per_step 6 dynamic_sampling true",
        "prompts_per_step 6 top_p 0.9 top_k 7",
        "prompts_per_step 6 speculate lookup num_draft_tokens 3",
        "prompts_per_step 6 max_running 5",
        "prompts_per_step 6 use_peft true lora_r 4 lora_target_modules all-linear lora_dropout 0",
        "prompts_per_step 6 use_peft true lora_r 4 lora_target_modules up_proj lora_dropout 0 use_dora true",
        "prompts_per_step 6 weights_dtype bfloat16",
        "prompts_per_step 6 top_entropy_quantile 0.3",
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        char with[65], without[65];
        log_head(runs[i], "output_dir @with reuse_activations true", with);
        log_head(runs[i], "output_dir @without reuse_activations false", without);
        if (strcmp(with, without) != 0) fail_msg("%s: another run", runs[i]);
        if (!(taken("with") > 1)) fail_msg("%s: took none", runs[i]);
        assert_true(taken("without") == 0);
    }
}

/* Where layers are worked out again in backward, with dropout, and where no memory is left. */
static void where_it_cannot_be_nothing_is_kept(void **state)
{
    (void)state;
    static const char *const runs[] = {
        "prompts_per_step 6 gradient_checkpointing true",
        "prompts_per_step 6 use_peft true lora_r 4 lora_target_modules all-linear lora_dropout 0.1",
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        char hex[65];
        log_head(runs[i], "output_dir @run", hex);
        assert_true(taken("run") == 0);
    }
}

static int setup(void **state)
{
    if (tiny_setup(state)) return -1;
    json_decref(tiny_run("sft", "model_name_or_path @base from_scratch true dataset_name @data.jsonl "
                                "output_dir @begun save_strategy no max_steps 1"));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_the_same_without_the_forward_pass),
        cmocka_unit_test(where_it_cannot_be_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, setup, tiny_teardown);
}
