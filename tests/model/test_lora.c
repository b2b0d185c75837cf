/* test_lora.c: adapters equal PEFT's: logits, every gradient, merged weights; new adapters change nothing and
 * leave the base model's weights alone; the same bits on any threads; files come back as they were; and what
 * is wrong with a folder is said. The adapters are those of tests/golden/lora (tools/golden/lora.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/scratch.h"
#include "base/str.h"
#include "kern/kern.h"
#include "model/golden_model.h"
#include "model/model_int.h"

static const char *const names[] = {"llama_default",   "llama_rslora", "llama_dora",  "llama_patterns",
                                    "qwen2_tied_head", "qwen2_saved",  "qwen2_ranks", "mixtral_attention",
                                    "deepseek_latent", "deepseek_dora"};
enum { N_NAMES = sizeof names / sizeof *names, TOKENS_MAX = 1024 };
static const double logits_tolerance = 1e-5, gradient_tolerance = 1e-4, merged_tolerance = 1e-6;

static const char *adapter_path(const char *name, const char *file)
{
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "tests/golden/lora/%s%s%s", name, *file ? "/" : "", file);
    return p;
}

/* The base model's name, from the adapter's configuration. */
static const char *base_name(const char *name)
{
    static char base[128];
    struct err e = {0};
    json_t *o = json_read_file(adapter_path(name, ADAPTER_CONFIG), &e);
    CHECK(o, "%s", e.msg);
    snprintf(base, sizeof base, "%s", path_base(json_str_or(o, "base_model_name_or_path", "")));
    json_decref(o);
    return base;
}

/* The adapter on its base, with the base's token lists and what PEFT gives. */
static void open_adapter(struct golden *g, const char *name)
{
    struct err e = {0};
    golden_open(g, base_name(name));
    model_free(g->model);
    tensor_file_close(g->expected);
    g->model = model_load(adapter_path(name, ""), 0, 0, &e);
    CHECK(g->model, "%s", e.msg);
    g->expected = tensor_file_open(adapter_path(name, "expected.safetensors"), &e);
    CHECK(g->expected, "%s", e.msg);
}

struct packed {
    struct batch batch;
    struct span spans[GOLDEN_LISTS_MAX];
    uint32_t sequences[GOLDEN_LISTS_MAX];
    struct dropout drop;
    int tokens[TOKENS_MAX];
};

static void pack(struct packed *p, const struct golden *g)
{
    int n = 0;
    for (int i = 0; i < g->n_lists; i++) {
        CHECK(n + g->n_ids[i] <= TOKENS_MAX, "%d tokens", n);
        memcpy(p->tokens + n, g->ids[i], (size_t)g->n_ids[i] * sizeof(int));
        p->spans[i] = (struct span){n, g->n_ids[i], 0, -1, NULL};
        p->sequences[i] = (uint32_t)i;
        n += g->n_ids[i];
    }
    p->drop = (struct dropout){{.seed = 1, .purpose = RNG_DROPOUT, .step = 2}, p->sequences};
    p->batch = (struct batch){.n_rows = n, .tokens = p->tokens, .n_spans = g->n_lists, .spans = p->spans};
}

static size_t logits_count(const struct golden *g)
{
    size_t rows = 0;
    for (int i = 0; i < g->n_lists; i++) rows += (size_t)g->n_ids[i];
    return rows * (size_t)model_config(g->model)->vocab;
}

/* Logits of all lists, side by side; caller frees. */
static float *all_logits(struct golden *g)
{
    struct packed p;
    struct arena arena;
    pack(&p, g);
    int *rows = alloc_zero((size_t)p.batch.n_rows, sizeof *rows);
    float *out = alloc_floats(logits_count(g));
    for (int i = 0; i < p.batch.n_rows; i++) rows[i] = i;
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    tape_start(t, false);
    struct tensor *h = model_forward(g->model, t, &p.batch, false);
    op_logits_run(t, h, model_head(g->model), rows, p.batch.n_rows, out);
    tape_free(t);
    arena_release(&arena);
    free(rows);
    return out;
}

static double largest_difference(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)a[i] - (double)b[i]);
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

static void logits_equal_those_of_peft(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        struct golden g;
        open_adapter(&g, names[k]);
        float *got = all_logits(&g), *at = got;
        for (int i = 0; i < g.n_lists; i++) {
            char name[32];
            size_t n;
            snprintf(name, sizeof name, "logits.%d", i);
            float *want = golden_tensor(&g, name, &n);
            double error = largest_difference(want, at, n);
            if (!(error <= logits_tolerance)) fail_msg("%s: %g", names[k], error);
            at += n;
            free(want);
        }
        free(got);
        golden_close(&g);
    }
}

static double loss_and_gradient(struct golden *g, bool checkpoint, bool dropout)
{
    struct packed p;
    struct arena arena;
    int rows[TOKENS_MAX], targets[TOKENS_MAX], n = 0;
    pack(&p, g);
    if (dropout) p.batch.drop = &p.drop;
    for (int s = 0; s < p.batch.n_spans; s++)
        for (int i = 0; i + 1 < p.spans[s].len; i++) {
            rows[n] = p.spans[s].row + i;
            targets[n++] = p.tokens[p.spans[s].row + i + 1];
        }
    model_train(g->model, true);
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    tape_start(t, true);
    struct tensor *h = model_forward(g->model, t, &p.batch, checkpoint);
    struct head_rows head = {.n = n, .rows = rows, .targets = targets, .temperature = 1};
    struct head_out out = op_head_run(t, h, model_head(g->model), &head);
    double loss = 0;
    float *seed = tape_seed(t, out.logp);
    for (int i = 0; i < n; i++) {
        loss -= (double)out.logp->data[i] / n;
        seed[i] = (float)(-1.0 / n);
    }
    tape_backward(t);
    tape_free(t);
    arena_release(&arena);
    return loss;
}

static void every_gradient_of_an_adapter_equals_pytorchs(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        struct golden g;
        size_t n;
        int learning = 0;
        open_adapter(&g, names[k]);
        double loss = loss_and_gradient(&g, false, false);
        float *want = golden_tensor(&g, "loss", &n);
        if (!(fabs(loss - (double)want[0]) < 1e-5))
            fail_msg("%s: loss %g, %g", names[k], loss, (double)want[0]);
        free(want);
        for (int i = 0; i < model_n_weights(g.model); i++) {
            const struct weight *w = model_weight(g.model, i);
            char name[224];
            double error = 0, size = 0;
            assert_true(model_is_fixed(g.model, i) == !w->grad);
            if (!w->grad) continue;
            learning++;
            snprintf(name, sizeof name, "grad.%s", w->name);
            want = golden_tensor(&g, name, &n);
            assert_int_equal(n, (size_t)w->rows * (size_t)w->cols);
            for (size_t j = 0; j < n; j++) {
                double d = (double)want[j] - (double)w->grad[j];
                error += d * d;
                size += (double)want[j] * (double)want[j];
            }
            double relative = sqrt(error / fmax(size, 1e-9));
            if (!(relative <= gradient_tolerance)) fail_msg("%s %s: %g", names[k], w->name, relative);
            free(want);
        }
        int expected = 0;
        for (int i = 0; i < tensor_file_count(g.expected); i++)
            expected += str_starts(tensor_file_info(g.expected, i)->name, "grad.");
        assert_int_equal(learning, expected);
        golden_close(&g);
    }
}

/* Loss, logits and gradients as one hash. */
static void bits(struct golden *g, bool checkpoint, bool dropout, char hex[65])
{
    struct hash *h = hash_new();
    float *logits = all_logits(g);
    double loss = loss_and_gradient(g, checkpoint, dropout);
    hash_add(h, &loss, sizeof loss);
    hash_add(h, logits, logits_count(g) * sizeof *logits);
    for (int i = 0; i < model_n_weights(g->model); i++) {
        const struct weight *w = model_weight(g->model, i);
        if (w->grad) hash_add(h, w->grad, (size_t)w->rows * (size_t)w->cols * sizeof *w->grad);
    }
    free(logits);
    hash_end(h, hex);
}

static void set_dropout(struct model *m, float p)
{
    for (int i = 0; i < m->lora->n_adapters; i++) m->lora->adapters[i].dropout = p;
}

static void threads_kernels_and_checkpoints_give_the_same_bits(void **state)
{
    (void)state;
    char msg[256], want[65], got[65];
    for (int k = 0; k < N_NAMES; k++) {
        struct golden g;
        open_adapter(&g, names[k]);
        set_dropout(g.model, 0.3F);
        assert_int_equal(kern_choose("ref", msg, sizeof msg), 0);
        bits(&g, false, true, want);
        for (const struct kern *const *t = kern_tables(); *t; t++) {
            if (!(*t)->usable()) continue;
            assert_int_equal(kern_choose((*t)->name, msg, sizeof msg), 0);
            for (int threads = 1; threads <= 3; threads++) {
                pool_stop();
                pool_start(threads);
                bits(&g, threads == 2, true, got);
                if (strcmp(want, got)) fail_msg("%s, %s, %d threads", names[k], (*t)->name, threads);
            }
        }
        bits(&g, false, false, got);
        assert_string_not_equal(want, got);
        golden_close(&g);
    }
    assert_int_equal(kern_choose(NULL, msg, sizeof msg), 0);
}

static void switched_off_a_model_is_its_base(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        struct golden g, base;
        open_adapter(&g, names[k]);
        golden_open(&base, base_name(names[k]));
        float *with = all_logits(&g), *want = all_logits(&base);
        model_adapters(g.model, false);
        float *without = all_logits(&g);
        model_adapters(g.model, true);
        float *again = all_logits(&g);
        size_t n = logits_count(&g) * sizeof *want;
        assert_memory_equal(want, without, n);
        assert_memory_equal(with, again, n);
        assert_memory_not_equal(with, without, n);
        free(with), free(want), free(without), free(again);
        golden_close(&base);
        golden_close(&g);
    }
}

static void packed_weights_give_the_same_bits(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        struct golden g;
        open_adapter(&g, names[k]);
        float *plain = all_logits(&g);
        model_pack(g.model);
        float *packed = all_logits(&g);
        assert_memory_equal(plain, packed, logits_count(&g) * sizeof *plain);
        free(plain), free(packed);
        golden_close(&g);
    }
}

/* ---- files --------------------------------------------------------------------------------------------- */

static void a_saved_adapter_comes_back_bit_for_bit(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        struct golden g;
        struct err e = {0};
        open_adapter(&g, names[k]);
        char before[65], after[65];
        model_hash(g.model, before);
        if (model_save_adapter(g.model, scratch("adapter"), "card", &e)) fail_msg("%s", e.msg);
        struct model *again = model_load(scratch("adapter"), 0, 0, &e);
        if (!again) fail_msg("%s: %s", names[k], e.msg);
        model_hash(again, after);
        assert_string_equal(before, after);
        for (int i = 0; i < again->lora->n_adapters; i++)
            assert_true(again->lora->adapters[i].scale == g.model->lora->adapters[i].scale);
        json_t *was = json_read_file(adapter_path(names[k], ADAPTER_CONFIG), &e),
               *is = json_read_file(scratch("adapter/" ADAPTER_CONFIG), &e);
        static const char *const patterns[] = {"rank_pattern", "alpha_pattern"};
        for (int i = 0; i < 2; i++)
            assert_true(json_equal(json_object_get(was, patterns[i]), json_object_get(is, patterns[i])));
        json_decref(was), json_decref(is);
        assert_true(file_exists(scratch("adapter/README.md")));
        model_free(again);
        golden_close(&g);
    }
}

/* Merged, saved as a whole and read again: PEFT's merge_and_unload, and the logits of the adapted model. */
static void merged_weights_equal_those_of_peft(void **state)
{
    (void)state;
    int compared = 0;
    for (int k = 0; k < N_NAMES; k++) {
        struct golden g;
        struct err e = {0};
        open_adapter(&g, names[k]);
        struct model *merged = model_merged(g.model);
        if (model_save(merged, scratch("merged"), "float32", NULL, &e)) fail_msg("%s", e.msg);
        model_free(merged);
        float *with = all_logits(&g);
        struct model *adapted = g.model;
        g.model = model_load(scratch("merged"), 0, 0, &e);
        if (!g.model) fail_msg("%s: %s", names[k], e.msg);
        float *without = all_logits(&g);
        double error = largest_difference(with, without, logits_count(&g)), size = 1;
        for (size_t i = 0; i < logits_count(&g); i++) size = fmax(size, fabs((double)with[i]));
        if (!(error <= logits_tolerance * size)) fail_msg("%s: logits %g of %g", names[k], error, size);
        for (int i = 0; i < tensor_file_count(g.expected); i++) {
            const char *name = tensor_file_info(g.expected, i)->name;
            if (!str_starts(name, "merged.")) continue;
            size_t n;
            float *want = golden_tensor(&g, name, &n);
            const struct weight *w = model_find(g.model, name + strlen("merged."));
            assert_non_null(w);
            error = largest_difference(want, w->data, n);
            if (!(error <= merged_tolerance)) fail_msg("%s %s: %g", names[k], w->name, error);
            free(want);
            compared++;
        }
        free(with), free(without);
        model_free(adapted);
        golden_close(&g);
    }
    assert_true(compared > 40);
}

static void put(const char *file, const char *text)
{
    struct err e = {0};
    if (file_write(scratch(file), text, strlen(text), &e)) fail_msg("%s", e.msg);
}

/* A copy of an adapter in the scratch folder, with another text for one key of its configuration. */
static void copy_adapter(const char *name, const char *key, json_t *value)
{
    struct err e = {0};
    json_t *o = json_read_file(adapter_path(name, ADAPTER_CONFIG), &e);
    if (key) json_object_set_new(o, key, value);
    file_remove_tree(scratch("bad"), NULL);
    assert_int_equal(file_mkdirs(scratch("bad"), &e), 0);
    assert_int_equal(json_write_file(o, scratch("bad/" ADAPTER_CONFIG), &e), 0);
    assert_int_equal(file_copy(adapter_path(name, ADAPTER_WEIGHTS), scratch("bad/" ADAPTER_WEIGHTS), &e), 0);
    json_decref(o);
}

static void fails_with(const char *path, const char *message)
{
    struct err e = {0};
    struct model *m = model_load(path, 0, 0, &e);
    if (m) fail_msg("%s was loaded, expected: %s", path, message);
    if (!strstr(e.msg, message)) fail_msg("\"%s\" is not about \"%s\"", e.msg, message);
}

static void what_is_wrong_with_an_adapter_is_said(void **state)
{
    (void)state;
    const char *plain = "llama_default";
    struct err e = {0};
    char path[512];
    copy_adapter(plain, "r", json_integer(0));
    fails_with(scratch("bad"), "a rank of 0");
    copy_adapter(plain, "lora_alpha", json_real(-1));
    fails_with(scratch("bad"), "an alpha of -1");
    copy_adapter(plain, "lora_bias", json_true());
    fails_with(scratch("bad"), "\"lora_bias\" is not built");
    copy_adapter(plain, "bias", json_string("all"));
    fails_with(scratch("bad"), "\"bias\" is \"all\"");
    copy_adapter(plain, "peft_type", json_string("LOHA"));
    fails_with(scratch("bad"), "only LORA");
    copy_adapter(plain, "init_lora_weights", json_string("pissa_niter_4"));
    fails_with(scratch("bad"), "changes the base model's weights");
    copy_adapter(plain, "target_modules", json_pack("[i]", 1));
    fails_with(scratch("bad"), "\"target_modules\" must be");
    copy_adapter(plain, "r", json_integer(3));
    fails_with(scratch("bad"), "the adapter of model.layers.0.self_attn.q_proj has rank 4, and "
                               "adapter_config.json says 3 (r, or rank_pattern)");
    copy_adapter(plain, "rank_pattern", json_pack("{s:i}", "1.self_attn.v_proj", 5));
    fails_with(scratch("bad"), "the adapter of model.layers.1.self_attn.v_proj has rank 4, and "
                               "adapter_config.json says 5");
    copy_adapter(plain, "rank_pattern", json_pack("{s:f}", "q_proj", 1.5));
    fails_with(scratch("bad"), "\"rank_pattern\": \"q_proj\" must be a rank");
    copy_adapter(plain, "alpha_pattern", json_pack("{s:i}", "q_proj", 0));
    fails_with(scratch("bad"), "\"alpha_pattern\": \"q_proj\" must be an alpha");
    copy_adapter(plain, "alpha_pattern", json_pack("{s:i}", "(", 1));
    fails_with(scratch("bad"), "alpha_pattern '(': no regular expression");
    copy_adapter(plain, "alpha_pattern", json_string("q_proj"));
    fails_with(scratch("bad"), "\"alpha_pattern\" must be an object");
    copy_adapter(plain, "use_dora", json_true());
    fails_with(scratch("bad"), "has no lora_magnitude_vector");
    copy_adapter(plain, "base_model_name_or_path", json_string("tests/golden/models/nothing"));
    fails_with(scratch("bad"), "its base model tests/golden/models/nothing (" ADAPTER_CONFIG ") is not");
    fails_with(scratch("bad"), "bad@BASE takes the base from where BASE says");
    copy_adapter(plain, "base_model_name_or_path", json_null());
    fails_with(scratch("bad"), "@BASE");
    copy_adapter(plain, NULL, NULL);
    snprintf(path, sizeof path, "%s@%s", scratch("bad"), golden_path("qwen2_plain", ""));
    fails_with(path, "expected [r,32]; is the adapter for another base model");
    snprintf(path, sizeof path, "%s@%s", scratch("bad"), golden_path("deepseek_v3_plain", ""));
    fails_with(path, "belongs to nothing that a deepseek_v3 model");
    snprintf(path, sizeof path, "%s@%s", scratch("bad"), golden_path("llama_plain", ""));
    struct model *m = model_load(path, 0, 0, &e);
    assert_non_null(m);
    model_free(m);
    copy_adapter(plain, NULL, NULL);
    char *bytes;
    size_t n;
    assert_int_equal(file_read(scratch("bad/" ADAPTER_WEIGHTS), 1 << 24, &bytes, &n, &e), 0);
    assert_int_equal(file_write(scratch("bad/" ADAPTER_WEIGHTS), bytes, n - 8, &e), 0);
    fails_with(scratch("bad"), ADAPTER_WEIGHTS);
    free(bytes);
    put("bad/" ADAPTER_CONFIG, "[1, 2");
    fails_with(scratch("bad"), ADAPTER_CONFIG);
}

/* ---- new adapters -------------------------------------------------------------------------------------- */

static struct lora_config config_for(const char *targets, const char *saved)
{
    json_error_t ignored;
    struct lora_config c = {.r = 4, .alpha = 8, .base = alloc_str("base"), .task = alloc_str("CAUSAL_LM")};
    if (targets) c.targets = json_loads(targets, JSON_DECODE_ANY, &ignored);
    if (saved) c.saved = json_loads(saved, 0, &ignored);
    return c;
}

static void new_adapters_change_no_logit_but_learn(void **state)
{
    (void)state;
    static const struct {
        const char *model, *targets, *saved;
        bool dora;
    } cases[] = {{"llama_plain", NULL, NULL, false},
                 {"qwen2_tied", "\"all-linear\"", "[\"lm_head\",\"embed_tokens\"]", true},
                 {"mixtral_plain", "\"all-linear\"", "[\"norm\"]", false},
                 {"deepseek_v3_plain", "\"all-linear\"", NULL, true},
                 {"qwen3_moe_mixed", "[\"down_proj\",\"mlp.gate\"]", NULL, false},
                 {"gemma3_plain", "\".*\\\\.1\\\\.mlp\\\\..*\"", "[\"lm_head\"]", false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct golden g;
        struct err e = {0};
        golden_open(&g, cases[k].model);
        float *before = all_logits(&g);
        struct lora_config c = config_for(cases[k].targets, cases[k].saved);
        c.dora = cases[k].dora;
        if (model_adapt(g.model, &c, 5, &e)) fail_msg("%s: %s", cases[k].model, e.msg);
        float *after = all_logits(&g);
        double error = largest_difference(before, after, logits_count(&g));
        if (!(error <= (cases[k].dora ? 1e-5 : 0))) fail_msg("%s: %g", cases[k].model, error);
        loss_and_gradient(&g, false, false);
        for (int i = model_n_weights(g.model) - g.model->lora->n; i < model_n_weights(g.model); i++) {
            const struct weight *w = model_weight(g.model, i);
            double sum = 0;
            for (size_t j = 0; j < (size_t)w->rows * (size_t)w->cols; j++) sum += fabs((double)w->grad[j]);
            /* A of a new adapter cannot learn before B has; nor can an expert that nobody chose. */
            bool still = strstr(w->name, "lora_A") || strstr(w->name, "experts") || strstr(w->name, ".gate.");
            if (!still && !(sum > 0)) fail_msg("%s: %s has no gradient", cases[k].model, w->name);
        }
        free(before), free(after);
        golden_close(&g);
    }
}

static void adapt_fails_with(const char *model, struct lora_config c, const char *message)
{
    struct golden g;
    struct err e = {0};
    golden_open(&g, model);
    if (!model_adapt(g.model, &c, 1, &e)) fail_msg("%s was adapted, expected: %s", model, message);
    if (!strstr(e.msg, message)) fail_msg("\"%s\" is not about \"%s\"", e.msg, message);
    golden_close(&g);
}

static void modules_that_are_not_there_are_listed(void **state)
{
    (void)state;
    adapt_fails_with("llama_plain", config_for("[\"q_proj\",\"query\"]", NULL),
                     "target module 'query': a llama model has no such module; there are q_proj, k_proj, "
                     "v_proj, o_proj, gate_proj, up_proj, down_proj");
    adapt_fails_with("llama_plain", config_for("\".*attn\"", NULL), "target modules '.*attn'");
    adapt_fails_with("llama_plain", config_for("\"(\"", NULL), "no regular expression");
    adapt_fails_with(
        "llama_plain", config_for("[\"lm_head\"]", NULL),
        "target module 'lm_head': adapters are built for matrices of the layers alone; train this "
        "module whole: lora_modules_to_save: [lm_head]");
    adapt_fails_with("qwen2_tied", config_for("[\"lm_head\"]", NULL), "lora_modules_to_save: [lm_head]");
    adapt_fails_with("llama_plain", config_for("[\"q_proj\",\"model.embed_tokens\"]", NULL),
                     "lora_modules_to_save: [model.embed_tokens]");
    adapt_fails_with("llama_plain", config_for(NULL, "[\"head\",\"score\"]"), "module to save 'score'");
    adapt_fails_with("deepseek_v3_plain", config_for(NULL, NULL), "must be named for a deepseek_v3 model");
    struct lora_config c = config_for(NULL, NULL);
    c.r = 0;
    adapt_fails_with("llama_plain", c, "a rank of 0; 1 to 65536");
}

/* A's numbers are within +-1/sqrt(in), fill it evenly, and are a function of the seed. */
static void a_begins_as_a_linear_layer_of_torch_does(void **state)
{
    (void)state;
    double sums[2];
    for (int k = 0; k < 2; k++) {
        struct golden g;
        struct err e = {0};
        golden_open(&g, "llama_plain");
        struct lora_config c = config_for("\"all-linear\"", NULL);
        c.r = 64;
        assert_int_equal(model_adapt(g.model, &c, (uint64_t)k, &e), 0);
        const struct weight *a = g.model->lora->adapters[0].a, *b = g.model->lora->adapters[0].b;
        double bound = 1 / sqrt(a->cols), square = 0, largest = 0;
        size_t n = (size_t)a->rows * (size_t)a->cols;
        sums[k] = 0;
        for (size_t i = 0; i < n; i++) {
            sums[k] += (double)a->data[i];
            square += (double)a->data[i] * (double)a->data[i];
            largest = fmax(largest, fabs((double)a->data[i]));
        }
        assert_true(largest <= bound && largest > 0.99 * bound);
        assert_true(fabs(square / (double)n / (bound * bound / 3) - 1) < 0.1);
        for (int i = 0; i < b->rows * b->cols; i++) assert_true(b->data[i] == 0);
        golden_close(&g);
    }
    assert_true(sums[0] != sums[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_those_of_peft),
        cmocka_unit_test(every_gradient_of_an_adapter_equals_pytorchs),
        cmocka_unit_test(threads_kernels_and_checkpoints_give_the_same_bits),
        cmocka_unit_test(switched_off_a_model_is_its_base),
        cmocka_unit_test(packed_weights_give_the_same_bits),
        cmocka_unit_test(a_saved_adapter_comes_back_bit_for_bit),
        cmocka_unit_test(merged_weights_equal_those_of_peft),
        cmocka_unit_test(what_is_wrong_with_an_adapter_is_said),
        cmocka_unit_test(new_adapters_change_no_logit_but_learn),
        cmocka_unit_test(modules_that_are_not_there_are_listed),
        cmocka_unit_test(a_begins_as_a_linear_layer_of_torch_does),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
