/* test_evaluation.c: evaluation while training: it measures what it says, changes no bit of the training,
 * picks the best checkpoint, and is taken up again where a signal cut it short.
 */
#include "tiny.h"

#include <math.h>

#include "train/train_int.h"

#define RUN                                                                                                  \
    "model_name_or_path @base from_scratch true learning_rate 1e-2 dataset_name @data.jsonl "                \
    "per_device_train_batch_size 10 output_dir @out overwrite_output_dir true save_strategy no "
#define EVAL "eval_dataset_name @held.jsonl eval_strategy steps "

static int setup(void **state)
{
    int failed = tiny_setup(state);
    tiny_data("held.jsonl", 7);
    return failed;
}

/* The record of a step, or NULL. */
static const json_t *record(const json_t *metrics, long step)
{
    size_t i;
    json_t *each;
    json_array_foreach((json_t *)metrics, i, each)
    {
        if (json_integer_value(json_object_get(each, "step")) == step) return each;
    }
    return NULL;
}

static double value(const json_t *metrics, long step, const char *key)
{
    const json_t *v = json_object_get(record(metrics, step), key);
    if (!json_is_number(v)) fail_msg("step %ld has no %s", step, key);
    return json_number_value(v);
}

static void an_evaluation_changes_no_bit_of_the_training(void **state)
{
    (void)state;
    char with[65], without[65];
    tiny_hash("sft", RUN "max_steps 9", without);
    json_t *plain = tiny_metrics("out");
    tiny_hash("sft", RUN "max_steps 9 eval_steps 2 eval_on_start true do_eval true " EVAL, with);
    json_t *metrics = tiny_metrics("out");
    assert_string_equal(with, without);
    assert_int_equal(json_array_size(plain), 9);
    assert_int_equal(json_array_size(metrics), 10); /* and one for the start */
    for (long step = 1; step <= 9; step++) {
        assert_true(value(metrics, step, "loss") == value(plain, step, "loss"));
        bool due = step % 2 == 0 || step == 9;
        assert_int_equal(due, json_object_get(record(metrics, step), "eval_loss") != NULL);
    }
    json_decref(plain);
    json_decref(metrics);
}

static void it_measures_the_weights_of_its_step(void **state)
{
    (void)state;
    /* The evaluation before step s and the loss of step s, which is taken before the update, are over the
     * same rows and weights. */
    json_decref(tiny_run("sft", RUN "max_steps 4 eval_steps 1 eval_on_start true eval_strategy steps "
                                    "eval_dataset_name @data.jsonl per_device_train_batch_size 40 "
                                    "per_device_eval_batch_size 40 train_sampling_strategy sequential"));
    json_t *metrics = tiny_metrics("out");
    for (long step = 1; step <= 4; step++) {
        assert_true(value(metrics, step - 1, "eval_loss") == value(metrics, step, "loss"));
        assert_true(value(metrics, step - 1, "eval_entropy") == value(metrics, step, "entropy"));
        assert_true(value(metrics, step - 1, "eval_mean_token_accuracy") ==
                    value(metrics, step, "mean_token_accuracy"));
        assert_true(value(metrics, step, "eval_num_tokens") == value(metrics, step, "num_tokens"));
    }
    assert_true(value(metrics, 0, "epoch") == 0);
    json_decref(metrics);
}

static void batches_and_packing_of_an_evaluation_change_only_rounding(void **state)
{
    (void)state;
    double loss[3];
    static const char *const how[] = {"per_device_eval_batch_size 1", "per_device_eval_batch_size 3",
                                      "eval_packing true max_length 20"};
    for (int i = 0; i < 3; i++) {
        char words[512];
        snprintf(words, sizeof words, RUN "max_steps 2 eval_steps 2 " EVAL "%s", how[i]);
        json_decref(tiny_run("sft", words));
        json_t *metrics = tiny_metrics("out");
        loss[i] = value(metrics, 2, "eval_loss");
        json_decref(metrics);
        assert_true(loss[i] > 0 && fabs(loss[i] - loss[0]) < 1e-6 * loss[0]);
    }
}

static void epochs_and_a_delay_say_when(void **state)
{
    (void)state;
    json_decref(
        tiny_run("sft", RUN "max_steps 10 eval_delay 2 eval_dataset_name @held.jsonl eval_strategy epoch"));
    json_t *metrics = tiny_metrics("out"); /* four steps an epoch; the last step is within the third */
    for (long step = 1; step <= 10; step++)
        assert_int_equal(step == 8 || step == 10,
                         json_object_get(record(metrics, step), "eval_loss") != NULL);
    json_decref(metrics);
}

static void the_best_checkpoint_stays_and_becomes_the_model(void **state)
{
    (void)state;
    /* More loss is "better" here, so that the best is the first that is looked at, not the last. */
    char hex[65];
    tiny_hash("sft",
              RUN "max_steps 8 eval_steps 2 save_strategy steps save_steps 2 save_total_limit 1 "
                  "load_best_model_at_end true greater_is_better true metric_for_best_model "
                  "eval_loss " EVAL,
              hex);
    json_t *metrics = tiny_metrics("out");
    const char *second = json_str_or(json_object_get(record(metrics, 2), "hashes"), "weights", "");
    assert_string_equal(hex, second);
    for (int step = 2; step <= 8; step += 2) {
        char name[64];
        snprintf(name, sizeof name, "out/checkpoint-%d", step);
        char *path = tiny_path(name);
        assert_int_equal(file_is_dir(path), step == 2 || step == 8);
        free(path);
    }
    json_decref(metrics);
    tiny_hash("sft", RUN "max_steps 8 eval_steps 2 save_strategy best load_best_model_at_end true " EVAL,
              hex);
    metrics = tiny_metrics("out");
    long best = 2;
    for (long step = 4; step <= 8; step += 2)
        if (value(metrics, step, "eval_loss") < value(metrics, best, "eval_loss")) best = step;
    assert_string_equal(hex, json_str_or(json_object_get(record(metrics, best), "hashes"), "weights", ""));
    json_decref(metrics);
}

static void what_cannot_be_evaluated_is_refused(void **state)
{
    (void)state;
    tiny_refused("sft", RUN "eval_strategy steps", "eval_dataset_name");
    tiny_refused("sft", RUN "load_best_model_at_end true", "eval_strategy");
    tiny_refused("sft", RUN "save_strategy best", "eval_strategy");
    tiny_refused("sft",
                 RUN "lr_scheduler_type reduce_lr_on_plateau do_eval true eval_dataset_name @held.jsonl",
                 "lr_scheduler_type reduce_lr_on_plateau needs evaluations to compare: give eval_strategy");
    tiny_refused(
        "sft", RUN "max_steps 2 eval_steps 2 load_best_model_at_end true metric_for_best_model reward " EVAL,
        "eval_mean_token_accuracy");
    tiny_refused("sft", RUN "dataset_mixture {\"datasets\":[{\"id\":\"x\"}]} eval_strategy steps", "x");
}

static void a_mixture_holds_rows_out(void **state)
{
    (void)state;
    char *data = tiny_path("data.jsonl"), words[1024];
    snprintf(words, sizeof words,
             RUN "max_steps 2 eval_steps 2 eval_strategy steps per_device_train_batch_size 1000 "
                 "dataset_mixture {\"datasets\":[{\"id\":\"%s\"}],\"test_split_size\":0.25}",
             data);
    json_decref(tiny_run("sft", words));
    json_t *metrics = tiny_metrics("out");
    assert_true(value(metrics, 2, "eval_loss") > 0);
    double tokens = value(metrics, 1, "num_tokens"); /* of 30 rows, which have six or seven */
    assert_true(tokens > 30 * 6 && tokens < 30 * 7);
    json_decref(metrics);
    free(data);
}

/* ---- a learner of our own, whose evaluation is interrupted ------------------------------------------- */

struct toy {
    int interrupt_at; /* step whose evaluation is cut short; -1: none */
};

static int toy_step(void *self, struct trainer *t, struct step_out *out, struct err *e)
{
    (void)self, (void)e;
    model_zero_grad(t->model);
    for (int i = 0; i < model_n_weights(t->model); i++) {
        struct weight *w = model_weight(t->model, i);
        for (int k = 0; k < w->rows * w->cols; k++) w->grad[k] = (float)((k + t->step) % 5) - 2;
    }
    grad_tree_begin(&t->tree, 1);
    grad_tree_push(&t->tree, true);
    out->loss = 1 + (double)t->step;
    return 0;
}

static int toy_evaluate(void *self, struct trainer *t, struct evaluation_out *out, struct err *e)
{
    struct toy *toy = self;
    if (t->step == toy->interrupt_at) return err_kind_set(e, ERR_STOPPED, "stopped");
    json_object_set_new(out->metrics, "eval_score", json_real((double)model_weight(t->model, 0)->data[0]));
    out->samples = out->batches = 1;
    return 0;
}

static const struct learner toy_learner = {
    .name = "toy", .options = sft_options, .step = toy_step, .evaluate = toy_evaluate};

/* more: options and values, as many as there are up to a NULL. */
static int toy_run(int interrupt_at, const char *dir, const char *const *more, struct err *e)
{
    char *base = tiny_path("base"), *out_dir = tiny_path(dir), *held = tiny_path("held.jsonl");
    const char *const all[] = {"--model_name_or_path", base,    "--from_scratch", "true", "--output_dir",
                               out_dir,                "--max_steps", "6", "--eval_strategy", "steps",
                               "--save_steps",         "4",     "--eval_on_start", "true", "--dataset_name",
                               held,                   NULL};
    char *args[TINY_ARGS];
    int n = 0;
    for (int i = 0; all[i]; i++) args[n++] = (char *)all[i];
    for (int i = 0; more[i]; i++) args[n++] = (char *)more[i];
    const struct opt *const tables[] = {sft_options, train_options, model_options};
    struct toy toy = {interrupt_at};
    struct rows rows = {0};
    struct trainer t = {.learner = &toy_learner, .self = &toy};
    struct str out;
    str_init(&out, 0);
    struct conf *c = conf_new(tables, 3, n, args, e);
    if (!c) fail_msg("%s", e->msg);
    int failed = trainer_open(&t, c, NULL, e);
    t.micro_per_epoch = t.steps_per_epoch = 3;
    if (!failed) failed = trainer_count_steps(&t, e);
    if (!failed) failed = trainer_go(&t, &rows, &out, e);
    trainer_release(&t);
    conf_free(c);
    str_release(&out);
    free(base);
    free(out_dir);
    free(held);
    return failed;
}

static const char *const every_two[] = {"--eval_steps", "2", NULL};
/* No score is good enough but the first: the rate falls at the evaluations 2, 4 and 6, with one to wait for
 * in between. */
static const char *const plateau[] = {
    "--eval_steps",        "1", "--metric_for_best_model", "score", "--lr_scheduler_type",
    "reduce_lr_on_plateau", "--lr_scheduler_kwargs",
    "{\"patience\":0,\"factor\":0.5,\"cooldown\":1,\"threshold\":1e9,\"threshold_mode\":\"abs\"}",
    NULL};

static void an_interrupted_evaluation_is_taken_up_again(void **state)
{
    (void)state;
    struct err e = {0};
    const char *const *const kinds[] = {every_two, plateau};
    for (int kind = 0; kind < 2; kind++) {
        char dir[16];
        snprintf(dir, sizeof dir, "whole%d", kind);
        if (toy_run(-1, dir, kinds[kind], &e)) fail_msg("%s", e.msg);
        json_t *whole = tiny_metrics(dir);
        assert_int_equal(json_array_size(whole), 7);
        for (int at = 0; at <= 6; at += kind ? 1 : 2) {
            snprintf(dir, sizeof dir, "cut%d-%d", kind, at);
            assert_int_equal(toy_run(at, dir, kinds[kind], &e), -1);
            assert_int_equal(e.kind, ERR_STOPPED);
            e = (struct err){0};
            if (toy_run(-1, dir, kinds[kind], &e)) fail_msg("%s", e.msg);
            json_t *again = tiny_metrics(dir);
            if (!json_equal(whole, again)) fail_msg("cut at step %d, the log is another", at);
            json_decref(again);
        }
        json_decref(whole);
    }
}

static void the_rate_goes_by_evaluations_but_the_first_step_s(void **state)
{
    (void)state;
    struct err e = {0};
    if (toy_run(-1, "rates", plateau, &e)) fail_msg("%s", e.msg);
    json_t *metrics = tiny_metrics("rates");
    static const double parts[] = {1, 1, 0.5, 0.5, 0.25, 0.25}; /* had record 0 counted, it fell at step 1 */
    double lr = value(metrics, 1, "learning_rate");
    for (long step = 1; step <= 6; step++)
        assert_true(value(metrics, step, "learning_rate") == lr * parts[step - 1]);
    json_decref(metrics);
    static const int steps[] = {2, 4, 6}; /* 4 and the last are saved, a best one was not asked for */
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "rates/checkpoint-%d", steps[i]);
        char *path = tiny_path(name);
        assert_int_equal(file_is_dir(path), steps[i] != 2);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_evaluation_changes_no_bit_of_the_training),
        cmocka_unit_test(it_measures_the_weights_of_its_step),
        cmocka_unit_test(batches_and_packing_of_an_evaluation_change_only_rounding),
        cmocka_unit_test(epochs_and_a_delay_say_when),
        cmocka_unit_test(the_best_checkpoint_stays_and_becomes_the_model),
        cmocka_unit_test(what_cannot_be_evaluated_is_refused),
        cmocka_unit_test(a_mixture_holds_rows_out),
        cmocka_unit_test(the_rate_goes_by_evaluations_but_the_first_step_s),
        cmocka_unit_test(an_interrupted_evaluation_is_taken_up_again),
    };
    return cmocka_run_group_tests(tests, setup, tiny_teardown);
}
