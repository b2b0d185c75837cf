/* test_sft_curve.c: 14 steps of supervised fine-tuning follow those of TRL's own trainer: loss, gradient
 * norm, learning rate, accuracy, entropy, tokens and epoch of each (tools/golden/sft_curve.py).
 */
#include "tiny.h"

#include <math.h>

#define GOLDEN                                                                                               \
    "model_name_or_path tests/golden/sft/model output_dir @out overwrite_output_dir true save_strategy no "  \
    "train_sampling_strategy sequential max_length 12 max_steps 14 "

static void near(size_t step, const char *key, const json_t *got, const json_t *want, double tolerance)
{
    double x = tiny_metric(got, step, key), y = json_number_value(json_object_get(want, key));
    if (!(fabs(x - y) <= tolerance * (1e-6 + fabs(y))))
        fail_msg("step %zu: %s is %.9g, TRL has %.9g", step + 1, key, x, y);
}

static void follow(const char *curve, const char *words, bool one_micro_step)
{
    struct err e = {0};
    json_t *all = json_read_file("tests/golden/sft/curves.json", &e), *step;
    if (!all) fail_msg("%s", e.msg);
    json_decref(tiny_run("sft", words));
    json_t *got = tiny_metrics("out");
    size_t i;
    json_array_foreach(json_object_get(json_object_get(all, curve), "steps"), i, step)
    {
        near(i, "loss", got, step, 2e-5);
        near(i, "grad_norm", got, step, 2e-4);
        near(i, "learning_rate", got, step, 1e-9);
        near(i, "num_tokens", got, step, 0);
        near(i, "epoch", got, step, 1e-12);
        if (!one_micro_step)
            continue; /* TRL takes the mean of the micro-steps' means, here tokens count alike */
        near(i, "mean_token_accuracy", got, step, 1e-6);
        near(i, "entropy", got, step, 2e-5);
    }
    assert_int_equal(i, 14);
    json_decref(got);
    json_decref(all);
}

static void pairs_with_accumulation_follow_trl(void **state)
{
    (void)state;
    const char *words =
        GOLDEN "dataset_name tests/golden/sft/pairs.jsonl per_device_train_batch_size 4 "
               "gradient_accumulation_steps 3 learning_rate 5e-3 lr_scheduler_type cosine_with_min_lr "
               "lr_scheduler_kwargs {\"min_lr_rate\":0.1} warmup_steps 3 weight_decay 0.1 "
               "max_grad_norm 0.5";
    follow("pairs", words, false);
}

static void text_follows_trl(void **state)
{
    (void)state;
    follow("texts",
           GOLDEN
           "dataset_name tests/golden/sft/texts.jsonl per_device_train_batch_size 8 learning_rate 2e-3 "
           "adam_beta2 0.95",
           true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_with_accumulation_follow_trl),
        cmocka_unit_test(text_follows_trl),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
