/* The count of arithmetic is what the shapes say, worked out here from each row and each query by itself: for
 * products in every form of a weight, for attention with branches, windows and a cache; with any number of
 * threads and every instruction set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/pool.h"
#include "kern/kern.h"
#include "op/op.h"

static struct arena arena;
static struct tape *tape;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)1 << 28);
    tape = tape_new(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tape_free(tape);
    arena_release(&arena);
    return 0;
}

static struct tensor *zeros(int rows, int cols)
{
    struct tensor *x = tape_tensor(tape, rows, cols);
    memset(x->data, 0, (size_t)rows * (size_t)cols * sizeof(float));
    x->wants_grad = true;
    return x;
}

static struct flops since(struct flops before)
{
    struct flops now = flops_done();
    return (struct flops){now.products - before.products, now.attention - before.attention,
                          now.attention_back - before.attention_back};
}

static void expect(struct flops got, uint64_t products, uint64_t attention, uint64_t attention_back)
{
    assert_int_equal(got.products, products);
    assert_int_equal(got.attention, attention);
    assert_int_equal(got.attention_back, attention_back);
}

/* ---- products ----------------------------------------------------------------------------------------- */

/* rows x cols sums over k; columns come in panels of 16. */
static uint64_t product(int rows, int cols, int k)
{
    return (uint64_t)rows * (uint64_t)((cols + 15) / 16 * 16) * (uint64_t)k * 2;
}

static void tile_of_zeros(const struct stored *s, int row, int n, int col, int cols, float *out)
{
    (void)s, (void)row, (void)col;
    memset(out, 0, (size_t)n * (size_t)cols * sizeof *out);
}

static void a_linear_layer_is_three_products(void **state)
{
    (void)state;
    static const struct {
        int rows, in, out;
    } shapes[] = {{1, 40, 65}, {7, 64, 16}, {61, 33, 700}, {300, 576, 192}};
    struct stored stored = {.tile = tile_of_zeros};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int n = shapes[i].rows, in = shapes[i].in, out = shapes[i].out;
        size_t size = (size_t)in * (size_t)out;
        uint64_t back_x = product(n, in, out), back_w = product(out, in, n);
        struct weight w = {.name = "w", .rows = out, .cols = in, .data = alloc_floats(size)};
        w.grad = alloc_floats(size);
        struct weight in_file = {.name = "w", .rows = out, .cols = in, .stored = &stored};
        for (int form = 0; form < 3; form++) {
            if (form == 1) weight_pack(&w);
            tape_start(tape, true);
            struct flops before = flops_done();
            struct tensor *y = op_linear_run(tape, zeros(n, in), form == 2 ? &in_file : &w, NULL);
            expect(since(before), product(n, out, in), 0, 0);
            tape_seed(tape, y);
            before = flops_done();
            tape_backward(tape);
            expect(since(before), back_x + (form == 2 ? 0 : back_w), 0, 0);
        }
        weight_unpack(&w);
        free(w.data);
        free(w.grad);
    }
}

/* The logits are worked out again in backward, for rows that have a gradient. */
static void the_head_is_counted_for_its_rows_alone(void **state)
{
    (void)state;
    enum { ROWS = 50, D = 24, VOCAB = 4700, CHOSEN = 9, ACTIVE = 4 };
    static const int rows[CHOSEN] = {49, 3, 3, 20, 21, 22, 23, 0, 7}, targets[CHOSEN] = {0};
    struct weight w = {.name = "w", .rows = VOCAB, .cols = D, .data = alloc_floats((size_t)VOCAB * D)};
    w.grad = alloc_floats((size_t)VOCAB * D);
    tape_start(tape, true);
    struct head_rows how = {.n = CHOSEN, .rows = rows, .targets = targets, .temperature = 1};
    struct flops before = flops_done();
    struct head_out out = op_head_run(tape, zeros(ROWS, D), &w, &how);
    expect(since(before), product(CHOSEN, VOCAB, D), 0, 0);
    float *seed = tape_seed(tape, out.logp);
    for (int i = 0; i < ACTIVE; i++) seed[i] = 1;
    before = flops_done();
    tape_backward(tape);
    expect(since(before),
           product(ACTIVE, VOCAB, D) + product(ACTIVE, D, VOCAB) + product(VOCAB, D, ACTIVE), 0, 0);
    free(w.data);
    free(w.grad);
}

/* ---- attention ---------------------------------------------------------------------------------------- */

/* Per pair of a head and a query, by position: blocks of 32 keys from the first it sees to its own, whose
 * scores are worked out whole; and of these the keys up to itself, which are summed over. */
struct seen {
    uint64_t scores, sums;
};

static struct seen seen_at(int pos, int window)
{
    int first = window && pos >= window ? (pos + 1 - window) / 32 : 0, last = pos / 32;
    return (struct seen){(uint64_t)(last - first + 1) * 32, (uint64_t)(pos + 1 - first * 32)};
}

static struct seen seen_by(const struct batch *b, const struct attn *a)
{
    struct seen all = {0};
    for (const struct span *s = b->spans; s < b->spans + b->n_spans; s++)
        for (int pos = s->first_pos; pos < s->first_pos + s->len; pos++) {
            struct seen one = seen_at(pos, a->window);
            all.scores += one.scores * (uint64_t)a->n_heads;
            all.sums += one.sums * (uint64_t)a->n_heads;
        }
    return all;
}

static void check_attention(const struct batch *b, const struct attn *a, bool latent)
{
    struct seen seen = seen_by(b, a);
    uint64_t hd = (uint64_t)a->hd, vd = (uint64_t)a->vd;
    tape_start(tape, !b->cache);
    struct tensor *qkv[3] = {zeros(b->n_rows, a->n_heads * a->hd), zeros(b->n_rows, a->n_kv * a->hd),
                             latent ? NULL : zeros(b->n_rows, a->n_kv * a->vd)};
    struct flops before = flops_done();
    struct tensor *y = op_attention_run(tape, qkv, b, a);
    expect(since(before), 0, 2 * (seen.scores * hd + seen.sums * vd), 0);
    if (b->cache) return;
    tape_seed(tape, y);
    before = flops_done();
    tape_backward(tape);
    expect(since(before), 0, 0, 2 * (seen.scores * (hd + vd) + seen.sums * (2 * hd + vd)));
}

/* A prompt of 70 with three branches, of which one goes on in two; and a sequence beside it. */
static void attention_is_counted_by_the_blocks_that_are_seen(void **state)
{
    (void)state;
    static const struct span spans[] = {{0, 70, 0, -1, NULL},   {70, 40, 70, 0, NULL},
                                        {110, 1, 70, 0, NULL},  {111, 90, 70, 0, NULL},
                                        {201, 5, 110, 1, NULL}, {206, 130, 0, -1, NULL}};
    static const struct batch tree = {.n_rows = 336, .n_spans = 6, .spans = spans};
    static const struct attn attns[] = {
        {.n_heads = 2, .n_kv = 2, .hd = 8, .vd = 8, .scale = 1},
        {.n_heads = 9, .n_kv = 3, .hd = 20, .vd = 12, .scale = 1},
        {.n_heads = 10, .n_kv = 1, .hd = 16, .vd = 16, .scale = 1},
        {.n_heads = 2, .n_kv = 1, .hd = 8, .vd = 8, .scale = 1, .window = 1},
        {.n_heads = 2, .n_kv = 1, .hd = 8, .vd = 8, .scale = 1, .window = 33, .cap = 2}};
    for (size_t i = 0; i < sizeof attns / sizeof *attns; i++) check_attention(&tree, &attns[i], false);
    static const struct attn latent = {.n_heads = 34, .n_kv = 1, .hd = 24, .vd = 16, .scale = 1};
    check_attention(&tree, &latent, true);
}

/* Two decoding rows and a piece of a prompt. */
static void attention_over_a_cache_counts_the_same(void **state)
{
    (void)state;
    static const int blocks[3][4] = {{0, 1, 2, 3}, {0, 1, 4, 5}, {6, 7}};
    static const struct span spans[] = {
        {0, 1, 99, -1, blocks[0]}, {1, 1, 64, -1, blocks[1]}, {2, 30, 20, -1, blocks[2]}};
    static const struct attn a = {.n_heads = 6, .n_kv = 2, .hd = 16, .vd = 16, .scale = 1};
    struct err e = {0};
    struct kv_cache *cache = kv_cache_new(1, a.n_kv, a.hd + a.vd, 8, &e);
    if (!cache) fail_msg("%s", e.msg);
    memset(cache->data, 0, (size_t)8 * 2 * 32 * 32 * sizeof(float));
    struct batch b = {.n_rows = 32, .n_spans = 3, .spans = spans, .cache = cache};
    check_attention(&b, &a, false);
    kv_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linear_layer_is_three_products),
        cmocka_unit_test(the_head_is_counted_for_its_rows_alone),
        cmocka_unit_test(attention_is_counted_by_the_blocks_that_are_seen),
        cmocka_unit_test(attention_over_a_cache_counts_the_same),
    };
    int failed = 0;
    char msg[160];
    for (const struct kern *const *k = kern_tables(); *k; k++)
        for (int threads = 1; threads <= 3 && (*k)->usable(); threads += 2) {
            CHECK(kern_choose((*k)->name, msg, sizeof msg) == 0, "%s", msg);
            pool_start(threads);
            failed += cmocka_run_group_tests(tests, start, end);
            pool_stop();
        }
    return failed;
}
