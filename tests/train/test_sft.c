/* test_sft.c: supervised fine-tuning: what has loss, what splitting and packing may change, what is refused.
 * */
#include "tiny.h"

#include <fcntl.h>
#include <math.h>
#include <sys/file.h>

#include "train/sft_int.h"

#define BASE "model_name_or_path @base from_scratch true save_strategy no learning_rate 1e-2 "

/* Loss and gradient norm of the first step. */
static void first_step(const char *words, double *loss, double *norm)
{
    json_t *summary = tiny_run("sft", words), *metrics = tiny_metrics("out");
    *loss = tiny_metric(metrics, 0, "loss");
    *norm = tiny_metric(metrics, 0, "grad_norm");
    json_decref(summary);
    json_decref(metrics);
}

static void same_step(const char *a, const char *b)
{
    double loss[2], norm[2];
    first_step(a, &loss[0], &norm[0]);
    first_step(b, &loss[1], &norm[1]);
    assert_true(loss[0] > 1 && norm[0] > 0.01);
    if (fabs(loss[0] - loss[1]) > 1e-6 * loss[0] || fabs(norm[0] - norm[1]) > 1e-5 * norm[0])
        fail_msg("%s: %.9g %.9g; %s: %.9g %.9g", a, loss[0], norm[0], b, loss[1], norm[1]);
}

#define ONE_STEP BASE "output_dir @out overwrite_output_dir true dataset_name @data.jsonl max_steps 1 "

static void splitting_a_step_changes_only_rounding(void **state)
{
    (void)state;
    const char *whole = ONE_STEP "per_device_train_batch_size 40 gradient_accumulation_steps 1";
    same_step(whole, ONE_STEP "per_device_train_batch_size 8 gradient_accumulation_steps 5");
    same_step(whole, ONE_STEP "per_device_train_batch_size 1 gradient_accumulation_steps 40");
    same_step(whole, ONE_STEP "per_device_train_batch_size 7 gradient_accumulation_steps 6");
}

static void packed_documents_do_not_see_each_other(void **state)
{
    (void)state;
    same_step(ONE_STEP "per_device_train_batch_size 40 packing false",
              ONE_STEP "per_device_train_batch_size 40 packing true max_length 30");
}

static void same_hash(const char *a, const char *b)
{
    char x[65], y[65];
    tiny_hash("sft", a, x);
    tiny_hash("sft", b, y);
    if (strcmp(x, y) != 0) fail_msg("%s and %s end in different weights", a, b);
}

#define FEW_STEPS                                                                                            \
    BASE "output_dir @out overwrite_output_dir true dataset_name @data.jsonl max_steps 12 "                  \
         "per_device_train_batch_size 6 gradient_accumulation_steps 3 "

static void gradient_checkpointing_changes_no_bit(void **state)
{
    (void)state;
    same_hash(FEW_STEPS "gradient_checkpointing true", FEW_STEPS "gradient_checkpointing false");
}

static void a_run_repeats_and_a_seed_matters(void **state)
{
    (void)state;
    char x[65], y[65];
    same_hash(FEW_STEPS "seed 5", FEW_STEPS "seed 5");
    tiny_hash("sft", FEW_STEPS "seed 5", x);
    tiny_hash("sft", FEW_STEPS "seed 6", y);
    assert_string_not_equal(x, y);
    tiny_hash("sft", FEW_STEPS "seed 5 data_seed 9", y);
    assert_string_not_equal(x, y);
}

static void noise_on_embeddings_depends_on_the_example_alone(void **state)
{
    (void)state;
    double plain, noisy, norm;
    first_step(ONE_STEP "per_device_train_batch_size 40", &plain, &norm);
    first_step(ONE_STEP "per_device_train_batch_size 40 neftune_noise_alpha 5", &noisy, &norm);
    assert_true(plain != noisy);
    /* Neither the micro-steps nor the packing change what an example gets. */
    same_step(ONE_STEP "per_device_train_batch_size 40 neftune_noise_alpha 5",
              ONE_STEP "per_device_train_batch_size 7 gradient_accumulation_steps 6 neftune_noise_alpha 5");
    same_step(ONE_STEP "per_device_train_batch_size 40 neftune_noise_alpha 5",
              ONE_STEP "per_device_train_batch_size 40 neftune_noise_alpha 5 packing true max_length 30");
    same_hash(FEW_STEPS "neftune_noise_alpha 5 gradient_checkpointing true",
              FEW_STEPS "neftune_noise_alpha 5 gradient_checkpointing false");
    same_hash(FEW_STEPS, FEW_STEPS "neftune_noise_alpha 0");
}

static void label_smoothing_is_the_same_however_a_step_is_split(void **state)
{
    (void)state;
    same_step(ONE_STEP "per_device_train_batch_size 40 label_smoothing_factor 0.1", ONE_STEP
              "per_device_train_batch_size 8 gradient_accumulation_steps 5 label_smoothing_factor 0.1");
    same_hash(FEW_STEPS, FEW_STEPS "label_smoothing_factor 0");
}

static void training_learns(void **state)
{
    (void)state;
    json_t *summary = tiny_run("sft", BASE "output_dir @learn dataset_name @data.jsonl num_train_epochs 40 "
                                           "per_device_train_batch_size 20 lr_scheduler_type cosine");
    json_t *metrics = tiny_metrics("learn");
    size_t n = json_array_size(metrics);
    assert_int_equal(n, 80);
    assert_true(tiny_metric(metrics, 0, "loss") > 2 && tiny_metric(metrics, n - 1, "loss") < 1.2);
    assert_true(tiny_metric(metrics, n - 1, "epoch") == 40);
    assert_true(tiny_metric(metrics, 0, "learning_rate") == 1e-2);
    json_decref(summary);
    json_decref(metrics);
}

static struct examples read_examples(const char *text, struct example_opts *o)
{
    struct err e = {0};
    struct examples x = {0};
    json_t *rows = json_loads(text, 0, NULL);
    assert_non_null(rows);
    if (examples_read(&x, rows, o, &e)) fail_msg("%s", e.msg);
    json_decref(rows);
    return x;
}

static struct tokenizer *base_tokenizer(void)
{
    struct err e = {0};
    char *base = tiny_path("base");
    struct tokenizer *tok = tokenizer_load(base, &e);
    if (!tok) fail_msg("%s", e.msg);
    free(base);
    return tok;
}

static void the_end_token_has_loss_even_where_padding_has_its_id(void **state)
{
    (void)state;
    struct tokenizer *tok = base_tokenizer();
    int eos = tokenizer_eos(tok);
    struct example_opts o = {.form = {.tok = tok, .text_field = "text", .completion_only = -1}, .eos = -1};
    o.stops = &eos;
    o.n_stops = 1;
    assert_true(eos >= 0);
    struct examples x =
        read_examples("[{\"prompt\":\"1+2=\",\"completion\":\"3\"},{\"text\":\"4+5=9\"}]", &o);
    assert_int_equal(x.n, 2);
    assert_int_equal(x.list[0].n, 6);
    assert_int_equal(x.list[0].n_loss, 2); /* "3" and the end */
    assert_int_equal(x.list[0].n_rows, 5);
    assert_int_equal(x.list[1].n_loss, 5); /* all but the first token */
    assert_int_equal(x.n_ending, 2);
    for (int i = 0; i < 2; i++) {
        size_t last = x.list[i].at + (size_t)x.list[i].n - 1;
        assert_int_equal(x.ids[last], eos);
        assert_int_equal(x.mask[last], 1);
    }
    examples_release(&x);
    tokenizer_free(tok);
}

static void noise_is_as_wide_as_neftune_has_it(void **state)
{
    (void)state;
    struct tokenizer *tok = base_tokenizer();
    struct example_opts o = {.form = {.tok = tok, .text_field = "text", .completion_only = -1}, .eos = -1};
    struct examples x =
        read_examples("[{\"prompt\":\"1+2=\",\"completion\":\"3\"},{\"text\":\"4+5=9\"}]", &o);
    struct micro b;
    micro_init(&b, 16, 2, 16);
    micro_noise(&b, 1);
    x.noise = 5 / sqrt(16); /* alpha 5, hidden size 16 */
    examples_add(&x, 0, &b);
    examples_add(&x, 1, &b);
    for (int i = 0; i < 2; i++) { /* six tokens each, though the last needs no row of the model */
        assert_true(b.widths[i] == (float)(5 / sqrt(6.0 * 16)));
        assert_int_equal(b.sequences[i], i);
    }
    micro_release(&b);
    examples_release(&x);
    tokenizer_free(tok);
}

static void truncation_and_packing_count_what_they_do(void **state)
{
    (void)state;
    struct tokenizer *tok = base_tokenizer();
    struct example_opts o = {
        .form = {.tok = tok, .text_field = "text", .completion_only = -1}, .eos = -1, .max_length = 4};
    struct examples x = read_examples("[{\"prompt\":\"1+2=\",\"completion\":\"3\"},{\"text\":\"4+5=9\"},"
                                      "{\"prompt\":\"1\",\"completion\":\"2\"}]",
                                      &o);
    assert_int_equal(x.n_seen, 3);
    assert_int_equal(x.n_truncated, 2);
    assert_int_equal(x.n_dropped, 1); /* the completion of the first was cut off whole */
    assert_int_equal(x.n, 2);
    assert_int_equal(x.list[1].row, 2);
    examples_release(&x);
    o.keep_end = true;
    x = read_examples("[{\"prompt\":\"1+2=\",\"completion\":\"3\"}]", &o);
    assert_int_equal(x.list[0].n_loss, 2);
    examples_release(&x);
    o = (struct example_opts){.form = o.form, .eos = -1, .max_length = 8, .packing = true};
    x = read_examples("[{\"text\":\"1\"},{\"text\":\"1+2=3\"},{\"text\":\"12\"},{\"text\":\"123\"}]", &o);
    assert_int_equal(x.n_bins, 2); /* 6+2 and 4+3 */
    for (int b = 0; b < 2; b++) {
        int total = 0;
        for (int i = x.first[b]; i < x.first[b + 1]; i++) total += x.list[x.docs[i]].n;
        assert_int_equal(total, b == 0 ? 8 : 7);
    }
    examples_release(&x);
    tokenizer_free(tok);
}

static void what_cannot_be_done_is_refused(void **state)
{
    (void)state;
    const char *base = BASE "output_dir @refused dataset_name @data.jsonl ";
    const struct {
        const char *words, *part;
    } cases[] = {
        {"use_peft true", "use_peft"},
        {"label_smoothing_factor 0.1 loss_type dft", "label_smoothing_factor"},
        {"optim sgd", "AdamW"},
        {"eos_token <none>", "vocabulary"},
        {"max_memory_gb 0.0001 gradient_checkpointing false", "gradient_checkpointing: true"},
        {"lr_scheduler_type cosin", "did you mean"},
        {"max_length 2", "max_length"},
        {"dataloader_drop_last true per_device_train_batch_size 100", "dataloader_drop_last"},
        {"resume_from_checkpoint true", "no checkpoint"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[512];
        snprintf(words, sizeof words, "%s%s", base, cases[i].words);
        tiny_refused("sft", words, cases[i].part);
    }
    char *dir = tiny_path("refused"), *log = path_join(dir, "metrics.jsonl");
    assert_false(file_exists(log));
    free(log);
    free(dir);
}

static void another_configuration_is_not_mixed_in(void **state)
{
    (void)state;
    const char *first = BASE "output_dir @mix dataset_name @data.jsonl max_steps 3";
    json_t *one = tiny_run("sft", first), *again = tiny_run("sft", first);
    assert_true(json_equal(one, again)); /* it was finished: the same is said again */
    tiny_refused("sft", BASE "output_dir @mix dataset_name @data.jsonl max_steps 4", "changed: max_steps");
    json_t *other = tiny_run(
        "sft", BASE "output_dir @mix dataset_name @data.jsonl max_steps 4 overwrite_output_dir true");
    assert_string_not_equal(json_str_or(one, "weights", ""), json_str_or(other, "weights", ""));
    json_decref(one);
    json_decref(again);
    json_decref(other);
}

static void resuming_from_any_checkpoint_ends_in_the_same_bits(void **state)
{
    (void)state;
#define RESUME                                                                                               \
    "model_name_or_path @base from_scratch true learning_rate 1e-2 dataset_name @data.jsonl max_steps 9 "    \
    "per_device_train_batch_size 6 gradient_accumulation_steps 2 save_steps 2 output_dir @resume "
    char whole[65], resumed[65], words[512];
    tiny_hash("sft", RESUME, whole);
    json_t *log = tiny_metrics("resume");
    for (int step = 2; step <= 8; step += 2) {
        snprintf(words, sizeof words, RESUME "resume_from_checkpoint @resume/checkpoint-%d", step);
        tiny_hash("sft", words, resumed);
        assert_string_equal(whole, resumed);
        json_t *again = tiny_metrics("resume");
        assert_true(json_equal(log, again));
        json_decref(again);
    }
    json_decref(log);
}

static void a_damaged_checkpoint_is_noticed(void **state)
{
    (void)state;
    struct err e = {0};
    char *dir = tiny_path("resume/checkpoint-4"), *file = path_join(dir, "model.safetensors"), *bytes;
    size_t n;
    if (file_read(file, 1 << 24, &bytes, &n, &e)) fail_msg("%s", e.msg);
    bytes[n - 2] ^= 1;
    if (file_write(file, bytes, n, &e)) fail_msg("%s", e.msg);
    json_t *r = tiny_try("sft", RESUME "resume_from_checkpoint @resume/checkpoint-4", &e);
    assert_null(r);
    assert_int_equal(e.kind, ERR_MISMATCH);
    assert_non_null(strstr(e.msg, "changed or damaged"));
    free(bytes);
    free(file);
    free(dir);
}

static void a_changed_starting_model_is_noticed(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *r = tiny_try("sft", RESUME "seed 8 resume_from_checkpoint @resume/checkpoint-6", &e);
    assert_null(r);
    assert_int_equal(e.kind, ERR_MISMATCH);
    assert_non_null(strstr(e.msg, "began from"));
}

/* DIR/huge: weights that are finite, and a forward pass that is not. */
static void make_huge_model(void)
{
    struct err e = {0};
    char *base = tiny_path("base"), *huge = tiny_path("huge");
    struct model *m = model_load(base, MODEL_RANDOM, 1, &e);
    if (!m) fail_msg("%s", e.msg);
    struct weight *w = model_find(m, "model.norm.weight");
    for (int i = 0; i < w->cols; i++) w->data[i] = 3e38f;
    if (model_save(m, huge, "float32", NULL, &e)) fail_msg("%s", e.msg);
    model_free(m);
    free(base);
    free(huge);
}

static void numbers_that_go_bad_stop_the_run_with_its_state_safe(void **state)
{
    (void)state;
    struct err e = {0};
    make_huge_model();
    json_t *r =
        tiny_try("sft", "model_name_or_path @huge dataset_name @data.jsonl output_dir @wild max_steps 3", &e);
    assert_null(r);
    if (!strstr(e.msg, "not finite") || !strstr(e.msg, "step 1 ") || !strstr(e.msg, "dataset row"))
        fail_msg("'%s' does not name step and row", e.msg);
    assert_non_null(strstr(e.msg, "checkpoint-0"));
    char *safe = tiny_path("wild/checkpoint-0/optimizer.safetensors");
    assert_true(file_exists(safe));
    free(safe);
}

static void checkpoints_of_others_are_not_removed_unasked(void **state)
{
    (void)state;
    struct err e = {0};
    char *foreign = tiny_path("foreign/checkpoint-7");
    if (file_mkdirs(foreign, &e)) fail_msg("%s", e.msg);
    tiny_refused("sft", BASE "output_dir @foreign dataset_name @data.jsonl max_steps 1", "not known here");
    assert_true(file_exists(foreign));
    json_decref(tiny_run("sft", BASE "output_dir @foreign dataset_name @data.jsonl max_steps 1 "
                                     "overwrite_output_dir true"));
    assert_false(file_exists(foreign));
    free(foreign);
}

static void two_processes_cannot_train_in_one_folder(void **state)
{
    (void)state;
    struct err e = {0};
    char *dir = tiny_path("locked"), *lock = path_join(dir, ".lock");
    if (file_mkdirs(dir, &e)) fail_msg("%s", e.msg);
    int fd = open(lock, O_RDWR | O_CREAT, 0644);
    assert_true(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
    const char *words = BASE "output_dir @locked dataset_name @data.jsonl max_steps 1";
    tiny_refused("sft", words, "another process");
    close(fd);
    json_decref(tiny_run("sft", words));
    free(lock);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitting_a_step_changes_only_rounding),
        cmocka_unit_test(packed_documents_do_not_see_each_other),
        cmocka_unit_test(gradient_checkpointing_changes_no_bit),
        cmocka_unit_test(a_run_repeats_and_a_seed_matters),
        cmocka_unit_test(noise_on_embeddings_depends_on_the_example_alone),
        cmocka_unit_test(label_smoothing_is_the_same_however_a_step_is_split),
        cmocka_unit_test(training_learns),
        cmocka_unit_test(the_end_token_has_loss_even_where_padding_has_its_id),
        cmocka_unit_test(noise_is_as_wide_as_neftune_has_it),
        cmocka_unit_test(truncation_and_packing_count_what_they_do),
        cmocka_unit_test(what_cannot_be_done_is_refused),
        cmocka_unit_test(another_configuration_is_not_mixed_in),
        cmocka_unit_test(resuming_from_any_checkpoint_ends_in_the_same_bits),
        cmocka_unit_test(a_damaged_checkpoint_is_noticed),
        cmocka_unit_test(a_changed_starting_model_is_noticed),
        cmocka_unit_test(numbers_that_go_bad_stop_the_run_with_its_state_safe),
        cmocka_unit_test(checkpoints_of_others_are_not_removed_unasked),
        cmocka_unit_test(two_processes_cannot_train_in_one_folder),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
