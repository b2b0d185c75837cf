/* Attention: equal to a double-precision softmax, and bit for bit the same result for a sequence that comes
 * in one piece, in pieces through the cache, token by token, or as a chain of spans among strangers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kern/kern.h"
#include "op/op.h"

enum { ROWS_MAX = 640, BLOCKS = 40, LAYERS = 2, LAYER = 1 };

struct shape {
    int heads, kv, hd, len;
    int window;
    float cap;
};

static const struct shape shapes[] = {
    {2, 2, 8, 150, 0, 0}, {4, 2, 20, 97, 0, 0},      {9, 3, 64, 131, 0, 0},  {3, 1, 33, 64, 0, 0},
    {2, 1, 4, 1, 0, 0},   {2, 1, 8, 200, 70, 0},     {4, 2, 20, 150, 32, 0}, {3, 1, 12, 140, 7, 0},
    {2, 2, 6, 70, 1, 0},  {2, 1, 16, 130, 33, 1.5F}, {2, 1, 8, 75, 0, 0.7F}, {1, 1, 4, 40, 900, 0}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static int draw(uint32_t *at, int n)
{
    return (int)rng_below(
        &(struct rng_at){.seed = 9, .purpose = RNG_TEST, .sequence = 77, .position = (*at)++}, (uint32_t)n);
}

/* Queries, keys, values of sequence number `sequence` at positions from..from+n-1. */
static void fill(float *to, int which, int sequence, int cols, int from, int n)
{
    for (int i = 0; i < n; i++)
        rng_normal(&(struct rng_at){.seed = (uint64_t)which,
                                    .purpose = RNG_TEST,
                                    .step = (uint32_t)(from + i),
                                    .sequence = (uint32_t)sequence},
                   to + (size_t)i * (size_t)cols, (size_t)cols, 0, 1);
}

struct piece {
    int sequence, from, n;
};

struct bench {
    struct shape s;
    struct attn a;
    struct arena arena;
    struct tape *t;
    struct tensor *qkv[3];
};

static void bench_make(struct bench *w, const struct shape *s)
{
    w->s = *s;
    w->a = (struct attn){.n_heads = s->heads,
                         .n_kv = s->kv,
                         .hd = s->hd,
                         .vd = s->hd,
                         .layer = LAYER,
                         .scale = 0.3F,
                         .window = s->window,
                         .cap = s->cap};
    arena_init(&w->arena, SIZE_MAX);
    w->t = tape_new(&w->arena);
}

static void bench_release(struct bench *w)
{
    tape_free(w->t);
    arena_release(&w->arena);
}

/* Scratch memory full of NaN, so that whatever is read before it is written shows. */
static void poison(struct bench *w)
{
    tape_start(w->t, false);
    size_t n = 1 << 20;
    float *p = arena_alloc(&w->arena, n * sizeof(float));
    for (size_t i = 0; i < n; i++) p[i] = NAN;
}

/* One pass over pieces (span i is piece i); the result lives until the next pass. */
static struct tensor *pass(struct bench *w, const struct batch *b, const struct piece *p, bool record)
{
    poison(w);
    tape_start(w->t, record);
    for (int i = 0; i < 3; i++) {
        int cols = (i ? w->s.kv : w->s.heads) * w->s.hd;
        w->qkv[i] = tape_tensor(w->t, b->n_rows, cols);
        w->qkv[i]->wants_grad = record;
        for (int s = 0; s < b->n_spans; s++)
            fill(w->qkv[i]->data + (size_t)b->spans[s].row * (size_t)cols, i, p[s].sequence, cols, p[s].from,
                 p[s].n);
    }
    return op_attention_run(w->t, w->qkv, b, &w->a);
}

/* The whole sequence 0 in one span: what all others must equal. */
static float *whole(struct bench *w)
{
    struct span span = {0, w->s.len, 0, -1, NULL};
    struct batch b = {.n_rows = w->s.len, .n_spans = 1, .spans = &span};
    struct piece p = {0, 0, w->s.len};
    struct tensor *y = pass(w, &b, &p, false);
    size_t n = (size_t)y->rows * (size_t)y->cols;
    float *copy = alloc_floats(n);
    memcpy(copy, y->data, n * sizeof(float));
    return copy;
}

static void assert_rows(const struct bench *w, const float *want, const float *got, int n, const char *how)
{
    size_t cols = (size_t)w->s.heads * (size_t)w->s.hd;
    for (size_t i = 0; i < (size_t)n * cols; i++)
        if (memcmp(&want[i], &got[i], sizeof *want))
            fail_msg("%s, heads %d/%d of %d: row %zu column %zu: %a, whole sequence gives %a", how,
                     w->s.heads, w->s.kv, w->s.hd, i / cols, i % cols, (double)got[i], (double)want[i]);
}

static void result_is_that_of_a_softmax_in_double_precision(void **state)
{
    (void)state;
    double worst = 0;
    for (int c = 0; c < N_SHAPES; c++) {
        struct bench w;
        bench_make(&w, &shapes[c]);
        float *got = whole(&w);
        size_t hd = (size_t)w.s.hd, group = (size_t)(w.s.heads / w.s.kv), heads = (size_t)w.s.heads;
        for (size_t i = 0; i < (size_t)w.s.len; i++)
            for (size_t h = 0; h < heads; h++) {
                const float *q = w.qkv[0]->data + (i * heads + h) * hd;
                double sum = 0, o[64] = {0};
                for (size_t j = w.s.window && i >= (size_t)w.s.window ? i + 1 - (size_t)w.s.window : 0;
                     j <= i; j++) {
                    size_t at = (j * (size_t)w.s.kv + h / group) * hd;
                    double s = 0;
                    for (size_t d = 0; d < hd; d++) s += (double)q[d] * (double)w.qkv[1]->data[at + d];
                    s *= (double)w.a.scale;
                    double p = exp(w.s.cap > 0 ? (double)w.s.cap * tanh(s / (double)w.s.cap) : s);
                    sum += p;
                    for (size_t d = 0; d < hd; d++) o[d] += p * (double)w.qkv[2]->data[at + d];
                }
                for (size_t d = 0; d < hd; d++) {
                    double error = fabs(o[d] / sum - (double)got[(i * heads + h) * hd + d]);
                    if (!(error <= worst)) worst = error;
                }
            }
        free(got);
        bench_release(&w);
    }
    if (!(worst < 5e-6)) fail_msg("largest error %g", worst);
}

/* A cache of so many blocks, full of NaN. */
static struct kv_cache *poisoned_cache(const struct bench *w, int n_blocks)
{
    struct kv_cache *cache = kv_cache_new(LAYERS, w->s.kv, 2 * w->s.hd, n_blocks, NULL);
    size_t n = kv_cache_bytes(LAYERS, w->s.kv, 2 * w->s.hd, n_blocks) / sizeof(float);
    for (size_t i = 0; i < n; i++) cache->data[i] = NAN;
    return cache;
}

/* On one thread and on two, each shape with the result of its whole sequence. */
static void for_all_shapes(void (*check)(struct bench *w, const float *want))
{
    for (int threads = 1; threads <= 2; threads++) {
        pool_start(threads);
        for (int c = 0; c < N_SHAPES; c++) {
            struct bench w;
            bench_make(&w, &shapes[c]);
            float *want = whole(&w);
            check(&w, want);
            free(want);
            bench_release(&w);
        }
        pool_stop();
    }
}

/* Cache mode: pieces of the given sizes (0 ends), beside a second sequence that grows too. */
static void through_cache(struct bench *w, const float *want, const int *sizes, const char *how)
{
    struct kv_cache *cache = poisoned_cache(w, BLOCKS);
    int tables[2][BLOCKS / 2];
    for (int i = 0; i < BLOCKS; i++) tables[i % 2][i / 2] = (i * 7 + 3) % BLOCKS;
    size_t cols = (size_t)w->s.heads * (size_t)w->s.hd;
    for (int at = 0, other = 0; *sizes; at += *sizes++, other += 2) {
        struct span spans[2] = {{0, 2, other, -1, tables[1]}, {2, *sizes, at, -1, tables[0]}};
        struct piece p[2] = {{1, other, 2}, {0, at, *sizes}};
        struct batch b = {.n_rows = 2 + *sizes, .n_spans = 2, .spans = spans, .cache = cache};
        struct tensor *y = pass(w, &b, p, false);
        assert_rows(w, want + (size_t)at * cols, y->data + 2 * cols, *sizes, how);
    }
    kv_cache_free(cache);
}

static void pieces_case(struct bench *w, const float *want)
{
    static uint32_t at;
    int sizes[ROWS_MAX + 1] = {0};
    for (int i = 0; i < w->s.len; i++) sizes[i] = 1;
    through_cache(w, want, sizes, "token by token");
    for (int round = 0; round < 4; round++) {
        int n = 0;
        for (int left = w->s.len; left; left -= sizes[n++]) sizes[n] = 1 + draw(&at, left < 70 ? left : 70);
        sizes[n] = 0;
        through_cache(w, want, sizes, "in pieces");
    }
}

static void cache_in_any_pieces_gives_the_bits_of_the_whole(void **state)
{
    (void)state;
    for_all_shapes(pieces_case);
}

enum { SIBLINGS = 12, SIBLING_BLOCKS = 8 };

/* Tables of sequence 0 that begin with the same blocks, `shared` of them, and go on in blocks of their own;
 * the last but one shares one block less, the last none. */
static void sibling_tables(int tables[SIBLINGS][SIBLING_BLOCKS], int shared)
{
    int next = shared;
    for (int s = 0; s < SIBLINGS; s++) {
        int same = s == SIBLINGS - 1 ? 0 : s == SIBLINGS - 2 ? shared - 1 : shared;
        for (int i = 0; i < SIBLING_BLOCKS; i++) tables[s][i] = i < same ? i : next++;
    }
}

static void siblings_case(struct bench *w, const float *want, int shared)
{
    int tables[SIBLINGS][SIBLING_BLOCKS];
    sibling_tables(tables, shared);
    struct kv_cache *cache = poisoned_cache(w, SIBLINGS * SIBLING_BLOCKS + shared);
    struct span spans[SIBLINGS];
    struct piece pieces[SIBLINGS];
    struct batch b = {.n_rows = SIBLINGS, .n_spans = SIBLINGS, .spans = spans, .cache = cache};
    size_t cols = (size_t)w->s.heads * (size_t)w->s.hd;
    for (int s = 0; s < SIBLINGS; s++) {
        /* All before a last position that differs; what they share is written over with the same numbers. */
        int n = shared * KERN_KEYS + s * (w->s.len - 1 - shared * KERN_KEYS) / (SIBLINGS - 1);
        struct span span = {0, n, 0, -1, tables[s]};
        struct batch before = {.n_rows = n, .n_spans = 1, .spans = &span, .cache = cache};
        pass(w, &before, &(struct piece){0, 0, n}, false);
        spans[s] = (struct span){s, 1, n, -1, tables[s]};
        pieces[s] = (struct piece){0, n, 1};
    }
    struct tensor *y = pass(w, &b, pieces, false);
    for (size_t s = 0; s < SIBLINGS; s++)
        assert_rows(w, want + (size_t)pieces[s].from * cols, y->data + s * cols, 1, "siblings");
    kv_cache_free(cache);
}

static void siblings_cases(struct bench *w, const float *want)
{
    for (int shared = 1; shared * KERN_KEYS < w->s.len; shared++) siblings_case(w, want, shared);
}

static void rows_that_share_blocks_give_the_bits_of_the_whole(void **state)
{
    (void)state;
    for_all_shapes(siblings_cases);
}

/* Decoding costs what the window costs: blocks before it hold NaN here, and no query meets them. */
static void blocks_before_the_window_are_not_read(void **state)
{
    (void)state;
    for (int c = 0; c < N_SHAPES; c++) {
        struct bench w;
        bench_make(&w, &shapes[c]);
        int before = (w.s.len - w.s.window) / KERN_KEYS, n = w.s.len - before * KERN_KEYS;
        if (w.s.window && before > 0) {
            float *want = whole(&w);
            size_t cols = (size_t)w.s.heads * (size_t)w.s.hd;
            struct kv_cache *cache = poisoned_cache(&w, BLOCKS);
            int table[BLOCKS];
            for (int i = 0; i < BLOCKS; i++) table[i] = i;
            /* The keys from there on; then the last token once more, whose window they cover. */
            for (int last = 0; last < 2; last++) {
                int from = last ? w.s.len - 1 : before * KERN_KEYS, rows = last ? 1 : n;
                struct span span = {0, rows, from, -1, table};
                struct batch b = {.n_rows = rows, .n_spans = 1, .spans = &span, .cache = cache};
                struct piece p = {0, from, rows};
                struct tensor *y = pass(&w, &b, &p, false);
                if (last) assert_rows(&w, want + (size_t)from * cols, y->data, 1, "NaN before the window");
            }
            kv_cache_free(cache);
            free(want);
        }
        bench_release(&w);
    }
}

/* Sequence 0 cut into a chain of spans; from each of them a stranger branches off as well. */
static int chain_make(uint32_t *at, int len, struct span *spans, struct piece *pieces, int *n_rows)
{
    int n = 0, row = 0, last = -1;
    for (int from = 0, depth = 0; from < len; depth++) {
        int size = depth == BATCH_DEPTH_MAX - 1 ? len - from : 1 + draw(at, len - from);
        int stranger = 1 + draw(at, 40);
        spans[n] = (struct span){row, stranger, from, last, NULL};
        pieces[n] = (struct piece){n + 1, from, stranger};
        n++;
        row += stranger;
        spans[n] = (struct span){row, size, from, last, NULL};
        pieces[n] = (struct piece){0, from, size};
        last = n++;
        row += size;
        from += size;
    }
    *n_rows = row;
    return n;
}

static void chains_of_spans_give_the_bits_of_the_whole(void **state)
{
    (void)state;
    uint32_t at = 1000;
    pool_start(2);
    for (int c = 0; c < N_SHAPES; c++) {
        struct bench w;
        bench_make(&w, &shapes[c]);
        float *want = whole(&w);
        size_t cols = (size_t)w.s.heads * (size_t)w.s.hd;
        for (int round = 0; round < 6; round++) {
            struct span spans[2 * BATCH_DEPTH_MAX];
            struct piece pieces[2 * BATCH_DEPTH_MAX];
            struct batch b = {.spans = spans};
            b.n_spans = chain_make(&at, w.s.len, spans, pieces, &b.n_rows);
            struct tensor *y = pass(&w, &b, pieces, false);
            for (int i = 0; i < b.n_spans; i++)
                if (pieces[i].sequence == 0)
                    assert_rows(&w, want + (size_t)pieces[i].from * cols,
                                y->data + (size_t)spans[i].row * cols, spans[i].len, "chain of spans");
        }
        free(want);
        bench_release(&w);
    }
    pool_stop();
}

/* Gradients of q, k, v for an output gradient that depends on (sequence, position) only. */
static void backward(struct bench *w, const struct batch *b, const struct piece *p)
{
    struct tensor *y = pass(w, b, p, true);
    float *g = tape_seed(w->t, y);
    for (int s = 0; s < b->n_spans; s++)
        fill(g + (size_t)b->spans[s].row * (size_t)y->cols, 3, p[s].sequence, y->cols, p[s].from, p[s].n);
    tape_backward(w->t);
}

/* A prompt with two branches, against the two sequences apart: a branch's gradients are the same, the
 * prompt's are the sum. */
static void shared_prompt_case(int window, float cap)
{
    enum { PROMPT = 45, BRANCH = 40 };
    const struct shape shape = {6, 2, 16, 0, window, cap};
    struct span apart[] = {{0, PROMPT + BRANCH, 0, -1, NULL},
                           {PROMPT + BRANCH, PROMPT + BRANCH, 0, -1, NULL}};
    struct span shared[] = {{0, PROMPT, 0, -1, NULL},
                            {PROMPT, BRANCH, PROMPT, 0, NULL},
                            {PROMPT + BRANCH, BRANCH, PROMPT, 0, NULL}};
    struct bench w;
    bench_make(&w, &shape);
    float *grads[3];
    /* Apart: prompt (sequence 0) and branch (sequence 1 or 2) one after the other in a span. */
    struct span rows[] = {{0, PROMPT, 0, -1, NULL},
                          {PROMPT, BRANCH, 0, -1, NULL},
                          {PROMPT + BRANCH, PROMPT, 0, -1, NULL},
                          {2 * PROMPT + BRANCH, BRANCH, 0, -1, NULL}};
    struct piece pieces[] = {{0, 0, PROMPT}, {1, 0, BRANCH}, {0, 0, PROMPT}, {2, 0, BRANCH}};
    struct batch filler = {.n_rows = 2 * (PROMPT + BRANCH), .n_spans = 4, .spans = rows};
    struct tensor *y = pass(&w, &filler, pieces, true);
    struct batch b = {.n_rows = filler.n_rows, .n_spans = 2, .spans = apart};
    y = op_attention_run(w.t, w.qkv, &b, &w.a);
    float *g = tape_seed(w.t, y);
    for (int s = 0; s < 4; s++)
        if (s != 2) /* the prompt's own queries count once */
            fill(g + (size_t)rows[s].row * (size_t)y->cols, 3, pieces[s].sequence, y->cols, 0, rows[s].len);
    tape_backward(w.t);
    for (int i = 0; i < 3; i++) {
        size_t n = (size_t)w.qkv[i]->rows * (size_t)w.qkv[i]->cols;
        grads[i] = alloc_floats(n);
        memcpy(grads[i], w.qkv[i]->grad, n * sizeof(float));
    }
    struct piece own[] = {{0, 0, PROMPT}, {1, 0, BRANCH}, {2, 0, BRANCH}};
    backward(&w, &(struct batch){.n_rows = PROMPT + 2 * BRANCH, .n_spans = 3, .spans = shared}, own);
    for (int i = 0; i < 3; i++) {
        size_t cols = (size_t)w.qkv[i]->cols;
        for (size_t r = 0; r < PROMPT + 2 * BRANCH; r++)
            for (size_t c = 0; c < cols; c++) {
                double want = (double)grads[i][(r < PROMPT + BRANCH ? r : r + PROMPT) * cols + c];
                if (r < PROMPT) want += (double)grads[i][(r + PROMPT + BRANCH) * cols + c];
                double got = (double)w.qkv[i]->grad[r * cols + c];
                if (!(fabs(want - got) < 1e-5))
                    fail_msg("%c row %zu column %zu: %g, expected %g", "qkv"[i], r, c, got, want);
            }
        free(grads[i]);
    }
    bench_release(&w);
}

static void shared_prompt_collects_the_gradients_of_its_branches(void **state)
{
    (void)state;
    shared_prompt_case(0, 0);
    shared_prompt_case(21, 0);
    shared_prompt_case(64, 1.5F);
}

/* A batch with a tree of spans; gradients of q, k, v in one array. */
static float *tree_gradients(struct bench *w, size_t *n)
{
    uint32_t at = 5;
    struct span spans[2 * BATCH_DEPTH_MAX];
    struct piece pieces[2 * BATCH_DEPTH_MAX];
    struct batch b = {.spans = spans};
    b.n_spans = chain_make(&at, 200, spans, pieces, &b.n_rows);
    backward(w, &b, pieces);
    *n = 0;
    for (int i = 0; i < 3; i++) *n += (size_t)w->qkv[i]->rows * (size_t)w->qkv[i]->cols;
    float *all = alloc_floats(*n), *to = all;
    for (int i = 0; i < 3; i++) {
        size_t count = (size_t)w->qkv[i]->rows * (size_t)w->qkv[i]->cols;
        memcpy(to, w->qkv[i]->grad, count * sizeof(float));
        to += count;
    }
    return all;
}

static void gradient_bits_case(int window, float cap)
{
    const struct shape shape = {6, 2, 24, 0, window, cap};
    struct bench w;
    bench_make(&w, &shape);
    char msg[256];
    assert_int_equal(kern_choose("ref", msg, sizeof msg), 0);
    size_t n, m;
    float *want = tree_gradients(&w, &n);
    for (const struct kern *const *k = kern_tables(); *k; k++) {
        if (!(*k)->usable()) continue;
        assert_int_equal(kern_choose((*k)->name, msg, sizeof msg), 0);
        for (int threads = 1; threads <= 3; threads++) {
            pool_start(threads);
            float *got = tree_gradients(&w, &m);
            pool_stop();
            assert_int_equal(n, m);
            for (size_t i = 0; i < n; i++)
                if (memcmp(&want[i], &got[i], sizeof *got) || !isfinite(got[i]))
                    fail_msg("%s, %d threads: %zu is %a, not %a", (*k)->name, threads, i, (double)got[i],
                             (double)want[i]);
            free(got);
        }
    }
    assert_int_equal(kern_choose(NULL, msg, sizeof msg), 0);
    free(want);
    bench_release(&w);
}

static void gradient_bits_do_not_depend_on_threads_or_kernels(void **state)
{
    (void)state;
    gradient_bits_case(0, 0);
    gradient_bits_case(37, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_is_that_of_a_softmax_in_double_precision),
        cmocka_unit_test(cache_in_any_pieces_gives_the_bits_of_the_whole),
        cmocka_unit_test(rows_that_share_blocks_give_the_bits_of_the_whole),
        cmocka_unit_test(blocks_before_the_window_are_not_read),
        cmocka_unit_test(chains_of_spans_give_the_bits_of_the_whole),
        cmocka_unit_test(shared_prompt_collects_the_gradients_of_its_branches),
        cmocka_unit_test(gradient_bits_do_not_depend_on_threads_or_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
