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
    o = (struct example_opts){.form = o.form, .eos = -1, .max_length = 8, .packing = PACK_BFD};
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

/* Rows of tokens 1, 2, 3, ... with these lengths, as JSON text (free() it). */
static char *token_rows(const int *lengths, int n, bool lines)
{
    struct str s;
    str_init(&s, 0);
    for (int i = 0, id = 1; i < n; i++) {
        str_puts(&s, lines ? "{\"input_ids\":[" : i ? ",{\"input_ids\":[" : "[{\"input_ids\":[");
        for (int k = 0; k < lengths[i]; k++, id++) str_addf(&s, "%s%d", k ? "," : "", id % 14);
        str_puts(&s, lines ? "]}\n" : "]}");
    }
    if (!lines) str_puts(&s, "]");
    return str_take(&s);
}

/* The bins as text: pieces by their tokens, "1234|89 5" */
static void bins_are(enum packing packing, const int *lengths, int n, int max_length, const char *want)
{
    struct tokenizer *tok = base_tokenizer();
    struct example_opts o = {
        .form = {.tok = tok, .completion_only = -1}, .eos = -1, .max_length = max_length};
    o.packing = packing;
    char *rows = token_rows(lengths, n, false);
    struct examples x = read_examples(rows, &o);
    struct str got;
    str_init(&got, 0);
    for (int b = 0; b < x.n_bins; b++) {
        if (b) str_puts(&got, "|");
        for (int i = x.first[b]; i < x.first[b + 1]; i++) {
            if (i > x.first[b]) str_puts(&got, " ");
            for (int k = 0; k < x.list[x.docs[i]].n; k++)
                str_addf(&got, "%c", 'a' + (x.ids[x.list[x.docs[i]].at + (size_t)k] + 13) % 14);
        }
    }
    assert_string_equal(got.p, want);
    str_release(&got);
    examples_release(&x);
    free(rows);
    tokenizer_free(tok);
}

static void packing_strategies_cut_and_join_as_trl_does(void **state)
{
    (void)state;
    const int lengths[] = {6, 2, 4}; /* abcdef gh ijkl */
    bins_are(PACK_NONE, lengths, 3, 4, "abcd|gh|ijkl");
    bins_are(PACK_BFD, lengths, 3, 4, "abcd|ijkl|gh");
    bins_are(PACK_BFD_SPLIT, lengths, 3, 4, "abcd|ijkl|ef gh");
    bins_are(PACK_WRAPPED, lengths, 3, 4, "abcd|ef gh|ijkl");
    /* A piece of one token predicts nothing, and is left out. */
    const int odd[] = {5, 5, 3}; /* abcde fghij klm */
    bins_are(PACK_BFD_SPLIT, odd, 3, 4, "abcd|fghi|klm");
    bins_are(PACK_WRAPPED, odd, 3, 4, "abcd|fgh|ij kl");
}

/* Pieces do not see each other: the loss is that of rows which are the pieces. */
static void pieces_of_a_document_stand_alone(void **state)
{
    (void)state;
    const int whole[] = {9, 7, 12}, wrapped[] = {8, 1, 7, 8, 4}, split[] = {8, 1, 7, 8, 4};
    char *rows = token_rows(whole, 3, true), *w = token_rows(wrapped, 5, true),
         *s = token_rows(split, 5, true);
    tiny_write("whole.jsonl", rows);
    tiny_write("wrapped.jsonl", w);
    tiny_write("split.jsonl", s);
#define PIECES BASE "output_dir @out overwrite_output_dir true max_steps 1 per_device_train_batch_size 9 "
    same_step(PIECES "dataset_name @whole.jsonl max_length 8 packing true packing_strategy wrapped",
              PIECES "dataset_name @wrapped.jsonl");
    same_step(PIECES "dataset_name @whole.jsonl max_length 8 packing true packing_strategy bfd_split",
              PIECES "dataset_name @split.jsonl");
    free(rows);
    free(w);
    free(s);
}

static void prepared_rows_are_taken_as_they_are(void **state)
{
    (void)state;
    const int lengths[] = {9, 7, 12};
    char *rows = token_rows(lengths, 3, true);
    tiny_write("whole.jsonl", rows);
    double cut, whole, norm;
#define PREPARED PIECES "dataset_name @whole.jsonl max_length 4 "
    first_step(PREPARED, &cut, &norm);
    first_step(PREPARED "dataset_kwargs {\"skip_prepare_dataset\":true}", &whole, &norm);
    assert_true(cut != whole);
    same_step(PREPARED "dataset_kwargs {\"skip_prepare_dataset\":true}",
              PIECES "dataset_name @whole.jsonl max_length 40");
    tiny_refused("sft",
                 BASE "output_dir @refused dataset_name @data.jsonl dataset_kwargs "
                      "{\"skip_prepare_dataset\":true}",
                 "input_ids");
    free(rows);
}

static void a_bad_row_is_named_by_file_and_line(void **state)
{
    (void)state;
    tiny_write("bad.jsonl", "{\"text\":\"1\"}\n\n{\"text\":7}\n");
    tiny_refused("sft", BASE "output_dir @refused dataset_name @bad.jsonl", "bad.jsonl:3: ");
    tiny_refused("sft", BASE "output_dir @refused dataset_name @bad.jsonl", "text holds a number, not text");
    tiny_refused("sft",
                 BASE "output_dir @refused dataset_name @data.jsonl eval_strategy steps eval_dataset_name "
                      "@bad.jsonl",
                 "bad.jsonl:3: ");
}

static void a_mixture_is_checked(void **state)
{
    (void)state;
    char *data = tiny_path("data.jsonl"), words[1024];
    const struct {
        const char *mixture, *part;
    } cases[] = {
        {"{\"datasets\":[{\"id\":\"%s\",\"wieght\":1}]}", "unknown key 'wieght'"},
        {"{\"datasets\":[{\"id\":\"%s\"}],\"test_size\":1}", "unknown key 'test_size'"},
        {"{\"datasets\":[{\"id\":\"%s\",\"weight\":1.5}]}", "at most 1"},
        {"{\"datasets\":[{\"id\":\"%s\",\"columns\":[\"a\",\"b\"]},{\"id\":\"x\",\"columns\":[\"b\"]}]}",
         "datasets[1] has other columns"},
        {"{\"datasets\":[{\"id\":\"%s\"}],\"test_split_size\":40}", "below the 40"},
        {"{\"datasets\":[]}", "1 to 32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char mixture[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(mixture, sizeof mixture, cases[i].mixture, data);
#pragma GCC diagnostic pop
        snprintf(words, sizeof words, BASE "output_dir @refused dataset_mixture %s", mixture);
        tiny_refused("sft", words, cases[i].part);
    }
    /* weight null: all rows, in their order before the whole is shuffled; half of them: another set */
    double tokens[2];
    static const char *const weights[] = {"null", "0.5"};
    for (int i = 0; i < 2; i++) {
        snprintf(words, sizeof words,
                 BASE "output_dir @out overwrite_output_dir true max_steps 1 per_device_train_batch_size 99 "
                      "dataset_mixture {\"datasets\":[{\"id\":\"%s\",\"weight\":%s}]}",
                 data, weights[i]);
        json_decref(tiny_run("sft", words));
        json_t *metrics = tiny_metrics("out");
        tokens[i] = tiny_metric(metrics, 0, "num_tokens");
        json_decref(metrics);
    }
    assert_true(tokens[0] >= 40 * 6 && tokens[1] >= 20 * 6 && tokens[1] <= 20 * 7);
    free(data);
}

/* The template's date is that of the run's beginning, for a resumed run and a replay too. */
static void a_template_sees_the_day_on_which_the_run_began(void **state)
{
    (void)state;
    tiny_write("dated.jinja", "{{ strftime_now('%Y%m%d') }}{{ messages[0].content }}");
    tiny_write("talk.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"1\"}]}\n");
#define DATED BASE "dataset_name @talk.jsonl chat_template_path @dated.jinja max_steps 1 output_dir @dated "
    char first[65], again[65], other[65];
    tiny_hash("sft", DATED "start_time 2024-05-06", first);
    tiny_hash("sft", DATED "start_time 2024-05-06T23:59:59Z overwrite_output_dir true", again);
    assert_string_equal(first, again);
    tiny_hash("sft", DATED "start_time 2024-05-07 overwrite_output_dir true", other);
    assert_string_not_equal(first, other);
    static const char *const wrong[] = {"tomorrow",
                                        "2024-13-01",
                                        "2024-05-0x",
                                        "2024-05-06T25:00:00Z",
                                        "2024-05-06T12:00:00",
                                        "2024-05-06T12:00:00Zx",
                                        "24-05-06"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char words[512];
        snprintf(words, sizeof words, DATED "start_time %s overwrite_output_dir true", wrong[i]);
        tiny_refused("sft", words, "2025-01-31");
    }
    /* Resumed without a word of it, the run keeps its day. */
    tiny_hash("sft",
              DATED "start_time 2024-05-06 max_steps 2 overwrite_output_dir true save_strategy steps "
                    "save_steps 1",
              first);
    tiny_hash("sft",
              DATED "max_steps 2 save_strategy steps save_steps 1 resume_from_checkpoint "
                    "@dated/checkpoint-1",
              again);
    assert_string_equal(first, again);
    struct err e = {0};
    char *dir = tiny_path("dated"), *path = path_join(dir, "manifest.json");
    json_t *manifest = json_read_file(path, &e);
    assert_string_equal(json_str_or(manifest, "start_time", ""), "2024-05-06");
    assert_non_null(json_object_get(json_object_get(manifest, "inputs"), "chat_template"));
    json_decref(manifest);
    tiny_write("dated.jinja", "{{ messages[0].content }}+1=2");
    tiny_refused("sft", DATED "max_steps 2 save_strategy steps save_steps 1",
                 "other inputs (changed: the content of ");
    free(path);
    free(dir);
}

static void what_cannot_be_done_is_refused(void **state)
{
    (void)state;
    const char *base = BASE "output_dir @refused dataset_name @data.jsonl ";
    const struct {
        const char *words, *part;
    } cases[] = {
        {"use_peft true", "from_scratch"},
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
    if (!strstr(e.msg, "not finite") || !strstr(e.msg, "step 1 ") || !strstr(e.msg, "data.jsonl:"))
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
        cmocka_unit_test(packing_strategies_cut_and_join_as_trl_does),
        cmocka_unit_test(pieces_of_a_document_stand_alone),
        cmocka_unit_test(prepared_rows_are_taken_as_they_are),
        cmocka_unit_test(a_bad_row_is_named_by_file_and_line),
        cmocka_unit_test(a_mixture_is_checked),
        cmocka_unit_test(a_template_sees_the_day_on_which_the_run_began),
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
