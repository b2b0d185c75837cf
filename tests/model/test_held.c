/* test_held.c: a base in few bits: matrices come back as bitsandbytes decodes them (tools/golden/held.py),
 * and a pass over them, with adapters, has the bits of one over the same numbers in float32, forward and
 * backward.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/pool.h"
#include "base/str.h"
#include "model/golden_model.h"
#include "model/model_int.h"

#define MODEL "deepseek_v3_plain"

static struct model *held(const char *name, int flags)
{
    struct err e = {0};
    struct model *m = model_load(golden_path(name, ""), flags, 0, &e);
    if (!m) fail_msg("%s", e.msg);
    return m;
}

static void matrices_are_those_of_bitsandbytes(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        int flags;
    } forms[] = {{"nf4.", MODEL_NF4},
                 {"fp4.", MODEL_FP4},
                 {"nested.", MODEL_NF4 | MODEL_NESTED},
                 {"int8.", MODEL_INT8}};
    struct err e = {0};
    struct tensor_file *f = tensor_file_open("tests/golden/held/expected.safetensors", &e);
    if (!f) fail_msg("%s", e.msg);
    int compared = 0;
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        struct model *m = held(MODEL, forms[k].flags);
        for (int i = 0; i < tensor_file_count(f); i++) {
            const struct tensor_info *t = tensor_file_info(f, i);
            if (!str_starts(t->name, forms[k].prefix)) continue;
            const struct weight *w = model_find(m, t->name + strlen(forms[k].prefix));
            size_t n = (size_t)w->rows * (size_t)w->cols;
            float *want = alloc_floats(n), *got = alloc_floats(n);
            assert_non_null(w->stored);
            assert_int_equal(tensor_file_rows(f, t, 0, w->rows, want, &e), 0);
            weight_rows(w, 0, w->rows, got);
            /* Where a scale lies between two codes, bitsandbytes does not always take the nearer one. */
            bool nested = forms[k].flags & MODEL_NESTED;
            size_t off = 0;
            for (size_t at = 0; at < n; at++) {
                double error = fabs((double)want[at] - (double)got[at]);
                off += error > 1e-6;
                if (!(error <= (nested ? 5e-3 : 1e-6)))
                    fail_msg("%s: number %zu is %g, expected %g", t->name, at, (double)got[at],
                             (double)want[at]);
            }
            if (off * 10 > n) fail_msg("%s: %zu numbers of %zu are off", t->name, off, n);
            free(want), free(got);
            compared++;
        }
        model_free(m);
    }
    assert_int_equal(compared, tensor_file_count(f));
    tensor_file_close(f);
}

/* Every matrix decoded into float32, in a model of its own. */
static struct model *decoded(const char *name, struct model *from)
{
    struct model *m = held(name, 0);
    for (int i = 0; i < m->n_weights; i++)
        weight_rows(&from->weights[i], 0, m->weights[i].rows, m->weights[i].data);
    return m;
}

static void adapt(struct model *m)
{
    struct err e = {0};
    struct lora_config c = {.r = 3, .alpha = 6, .base = alloc_str("base"), .task = alloc_str("CAUSAL_LM")};
    c.targets = json_string("all-linear");
    if (model_adapt(m, &c, 4, &e)) fail_msg("%s", e.msg);
    for (int i = 0; i < m->lora->n; i++) {
        struct weight *w = &m->lora->weights[i];
        for (int k = 0; k < w->rows * w->cols; k++) w->data[k] += 0.01F * (float)(k % 7 - 3);
        weight_changed(w);
    }
}

static void bits(struct model *m, const struct golden *g, char hex[65])
{
    struct arena arena;
    struct span span = {0, g->n_ids[0], 0, -1, NULL};
    struct batch b = {.n_rows = g->n_ids[0], .tokens = g->ids[0], .n_spans = 1, .spans = &span};
    int n = g->n_ids[0] - 1, *rows = alloc_zero((size_t)n, sizeof *rows);
    struct hash *h = hash_new();
    for (int i = 0; i < n; i++) rows[i] = i;
    model_train(m, true);
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    tape_start(t, true);
    struct head_rows head = {.n = n, .rows = rows, .targets = g->ids[0] + 1, .temperature = 1};
    struct head_out out = op_head_run(t, model_forward(m, t, &b, true), model_head(m), &head);
    float *seed = tape_seed(t, out.logp);
    for (int i = 0; i < n; i++) seed[i] = -1;
    hash_add(h, out.logp->data, (size_t)n * sizeof(float));
    tape_backward(t);
    for (int i = 0; i < m->lora->n; i++) {
        const struct weight *w = &m->lora->weights[i];
        hash_add(h, w->grad, (size_t)w->rows * (size_t)w->cols * sizeof(float));
    }
    hash_end(h, hex);
    tape_free(t);
    arena_release(&arena);
    free(rows);
}

static void a_pass_has_the_bits_of_one_over_the_decoded_numbers(void **state)
{
    (void)state;
    static const char *const names[] = {"llama_tied", MODEL, "mixtral_plain"};
    static const int flags[] = {MODEL_NF4, MODEL_FP4 | MODEL_NESTED, MODEL_INT8};
    for (int k = 0; k < 3; k++)
        for (int form = 0; form < 3; form++) {
            struct golden g;
            char want[65], got[65];
            golden_open(&g, names[k]);
            struct model *few = held(names[k], flags[form]), *plain = decoded(names[k], few);
            assert_true(model_bytes(few, flags[form]) < model_bytes(plain, 0) / 2);
            adapt(few);
            adapt(plain);
            bits(plain, &g, want);
            for (int threads = 1; threads <= 3; threads++) {
                pool_stop();
                pool_start(threads);
                bits(few, &g, got);
                if (strcmp(want, got)) fail_msg("%s, form %d, %d threads", names[k], form, threads);
            }
            model_free(few);
            model_free(plain);
            golden_close(&g);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_are_those_of_bitsandbytes),
        cmocka_unit_test(a_pass_has_the_bits_of_one_over_the_decoded_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
