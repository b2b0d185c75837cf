/* A completion depends on the model, its prompt, its parameters and its key, and on nothing else, to the last
 * bit; and the log-probability recorded for each token is the one that training works out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/pool.h"
#include "infer/requests.h"

enum { SPANS_MAX = 64 };

static void run_with(struct model *m, const struct engine_limits *limits, const struct work *w,
                     struct group *groups, const struct engine_hooks *hooks)
{
    struct err e = {0};
    struct engine *engine = engine_new(m, limits, &e);
    CHECK(engine, "%s", e.msg);
    int failed = engine_run(engine, w->requests, REQUESTS, groups, hooks, &e);
    CHECK(!failed, "%s", e.msg);
    engine_free(engine);
}

static void run(struct model *m, const struct engine_limits *limits, const struct work *w,
                struct group *groups)
{
    run_with(m, limits, w, groups, NULL);
}

static const struct engine_limits wide = {
    .max_running = 64, .max_rows = 512, .max_tokens = PROMPT_MAX + NEW_MAX};
static const struct engine_limits narrow = {
    .max_running = 7, .max_rows = 40, .max_tokens = PROMPT_MAX + NEW_MAX};

static void test_limits_and_threads_change_no_bit(void **state)
{
    (void)state;
    static struct work w;
    for (uint32_t s = 0; s < N_SHAPES; s++) {
        struct model *m = tiny_model(&shapes[s], 3 + s);
        struct group first[REQUESTS], other[REQUESTS];
        work_make(&w, shapes[s].vocab, s);
        run(m, &wide, &w, first);
        for (uint32_t trial = 0; trial < 16; trial++) {
            struct engine_limits limits = random_limits(100 * s + trial);
            pool_stop();
            pool_start(1 + (int)(trial % 3));
            run(m, &limits, &w, other);
            assert_same_groups(first, other, REQUESTS);
            release(other);
        }
        release(first);
        model_free(m);
    }
}

/* With the lengths of a run, a rehearsal lets in, cuts and stores as it did. */
static void test_a_rehearsal_uses_what_the_run_used(void **state)
{
    (void)state;
    static struct work w;
    struct model *m = tiny_model(&shapes[0], 3);
    for (uint32_t trial = 0; trial < 24; trial++) {
        struct engine_limits limits = random_limits(trial);
        struct group groups[REQUESTS];
        struct err e = {0};
        int lengths[64], n = 0;
        limits.keep_prompts = false;
        work_make(&w, shapes[0].vocab, trial);
        struct engine *engine = engine_new(m, &limits, &e);
        assert_non_null(engine);
        for (int turn = 0; turn < 2; turn++) { /* what is given back is taken again: as much once as twice */
            assert_int_equal(engine_run(engine, w.requests, REQUESTS, groups, NULL, &e), 0);
            if (!turn) release(groups);
        }
        for (int i = 0; i < REQUESTS; i++)
            for (int k = 0; k < groups[i].n; k++) lengths[n++] = groups[i].c[k].n;
        struct engine_use used = engine_used(engine);
        struct engine_use rehearsed = engine_rehearse(m, &limits, w.requests, REQUESTS, lengths);
        assert_int_equal(rehearsed.rows, used.rows);
        assert_int_equal(rehearsed.n_blocks, used.n_blocks);
        release(groups);
        engine_free(engine);
    }
    model_free(m);
}

static void test_neighbours_change_no_bit(void **state)
{
    (void)state;
    static struct work w;
    struct model *m = tiny_model(&shapes[0], 3);
    struct engine_limits limits = narrow;
    struct group all[REQUESTS], one;
    struct err e = {0};
    work_make(&w, shapes[0].vocab, 9);
    run(m, &limits, &w, all);
    struct engine *engine = engine_new(m, &limits, &e);
    assert_non_null(engine);
    for (int i = REQUESTS - 1; i >= 0; i--) {
        assert_int_equal(engine_run(engine, &w.requests[i], 1, &one, NULL, &e), 0);
        assert_same_groups(&all[i], &one, 1);
        group_release(&one);
    }
    /* A single completion by its own sequence number, without its group. */
    struct request alone = w.requests[8];
    assert_true(alone.n > 2);
    alone.n = 1;
    alone.first_sequence += 2;
    assert_int_equal(engine_run(engine, &alone, 1, &one, NULL, &e), 0);
    struct group third = {.c = &all[8].c[2], .n = 1};
    assert_same_groups(&third, &one, 1);
    group_release(&one);
    engine_free(engine);
    release(all);
    model_free(m);
}

static bool note_progress(void *ctx, const struct engine_progress *p)
{
    *(struct engine_progress *)ctx = *p;
    return false;
}

static void test_common_beginnings_are_worked_out_once(void **state)
{
    (void)state;
    static struct work w;
    struct model *m = tiny_model(&shapes[0], 3);
    struct err e = {0};
    work_make(&w, shapes[0].vocab, 31);
    for (int i = 1; i < REQUESTS; i++) {
        memcpy(w.prompts[i], w.prompts[0], 70 * sizeof(int));
        w.requests[i].n_prompt = 70 + i;
    }
    struct group first[REQUESTS], again[REQUESTS];
    run(m, &wide, &w, first);
    for (int keep = 0; keep < 2; keep++) {
        struct engine_limits limits = keep ? wide : narrow;
        limits.keep_prompts = keep;
        struct engine *engine = engine_new(m, &limits, &e);
        assert_non_null(engine);
        for (int turn = 0; turn < 3; turn++) {
            struct engine_progress p;
            struct engine_hooks hooks = {.watch = note_progress, .ctx = &p};
            assert_int_equal(engine_run(engine, w.requests, REQUESTS, again, &hooks, &e), 0);
            assert_same_groups(first, again, REQUESTS);
            release(again);
            /* Requests 1..8 of 71..78 tokens share two blocks; later turns find them too when they are kept.
             * */
            bool found = keep && turn;
            assert_int_equal(p.prompt_tokens + p.prompt_reused, 71 + 72 + 73 + 74 + 75 + 76 + 77 + 78);
            assert_int_equal(p.prompt_reused, found ? 8 * 64 : 7 * 64);
            if (turn == 1) engine_reset(engine);
            if (turn == 1 && keep) {
                assert_int_equal(engine_run(engine, w.requests, REQUESTS, again, &hooks, &e), 0);
                release(again);
                assert_int_equal(p.prompt_reused, 7 * 64);
            }
        }
        engine_free(engine);
    }
    release(first);
    model_free(m);
}

static void test_next_turn_of_a_conversation_continues_from_the_cache(void **state)
{
    (void)state;
    static struct work w;
    struct model *m = tiny_model(&shapes[0], 3);
    struct err e = {0};
    struct engine_limits limits = narrow;
    struct engine_progress p;
    struct engine_hooks hooks = {.watch = note_progress, .ctx = &p};
    limits.keep_prompts = true;
    struct engine *engine = engine_new(m, &limits, &e), *fresh = engine_new(m, &limits, &e);
    assert_true(engine && fresh);
    work_make(&w, shapes[0].vocab, 33);
    int talk[PROMPT_MAX];
    memcpy(talk, w.prompts[5], 20 * sizeof(int));
    struct request q = {.prompt = talk, .n_prompt = 20, .n = 1, .seed = 4};
    sampling_default(&q.sampling);
    q.sampling.max_new_tokens = 50;
    struct group g, other;
    assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
    assert_int_equal(g.c[0].n, 50);
    memcpy(talk + 20, g.c[0].ids, 50 * sizeof(int));
    memcpy(talk + 70, w.prompts[6], 9 * sizeof(int));
    group_release(&g);
    q.n_prompt = 79;
    assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
    assert_int_equal(p.prompt_reused, 64); /* of the 69 positions that were written */
    assert_int_equal(engine_run(fresh, &q, 1, &other, &hooks, &e), 0);
    assert_int_equal(p.prompt_reused, 0);
    assert_same_groups(&g, &other, 1);
    group_release(&g);
    group_release(&other);
    engine_free(engine);
    engine_free(fresh);
    model_free(m);
}

static void test_seed_step_and_sequence_change_what_is_drawn(void **state)
{
    (void)state;
    static struct work w;
    struct model *m = tiny_model(&shapes[0], 3);
    struct engine_limits limits = narrow;
    struct err e = {0};
    struct engine *engine = engine_new(m, &limits, &e);
    assert_non_null(engine);
    work_make(&w, shapes[0].vocab, 9);
    struct request q[4];
    struct group g[4];
    for (int i = 0; i < 4; i++) {
        q[i] = w.requests[2];
        q[i].n = 1;
        q[i].sampling.max_new_tokens = 40;
    }
    q[1].seed++;
    q[2].step++;
    q[3].first_sequence++;
    assert_int_equal(engine_run(engine, q, 4, g, NULL, &e), 0);
    for (int i = 1; i < 4; i++) assert_true(memcmp(g[0].c[0].ids, g[i].c[0].ids, 40 * sizeof(int)) != 0);
    for (int i = 0; i < 4; i++) group_release(&g[i]);
    engine_free(engine);
    model_free(m);
}

/* ---- against training ---------------------------------------------------------------------------------- */

/* All completions of all requests side by side, those of one request behind a span with their prompt. */
struct packed {
    int tokens[20000], rows[20000], targets[20000], aside[20000];
    float logps[20000], entropies[20000];
    struct span spans[SPANS_MAX];
    int n_tokens, n_spans, n;
};

static void pack_tokens(struct packed *p, const int *ids, int n, int first_pos, int parent)
{
    CHECK(p->n_spans < SPANS_MAX && p->n_tokens + n <= 20000, "%d spans, %d tokens", p->n_spans, p->n_tokens);
    memcpy(p->tokens + p->n_tokens, ids, (size_t)n * sizeof *ids);
    p->spans[p->n_spans++] = (struct span){p->n_tokens, n, first_pos, parent, NULL};
    p->n_tokens += n;
}

static void pack_target(struct packed *p, int row, const struct completion *c, int k)
{
    p->rows[p->n] = row;
    p->targets[p->n] = c->ids[k];
    p->logps[p->n] = c->logps[k];
    p->entropies[p->n++] = c->entropies[k];
}

static void pack_group(struct packed *p, const struct request *q, const struct group *g)
{
    int parent = p->n_spans, last = p->n_tokens + q->n_prompt - 1;
    pack_tokens(p, q->prompt, q->n_prompt, 0, -1);
    for (int i = 0; i < g->n; i++) {
        const struct completion *c = &g->c[i];
        pack_target(p, last, c, 0);
        if (c->n == 1) continue;
        for (int k = 1; k < c->n; k++) pack_target(p, p->n_tokens + k - 1, c, k);
        pack_tokens(p, c->ids, c->n - 1, q->n_prompt, parent);
    }
}

/* With gradients wanted and back, as a step of training runs it. aside: NULL, or where the forward pass is.
 */
static void check_logps(struct model *m, const struct packed *p, float temperature, bool checkpoint,
                        const struct aside *aside)
{
    struct arena arena;
    arena_init(&arena, (size_t)1 << 32);
    struct tape *t = tape_new(&arena);
    tape_start(t, true);
    struct batch b = {
        .n_rows = p->n_tokens, .tokens = p->tokens, .n_spans = p->n_spans, .spans = p->spans, .aside = aside};
    struct tensor *x = model_forward(m, t, &b, checkpoint);
    struct head_rows rows = {
        .n = p->n, .rows = p->rows, .targets = p->targets, .temperature = temperature};
    struct head_out out = op_head_run(t, x, model_head(m), &rows);
    assert_int_equal(out.bad_row, -1);
    for (int i = 0; i < p->n; i++)
        if (out.logp->data[i] != p->logps[i] || out.entropy->data[i] != p->entropies[i])
            fail_msg("token %d of %d: logp %.9g, entropy %.9g while sampling, %.9g, %.9g in training", i,
                     p->n, (double)p->logps[i], (double)p->entropies[i], (double)out.logp->data[i],
                     (double)out.entropy->data[i]);
    float *seed = tape_seed(t, out.logp);
    for (int i = 0; i < p->n; i++) seed[i] = 1 + (float)(i % 7);
    tape_backward(t);
    tape_free(t);
    arena_release(&arena);
}

static void test_recorded_logps_equal_those_of_training(void **state)
{
    (void)state;
    static struct work w;
    static struct packed p;
    static const float temperatures[] = {0, 1, 0.7F, 1.3F};
    pool_stop();
    pool_start(2);
    for (uint32_t trial = 0; trial < 18; trial++) {
        const struct tiny *shape = &shapes[trial % N_SHAPES];
        struct model *m = tiny_model(shape, 50 + trial);
        struct group groups[REQUESTS];
        float temperature = temperatures[trial % 4];
        work_make(&w, shape->vocab, 200 + trial);
        for (int i = 0; i < REQUESTS; i++) w.requests[i].sampling.temperature = temperature;
        struct engine_limits limits = random_limits(trial);
        run(m, &limits, &w, groups);
        memset(&p, 0, sizeof p);
        for (int i = 0; i < REQUESTS; i++)
            if (groups[i].n) pack_group(&p, &w.requests[i], &groups[i]);
        assert_true(p.n > 100);
        if (trial % 2) model_unpack(m); /* products that pack for themselves give the same bits */
        model_train(m, true);
        check_logps(m, &p, temperature > 0 ? temperature : 1, false, NULL);
        check_logps(m, &p, temperature > 0 ? temperature : 1, true, NULL);
        release(groups);
        model_free(m);
    }
}

static void pack_aside(struct packed *p, const struct request *q, const struct group *g)
{
    int at = p->n_tokens;
    pack_group(p, q, g);
    for (int i = -1; i < g->n; i++) {
        int n = i < 0 ? q->n_prompt : g->c[i].n - 1;
        memcpy(p->aside + at, group_aside(g, i), (size_t)n * sizeof(int));
        at += n;
    }
    assert_int_equal(at, p->n_tokens);
}

static void gradients_hash(struct model *m, char hex[65])
{
    struct hash *h = hash_new();
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        if (w->grad) hash_add(h, w->grad, (size_t)w->rows * (size_t)w->cols * sizeof *w->grad);
    }
    hash_end(h, hex);
    model_zero_grad(m);
}

/* Completions under every kind of limit, with room for all of their rows, for some groups, or for none; where
 * drafts are tried, rows of wrong ones are written again. Training takes the bits that it would work out. */
static void test_training_takes_what_was_put_aside(void **state)
{
    (void)state;
    static struct work w;
    static struct packed p;
    int whole = 0, some = 0;
    for (uint32_t trial = 0; trial < 30; trial++) {
        const struct tiny *shape = &shapes[trial % N_SHAPES];
        struct model *m = tiny_model(shape, 50 + trial);
        struct activations *store = model_activations(m);
        struct engine_hooks hooks = {.aside = store};
        struct group groups[REQUESTS];
        struct engine_limits limits = random_limits(trial);
        if (!store) { /* a mixture of experts */
            model_free(m);
            continue;
        }
        static const size_t rooms[] = {4000, 500, 0};
        activations_limit(store,
                          activations_bytes(store, rooms[trial / N_SHAPES % 3] + (size_t)limits.max_rows));
        work_make(&w, shape->vocab, 200 + trial);
        for (int i = 0; i < REQUESTS; i++) {
            w.requests[i].sampling.temperature = 1;
            w.requests[i].aside = i != 5;
        }
        if (trial % 2 && limits.max_rows > 5)
            limits.draft = (struct speculation){drafter_find("lookup", NULL), 3, NULL};
        run_with(m, &limits, &w, groups, &hooks);
        memset(&p, 0, sizeof p);
        int n_groups = 0;
        for (int i = 0; i < REQUESTS; i++) {
            if (!groups[i].n || !group_aside(&groups[i], -1)) continue;
            assert_true(i != 5);
            pack_aside(&p, &w.requests[i], &groups[i]);
            n_groups++;
        }
        whole += n_groups == REQUESTS - 2;
        some += n_groups > 0 && n_groups < REQUESTS - 2;
        if (n_groups) {
            char worked_out[65], taken[65];
            struct aside from = {store, p.n_tokens, p.aside};
            model_train(m, true);
            check_logps(m, &p, 1, false, NULL);
            gradients_hash(m, worked_out);
            check_logps(m, &p, 1, false, &from);
            gradients_hash(m, taken);
            assert_string_equal(worked_out, taken);
        }
        release(groups);
        activations_free(store);
        model_free(m);
    }
    assert_true(whole > 3 && some > 3);
}

static void test_changed_weights_are_packed_again(void **state)
{
    (void)state;
    static struct work w;
    struct model *m = tiny_model(&shapes[0], 3), *fresh = tiny_model(&shapes[0], 4);
    struct engine_limits limits = narrow;
    struct group before[REQUESTS], expected[REQUESTS], got[REQUESTS];
    struct err e = {0};
    work_make(&w, shapes[0].vocab, 9);
    run(fresh, &limits, &w, expected);
    struct engine *engine = engine_new(m, &limits, &e);
    assert_non_null(engine);
    assert_int_equal(engine_run(engine, w.requests, REQUESTS, before, NULL, &e), 0);
    for (int i = 0; i < model_n_weights(m); i++) {
        struct weight *to = model_weight(m, i), *from = model_weight(fresh, i);
        memcpy(to->data, from->data, (size_t)to->rows * (size_t)to->cols * sizeof(float));
        to->panels_fresh = false;
    }
    engine_reset(engine);
    assert_int_equal(engine_run(engine, w.requests, REQUESTS, got, NULL, &e), 0);
    assert_same_groups(expected, got, REQUESTS);
    engine_free(engine);
    release(before);
    release(expected);
    release(got);
    model_free(m);
    model_free(fresh);
}

int main(void)
{
    pool_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_and_threads_change_no_bit),
        cmocka_unit_test(test_a_rehearsal_uses_what_the_run_used),
        cmocka_unit_test(test_neighbours_change_no_bit),
        cmocka_unit_test(test_common_beginnings_are_worked_out_once),
        cmocka_unit_test(test_next_turn_of_a_conversation_continues_from_the_cache),
        cmocka_unit_test(test_seed_step_and_sequence_change_what_is_drawn),
        cmocka_unit_test(test_recorded_logps_equal_those_of_training),
        cmocka_unit_test(test_training_takes_what_was_put_aside),
        cmocka_unit_test(test_changed_weights_are_packed_again),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
