/* test_in_place.c: a model whose weights stay in their file is, bit for bit, the model that was converted to
 * float32: whatever the type of the numbers, the order of the rows, and the kind of file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/scratch_pool.h"
#include "model/golden_model.h"
#include "model/model_int.h"

static struct model *load(const char *path, int flags)
{
    struct err e = {0};
    struct model *m = model_load(path, flags, 0, &e);
    if (!m) fail_msg("%s", e.msg);
    return m;
}

/* Logits of a few tokens. Caller frees. */
static float *logits(struct model *m)
{
    static const int ids[] = {1, 7, 3, 3, 0, 9, 12}, rows[] = {0, 1, 2, 3, 4, 5, 6};
    enum { N = sizeof ids / sizeof *ids };
    struct span span = {0, N, 0, -1, NULL};
    struct batch b = {.n_rows = N, .tokens = ids, .n_spans = 1, .spans = &span};
    struct arena arena;
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    tape_start(t, false);
    float *out = alloc_floats(N * (size_t)model_config(m)->vocab);
    op_logits_run(t, model_forward(m, t, &b, false), model_head(m), rows, N, out);
    tape_free(t);
    arena_release(&arena);
    return out;
}

static void assert_same(struct model *a, struct model *b, const char *what)
{
    char x[65], y[65];
    float *p = logits(a), *q = logits(b);
    if (memcmp(p, q, 7 * (size_t)model_config(a)->vocab * sizeof *p)) fail_msg("%s: logits differ", what);
    free(p);
    free(q);
    model_hash(a, x);
    model_hash(b, y);
    assert_string_equal(x, y);
}

static void check_path(const char *path)
{
    struct model *whole = load(path, 0), *in_place = load(path, MODEL_IN_PLACE);
    assert_same(whole, in_place, path);
    struct model *packed = load(path, MODEL_PACKED);
    assert_same(whole, packed, "packed");
    model_free(packed);
    struct model *copy = model_copy(in_place);
    model_free(in_place);
    assert_same(whole, copy, "a copy that outlives its original");
    model_free(copy);
    model_free(whole);
}

static void every_kind_of_file_gives_the_same_bits_in_place(void **state)
{
    (void)state;
    static const char *const gguf[] = {"llama_linear", "llama_bias",       "qwen2_heads",
                                       "mixtral_all",  "deepseek_v2_lite", "deepseek_v3_further"};
    for (int i = 0; golden_names[i]; i++) check_path(golden_path(golden_names[i], ""));
    for (int i = 0; i < 6; i++) {
        char path[64];
        snprintf(path, sizeof path, "tests/golden/gguf/%s.gguf", gguf[i]);
        check_path(path);
    }
}

static void sixteen_bits_and_shards_give_the_same_bits_in_place(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *m = load(golden_path("llama_bias", ""), 0);
    for (int k = 0; k < 2; k++) {
        if (model_save_sharded(m, scratch("half"), k ? "float16" : "bfloat16", NULL, 3000, &e))
            fail_msg("%s", e.msg);
        struct model *whole = load(scratch("half"), 0), *in_place = load(scratch("half"), MODEL_IN_PLACE);
        struct model *packed = load(scratch("half"), MODEL_PACKED);
        assert_same(whole, in_place, k ? "float16" : "bfloat16");
        assert_same(whole, packed, k ? "float16, packed" : "bfloat16, packed");
        assert_int_equal(model_head(packed)->form, k ? KERN_F16 : KERN_BF16);
        model_free(packed);
        model_free(in_place);
        model_free(whole);
    }
    model_free(m);
}

static void weights_in_place_take_no_memory_and_have_no_gradient(void **state)
{
    (void)state;
    struct model *m = load(golden_path("qwen2_plain", ""), MODEL_IN_PLACE);
    model_train(m, true);
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        bool matrix = m->placed[i].row->kind == WEIGHT_MATRIX;
        assert_true(matrix == (w->stored != NULL) && matrix == (w->data == NULL));
        assert_true(matrix == (w->grad == NULL));
    }
    model_free(m);
}

static void random_weights_are_the_same_drawn_at_once_or_by_rows(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *a = model_load(golden_path("llama_bias", ""), MODEL_RANDOM, 7, &e);
    struct model *b = model_load(golden_path("llama_bias", ""), MODEL_RANDOM | MODEL_IN_PLACE, 7, &e);
    assert_true(a && b);
    assert_same(a, b, "drawn");
    model_free(a);
    model_free(b);
}

static void saving_as_auto_keeps_types_and_bytes(void **state)
{
    (void)state;
    struct err e = {0};
    static const char *const types[] = {"float32", "bfloat16", "float16"};
    struct model *m = load(golden_path("qwen2_heads", ""), 0);
    for (int k = 0; k < 3; k++) {
        if (model_save(m, scratch("first"), types[k], NULL, &e)) fail_msg("%s", e.msg);
        struct model *in_place = load(scratch("first"), MODEL_IN_PLACE);
        if (model_save(in_place, scratch("second"), "auto", NULL, &e)) fail_msg("%s", e.msg);
        model_free(in_place);
        static const char *const files[] = {"model.safetensors", "config.json"};
        for (int i = 0; i < 2; i++) {
            char path[2][256], *bytes[2];
            size_t n[2];
            for (int j = 0; j < 2; j++) {
                snprintf(path[j], sizeof path[j], "%s/%s", scratch(j ? "second" : "first"), files[i]);
                assert_int_equal(file_read(path[j], 1 << 24, &bytes[j], &n[j], &e), 0);
            }
            if (n[0] != n[1] || memcmp(bytes[0], bytes[1], n[0])) fail_msg("%s as %s", files[i], types[k]);
            free(bytes[0]);
            free(bytes[1]);
        }
    }
    model_free(m);
}

/* ---- every type ---------------------------------------------------------------------------------------- */

enum { ROWS = 129, COLS = 1536 };

/* Random bytes in whose 16, 32 and 64-bit numbers the highest bit of the exponent is not set. */
static uint8_t *random_blocks(size_t n)
{
    uint8_t *p = alloc_zero(n + 16, 1);
    for (size_t i = 0; i < n; i++) {
        struct rng_at at = {.seed = 9, .purpose = RNG_TEST, .position = (uint32_t)i};
        p[i] = (uint8_t)(rng_u64(&at) & 0xBF);
    }
    return p;
}

static float *product(const struct weight *w, bool backward)
{
    struct arena arena;
    arena_init(&arena, (size_t)1 << 26);
    struct tape *t = tape_new(&arena);
    tape_start(t, true);
    struct tensor *x = tape_tensor(t, 3, COLS);
    x->wants_grad = true;
    rng_normal(&(struct rng_at){.seed = 8, .purpose = RNG_TEST}, x->data, 3 * COLS, 0, 1);
    struct tensor *y = op_linear_run(t, x, (struct weight *)w, NULL);
    float *seed = tape_seed(t, y), *out = alloc_floats(3 * COLS);
    for (int i = 0; i < 3 * ROWS; i++) seed[i] = y->data[i];
    memcpy(out, y->data, 3 * ROWS * sizeof *out);
    tape_backward(t);
    if (backward) memcpy(out, x->grad, 3 * COLS * sizeof *out);
    tape_free(t);
    arena_release(&arena);
    return out;
}

static void check_type(enum dtype type)
{
    const struct dtype_info *d = dtype_info(type);
    size_t bytes = (size_t)ROWS * COLS / (size_t)d->block * (size_t)d->bytes;
    uint8_t *blocks = random_blocks(bytes);
    struct file_map map = {blocks, bytes};
    struct tensor_file f = {.maps = &map, .n_maps = 1};
    struct tensor_info t = {.name = "w", .dtype = type, .n_dims = 2, .shape = {ROWS, COLS}, .bytes = bytes};
    struct stored_tensor s;
    stored_init(&s, &f, &(struct weight_place){.t = &t});
    struct weight in_place = {.name = "w", .rows = ROWS, .cols = COLS, .stored = &s.face}, whole = in_place;
    whole.stored = NULL;
    whole.data = alloc_floats((size_t)ROWS * COLS);
    d->decode(blocks, bytes / (size_t)d->bytes, whole.data);
    float *want[2] = {product(&whole, false), product(&whole, true)};
    for (int run = 0; run < 4; run++) {
        int backward = run % 2;
        if (run == 2) assert_int_equal(weight_pack(&in_place), -1);
        float *got = product(&in_place, backward);
        if (memcmp(got, want[backward], 3 * (backward ? COLS : ROWS) * sizeof *got))
            fail_msg("%s%s: %s differs", d->name, run < 2 ? "" : ", packed", backward ? "dx" : "y");
        free(got);
    }
    assert_true(weight_pack_bytes(&in_place) <= kern_panels_floats(ROWS, COLS) * sizeof(float));
    weight_unpack(&in_place);
    free(want[0]), free(want[1]);
    free(whole.data);
    free(blocks);
}

static void products_equal_those_of_the_decoded_weight_for_every_type(void **state)
{
    (void)state;
    int checked = 0;
    for (int type = 0; type < DT_COUNT; type++) {
        if (!dtype_info((enum dtype)type)->decode) continue;
        check_type((enum dtype)type);
        checked++;
    }
    assert_true(checked >= 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_gives_the_same_bits_in_place),
        cmocka_unit_test(sixteen_bits_and_shards_give_the_same_bits_in_place),
        cmocka_unit_test(weights_in_place_take_no_memory_and_have_no_gradient),
        cmocka_unit_test(random_weights_are_the_same_drawn_at_once_or_by_rows),
        cmocka_unit_test(saving_as_auto_keeps_types_and_bytes),
        cmocka_unit_test(products_equal_those_of_the_decoded_weight_for_every_type),
    };
    return cmocka_run_group_tests(tests, scratch_pool_make, scratch_pool_remove);
}
