/* test_sft_curve.c: 14 steps of supervised fine-tuning follow those of TRL's own trainer: loss, gradient
 * norm, learning rate, accuracy, entropy, tokens and epoch of each, with each loss; and so do evaluations on
 * the way (tools/golden/sft_curve.py). With weights in bfloat16 the loss stays near.
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
    if (json_integer_value(json_object_get(json_array_get(got, 0), "step")) == 0) json_array_remove(got, 0);
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

#define ACCUMULATED                                                                                          \
    GOLDEN "dataset_name tests/golden/sft/pairs.jsonl per_device_train_batch_size 4 "                        \
           "gradient_accumulation_steps 3 learning_rate 5e-3 max_grad_norm 0.5 "

static void dft_follows_trl(void **state)
{
    (void)state;
    follow("dft", ACCUMULATED "loss_type dft", false);
}

static void label_smoothing_follows_trl(void **state)
{
    (void)state;
    follow("smoothed", ACCUMULATED "label_smoothing_factor 0.2", false);
}

static void evaluations_follow_trl(void **state)
{
    (void)state;
    struct err e = {0};
    follow("evaluated",
           GOLDEN
           "dataset_name tests/golden/sft/texts.jsonl eval_dataset_name tests/golden/sft/held_out.jsonl "
           "per_device_train_batch_size 8 learning_rate 2e-3 eval_strategy steps eval_steps 5 "
           "eval_on_start true per_device_eval_batch_size 16",
           true);
    json_t *all = json_read_file("tests/golden/sft/curves.json", &e), *want, *got = tiny_metrics("out");
    size_t i, at = 0;
    json_array_foreach(json_object_get(json_object_get(all, "evaluated"), "evaluations"), i, want)
    {
        while (tiny_metric(got, at, "step") != json_number_value(json_object_get(want, "step"))) at++;
        near(at, "eval_loss", got, want, 2e-5);
        near(at, "eval_entropy", got, want, 2e-5);
        near(at, "eval_mean_token_accuracy", got, want, 1e-6);
        near(at, "eval_num_tokens", got, want, 0);
        near(at, "epoch", got, want, 1e-12);
    }
    assert_int_equal(i, 4); /* at the start, after 5 and 10, and at the end */
    json_decref(all);
    json_decref(got);
}

static void the_loss_of_bfloat16_weights_stays_near_trl(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *all = json_read_file("tests/golden/sft/curves.json", &e), *step;
    if (!all) fail_msg("%s", e.msg);
    json_decref(tiny_run("sft", GOLDEN "dataset_name tests/golden/sft/texts.jsonl adam_beta2 0.95 "
                                       "per_device_train_batch_size 8 learning_rate 2e-3 "
                                       "weights_dtype bfloat16"));
    json_t *got = tiny_metrics("out");
    size_t i;
    json_array_foreach(json_object_get(json_object_get(all, "texts"), "steps"), i, step)
    {
        near(i, "loss", got, step, 5e-3);
        near(i, "num_tokens", got, step, 0);
    }
    assert_int_equal(i, 14);
    json_decref(got);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_with_accumulation_follow_trl),
        cmocka_unit_test(text_follows_trl),
        cmocka_unit_test(the_loss_of_bfloat16_weights_stays_near_trl),
        cmocka_unit_test(dft_follows_trl),
        cmocka_unit_test(label_smoothing_follows_trl),
        cmocka_unit_test(evaluations_follow_trl),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
