/* test_model_golden.c: forward and backward equal PyTorch's on small models of every architecture, and the
 * same bits come out whether a sequence is run whole, packed with others, checkpointed or token by token.
 *
 * With arguments NAME LOGITS GRAD it holds files that `openr1 logits` and `openr1 grad` have written to the
 * same. With --table it prints what docs/models.md shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/pool.h"
#include "kern/kern.h"
#include "base/str.h"
#include "model/golden_model.h"
#include "model/model_int.h"

static const double logits_tolerance = 1e-5, gradient_tolerance = 2e-5;

struct run {
    struct arena arena;
    struct tape *tape;
};

static void run_start(struct run *r, bool record)
{
    arena_init(&r->arena, (size_t)1 << 28);
    r->tape = tape_new(&r->arena);
    tape_start(r->tape, record);
}

static void run_end(struct run *r)
{
    tape_free(r->tape);
    arena_release(&r->arena);
}

/* Logits of all rows of a batch. Caller frees. */
static float *batch_logits(struct model *m, const struct batch *b)
{
    struct run r;
    int vocab = model_config(m)->vocab, *rows = alloc_zero((size_t)b->n_rows, sizeof *rows);
    float *out = alloc_floats((size_t)b->n_rows * (size_t)vocab);
    for (int i = 0; i < b->n_rows; i++) rows[i] = i;
    run_start(&r, false);
    struct tensor *h = model_forward(m, r.tape, b, false);
    op_logits_run(r.tape, h, model_head(m), rows, b->n_rows, out);
    run_end(&r);
    free(rows);
    return out;
}

static float *list_logits(struct golden *g, int list)
{
    struct span span = {0, g->n_ids[list], 0, -1, NULL};
    struct batch b = {.n_rows = g->n_ids[list], .tokens = g->ids[list], .n_spans = 1, .spans = &span};
    return batch_logits(g->model, &b);
}

/* All lists side by side. */
struct packed {
    struct batch batch;
    struct span spans[GOLDEN_LISTS_MAX];
    int tokens[1024];
};

static void pack(struct packed *p, const struct golden *g)
{
    int n = 0;
    for (int i = 0; i < g->n_lists; i++) {
        CHECK(n + g->n_ids[i] <= 1024, "%d tokens", n);
        memcpy(p->tokens + n, g->ids[i], (size_t)g->n_ids[i] * sizeof(int));
        p->spans[i] = (struct span){n, g->n_ids[i], 0, -1, NULL};
        n += g->n_ids[i];
    }
    p->batch = (struct batch){.n_rows = n, .tokens = p->tokens, .n_spans = g->n_lists, .spans = p->spans};
}

/* Largest difference of a logit from PyTorch's. */
static double logits_error(struct golden *g)
{
    double worst = 0;
    for (int i = 0; i < g->n_lists; i++) {
        char name[32];
        size_t n;
        snprintf(name, sizeof name, "logits.%d", i);
        float *want = golden_tensor(g, name, &n), *got = list_logits(g, i);
        assert_int_equal(n, (size_t)g->n_ids[i] * (size_t)model_config(g->model)->vocab);
        for (size_t j = 0; j < n; j++) {
            double error = fabs((double)want[j] - got[j]);
            if (!(error <= worst)) worst = error;
        }
        free(want);
        free(got);
    }
    return worst;
}

static void logits_equal_pytorch(void **state)
{
    (void)state;
    for (int k = 0; golden_names[k]; k++) {
        struct golden g;
        golden_open(&g, golden_names[k]);
        double error = logits_error(&g);
        if (!(error <= logits_tolerance)) fail_msg("%s: %g", golden_names[k], error);
        golden_close(&g);
    }
}

/* Mean next-token loss over the lists of a batch (0 in a plan), and its gradient into the weights, in this
 * step memory. */
static double batch_loss(struct golden *g, const struct packed *p, bool checkpoint, struct arena *memory)
{
    struct tape *t = tape_new(memory);
    int rows[1024], targets[1024], n = 0;
    for (int s = 0; s < p->batch.n_spans; s++)
        for (int i = 0; i + 1 < p->spans[s].len; i++) {
            rows[n] = p->spans[s].row + i;
            targets[n++] = p->tokens[p->spans[s].row + i + 1];
        }
    tape_start(t, true);
    struct tensor *h = model_forward(g->model, t, &p->batch, checkpoint);
    struct head_rows head = {.n = n, .rows = rows, .targets = targets, .temperature = 1};
    struct head_out out = op_head_run(t, h, model_head(g->model), &head);
    double loss = 0;
    float *seed = tape_seed(t, out.logp);
    for (int i = 0; i < n && !tape_planning(t); i++) {
        loss -= out.logp->data[i] / (double)n;
        seed[i] = (float)(-1.0 / n);
    }
    tape_backward(t);
    tape_free(t);
    return loss;
}

/* Of all lists. aside: NULL, or where the forward pass is. */
static double loss_and_gradient(struct golden *g, bool checkpoint, const struct aside *aside)
{
    struct packed p;
    struct arena memory;
    pack(&p, g);
    p.batch.aside = aside;
    model_train(g->model, true);
    arena_init(&memory, (size_t)1 << 28);
    double loss = batch_loss(g, &p, checkpoint, &memory);
    arena_release(&memory);
    return loss;
}

/* Largest relative difference of a weight's gradient (in the Euclidean norm) from PyTorch's. */
static double gradient_error(struct golden *g, const char **weight)
{
    size_t n;
    double worst = 0, loss = loss_and_gradient(g, false, NULL);
    float *want = golden_tensor(g, "loss", &n);
    assert_true(fabs(loss - want[0]) < 1e-5);
    free(want);
    for (int i = 0; i < model_n_weights(g->model); i++) {
        struct weight *w = model_weight(g->model, i);
        char name[192];
        double error = 0, size = 0;
        if (!w->grad) continue; /* an expert's correction */
        snprintf(name, sizeof name, "grad.%s", w->name);
        want = golden_tensor(g, name, &n);
        assert_int_equal(n, (size_t)w->rows * (size_t)w->cols);
        for (size_t j = 0; j < n; j++) {
            error += ((double)want[j] - w->grad[j]) * ((double)want[j] - w->grad[j]);
            size += (double)want[j] * want[j];
        }
        /* A key's bias moves all scores of a row alike, so its true gradient is zero: what is left there
         * is rounding, compared with the size of a gradient near it. */
        double relative = sqrt(error / fmax(size, 1e-6));
        if (!(relative <= worst)) worst = relative, *weight = w->name;
        free(want);
    }
    return worst;
}

static void every_gradient_equals_pytorch(void **state)
{
    (void)state;
    for (int k = 0; golden_names[k]; k++) {
        struct golden g;
        const char *weight = NULL;
        golden_open(&g, golden_names[k]);
        double error = gradient_error(&g, &weight);
        if (!(error <= gradient_tolerance)) fail_msg("%s %s: %g", golden_names[k], weight, error);
        golden_close(&g);
    }
}

/* Logits and gradients of all lists as one hash. */
static void bits(struct golden *g, char hex[65])
{
    struct packed p;
    struct hash *h = hash_new();
    pack(&p, g);
    float *logits = batch_logits(g->model, &p.batch);
    hash_add(h, logits, (size_t)p.batch.n_rows * (size_t)model_config(g->model)->vocab * sizeof *logits);
    free(logits);
    loss_and_gradient(g, false, NULL);
    for (int i = 0; i < model_n_weights(g->model); i++) {
        const struct weight *w = model_weight(g->model, i);
        if (w->grad) hash_add(h, w->grad, (size_t)w->rows * (size_t)w->cols * sizeof *w->grad);
    }
    hash_end(h, hex);
}

static void threads_and_kernels_give_the_same_bits(void **state)
{
    (void)state;
    char msg[256], want[65], got[65];
    for (int k = 0; golden_names[k]; k++) {
        struct golden g;
        golden_open(&g, golden_names[k]);
        assert_int_equal(kern_choose("ref", msg, sizeof msg), 0);
        bits(&g, want);
        for (const struct kern *const *t = kern_tables(); *t; t++) {
            if (!(*t)->usable()) continue;
            assert_int_equal(kern_choose((*t)->name, msg, sizeof msg), 0);
            for (int threads = 1; threads <= 3; threads++) {
                pool_stop();
                pool_start(threads);
                bits(&g, got);
                if (strcmp(want, got)) fail_msg("%s, %s, %d threads", golden_names[k], (*t)->name, threads);
            }
        }
        golden_close(&g);
    }
    assert_int_equal(kern_choose(NULL, msg, sizeof msg), 0);
}

static void assert_same_gradients(struct model *a, struct model *b)
{
    for (int i = 0; i < model_n_weights(a); i++) {
        const struct weight *x = model_weight(a, i), *y = model_weight(b, i);
        size_t n = (size_t)x->rows * (size_t)x->cols;
        if (x->grad) assert_memory_equal(x->grad, y->grad, n * sizeof *x->grad);
    }
}

static void checkpointing_gives_the_same_bits(void **state)
{
    (void)state;
    for (int k = 0; golden_names[k]; k++) {
        struct golden a, b;
        golden_open(&a, golden_names[k]);
        golden_open(&b, golden_names[k]);
        double loss = loss_and_gradient(&a, false, NULL);
        assert_true(loss == loss_and_gradient(&b, true, NULL));
        assert_same_gradients(a.model, b.model);
        golden_close(&a);
        golden_close(&b);
    }
}

/* Forward passes over the lists one by one, whose rows are put aside; rows holds the numbers of all. */
static void put_aside(struct golden *g, struct activations *store, int *rows)
{
    int n = 0;
    for (int i = 0; i < g->n_lists; i++) n += g->n_ids[i];
    for (int i = n - 1; i >= 0; i--) rows[i] = activations_add_row(store);
    for (int i = 0; i < g->n_lists; rows += g->n_ids[i++]) {
        struct run r;
        struct aside to = {store, g->n_ids[i], rows};
        struct span span = {0, g->n_ids[i], 0, -1, NULL};
        struct batch b = {.n_rows = to.n, .tokens = g->ids[i], .n_spans = 1, .spans = &span, .aside = &to};
        run_start(&r, false);
        model_forward(g->model, r.tape, &b, false);
        run_end(&r);
    }
}

static void a_forward_pass_that_was_put_aside_gives_the_same_bits(void **state)
{
    (void)state;
    int taken = 0;
    for (int k = 0; golden_names[k]; k++) {
        struct golden a, b;
        int rows[1024];
        golden_open(&a, golden_names[k]);
        golden_open(&b, golden_names[k]);
        struct activations *store = model_activations(b.model);
        for (int again = 0; store && again < 2; again++) {
            if (!again) assert_true(activations_limit(store, activations_bytes(store, 1024)));
            activations_clear(store);
            model_train(b.model, false);
            put_aside(&b, store, rows);
            struct aside from = {.of = store, .rows = rows};
            for (int i = 0; i < b.n_lists; i++) from.n += b.n_ids[i];
            struct flops start = flops_done();
            double loss = loss_and_gradient(&a, false, NULL);
            struct flops whole = flops_done();
            assert_true(loss == loss_and_gradient(&b, false, &from));
            struct flops rest = flops_done();
            assert_same_gradients(a.model, b.model);
            assert_true(rest.attention == whole.attention && whole.attention > start.attention);
            assert_true(rest.products - whole.products < whole.products - start.products);
            taken++;
        }
        activations_free(store);
        golden_close(&a);
        golden_close(&b);
    }
    assert_true(taken > 20);
}

/* Planned for all lists, then of all of them, of the first one, and of all again. */
static void overlaid_gradients_have_the_same_bits(void **state)
{
    (void)state;
    for (int k = 0; golden_names[k]; k++) {
        struct golden a, b;
        struct packed all, first;
        struct arena plan, own, memory;
        golden_open(&a, golden_names[k]);
        golden_open(&b, golden_names[k]);
        pack(&all, &b);
        first = all;
        first.batch.tokens = first.tokens, first.batch.spans = first.spans;
        first.batch.n_spans = 1, first.batch.n_rows = b.n_ids[0];
        model_train(b.model, true);
        size_t apart = model_grad_bytes(b.model);
        model_overlay(b.model, true);
        arena_init_plan(&plan);
        batch_loss(&b, &all, false, &plan);
        arena_init(&memory, plan.peak);
        arena_alloc(&memory, plan.peak);
        arena_reset(&memory);
        model_overlay_place(b.model, &memory);
        assert_true(model_grad_bytes(b.model) < apart);
        for (int turn = 0; turn < 3; turn++) {
            const struct packed *p = turn == 1 ? &first : &all;
            arena_init(&own, (size_t)1 << 28);
            model_train(a.model, true);
            double loss = batch_loss(&a, p, false, &own);
            model_clear_grad(b.model);
            assert_true(loss == batch_loss(&b, p, false, &memory));
            assert_same_gradients(a.model, b.model);
            arena_release(&own);
        }
        model_zero_grad(b.model);
        model_train(a.model, true);
        assert_same_gradients(a.model, b.model);
        golden_close(&a);
        golden_close(&b);
        arena_release(&plan);
        arena_release(&memory);
    }
}

static void packing_gives_the_same_bits(void **state)
{
    (void)state;
    for (int k = 0; golden_names[k]; k++) {
        struct golden g;
        struct packed p;
        golden_open(&g, golden_names[k]);
        pack(&p, &g);
        size_t vocab = (size_t)model_config(g.model)->vocab;
        float *all = batch_logits(g.model, &p.batch);
        for (int i = 0; i < g.n_lists; i++) {
            float *one = list_logits(&g, i);
            assert_memory_equal(one, all + (size_t)p.spans[i].row * vocab,
                                (size_t)g.n_ids[i] * vocab * sizeof *one);
            free(one);
        }
        free(all);
        model_pack(g.model);
        float *packed = batch_logits(g.model, &p.batch);
        all = batch_logits(g.model, &p.batch);
        model_unpack(g.model);
        float *plain = batch_logits(g.model, &p.batch);
        assert_memory_equal(packed, plain, (size_t)p.batch.n_rows * vocab * sizeof *plain);
        free(packed);
        free(plain);
        free(all);
        golden_close(&g);
    }
}

/* The first list through a cache in pieces of the given size, logits of each row. */
static void decode_in_pieces(struct golden *g, int piece, float *out)
{
    const struct model_config *c = model_config(g->model);
    struct err e = {0};
    int n = g->n_ids[0], blocks[64];
    for (int i = 0; i < 64; i++) blocks[i] = 63 - i; /* out of order on purpose */
    struct kv_cache shape = model_cache_shape(g->model, 64);
    struct kv_cache *cache = kv_cache_new(shape.n_layers, shape.n_kv, shape.width, 64, &e);
    CHECK(cache, "%s", e.msg);
    for (int at = 0; at < n; at += piece) {
        int len = n - at < piece ? n - at : piece;
        struct span span = {0, len, at, -1, blocks};
        struct batch b = {
            .n_rows = len, .tokens = g->ids[0] + at, .n_spans = 1, .spans = &span, .cache = cache};
        float *logits = batch_logits(g->model, &b);
        memcpy(out + (size_t)at * (size_t)c->vocab, logits, (size_t)len * (size_t)c->vocab * sizeof *out);
        free(logits);
    }
    kv_cache_free(cache);
}

/* Sequences token by token, in small pieces, block by block, at once: the bits of the whole? */
static bool decodes_the_same(struct golden *g)
{
    static const int pieces[] = {1, 7, 32, 70};
    size_t n = (size_t)g->n_ids[0] * (size_t)model_config(g->model)->vocab;
    float *whole = list_logits(g, 0), *parts = alloc_floats(n);
    bool same = true;
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        decode_in_pieces(g, pieces[p], parts);
        same = same && !memcmp(whole, parts, n * sizeof *whole);
    }
    free(whole);
    free(parts);
    return same;
}

static void decoding_with_a_cache_gives_the_same_bits(void **state)
{
    (void)state;
    for (int k = 0; golden_names[k]; k++) {
        struct golden g;
        golden_open(&g, golden_names[k]);
        if (!decodes_the_same(&g)) fail_msg("%s", golden_names[k]);
        golden_close(&g);
    }
}

static void a_plan_knows_the_memory_of_a_step(void **state)
{
    (void)state;
    struct golden g;
    struct packed p;
    golden_open(&g, "qwen2_tied");
    pack(&p, &g);
    size_t peak[2];
    for (int planned = 0; planned < 2; planned++) {
        struct arena arena;
        if (planned)
            arena_init_plan(&arena);
        else
            arena_init(&arena, (size_t)1 << 28);
        struct tape *tape = tape_new(&arena);
        tape_start(tape, true);
        model_forward(g.model, tape, &p.batch, true);
        peak[planned] = arena.peak;
        tape_free(tape);
        arena_release(&arena);
    }
    assert_true(peak[0] > 0);
    assert_int_equal(peak[0], peak[1]);
    golden_close(&g);
}

/* ---- files that the program has written ---------------------------------------------------------------- */

static struct tensor_file *open_or_die(const char *path)
{
    struct err e = {0};
    struct tensor_file *f = tensor_file_open(path, &e);
    CHECK(f, "%s", e.msg);
    return f;
}

/* Norm of the difference over the norm of what is expected, and the largest difference. Shapes must agree. */
static void differences(struct golden *g, const char *expected, struct tensor_file *f, const char *name,
                        double result[2])
{
    const struct tensor_info *want = tensor_file_find(g->expected, expected),
                             *got = tensor_file_find(f, name);
    CHECK(want && got, "%s or %s is missing", expected, name);
    CHECK(want->n_dims == got->n_dims && want->bytes == got->bytes && got->dtype == DT_F32, "%s", name);
    for (int i = 0; i < want->n_dims; i++) CHECK(want->shape[i] == got->shape[i], "%s", name);
    size_t n;
    float *x = golden_tensor(g, expected, &n), *y = alloc_floats(n);
    double error = 0, size = 1e-6, worst = 0;
    CHECK(!tensor_file_rows(f, got, 0, want->n_dims > 1 ? want->shape[0] : 1, y, NULL), "%s", name);
    for (size_t j = 0; j < n; j++) {
        error += ((double)x[j] - y[j]) * ((double)x[j] - y[j]);
        size += (double)x[j] * x[j];
        worst = fmax(worst, fabs((double)x[j] - y[j]));
    }
    free(x);
    free(y);
    result[0] = sqrt(error / size);
    result[1] = worst;
}

static int check_files(const char *name, const char *logits_path, const char *grad_path)
{
    struct golden g;
    struct tensor_file *logits = open_or_die(logits_path), *grad = open_or_die(grad_path);
    double d[2];
    int bad = 0;
    golden_open(&g, name);
    for (int i = 0; i < g.n_lists; i++) {
        char list[32];
        snprintf(list, sizeof list, "logits.%d", i);
        differences(&g, list, logits, list, d);
        bad += !(d[1] <= logits_tolerance);
    }
    differences(&g, "loss", grad, "loss", d);
    bad += !(d[1] <= 1e-5);
    int learned = 0;
    model_train(g.model, true);
    for (int i = 0; i < model_n_weights(g.model); i++) {
        if (!model_weight(g.model, i)->grad) continue; /* an expert's correction */
        learned++;
        char expected[192];
        const char *weight = model_weight(g.model, i)->name;
        snprintf(expected, sizeof expected, "grad.%s", weight);
        differences(&g, expected, grad, weight, d);
        bad += !(d[0] <= gradient_tolerance);
    }
    CHECK(tensor_file_count(logits) == g.n_lists, "%d tensors", tensor_file_count(logits));
    CHECK(tensor_file_count(grad) == learned + 1, "%d tensors", tensor_file_count(grad));
    tensor_file_close(logits);
    tensor_file_close(grad);
    golden_close(&g);
    if (bad) fprintf(stderr, "%s: %d tensors differ\n", name, bad);
    return bad != 0;
}

/* ---- the table of docs/models.md ----------------------------------------------------------------------- */

static int lines_of(const char *path)
{
    struct err e = {0};
    struct file_map f;
    int lines = 0;
    if (file_map_open(&f, path, &e)) CHECK(false, "%s", e.msg);
    for (size_t i = 0; i < f.n; i++) lines += f.p[i] == '\n';
    file_map_close(&f);
    return lines;
}

/* One line for each architecture; its golden models stand together. */
static int print_table(void)
{
    printf("| architecture | shapes | logits, largest difference | gradients, largest relative difference | "
           "decoding with a cache | description |\n|---|---|---|---|---|---|\n");
    struct golden g;
    golden_open(&g, golden_names[0]);
    for (int k = 0; golden_names[k];) {
        const struct arch *arch = model_config(g.model)->arch;
        int n = 0, length = (int)strlen(arch->model_type) - (str_ends(arch->model_type, "_text") ? 5 : 0);
        double logits = 0, gradients = 0;
        bool same = true;
        for (; golden_names[k] && model_config(g.model)->arch == arch; n++) {
            const char *weight;
            logits = fmax(logits, logits_error(&g));
            gradients = fmax(gradients, gradient_error(&g, &weight));
            same = decodes_the_same(&g) && same;
            golden_close(&g);
            if (golden_names[++k]) golden_open(&g, golden_names[k]);
        }
        char path[64];
        snprintf(path, sizeof path, "src/model/%.*s.c", length, arch->model_type);
        printf("| %s | %d | %.1e | %.1e | %s | `%s`, %d lines |\n", arch->model_type, n, logits, gradients,
               same ? "the same bits" : "DIFFERS", path, lines_of(path));
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--table")) return print_table();
    if (argc == 4) return check_files(argv[1], argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_pytorch),
        cmocka_unit_test(every_gradient_equals_pytorch),
        cmocka_unit_test(threads_and_kernels_give_the_same_bits),
        cmocka_unit_test(checkpointing_gives_the_same_bits),
        cmocka_unit_test(a_forward_pass_that_was_put_aside_gives_the_same_bits),
        cmocka_unit_test(overlaid_gradients_have_the_same_bits),
        cmocka_unit_test(packing_gives_the_same_bits),
        cmocka_unit_test(decoding_with_a_cache_gives_the_same_bits),
        cmocka_unit_test(a_plan_knows_the_memory_of_a_step),
    };
    pool_start(0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pool_stop();
    return failed;
}
