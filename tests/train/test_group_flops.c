/* test_group_flops.c: a prompt is computed once for its group, in sampling and in the training pass: the
 * floating-point operations that a GRPO run does (op/flops.c) stand against those that one prompt and its
 * eight completions need, worked out here from the architecture.
 *
 * The shape is SmolLM2-135M's with one of its 30 layers and as small a part of its vocabulary, so layers,
 * head and attention have the shares of each other that they have there; weights are random. The run samples
 * once and trains twice on it, and is stopped after its first step and after its second: the difference is a
 * training pass, and what the first run did beside one is sampling.
 */
#include "tiny.h"

#include "base/pool.h"
#include "base/rng.h"
#include "infer/infer.h"
#include "op/op.h"
#include "train/train_int.h"

enum { GROUP = 8, PROMPT = 512, HIDDEN = 576, LAYERS = 1, HEADS = 9, KV = 3, HEAD = 64, INNER = 1536 };
enum { VOCAB = 49152 * LAYERS / 30 / 16 * 16 };

static double done(void)
{
    struct flops f = flops_done();
    return (double)(f.products + f.attention + f.attention_back);
}

/* ---- what is needed ----------------------------------------------------------------------------------- */

/* Forward, by kind. */
struct need {
    double layers, head, attention;
};

/* Rows at positions first..first+n-1 go through the layers, and each attends to all up to itself. */
static void need_rows(struct need *f, int first, int n)
{
    double q_and_o = 2.0 * HIDDEN * HEADS * HEAD, k_and_v = 2.0 * HIDDEN * KV * HEAD;
    double pairs = n * (first + (n + 1) / 2.0);
    f->layers += 2 * LAYERS * n * (q_and_o + k_and_v + 3.0 * HIDDEN * INNER);
    f->attention += LAYERS * pairs * HEADS * 2 * (HEAD + HEAD); /* q k, p v */
}

static void need_logits(struct need *f, int n)
{
    f->head += 2.0 * n * HIDDEN * VOCAB;
}

/* One prompt and completions of these lengths. The last token is only predicted; the first ones share their
 * logits. */
static struct need need_group(const int *lengths)
{
    struct need f = {0};
    need_rows(&f, 0, PROMPT);
    need_logits(&f, 1);
    for (int i = 0; i < GROUP; i++) {
        need_rows(&f, PROMPT, lengths[i] - 1);
        need_logits(&f, lengths[i] - 1);
    }
    return f;
}

/* As many sequences that know nothing of each other. */
static struct need need_alone(int length)
{
    struct need f = {0};
    for (int i = 0; i < GROUP; i++) {
        need_rows(&f, 0, PROMPT + length - 1);
        need_logits(&f, length);
    }
    return f;
}

/* Backward is twice forward; with checkpointing the layers run forward once more before it. */
static double need_training(const struct need *f, bool checkpoint)
{
    return 3 * (f->layers + f->head + f->attention) + (checkpoint ? f->layers + f->attention : 0);
}

static double need_sampling(const struct need *f)
{
    return f->layers + f->head + f->attention;
}

/* What is needed is done at least; above it come logits and scores that backward works out again, and keys
 * that fill a block. */
static void check(const char *what, int length, double counted, double needed)
{
    double ratio = counted / needed;
    print_message("%-38s %4d tokens: %7.3f GFLOP counted, %7.3f needed, ratio %.3f\n", what, length,
                  counted / 1e9, needed / 1e9, ratio);
    if (!(ratio >= 1 && ratio < 1.15))
        fail_msg("%s, %d tokens: the ratio is %.3f, expected 1 to 1.15", what, length, ratio);
}

/* ---- a run -------------------------------------------------------------------------------------------- */

#define ALPHABET "abcdefghijklmnopqrstuvwxyz"

static int set_up(void **state)
{
    static const char *const specials[] = {"<eos>"};
    struct err e = {0};
    char text[1024], prompt[PROMPT + 1] = "";
    if (tiny_setup(state)) return -1;
    struct tokenizer *tok = tokenizer_chars(ALPHABET, specials, 1, &e);
    char *dir = tiny_path("shape");
    if (!tok || file_mkdirs(dir, &e) || tokenizer_save(tok, dir, &e)) fail_msg("%s", e.msg);
    free(dir);
    tokenizer_free(tok);
    snprintf(text, sizeof text,
             "{\"model_type\":\"llama\",\"vocab_size\":%d,\"hidden_size\":%d,\"num_hidden_layers\":%d,"
             "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,\"head_dim\":%d,\"intermediate_size\":%d,"
             "\"max_position_embeddings\":2048,\"rms_norm_eps\":1e-5,\"rope_theta\":100000,"
             "\"tie_word_embeddings\":true,\"initializer_range\":0.04,\"eos_token_id\":0}",
             VOCAB, HIDDEN, LAYERS, HEADS, KV, HEAD, INNER);
    tiny_write("shape/config.json", text);
    for (uint32_t i = 0; i < PROMPT; i++)
        prompt[i] = ALPHABET[rng_below(&(struct rng_at){.purpose = RNG_TEST, .position = i}, 26)];
    snprintf(text, sizeof text, "{\"prompt\":\"%s\"}\n", prompt);
    tiny_write("prompt.jsonl", text);
    return 0;
}

/* Operations of a run of so many steps. The reward differs from completion to completion, so that the group
 * is trained on. */
static double run(int length, int steps, const char *more)
{
    char words[640];
    snprintf(words, sizeof words,
             "model_name_or_path @shape from_scratch true dataset_name @prompt.jsonl output_dir @run "
             "overwrite_output_dir true save_strategy no preflight false prompts_per_step 1 "
             "num_generations %d max_completion_length %d num_iterations 2 max_steps %d "
             "log_completions true num_completions_to_print 0 logging_steps 1 "
             "reward_funcs regex reward_params {\"regex\":{\"pattern\":\"^[a-m]\"}} %s",
             GROUP, length, steps, more);
    double before = done();
    json_decref(tiny_run("grpo", words));
    return done() - before;
}

/* Of the completions of the last run. */
static void read_lengths(int *lengths, int most)
{
    json_t *records = tiny_records("run", "completions/completions_00001.jsonl"), *record;
    size_t i;
    assert_int_equal(json_array_size(records), GROUP);
    json_array_foreach(records, i, record)
    {
        lengths[i] = (int)json_integer_value(json_object_get(record, "tokens"));
        assert_in_range(lengths[i], most / 2, most);
    }
    json_decref(records);
}

static void a_group_costs_one_prompt_and_its_completions(void **state)
{
    (void)state;
    static const char plain[] = "gradient_checkpointing false";
    static const struct {
        int length;
        const char *sampling, *training, *more;
        bool checkpoint;
    } cases[] = {{64, "sampling", "training pass", plain, false},
                 {256, "sampling", "training pass", plain, false},
                 {64, "sampling, three completions at a time", "training pass, checkpointed",
                  "max_running 3 gradient_checkpointing true", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int length = cases[i].length, lengths[GROUP];
        double once = run(length, 1, cases[i].more), twice = run(length, 2, cases[i].more);
        read_lengths(lengths, length);
        struct need f = need_group(lengths);
        check(cases[i].sampling, length, once - (twice - once), need_sampling(&f));
        check(cases[i].training, length, twice - once, need_training(&f, cases[i].checkpoint));
    }
}

/* ---- the other way: every completion with a prompt of its own ------------------------------------------ */

enum { ALONE = 64 }; /* tokens of a completion */

/* The prompts differ in their first token, so nothing is shared. */
static void fill(int *ids, int n, int sequence)
{
    for (int i = 0; i < n; i++)
        ids[i] = 1 + (int)rng_below(&(struct rng_at){.purpose = RNG_TEST, .position = (uint32_t)i}, 26);
    ids[0] = 1 + sequence;
}

static double sample_alone(struct model *m)
{
    static int ids[GROUP][PROMPT];
    struct err e = {0};
    struct request requests[GROUP];
    struct group groups[GROUP];
    for (int i = 0; i < GROUP; i++) {
        fill(ids[i], PROMPT, i);
        requests[i] = (struct request){.prompt = ids[i], .n_prompt = PROMPT, .n = 1};
        sampling_default(&requests[i].sampling);
        requests[i].sampling.max_new_tokens = ALONE;
    }
    struct engine_limits limits = {.max_running = GROUP, .max_rows = 512, .max_tokens = PROMPT + ALONE};
    struct engine *engine = engine_new(m, &limits, &e);
    if (!engine) fail_msg("%s", e.msg);
    double before = done();
    if (engine_run(engine, requests, GROUP, groups, NULL, &e)) fail_msg("%s", e.msg);
    before = done() - before;
    for (int i = 0; i < GROUP; i++) group_release(&groups[i]);
    engine_free(engine);
    return before;
}

static double train_alone(struct model *m)
{
    enum { ROWS = PROMPT + ALONE - 1 };
    int ids[ROWS];
    struct micro micro;
    struct arena arena;
    struct forward f = {.rows = {.temperature = 1}};
    model_train(m, true);
    micro_init(&micro, GROUP * ROWS, GROUP, GROUP * ALONE);
    for (int i = 0; i < GROUP; i++) {
        fill(ids, ROWS, i);
        micro_span(&micro, ids, ROWS, -1);
        for (int t = 0; t < ALONE; t++) micro_head(&micro, i * ROWS + PROMPT - 1 + t, 1);
    }
    arena_init(&arena, plan_micro(&micro, m, false, true));
    struct tape *tape = tape_new(&arena);
    tape_start(tape, true);
    double before = done();
    micro_forward(&micro, m, tape, false, &f);
    float *seed = tape_seed(tape, f.out.logp);
    for (int i = 0; i < f.rows.n; i++) seed[i] = 1;
    tape_backward(tape);
    before = done() - before;
    tape_free(tape);
    arena_release(&arena);
    micro_release(&micro);
    return before;
}

static void eight_sequences_alone_are_seen_to_cost_more(void **state)
{
    (void)state;
    struct err e = {0};
    char *dir = tiny_path("shape");
    struct model *m = model_load(dir, MODEL_RANDOM, 1, &e);
    if (!m) fail_msg("%s", e.msg);
    free(dir);
    int lengths[GROUP];
    for (int i = 0; i < GROUP; i++) lengths[i] = ALONE;
    struct need group = need_group(lengths), alone = need_alone(ALONE);
    double sampled = sample_alone(m), trained = train_alone(m);
    check("sampling, a prompt each", ALONE, sampled, need_sampling(&alone));
    check("training pass, a prompt each", ALONE, trained, need_training(&alone, false));
    print_message("against one prompt: %.2f, %.2f\n", sampled / need_sampling(&group),
                  trained / need_training(&group, false));
    assert_true(sampled > 3 * need_sampling(&group));
    assert_true(trained > 3 * need_training(&group, false));
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_costs_one_prompt_and_its_completions),
        cmocka_unit_test(eight_sequences_alone_are_seen_to_cost_more),
    };
    pool_start(0);
    int failed = cmocka_run_group_tests(tests, set_up, tiny_teardown);
    pool_stop();
    return failed;
}
