/* test_llama2c.c: models of karpathy/llama2.c: a file written here in that layout gives back its weights,
 * broken ones are refused, and the real stories260K tells the story that its README prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/scratch.h"
#include "base/str.h"
#include "model/golden_model.h"
#include "model/model_int.h"
#include "text/text.h"

/* ---- a file in that layout ----------------------------------------------------------------------------- */

struct writer {
    uint8_t *p;
    size_t n;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    w->p = alloc_again(w->p, w->n + n);
    memcpy(w->p + w->n, bytes, n);
    w->n += n;
}

/* The rows of a head from halves to interleaved: row 2i+j is row j*hd/2+i. heads 0: as it is. */
static void put_weight(struct writer *w, const struct weight *x, int heads)
{
    int hd = heads ? x->rows / heads : 1;
    for (int r = 0; r < x->rows; r++) {
        int h = r / hd, k = r % hd, from = heads ? h * hd + k % 2 * (hd / 2) + k / 2 : r;
        put(w, x->data + (size_t)from * (size_t)x->cols, (size_t)x->cols * sizeof(float));
    }
}

static void put_layers(struct writer *w, struct model *m, const char *part, int heads)
{
    for (int i = 0; i < model_config(m)->layers; i++) {
        char name[128];
        snprintf(name, sizeof name, "model.layers.%d.%s.weight", i, part);
        put_weight(w, model_find(m, name), heads);
    }
}

static void write_llama2c(struct writer *w, struct model *m)
{
    const struct model_config *c = model_config(m);
    int32_t header[7] = {c->hidden,       c->intermediate, c->layers,
                         c->heads,        c->kv_heads,     c->tied ? c->vocab : -c->vocab,
                         c->max_positions};
    put(w, header, sizeof header);
    put_weight(w, model_find(m, "model.embed_tokens.weight"), 0);
    put_layers(w, m, "input_layernorm", 0);
    put_layers(w, m, "self_attn.q_proj", c->heads);
    put_layers(w, m, "self_attn.k_proj", c->kv_heads);
    put_layers(w, m, "self_attn.v_proj", 0);
    put_layers(w, m, "self_attn.o_proj", 0);
    put_layers(w, m, "post_attention_layernorm", 0);
    put_layers(w, m, "mlp.gate_proj", 0);
    put_layers(w, m, "mlp.down_proj", 0);
    put_layers(w, m, "mlp.up_proj", 0);
    put_weight(w, model_find(m, "model.norm.weight"), 0);
    float *tables = alloc_floats((size_t)c->max_positions * (size_t)c->head_dim);
    put(w, tables, (size_t)c->max_positions * (size_t)c->head_dim * sizeof(float));
    free(tables);
    if (!c->tied) put_weight(w, model_head(m), 0);
}

static void the_layout_is_read_back(void **state)
{
    (void)state;
    static const char *const names[] = {"llama_plain", "llama_tied"};
    for (int k = 0; k < 2; k++) {
        struct err e = {0};
        struct model *m = model_load(golden_path(names[k], ""), 0, 0, &e);
        assert_non_null(m);
        struct writer w = {0};
        char x[65], y[65];
        write_llama2c(&w, m);
        assert_int_equal(file_write(scratch("model.bin"), w.p, w.n, &e), 0);
        struct model *again = model_load(scratch("model.bin"), 0, 0, &e);
        if (!again) fail_msg("%s", e.msg);
        model_hash(m, x);
        model_hash(again, y);
        assert_string_equal(x, y);
        assert_int_equal(model_config(again)->head_dim, model_config(m)->head_dim);
        assert_null(model_tokenizer(again));
        model_free(m);
        model_free(again);
        for (size_t cut = 0; cut < w.n; cut += cut < 64 ? 1 : 997)
            assert_null(tensor_file_from_bytes(w.p, cut, "memory.bin", &e));
        for (int i = 0; i < 28; i++) {
            w.p[i] ^= 0x11;
            struct tensor_file *f = tensor_file_from_bytes(w.p, w.n, "memory.bin", &e);
            if (f) fail_msg("header byte %d may be changed", i);
            w.p[i] ^= 0x11;
        }
        free(w.p);
    }
}

/* ---- the real one -------------------------------------------------------------------------------------- */

static const char *shared(const char *name)
{
    static char path[512];
    const char *root = getenv("OPENR1_SHARED");
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared", name);
    if (!file_exists(path)) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    return path;
}

/* The most probable continuation, by whole passes. */
static void tell(struct model *m, struct ids *ids, int n)
{
    int vocab = model_config(m)->vocab;
    float *z = alloc_floats((size_t)vocab);
    struct arena arena;
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    for (int k = 0; k < n; k++) {
        struct span span = {0, (int)ids->n, 0, -1, NULL};
        struct batch b = {.n_rows = (int)ids->n, .tokens = ids->p, .n_spans = 1, .spans = &span};
        int last = (int)ids->n - 1, best = 0;
        tape_start(t, false);
        op_logits_run(t, model_forward(m, t, &b, false), model_head(m), &last, 1, z);
        for (int v = 1; v < vocab; v++)
            if (z[v] > z[best]) best = v;
        ids_push(ids, best);
    }
    tape_free(t);
    arena_release(&arena);
    free(z);
}

static void stories260k_tells_its_story(void **state)
{
    (void)state;
    const char *story = "Once upon a time, there was a little girl named Lily. She loved to play outside";
    struct err e = {0};
    struct model *m = model_load(shared("data/models/stories260K/stories260K.bin"), 0, 0, &e);
    if (!m) fail_msg("%s", e.msg);
    assert_int_equal(model_n_params(m), 260032);
    struct tokenizer *tok = model_tokenizer(m);
    assert_non_null(tok);
    assert_int_equal(tokenizer_size(tok), 512);
    struct ids ids = {0};
    ids_push(&ids, tokenizer_bos(tok));
    tell(m, &ids, 40);
    struct str text;
    str_init(&text, 0);
    tokenizer_decode(tok, ids.p, ids.n, true, &text);
    if (!strstr(text.p, story)) fail_msg("it says: %s", text.p);
    str_release(&text);
    ids_release(&ids);
    model_free(m);
}

static void a_bfloat16_checkpoint_keeps_its_bits(void **state)
{
    (void)state;
    struct err e = {0};
    char x[65], y[65];
    struct model *m = model_load(shared("data/models/verl_arithmetic_tiny"), 0, 0, &e);
    if (!m) fail_msg("%s", e.msg);
    if (model_save(m, scratch("verl"), "bfloat16", NULL, &e)) fail_msg("%s", e.msg);
    struct model *again = model_load(scratch("verl"), 0, 0, &e);
    if (!again) fail_msg("%s", e.msg);
    model_hash(m, x);
    model_hash(again, y);
    assert_string_equal(x, y);
    model_free(m);
    model_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_read_back),
        cmocka_unit_test(stories260k_tells_its_story),
        cmocka_unit_test(a_bfloat16_checkpoint_keeps_its_bits),
    };
    pool_start(0);
    int failed = cmocka_run_group_tests(tests, scratch_make, scratch_remove);
    pool_stop();
    return failed;
}
