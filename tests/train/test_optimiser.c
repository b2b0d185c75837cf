/* test_optimiser.c: every rule, and clipping, equal their references over 14 steps (tools/golden/optim.py);
 * the state survives a file to the last bit; neither threads nor where it lies change one; a bad gradient
 * changes nothing and is named.
 */
#include "tiny.h"

#include "base/pool.h"
#include "base/rng.h"
#include "train/optim_int.h"

#include <math.h>

static struct model *load_model_as(int width, int flags)
{
    static const char config[] =
        "{\"architectures\":[\"Qwen2ForCausalLM\"],\"model_type\":\"qwen2\",\"vocab_size\":%d,"
        "\"hidden_size\":%d,\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":1,"
        "\"intermediate_size\":%d,\"max_position_embeddings\":64,\"rms_norm_eps\":1e-6,"
        "\"rope_theta\":10000.0,\"tie_word_embeddings\":true}";
    struct err e = {0};
    struct str text;
    char *dir = tiny_path("adamw");
    str_init(&text, 0);
    str_addf(&text, config, 3 * width, width, 2 * width);
    if (file_mkdirs(dir, &e)) fail_msg("%s", e.msg);
    tiny_write("adamw/config.json", text.p);
    struct model *m = model_load(dir, MODEL_RANDOM | flags, 1, &e);
    if (!m) fail_msg("%s", e.msg);
    model_train(m, true);
    str_release(&text);
    free(dir);
    return m;
}

static struct model *load_model(int width)
{
    return load_model_as(width, 0);
}

static struct optimiser *make(struct model *m, const struct optim_opts *o)
{
    struct err e = {0};
    struct optimiser *opt = optimiser_new(m, o, &e);
    if (!opt) fail_msg("%s", e.msg);
    return opt;
}

/* The formula of tools/golden/optim.py. */
static void fill(float *out, size_t n, uint64_t salt)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t x = (i * 2654435761u + salt * 40503 + 12345) % 4294967296u / 4194304;
        out[i] = (float)((double)x - 512) / 512.0f;
    }
}

/* Position of each weight in the golden file's list. */
static const char *const golden_order[] = {"model.embed_tokens.weight",
                                           "model.layers.0.input_layernorm.weight",
                                           "model.layers.0.self_attn.q_proj.weight",
                                           "model.layers.0.self_attn.q_proj.bias",
                                           "model.layers.0.self_attn.k_proj.weight",
                                           "model.layers.0.self_attn.k_proj.bias",
                                           "model.layers.0.self_attn.v_proj.weight",
                                           "model.layers.0.self_attn.v_proj.bias",
                                           "model.layers.0.self_attn.o_proj.weight",
                                           "model.layers.0.post_attention_layernorm.weight",
                                           "model.layers.0.mlp.gate_proj.weight",
                                           "model.layers.0.mlp.up_proj.weight",
                                           "model.layers.0.mlp.down_proj.weight",
                                           "model.norm.weight"};
enum { N_GOLDEN = sizeof golden_order / sizeof *golden_order };

static size_t count(const struct weight *w)
{
    return (size_t)w->rows * (size_t)w->cols;
}

static float *numbers(const struct weight *w)
{
    float *x = alloc_floats(count(w));
    weight_rows(w, 0, w->rows, x);
    return x;
}

static void fill_all(struct model *m, bool grad, uint64_t salt)
{
    for (uint64_t k = 0; k < N_GOLDEN; k++) {
        struct weight *w = model_find(m, golden_order[k]);
        assert_non_null(w);
        float *x = alloc_floats(count(w));
        fill(x, count(w), salt + k);
        if (grad)
            memcpy(w->grad, x, count(w) * sizeof *x);
        else
            weight_set_rows(w, 0, w->rows, x);
        free(x);
    }
}

/* 16 elements spread over each weight, to 2e-6. With codes of 8 bits a number near the middle of two may fall
 * on either side, and the difference stays: then one element in eight may be off, by less than a step. */
static void compare(struct model *m, const json_t *weights, const char *what)
{
    bool coarse = strcmp(what, "adamw_8bit") == 0;
    int off = 0;
    for (int k = 0; k < N_GOLDEN; k++) {
        const struct weight *w = model_find(m, golden_order[k]);
        const json_t *want = json_object_get(weights, golden_order[k]);
        size_t n = (size_t)w->rows * (size_t)w->cols;
        for (size_t i = 0; i < 16; i++) {
            size_t at = i * (n - 1) / 15;
            double expected = json_number_value(json_array_get(want, i)), got = (double)w->data[at];
            double apart = fabs(got - expected);
            if (apart <= 2e-6 * (1 + fabs(expected))) continue;
            off++;
            if (!coarse || !(apart < 0.01))
                fail_msg("%s, %s[%zu]: %.9g, expected %.9g", what, golden_order[k], at, got, expected);
        }
    }
    if (off * 8 > N_GOLDEN * 16) fail_msg("%s: %d of %d elements are off", what, off, N_GOLDEN * 16);
}

static struct optim_opts golden_opts(const json_t *run)
{
    const json_t *betas = json_object_get(run, "betas"), *muon = json_object_get(run, "muon");
    struct optim_opts o;
    optim_defaults(&o);
    o.name = json_string_value(json_object_get(run, "optim"));
    if (betas)
        o.b1 = json_number_value(json_array_get(betas, 0)),
        o.b2 = json_number_value(json_array_get(betas, 1));
    if (json_object_get(run, "eps")) o.eps = json_number_value(json_object_get(run, "eps"));
    o.weight_decay = json_number_value(json_object_get(run, "wd"));
    o.max_grad_norm = json_number_value(json_object_get(run, "clip"));
    if (muon) o.muon = (struct muon_opts){json_number_value(json_object_get(muon, "momentum")), false, false};
    return o;
}

/* The weights after the golden file's steps are compared. */
static void run_golden(const json_t *run, int flags,
                       void (*check)(struct model *m, const json_t *weights, const char *what))
{
    const json_t *step, *weights = NULL;
    struct optim_opts o = golden_opts(run);
    struct model *m = load_model_as((int)json_integer_value(json_object_get(run, "width")), flags);
    assert_int_equal(model_n_weights(m), N_GOLDEN);
    fill_all(m, false, 0);
    struct optimiser *opt = make(m, &o);
    size_t i;
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        const char *bad;
        double want = json_number_value(json_object_get(step, "norm"));
        fill_all(m, true, 1000 * (i + 1));
        double norm = optimiser_step(opt, json_number_value(json_object_get(step, "lr")), &bad);
        assert_null(bad);
        if (!(fabs(norm - want) <= 1e-5 * want))
            fail_msg("%s, step %zu: norm %.9g, expected %.9g", o.name, i, norm, want);
        weights = json_object_get(step, "weights");
    }
    assert_int_equal(i, 14);
    check(m, weights, o.name);
    optimiser_free(opt);
    model_free(m);
}

static void run_all_golden(int flags,
                           void (*check)(struct model *m, const json_t *weights, const char *what))
{
    struct err e = {0};
    json_t *runs = json_read_file("tests/golden/optim/optim.json", &e), *run;
    if (!runs) fail_msg("%s", e.msg);
    size_t i;
    json_array_foreach(runs, i, run) run_golden(run, flags, check);
    assert_int_equal(i, 9);
    json_decref(runs);
}

static void every_rule_and_clipping_equal_their_references(void **state)
{
    (void)state;
    run_all_golden(0, compare);
}

/* 14 roundings, each off by less than a last bit and by nothing in the mean, and that of the start: together
 * of a standard deviation below two bits. */
static void compare_mean(struct model *m, const json_t *weights, const char *what)
{
    double sum = 0, n = 0;
    for (int k = 0; k < N_GOLDEN; k++) {
        const struct weight *w = model_find(m, golden_order[k]);
        const json_t *want = json_object_get(weights, golden_order[k]);
        float *x = numbers(w);
        for (size_t i = 0; i < 16; i++, n++) {
            size_t at = i * (count(w) - 1) / 15;
            double expected = json_number_value(json_array_get(want, i)), got = (double)x[at];
            double bit = fmax(fabs(expected), 0.05) / 128, off = (got - expected) / bit;
            if (!(fabs(off) < 10))
                fail_msg("%s, %s[%zu]: %.9g, expected %.9g", what, golden_order[k], at, got, expected);
            sum += off;
        }
        free(x);
    }
    if (!(fabs(sum / n) < 5 * 2 / sqrt(n))) fail_msg("%s: off by %g last bits in the mean", what, sum / n);
}

static void bfloat16_weights_follow_the_references(void **state)
{
    (void)state;
    run_all_golden(MODEL_BF16, compare_mean);
}

static struct optim_opts plain(const char *name)
{
    struct optim_opts o;
    optim_defaults(&o);
    o.name = name;
    o.weight_decay = 0.01;
    return o;
}

static void train(struct model *m, struct optimiser *opt, int steps, uint64_t salt)
{
    const char *bad;
    for (int step = 0; step < steps; step++) {
        fill_all(m, true, salt + (uint64_t)step);
        optimiser_step(opt, 1e-2, &bad);
        assert_null(bad);
    }
}

static void copy_weights(struct model *to, struct model *from)
{
    for (int k = 0; k < N_GOLDEN; k++) {
        float *x = numbers(model_find(from, golden_order[k]));
        weight_set_rows(model_find(to, golden_order[k]), 0, model_find(to, golden_order[k])->rows, x);
        free(x);
    }
}

static void check_survival(const char *name, int flags)
{
    struct err e = {0};
    char a[65], b[65], *path = tiny_path("optimizer.safetensors");
    struct optim_opts o = plain(name);
    struct model *one = load_model_as(64, flags), *two = load_model_as(64, flags);
    struct optimiser *x = make(one, &o), *y = make(two, &o);
    train(one, x, 5, 77);
    if (optimiser_save(x, path, &e) || optimiser_load(y, path, &e)) fail_msg("%s", e.msg);
    copy_weights(two, one);
    train(one, x, 3, 500);
    train(two, y, 3, 500);
    model_hash(one, a);
    model_hash(two, b);
    assert_string_equal(a, b);
    optimiser_free(x);
    optimiser_free(y);
    model_free(one);
    model_free(two);
    free(path);
}

static const char *const all_rules[] = {"adamw", "adamw_bf16", "adamw_8bit", "adafactor", "muon"};
enum { N_RULES = sizeof all_rules / sizeof *all_rules };

static void the_state_survives_a_file_to_the_last_bit(void **state)
{
    (void)state;
    for (int i = 0; i < N_RULES; i++) {
        check_survival(all_rules[i], 0);
        check_survival(all_rules[i], MODEL_BF16);
    }
}

/* Of the weights after 8 steps. Rows of 36 begin anywhere in a draw of random bits. */
struct way {
    const char *paged_in;
    int threads, width, flags;
};
static void hash_after(const char *name, const struct way *way, char hex[65])
{
    struct optim_opts o = plain(name);
    o.paged_in = way->paged_in;
    pool_stop();
    pool_start(way->threads);
    struct model *m = load_model_as(way->width, way->flags);
    fill_all(m, false, 5);
    struct optimiser *opt = make(m, &o);
    train(m, opt, 8, 9);
    model_hash(m, hex);
    optimiser_free(opt);
    model_free(m);
}

static void threads_and_pages_on_disk_change_no_bit(void **state)
{
    (void)state;
    char *dir = tiny_path("");
    for (int i = 0; i < 2 * N_RULES; i++) {
        char one[65], three[65], paged[65];
        struct way way = {NULL, 1, i < N_RULES ? 64 : 36, i < N_RULES ? 0 : MODEL_BF16};
        hash_after(all_rules[i % N_RULES], &way, one);
        way.threads = 3;
        hash_after(all_rules[i % N_RULES], &way, three);
        way.paged_in = dir;
        hash_after(all_rules[i % N_RULES], &way, paged);
        assert_string_equal(one, three);
        assert_string_equal(one, paged);
    }
    free(dir);
}

/* The two bfloat16 that x lies between; one and the same if it is one. */
static void neighbours(float x, float *low, float *high)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t cut = bits & 0xffff0000, next = cut == bits ? cut : cut + 0x10000;
    memcpy(low, &cut, sizeof cut);
    memcpy(high, &next, sizeof next);
}

/* One step from the same numbers in float32 and in bfloat16. */
static void check_step(const char *name)
{
    struct optim_opts o = plain(name);
    struct model *m = load_model_as(36, MODEL_BF16), *exact = load_model(36);
    double sum = 0, n = 0;
    fill_all(m, false, 5);
    copy_weights(exact, m);
    struct optimiser *x = make(m, &o), *y = make(exact, &o);
    train(m, x, 1, 9);
    train(exact, y, 1, 9);
    for (int k = 0; k < N_GOLDEN; k++) {
        float *got = numbers(model_find(m, golden_order[k]));
        float *want = numbers(model_find(exact, golden_order[k]));
        for (size_t i = 0; i < count(model_find(m, golden_order[k])); i++) {
            float low, high;
            neighbours(want[i], &low, &high);
            if (got[i] != low && got[i] != high)
                fail_msg("%s, %s[%zu]: %.9g is no neighbour of %.9g", name, golden_order[k], i,
                         (double)got[i], (double)want[i]);
            if (low == high) continue;
            sum += ((double)got[i] - (double)want[i]) / fabs((double)high - (double)low);
            n++;
        }
        free(got);
        free(want);
    }
    /* Of errors between -1 and 1 with mean 0, none of more variance than 1/4. */
    if (!(n > 10000 && fabs(sum / n) < 5 * 0.5 / sqrt(n)))
        fail_msg("%s: %.0f errors with mean %g of a last bit", name, n, sum / n);
    optimiser_free(x);
    optimiser_free(y);
    model_free(m);
    model_free(exact);
}

static void a_step_of_bfloat16_weights_is_that_of_float32_rounded_without_bias(void **state)
{
    (void)state;
    for (int i = 0; i < N_RULES; i++) check_step(all_rules[i]);
}

/* Each step of a rate of 1e-6 is a four-thousandth of the last bit below 1. */
static void the_smallest_learning_rates_move_bfloat16_weights(void **state)
{
    (void)state;
    enum { STEPS = 300 };
    struct optim_opts o = plain("adamw");
    struct model *m = load_model_as(64, MODEL_BF16);
    const char *bad;
    double sum = 0, n = 0;
    o.weight_decay = 0;
    for (int k = 0; k < N_GOLDEN; k++) {
        struct weight *w = model_find(m, golden_order[k]);
        float *ones = alloc_floats(count(w));
        for (size_t i = 0; i < count(w); i++) ones[i] = w->grad[i] = 1;
        weight_set_rows(w, 0, w->rows, ones);
        free(ones);
    }
    struct optimiser *opt = make(m, &o);
    for (int step = 0; step < STEPS; step++) optimiser_step(opt, 1e-6, &bad);
    for (int k = 0; k < N_GOLDEN; k++) {
        const struct weight *w = model_find(m, golden_order[k]);
        float *x = numbers(w);
        for (size_t i = 0; i < count(w); i++) sum += (double)x[i] - 1, n++;
        free(x);
    }
    double want = -1e-6 * STEPS, bit = 1.0 / 256, deviation = sqrt(-want * bit / n);
    if (!(fabs(sum / n - want) < 5 * deviation && 5 * deviation < -want / 8))
        fail_msg("moved by %g in the mean, expected %g", sum / n, want);
    optimiser_free(opt);
    model_free(m);
}

static void what_is_not_finite_is_not_rounded_to_what_is(void **state)
{
    (void)state;
    const uint32_t bits[] = {0x7FFFFFFF, 0xFFFFFFFF, 0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000};
    for (uint32_t step = 0; step < 64; step++) {
        float x[6];
        uint16_t y[6];
        memcpy(x, bits, sizeof x);
        round16(&(struct round16_place){.purpose = RNG_ROUND_WEIGHT, .step = step, .at = step}, x, 6, y);
        for (int i = 0; i < 6; i++) assert_int_equal(y[i] & 0x7F80, 0x7F80);
    }
}

/* Changes far below a bfloat16's last bit add up: the mean over many elements is right to a hundredth. */
static void rounding_to_16_bits_is_right_in_the_mean(void **state)
{
    (void)state;
    enum { N = 4096, STEPS = 200 };
    static uint16_t stored[N];
    static float x[N];
    double mean = 0;
    for (int i = 0; i < N; i++) x[i] = 1;
    struct round16_place place = {.seed = 1, .purpose = RNG_ROUND_WEIGHT, .sequence = 3};
    round16(&place, x, N, stored);
    for (uint32_t step = 1; step <= STEPS; step++) {
        kern()->bf16_to_f32(x, stored, N);
        for (int i = 0; i < N; i++) x[i] += 0.0005F; /* a bit is worth 0.0078 */
        place.step = step;
        round16(&place, x, N, stored);
    }
    kern()->bf16_to_f32(x, stored, N);
    for (int i = 0; i < N; i++) mean += (double)x[i] / N;
    if (!(fabs(mean - 1.1) < 0.001)) fail_msg("mean %.6g, expected 1.1", mean);
}

static void moments_of_16_bits_lead_where_those_of_32_do(void **state)
{
    (void)state;
    struct optim_opts full = plain("adamw"), half = plain("adamw_bf16");
    struct model *a = load_model(64), *b = load_model(64);
    fill_all(a, false, 5);
    copy_weights(b, a);
    struct optimiser *x = make(a, &full), *y = make(b, &half);
    train(a, x, 20, 9);
    train(b, y, 20, 9);
    double moved = 0, apart = 0;
    for (int k = 0; k < N_GOLDEN; k++) {
        const struct weight *v = model_find(a, golden_order[k]), *w = model_find(b, golden_order[k]);
        size_t n = (size_t)v->rows * (size_t)v->cols;
        float *start = malloc(n * sizeof *start);
        fill(start, n, 5 + (uint64_t)k);
        for (size_t i = 0; i < n; i++) {
            moved += fabs((double)v->data[i] - (double)start[i]);
            apart += fabs((double)v->data[i] - (double)w->data[i]);
        }
        free(start);
    }
    if (!(apart < 0.02 * moved && apart > 0)) fail_msg("apart by %g of %g", apart, moved);
    optimiser_free(x);
    optimiser_free(y);
    model_free(a);
    model_free(b);
}

static void small_states_are_small(void **state)
{
    (void)state;
    struct model *m = load_model(64);
    size_t n = (size_t)model_n_params(m), bytes[N_RULES];
    for (int i = 0; i < N_RULES; i++) {
        struct optim_opts o = plain(all_rules[i]);
        bytes[i] = optimiser_bytes(m, &o).memory;
    }
    assert_in_range(bytes[0], 8 * n, 8 * n + 4096);
    assert_in_range(bytes[1], 4 * n, 4 * n + 4096);
    assert_in_range(bytes[2], 2 * n, 3 * n); /* small weights have 32 bits */
    assert_in_range(bytes[3], 1, n / 4);
    model_free(m);
}

static void a_wrong_name_lists_the_right_ones(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(optim_rule_find("lion_32bit", &e));
    assert_int_equal(e.kind, ERR_USAGE);
    for (int i = 0; i < N_RULES; i++) assert_non_null(strstr(e.msg, all_rules[i]));
    assert_non_null(optim_rule_find("paged_adamw_32bit", &e));
    assert_null(optim_rule_find("paged", &e));
    assert_null(optim_rule_find("", &e));
}

static void a_state_of_another_rule_is_refused(void **state)
{
    (void)state;
    struct err e = {0};
    char *path = tiny_path("rule.safetensors");
    struct optim_opts full = plain("adamw"), half = plain("adamw_bf16");
    struct model *m = load_model(8);
    struct optimiser *x = make(m, &full), *y = make(m, &half);
    if (optimiser_save(x, path, &e)) fail_msg("%s", e.msg);
    assert_int_equal(optimiser_load(y, path, &e), -1);
    assert_non_null(strstr(e.msg, "another optim"));
    optimiser_free(x);
    optimiser_free(y);
    model_free(m);
    free(path);
}

static void a_bad_gradient_changes_nothing_and_is_named(void **state)
{
    (void)state;
    const float wrong[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        char before[65], after[65];
        const char *bad;
        struct optim_opts o = plain("adamw");
        struct model *m = load_model(8);
        struct optimiser *opt = make(m, &o);
        fill_all(m, true, 3);
        model_find(m, "model.layers.0.mlp.up_proj.weight")->grad[5] = wrong[i];
        model_hash(m, before);
        double norm = optimiser_step(opt, 1e-2, &bad);
        assert_false(isfinite(norm));
        assert_string_equal(bad, "model.layers.0.mlp.up_proj.weight");
        model_hash(m, after);
        assert_string_equal(before, after);
        optimiser_free(opt);
        model_free(m);
    }
}

static void a_file_of_another_model_is_refused(void **state)
{
    (void)state;
    struct err e = {0};
    char *path = tiny_path("wrong.safetensors");
    float x[8] = {0};
    struct safetensors_entry one = {.name = "step", .dtype = DT_F32, .n_dims = 1, .shape = {1}, .data = x};
    if (safetensors_write(path, &one, 1, &e)) fail_msg("%s", e.msg);
    struct optim_opts o = plain("adamw");
    struct model *m = load_model(8);
    struct optimiser *opt = make(m, &o);
    assert_int_equal(optimiser_load(opt, path, &e), -1);
    assert_non_null(strstr(e.msg, "another model"));
    optimiser_free(opt);
    model_free(m);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_and_clipping_equal_their_references),
        cmocka_unit_test(the_state_survives_a_file_to_the_last_bit),
        cmocka_unit_test(threads_and_pages_on_disk_change_no_bit),
        cmocka_unit_test(rounding_to_16_bits_is_right_in_the_mean),
        cmocka_unit_test(a_step_of_bfloat16_weights_is_that_of_float32_rounded_without_bias),
        cmocka_unit_test(the_smallest_learning_rates_move_bfloat16_weights),
        cmocka_unit_test(what_is_not_finite_is_not_rounded_to_what_is),
        cmocka_unit_test(bfloat16_weights_follow_the_references),
        cmocka_unit_test(moments_of_16_bits_lead_where_those_of_32_do),
        cmocka_unit_test(small_states_are_small),
        cmocka_unit_test(a_wrong_name_lists_the_right_ones),
        cmocka_unit_test(a_state_of_another_rule_is_refused),
        cmocka_unit_test(a_bad_gradient_changes_nothing_and_is_named),
        cmocka_unit_test(a_file_of_another_model_is_refused),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
