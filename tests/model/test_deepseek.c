/* What DeepSeek has beyond other architectures: the layer that predicts further and the balance loss equal
 * PyTorch's, with every gradient, and that layer decodes from a cache with the same bits; absorbed attention
 * equals the expanded one; routers are noted, corrected; and the published model has on paper the size that
 * it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/pool.h"
#include "model/golden_model.h"
#include "model/model_int.h"

static const double further_share = 0.3, balance_share = 0.05;

enum { ROWS_MAX = 128, LOADS_MAX = 64 };

/* All lists side by side, with what follows each row. */
struct lists {
    struct span spans[GOLDEN_LISTS_MAX];
    int tokens[ROWS_MAX], next[ROWS_MAX];
    struct batch batch;
};

static void lists_make(struct lists *l, const struct golden *g)
{
    int n = 0;
    for (int i = 0; i < g->n_lists; i++) {
        l->spans[i] = (struct span){n, g->n_ids[i], 0, -1, NULL};
        for (int j = 0; j < g->n_ids[i]; j++, n++) {
            CHECK(n < ROWS_MAX, "%d rows", n);
            l->tokens[n] = g->ids[i][j];
            l->next[n] = g->ids[i][j + 1 < g->n_ids[i] ? j + 1 : j];
        }
    }
    l->batch = (struct batch){.n_rows = n, .tokens = l->tokens, .n_spans = g->n_lists, .spans = l->spans};
}

/* Rows of each span that predict a token `ahead` rows on, and that token. */
static struct head_rows pairs(const struct lists *l, int ahead, int *rows, int *targets)
{
    int n = 0;
    for (int s = 0; s < l->batch.n_spans; s++)
        for (int i = 0; i + ahead < l->spans[s].len; i++) {
            rows[n] = l->spans[s].row + i;
            targets[n++] = l->tokens[l->spans[s].row + i + ahead];
        }
    return (struct head_rows){.n = n, .rows = rows, .targets = targets, .temperature = 1};
}

static double seed_mean(struct tape *t, struct tensor *logp, double share)
{
    double loss = 0;
    float *seed = tape_seed(t, logp);
    for (int i = 0; i < logp->rows; i++) {
        loss -= share * (double)logp->data[i] / logp->rows;
        seed[i] = (float)(-share / logp->rows);
    }
    return loss;
}

/* Cross entropy, that of the module behind, and the balance loss; gradients into the weights. */
static double whole_loss(struct golden *g, struct moe_record *record, bool checkpoint)
{
    struct arena arena;
    struct lists l;
    int rows[2][ROWS_MAX], targets[2][ROWS_MAX];
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    lists_make(&l, g);
    model_train(g->model, true);
    tape_start(t, true);
    record->factor = (float)(balance_share / g->n_lists);
    l.batch.moe = record;
    struct tensor *h = model_forward(g->model, t, &l.batch, checkpoint);
    struct further f = {&l.batch, h, l.next, 0};
    struct tensor *beyond = model_forward_further(g->model, t, &f, checkpoint);
    struct head_rows one = pairs(&l, 1, rows[0], targets[0]), two = pairs(&l, 2, rows[1], targets[1]);
    struct head_out main = op_head_run(t, h, model_head(g->model), &one);
    struct head_out further = op_head_run(t, beyond, model_head(g->model), &two);
    double loss = seed_mean(t, main.logp, 1) + seed_mean(t, further.logp, further_share);
    tape_backward(t);
    for (int i = 0; i < config_all_layers(model_config(g->model)); i++)
        loss += (double)record->factor * record->loss[i];
    tape_free(t);
    arena_release(&arena);
    return loss;
}

static void the_whole_training_loss_and_its_gradients_equal_pytorch(void **state)
{
    (void)state;
    for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
        struct golden g;
        size_t n;
        double losses[8] = {0}, balance = 0;
        int64_t load[LOADS_MAX] = {0};
        struct moe_record record = {.loss = losses, .load = load};
        golden_open(&g, "deepseek_v3_further");
        assert_int_equal(model_config(g.model)->mtp, 1);
        double loss = whole_loss(&g, &record, checkpoint);
        float *want = golden_tensor(&g, "loss", &n);
        assert_true(fabs(loss - want[0]) < 1e-5);
        free(want);
        want = golden_tensor(&g, "balance", &n);
        for (int i = 0; i < 8; i++) balance += losses[i];
        assert_true(fabs(balance - want[0]) < 1e-4);
        free(want);
        for (int i = 0; i < model_n_weights(g.model); i++) {
            const struct weight *w = model_weight(g.model, i);
            char name[192];
            double error = 0, size = 0;
            if (!w->grad) continue;
            snprintf(name, sizeof name, "grad.%s", w->name);
            want = golden_tensor(&g, name, &n);
            for (size_t j = 0; j < n; j++) {
                error += ((double)want[j] - w->grad[j]) * ((double)want[j] - w->grad[j]);
                size += (double)want[j] * want[j];
            }
            double relative = sqrt(error / fmax(size, 1e-8));
            if (!(relative <= 1e-4)) fail_msg("%s: %g", w->name, relative);
            free(want);
        }
        golden_close(&g);
    }
}

static void logits_of_the_module_behind_equal_pytorch(void **state)
{
    (void)state;
    struct golden g;
    struct arena arena;
    golden_open(&g, "deepseek_v3_further");
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    for (int i = 0; i < g.n_lists; i++) {
        char name[32];
        size_t n;
        int rows[ROWS_MAX], next[ROWS_MAX], vocab = model_config(g.model)->vocab;
        for (int j = 0; j < g.n_ids[i]; j++) {
            rows[j] = j;
            next[j] = g.ids[i][j + 1 < g.n_ids[i] ? j + 1 : j];
        }
        struct span span = {0, g.n_ids[i], 0, -1, NULL};
        struct batch b = {.n_rows = g.n_ids[i], .tokens = g.ids[i], .n_spans = 1, .spans = &span};
        snprintf(name, sizeof name, "further.%d", i);
        float *want = golden_tensor(&g, name, &n), *got = alloc_floats((size_t)b.n_rows * (size_t)vocab);
        tape_start(t, false);
        struct further f = {&b, model_forward(g.model, t, &b, false), next, 0};
        struct tensor *h = model_forward_further(g.model, t, &f, false);
        op_logits_run(t, h, model_head(g.model), rows, b.n_rows, got);
        for (size_t j = 0; j < n; j++) assert_true(fabs((double)want[j] - got[j]) <= 1e-5);
        free(want);
        free(got);
    }
    tape_free(t);
    arena_release(&arena);
    golden_close(&g);
}

/* Rows at..at+len-1 of the first list through model and module, with or without a cache. */
static void run_rows(struct tape *t, const struct golden *g, struct batch *b, const int *next, float *out)
{
    size_t hidden = (size_t)model_config(g->model)->hidden;
    tape_start(t, false);
    struct further f = {b, model_forward(g->model, t, b, true), next, 0};
    struct tensor *h = model_forward_further(g->model, t, &f, true);
    memcpy(out, h->data, (size_t)b->n_rows * hidden * sizeof *out);
}

static void the_module_behind_decoded_with_a_cache_has_the_bits_of_the_whole(void **state)
{
    (void)state;
    static const int pieces[] = {1, 7, 32, 69};
    struct golden g;
    struct arena arena;
    struct err e = {0};
    int blocks[] = {4, 0, 3};
    golden_open(&g, "deepseek_v3_further");
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    int n = g.n_ids[0] - 1, hidden = model_config(g.model)->hidden;
    assert_true(n > 64 && n < ROWS_MAX);
    struct kv_cache shape = model_cache_shape(g.model, 5);
    struct kv_cache *cache = kv_cache_new(shape.n_layers + 1, shape.n_kv, shape.width, 5, &e);
    struct span span = {0, n, 0, -1, NULL};
    struct batch b = {.n_rows = n, .tokens = g.ids[0], .n_spans = 1, .spans = &span};
    float whole[ROWS_MAX * 20], parts[ROWS_MAX * 20];
    assert_true(cache && hidden == 20);
    run_rows(t, &g, &b, g.ids[0] + 1, whole);
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        for (int at = 0; at < n; at += pieces[p]) {
            int len = n - at < pieces[p] ? n - at : pieces[p];
            span = (struct span){0, len, at, -1, blocks};
            b = (struct batch){
                .n_rows = len, .tokens = g.ids[0] + at, .n_spans = 1, .spans = &span, .cache = cache};
            run_rows(t, &g, &b, g.ids[0] + at + 1, parts + (size_t)at * 20);
        }
        assert_memory_equal(whole, parts, (size_t)n * 20 * sizeof *whole);
    }
    kv_cache_free(cache);
    tape_free(t);
    arena_release(&arena);
    golden_close(&g);
}

static void routers_are_noted_once_also_when_layers_run_twice(void **state)
{
    (void)state;
    struct golden g;
    double losses[2][8] = {{0}};
    int64_t load[2][LOADS_MAX] = {{0}};
    golden_open(&g, "deepseek_v3_further");
    const struct model_config *c = model_config(g.model);
    for (int k = 0; k < 2; k++) {
        struct moe_record record = {.loss = losses[k], .load = load[k]};
        whole_loss(&g, &record, k);
    }
    assert_memory_equal(load[0], load[1], sizeof load[0]);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    for (int layer = 0; layer < 3; layer++) {
        int64_t sum = 0;
        for (int e = 0; e < c->experts; e++) sum += load[0][layer * c->experts + e];
        assert_int_equal(sum, layer < c->dense_first ? 0 : 80 * c->top_k);
    }
    golden_close(&g);
}

static void corrections_move_against_the_load(void **state)
{
    (void)state;
    struct golden g;
    golden_open(&g, "deepseek_v3_further");
    struct weight *bias = model_find(g.model, "model.layers.1.mlp.gate.e_score_correction_bias");
    float before[6];
    assert_non_null(bias);
    assert_null(bias->grad);
    memcpy(before, bias->data, sizeof before);
    int64_t load[18] = {0};
    const int64_t of_layer[6] = {5, 1, 3, 3, 0, 6}; /* the mean is 3 */
    memcpy(load + 6, of_layer, sizeof of_layer);
    model_balance(g.model, load, 0.25F);
    static const float moved[6] = {-0.25F, 0.25F, 0, 0, 0.25F, -0.25F};
    for (int e = 0; e < 6; e++) assert_true(bias->data[e] == before[e] + moved[e]);
    golden_close(&g);
}

/* ---- absorbed and expanded ----------------------------------------------------------------------------- */

enum { HEADS = 3, RANK = 20, NOPE = 7, ROPE = 4, VALUE = 9, LENGTH = 75 };

/* The same attention with keys and values of every head worked out. */
static struct tensor *expanded(struct tape *t, struct tensor *q, struct tensor *latent, struct tensor *turned,
                               struct weight *kv_b, const struct batch *b)
{
    struct tensor *kv = op_linear_run(t, latent, kv_b, NULL), *all = turned, *qkv[3] = {q};
    for (int h = 1; h < HEADS; h++) all = op_join_run(t, all, turned, 1);
    qkv[1] = op_join_run(t, op_slice_run(t, kv, HEADS, 0, NOPE), all, HEADS);
    qkv[2] = op_slice_run(t, kv, HEADS, NOPE, VALUE);
    struct attn a = {.n_heads = HEADS, .n_kv = HEADS, .hd = NOPE + ROPE, .vd = VALUE, .scale = 0.3F};
    return op_attention_run(t, qkv, b, &a);
}

static struct tensor *absorbed(struct tape *t, struct tensor *q, struct tensor *latent, struct tensor *turned,
                               struct weight *kv_b, const struct batch *b)
{
    struct headwise keys = {.w = kv_b, .heads = HEADS, .n = NOPE}, values = keys;
    values.first = NOPE, values.n = VALUE, values.across = true;
    struct tensor *qkv[3] = {0};
    qkv[0] = op_join_run(t, op_headwise_run(t, q, &keys), op_slice_run(t, q, HEADS, NOPE, ROPE), HEADS);
    qkv[1] = op_join_run(t, latent, turned, 1);
    struct attn a = {.n_heads = HEADS, .n_kv = 1, .hd = RANK + ROPE, .vd = RANK, .scale = 0.3F};
    return op_headwise_run(t, op_attention_run(t, qkv, b, &a), &values);
}

static void absorbed_attention_equals_the_expanded_one(void **state)
{
    (void)state;
    static const struct span span = {0, LENGTH, 0, -1, NULL};
    static const struct batch b = {.n_rows = LENGTH, .n_spans = 1, .spans = &span};
    struct tensor *(*const ways[2])(struct tape *, struct tensor *, struct tensor *, struct tensor *,
                                    struct weight *, const struct batch *) = {expanded, absorbed};
    float *results[2][4];
    size_t counts[4] = {0};
    for (int k = 0; k < 2; k++) {
        struct arena arena;
        arena_init(&arena, (size_t)1 << 28);
        struct tape *t = tape_new(&arena);
        tape_start(t, true);
        struct op_probe probe = {.seed = 21, .leaf = -1};
        op_case_probe(t, &probe);
        struct tensor *q = op_case_input(t, LENGTH, HEADS * (NOPE + ROPE), 1);
        struct tensor *latent = op_case_input(t, LENGTH, RANK, 1),
                      *turned = op_case_input(t, LENGTH, ROPE, 1);
        struct weight *kv_b = op_case_weight(t, HEADS * (NOPE + VALUE), RANK, 0.3F);
        struct tensor *y = ways[k](t, q, latent, turned, kv_b, &b);
        float *seed = tape_seed(t, y);
        for (int i = 0; i < y->rows * y->cols; i++) seed[i] = (float)(i % 7 - 3) / 40;
        tape_backward(t);
        const float *all[4] = {y->data, q->grad, latent->grad, kv_b->grad};
        size_t n[4] = {(size_t)y->rows * (size_t)y->cols, (size_t)q->rows * (size_t)q->cols,
                       (size_t)latent->rows * (size_t)latent->cols, (size_t)kv_b->rows * (size_t)kv_b->cols};
        for (int i = 0; i < 4; i++) {
            counts[i] = n[i];
            results[k][i] = alloc_floats(n[i]);
            memcpy(results[k][i], all[i], n[i] * sizeof(float));
        }
        tape_free(t);
        arena_release(&arena);
    }
    for (int i = 0; i < 4; i++) {
        for (size_t j = 0; j < counts[i]; j++)
            assert_true(fabs((double)results[0][i][j] - results[1][i][j]) <= 1e-5);
        free(results[0][i]);
        free(results[1][i]);
    }
}

/* ---- on paper ------------------------------------------------------------------------------------------ */

static struct model *on_paper(void)
{
    struct err e = {0};
    struct model *m = model_load("tests/golden/models/deepseek_r1", MODEL_NO_WEIGHTS, 0, &e);
    CHECK(m, "%s", e.msg);
    return m;
}

static void assert_shape(struct model *m, const char *name, int64_t rows, int64_t cols)
{
    for (int i = 0; i < model_n_weights(m); i++) {
        if (strcmp(model_weight(m, i)->name, name)) continue;
        int64_t shape[2];
        assert_int_equal(model_weight_shape(m, i, shape), cols ? 2 : 1);
        assert_int_equal(shape[0], rows);
        if (cols) assert_int_equal(shape[1], cols);
        return;
    }
    fail_msg("no %s", name);
}

static void r1_has_the_published_weights(void **state)
{
    (void)state;
    struct model *m = on_paper();
    int64_t main = 0, further = 0;
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        *(m->placed[i].layer >= m->config.layers ? &further : &main) += (int64_t)w->rows * w->cols;
    }
    assert_int_equal(main, 671026419200);
    assert_int_equal(further, 11610068224);
    assert_shape(m, "model.layers.0.mlp.gate_proj.weight", 18432, 7168);
    assert_shape(m, "model.layers.60.self_attn.q_b_proj.weight", 24576, 1536);
    assert_shape(m, "model.layers.3.self_attn.kv_a_proj_with_mqa.weight", 576, 7168);
    assert_shape(m, "model.layers.3.self_attn.kv_b_proj.weight", 32768, 512);
    assert_shape(m, "model.layers.3.self_attn.o_proj.weight", 7168, 16384);
    assert_shape(m, "model.layers.3.mlp.gate.weight", 256, 7168);
    assert_shape(m, "model.layers.3.mlp.gate.e_score_correction_bias", 256, 0);
    assert_shape(m, "model.layers.60.mlp.experts.255.down_proj.weight", 7168, 2048);
    assert_shape(m, "model.layers.60.mlp.shared_experts.up_proj.weight", 2048, 7168);
    assert_shape(m, "model.layers.61.eh_proj.weight", 7168, 14336);
    assert_shape(m, "model.layers.61.shared_head.norm.weight", 7168, 0);
    assert_null(model_find(m, "model.layers.2.mlp.gate.weight"));
    assert_true(fabs((double)m->layers[0].attn.scale - 0.1352337788608801) < 1e-8);
    struct kv_cache shape = model_cache_shape(m, 1);
    assert_int_equal(shape.n_layers * shape.n_kv * shape.width, 61 * 576); /* numbers of a cached token */
    model_free(m);
}

struct paper {
    int64_t tensors, scales, fp8;
    uint64_t bytes;
};

static void on_paper_add(void *ctx, const struct tensor_info *t)
{
    struct paper *p = ctx;
    p->tensors++;
    p->bytes += t->bytes;
    if (strstr(t->name, "_scale_inv")) p->scales += (int64_t)(t->bytes / 4);
    if (t->dtype == DT_F8_E4M3) p->fp8 += (int64_t)t->bytes;
}

static void r1_has_the_published_tensors(void **state)
{
    (void)state;
    struct model *m = on_paper();
    struct paper p = {0};
    model_on_paper(m, on_paper_add, &p);
    assert_int_equal(p.tensors, 91991);
    assert_int_equal(p.fp8, 680571043840);
    assert_int_equal(p.scales, 41540496);
    assert_int_equal(p.bytes, 688574839360);
    model_free(m);
}

/* Values of the V3 report's frequencies, as DeepSeek's own code computes them. */
static void r1_turns_by_the_published_frequencies(void **state)
{
    (void)state;
    struct model *m = on_paper();
    static const struct {
        int i;
        double value;
    } want[] = {{0, 1},
                {10, 0.05623412877},
                {11, 0.03900692612},
                {12, 0.02687936090},
                {16, 0.005500000436},
                {22, 1.778279402e-4},
                {23, 3.333803761e-5},
                {31, 3.333803761e-6}};
    for (size_t k = 0; k < sizeof want / sizeof *want; k++)
        assert_true(fabs(m->rope.inv_freq[want[k].i] - want[k].value) < 3e-7 * want[k].value);
    assert_true(m->rope.attn_factor == 1 && m->rope.hd == 64 && m->rope.interleaved);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_training_loss_and_its_gradients_equal_pytorch),
        cmocka_unit_test(logits_of_the_module_behind_equal_pytorch),
        cmocka_unit_test(the_module_behind_decoded_with_a_cache_has_the_bits_of_the_whole),
        cmocka_unit_test(routers_are_noted_once_also_when_layers_run_twice),
        cmocka_unit_test(corrections_move_against_the_load),
        cmocka_unit_test(absorbed_attention_equals_the_expanded_one),
        cmocka_unit_test(r1_has_the_published_weights),
        cmocka_unit_test(r1_has_the_published_tensors),
        cmocka_unit_test(r1_turns_by_the_published_frequencies),
    };
    pool_start(0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pool_stop();
    return failed;
}
