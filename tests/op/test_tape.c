/* The tape over a small model: checkpoints change no bit, a plan counts just the bytes of the run, steps
 * after the first take no memory, threads change no bit, what is frozen costs nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/pool.h"
#include "stack.h"

static const struct stack_shape shape = {
    .layers = 3, .d = 48, .heads = 6, .kv = 2, .hd = 8, .inter = 80, .vocab = 300};

/* A prompt of 70 with two branches, and a sequence of 200. */
enum { N_ROWS = 313 };
static const struct span spans[] = {
    {0, 70, 0, -1, NULL}, {70, 31, 70, 0, NULL}, {101, 12, 70, 0, NULL}, {113, 200, 0, -1, NULL}};

struct world {
    struct stack *m;
    int tokens[N_ROWS], rows[N_ROWS];
    struct batch b;
    struct head_rows head;
};

static void world_make(struct world *w)
{
    w->m = stack_new(&shape);
    stack_tokens(w->tokens, N_ROWS, shape.vocab);
    for (int i = 0; i < N_ROWS; i++) w->rows[i] = i;
    w->b = (struct batch){.n_rows = N_ROWS, .tokens = w->tokens, .n_spans = 4, .spans = spans};
    w->head =
        (struct head_rows){.n = N_ROWS - 1, .rows = w->rows, .targets = w->tokens + 1, .temperature = 1};
}

/* One step into a fresh arena; returns logp and all gradients in one array (free it). */
static float *world_step(struct world *w, bool checkpoint, size_t *n)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct tape *t = tape_new(&arena);
    tape_start(t, true);
    stack_zero(w->m);
    struct head_out out = stack_step(t, w->m, &w->b, &w->head, checkpoint);
    assert_int_equal(out.bad_row, -1);
    *n = (size_t)w->head.n;
    for (int i = 0; i < w->m->n_weights; i++)
        *n += (size_t)w->m->weights[i]->rows * (size_t)w->m->weights[i]->cols;
    float *all = alloc_floats(*n);
    memcpy(all, out.logp->data, (size_t)w->head.n * sizeof(float));
    size_t at = (size_t)w->head.n;
    for (int i = 0; i < w->m->n_weights; i++) {
        size_t count = (size_t)w->m->weights[i]->rows * (size_t)w->m->weights[i]->cols;
        memcpy(all + at, w->m->weights[i]->grad, count * sizeof(float));
        at += count;
    }
    tape_free(t);
    arena_release(&arena);
    return all;
}

static void assert_same_bits(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a))
            fail_msg("value %zu of %zu: %a and %a", i, n, (double)a[i], (double)b[i]);
}

static void checkpoints_threads_and_panels_change_no_bit(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    size_t n, n2;
    float *want = world_step(&w, false, &n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)want[i] * (double)want[i];
    assert_true(sum > 1);
    for (int threads = 1; threads <= 3; threads++)
        for (int checkpoint = 0; checkpoint < 2; checkpoint++)
            for (int packed = 0; packed < 2; packed++) {
                pool_start(threads);
                if (packed) stack_pack(w.m);
                float *got = world_step(&w, checkpoint, &n2);
                pool_stop();
                assert_int_equal(n, n2);
                assert_same_bits(want, got, n);
                free(got);
                for (int i = 0; i < w.m->n_weights; i++) weight_unpack(w.m->weights[i]);
            }
    free(want);
    stack_free(w.m);
}

/* The first layers checkpointed, the later ones not: what those leave free is not lost or mixed up. */
static void checkpoints_mix_with_plain_layers(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    float *grads[3];
    size_t count = (size_t)shape.vocab * (size_t)shape.d;
    for (int depth = 0; depth < 3; depth++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX);
        struct tape *t = tape_new(&arena);
        tape_start(t, true);
        stack_zero(w.m);
        w.m->batch = &w.b;
        struct tensor *x = op_embed_run(t, &w.m->embed, w.tokens, N_ROWS);
        for (int i = 0; i < shape.layers; i++)
            x = i < depth ? tape_checkpoint(t, stack_block, x, &w.m->steps[i])
                          : stack_block(t, x, &w.m->steps[i]);
        float *seed = tape_seed(t, x);
        for (int i = 0; i < N_ROWS * shape.d; i++) seed[i] = (float)(i % 5) - 2;
        tape_backward(t);
        grads[depth] = alloc_floats(count);
        memcpy(grads[depth], w.m->embed.grad, count * sizeof(float));
        tape_free(t);
        arena_release(&arena);
    }
    for (int depth = 1; depth < 3; depth++) {
        assert_same_bits(grads[0], grads[depth], count);
        free(grads[depth]);
    }
    free(grads[0]);
    stack_free(w.m);
}

/* f within f: checkpoints nest. */
static struct tensor *two_layers(struct tape *t, struct tensor *x, void *ctx)
{
    struct stack_step *at = ctx;
    x = tape_checkpoint(t, stack_block, x, at);
    return tape_checkpoint(t, stack_block, x, at + 1);
}

static void checkpoints_nest(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    float *grads[2];
    size_t count = (size_t)shape.vocab * (size_t)shape.d;
    for (int nested = 0; nested < 2; nested++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX);
        struct tape *t = tape_new(&arena);
        tape_start(t, true);
        stack_zero(w.m);
        w.m->batch = &w.b;
        struct tensor *x = op_embed_run(t, &w.m->embed, w.tokens, N_ROWS);
        x = nested ? tape_checkpoint(t, two_layers, x, w.m->steps) : two_layers(t, x, w.m->steps);
        tape_seed(t, x);
        for (int i = 0; i < N_ROWS * shape.d; i++) x->grad[i] = (float)(i % 5) - 2;
        tape_backward(t);
        grads[nested] = alloc_floats(count);
        memcpy(grads[nested], w.m->embed.grad, count * sizeof(float));
        tape_free(t);
        arena_release(&arena);
    }
    assert_same_bits(grads[0], grads[1], count);
    free(grads[0]);
    free(grads[1]);
    stack_free(w.m);
}

static void a_plan_counts_just_the_bytes_of_the_run(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    size_t peak[2];
    pool_start(2);
    for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
        struct arena plan, real;
        arena_init_plan(&plan);
        struct tape *t = tape_new(&plan);
        assert_true(tape_planning(t));
        tape_start(t, true);
        stack_step(t, w.m, &w.b, &w.head, checkpoint);
        tape_free(t);
        arena_init(&real, plan.peak);
        t = tape_new(&real);
        tape_start(t, true);
        stack_zero(w.m);
        stack_step(t, w.m, &w.b, &w.head, checkpoint);
        assert_int_equal(plan.peak, real.peak);
        peak[checkpoint] = plan.peak;
        tape_free(t);
        arena_release(&real);
        arena_release(&plan);
    }
    pool_stop();
    assert_true(peak[1] < peak[0]);
    stack_free(w.m);
}

static void steps_after_the_first_take_no_memory(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct tape *t = tape_new(&arena);
    size_t reserved = 0, own = 0;
    for (int step = 0; step < 4; step++) {
        tape_start(t, true);
        stack_step(t, w.m, &w.b, &w.head, step % 2);
        if (step == 1) reserved = arena.reserved, own = tape_own_bytes(t);
        if (step > 1) {
            assert_int_equal(arena.reserved, reserved);
            assert_int_equal(tape_own_bytes(t), own);
        }
    }
    tape_free(t);
    arena_release(&arena);
    stack_free(w.m);
}

static void layers_run_without_recording_leave_only_their_result(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct tape *t = tape_new(&arena);
    tape_start(t, false);
    w.m->batch = &w.b;
    struct tensor *x = op_embed_run(t, &w.m->embed, w.tokens, N_ROWS);
    size_t before = arena.used;
    struct tensor *plain = stack_block(t, x, &w.m->steps[0]);
    size_t plain_used = arena.used - before;
    before = arena.used;
    struct tensor *freed = tape_checkpoint(t, stack_block, x, &w.m->steps[0]);
    size_t one = (size_t)N_ROWS * (size_t)shape.d * sizeof(float);
    assert_true(plain_used > 5 * one);
    assert_true(arena.used - before <= one + 64);
    assert_same_bits(plain->data, freed->data, (size_t)N_ROWS * (size_t)shape.d);
    tape_free(t);
    arena_release(&arena);
    stack_free(w.m);
}

/* Two of one size, read in turn, have the numbers of results that are kept, recorded or not; and take the
 * memory of one. */
static void fleeting_results_are_made_again(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    size_t count = (size_t)N_ROWS * (size_t)shape.d;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct tape *t = tape_new(&arena);
    for (int record = 0; record < 2; record++) {
        tape_start(t, record);
        struct tensor *x[2], *kept[2], *fleeting[2];
        for (int i = 0; i < 2; i++) {
            x[i] = op_embed_run(t, &w.m->embed, w.tokens + i, N_ROWS - 1);
            kept[i] = op_rmsnorm_run(t, x[i], &w.m->norm, 1e-5F);
        }
        size_t before = arena.used;
        for (int i = 0; i < 2; i++) fleeting[i] = op_rmsnorm_fleeting(t, x[i], &w.m->norm, 1e-5F);
        assert_true(arena.used - before < count * sizeof(float) * 3 / 2);
        for (int turn = 0; turn < 5; turn++) {
            int i = turn % 2;
            assert_null(fleeting[i]->data);
            assert_same_bits(kept[i]->data, tape_data(t, fleeting[i]), count - (size_t)shape.d);
        }
    }
    tape_free(t);
    arena_release(&arena);
    stack_free(w.m);
}

/* Only the last layer's down projection learns: nothing below it is gone through, nothing else changes. */
static void what_is_frozen_costs_nothing(void **state)
{
    (void)state;
    struct world w;
    world_make(&w);
    size_t peak[2];
    float *want = NULL;
    struct weight *down = &w.m->layer[2].down;
    size_t count = (size_t)down->rows * (size_t)down->cols;
    float *kept[STACK_LAYERS_MAX * STACK_LAYER_WEIGHTS + 2];
    for (int frozen = 0; frozen < 2; frozen++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX);
        struct tape *t = tape_new(&arena);
        stack_zero(w.m);
        for (int i = 0; i < w.m->n_weights; i++) kept[i] = w.m->weights[i]->grad;
        for (int i = 0; frozen && i < w.m->n_weights; i++)
            if (w.m->weights[i] != down) w.m->weights[i]->grad = NULL;
        tape_start(t, true);
        size_t forward = 0;
        struct tensor *x = stack_forward(t, w.m, &w.b, false);
        forward = arena.used;
        float *seed = tape_seed(t, x);
        for (int i = 0; i < N_ROWS * shape.d; i++) seed[i] = (float)(i % 11) - 5;
        tape_backward(t);
        peak[frozen] = arena.peak - forward;
        if (!frozen) {
            want = alloc_floats(count);
            memcpy(want, down->grad, count * sizeof(float));
        } else {
            assert_same_bits(want, down->grad, count);
        }
        for (int i = 0; i < w.m->n_weights; i++) w.m->weights[i]->grad = kept[i];
        tape_free(t);
        arena_release(&arena);
    }
    assert_true(peak[1] < peak[0]);
    free(want);
    stack_free(w.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_threads_and_panels_change_no_bit),
        cmocka_unit_test(checkpoints_mix_with_plain_layers),
        cmocka_unit_test(checkpoints_nest),
        cmocka_unit_test(a_plan_counts_just_the_bytes_of_the_run),
        cmocka_unit_test(steps_after_the_first_take_no_memory),
        cmocka_unit_test(layers_run_without_recording_leave_only_their_result),
        cmocka_unit_test(fleeting_results_are_made_again),
        cmocka_unit_test(what_is_frozen_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
