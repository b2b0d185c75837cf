/* What ends a completion, what its text is, what is refused, and what a failure leaves behind. */
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/pool.h"
#include "infer/infer.h"
#include "infer/tiny_model.h"

static const struct tiny shape = {22, 32, 2, 4, 2, 48, true, "llama", ""};
static const char alphabet[] = "abcdefghij0123456789"; /* ids 2.. */

static struct model *model;
static struct engine *engine;
static const int prompt[] = {0, 5, 6, 7};

static int set_up(void **state)
{
    if (scratch_make(state)) return -1;
    tiny_tokenizer(alphabet);
    model = tiny_model(&shape, 1);
    struct engine_limits limits = {.max_running = 8, .max_rows = 20, .max_tokens = 200};
    engine = engine_new(model, &limits, NULL);
    return engine ? 0 : -1;
}

static int tear_down(void **state)
{
    engine_free(engine);
    model_free(model);
    return scratch_remove(state);
}

static struct request request_of(int n, int max_new_tokens)
{
    struct request q = {.prompt = prompt, .n_prompt = 4, .n = n, .seed = 17};
    sampling_default(&q.sampling);
    q.sampling.max_new_tokens = max_new_tokens;
    return q;
}

static void run_one(const struct request *q, struct group *g)
{
    struct err e = {0};
    int failed = engine_run(engine, q, 1, g, NULL, &e);
    CHECK(!failed, "%s", e.msg);
}

/* What the ids say, character by character. */
static void expected_text(const struct completion *c, int n, char *out)
{
    for (int i = 0; i < n; i++)
        if (c->ids[i] > 1) *out++ = alphabet[c->ids[i] - 2];
    *out = 0;
}

static void test_length_ends_a_completion_without_stop(void **state)
{
    (void)state;
    struct request q = request_of(3, 40);
    struct group g;
    char text[64];
    run_one(&q, &g);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(g.c[i].n, 40);
        assert_int_equal(g.c[i].finish, FINISH_LENGTH);
        expected_text(&g.c[i], 40, text);
        assert_string_equal(g.c[i].text, text);
        assert_int_equal(g.c[i].n_text, strlen(text));
        for (int k = 0; k < 40; k++) assert_true(g.c[i].logps[k] <= 0 && g.c[i].logps[k] > -30);
    }
    group_release(&g);
}

static void test_any_of_several_stop_ids_ends_a_completion_and_stays_in_it(void **state)
{
    (void)state;
    static const int stops[] = {1, 4};
    struct request q = request_of(8, 60);
    struct group free_running, g;
    run_one(&q, &free_running);
    q.sampling.stop_ids = stops;
    q.sampling.n_stop_ids = 2;
    run_one(&q, &g);
    int stopped = 0;
    for (int i = 0; i < 8; i++) {
        const int *ids = free_running.c[i].ids;
        int n = 0;
        while (n < 60 && ids[n] != 1 && ids[n] != 4) n++;
        assert_int_equal(g.c[i].finish, n < 60 ? FINISH_STOP : FINISH_LENGTH);
        assert_int_equal(g.c[i].n, n < 60 ? n + 1 : 60);
        assert_memory_equal(g.c[i].ids, ids, (size_t)g.c[i].n * sizeof(int));
        stopped += n < 60;
    }
    assert_true(stopped >= 4);
    group_release(&free_running);
    group_release(&g);
}

static void test_stop_string_over_several_tokens_is_cut_from_text_and_kept_in_ids(void **state)
{
    (void)state;
    struct request q = request_of(1, 60);
    struct group whole, g;
    run_one(&q, &whole);
    const char *text = whole.c[0].text;
    assert_true(strlen(text) > 40);
    for (size_t at = 0; at + 3 < strlen(text); at += 5) {
        char stop[4] = {text[at], text[at + 1], text[at + 2], 0};
        const char *const stops[] = {"never there", stop};
        size_t first = (size_t)(strstr(text, stop) - text);
        q.sampling.stop_strings = stops;
        q.sampling.n_stop_strings = 2;
        run_one(&q, &g);
        assert_int_equal(g.c[0].finish, FINISH_STOP);
        assert_int_equal(g.c[0].n_text, first);
        assert_memory_equal(g.c[0].text, text, first);
        char all[64];
        expected_text(&g.c[0], g.c[0].n, all);
        assert_int_equal(strlen(all), first + 3); /* it ends with the token that completed the stop string */
        assert_memory_equal(g.c[0].ids, whole.c[0].ids, (size_t)g.c[0].n * sizeof(int));
        group_release(&g);
    }
    group_release(&whole);
}

static void test_special_token_as_stop_string_acts_as_stop_id(void **state)
{
    (void)state;
    static const int eos[] = {1};
    static const char *const stops[] = {"<eos>"};
    struct request by_id = request_of(8, 80), by_name = by_id;
    by_id.sampling.stop_ids = eos;
    by_id.sampling.n_stop_ids = 1;
    by_name.sampling.stop_strings = stops;
    by_name.sampling.n_stop_strings = 1;
    struct group a, b;
    run_one(&by_id, &a);
    run_one(&by_name, &b);
    int stopped = 0;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(a.c[i].n, b.c[i].n);
        assert_int_equal(a.c[i].finish, b.c[i].finish);
        assert_string_equal(a.c[i].text, b.c[i].text);
        assert_null(strstr(b.c[i].text, "<"));
        stopped += b.c[i].finish == FINISH_STOP;
    }
    assert_true(stopped > 0);
    group_release(&a);
    group_release(&b);
}

static void test_text_that_was_certain_is_never_taken_back(void **state)
{
    (void)state;
    static const char *const stops[] = {"aab", "ba1", "1"};
    static const char text[] = "caabaaaba1x", shown_at_most[] = "c";
    struct sampling how;
    struct text_stream s;
    sampling_default(&how);
    how.stop_strings = stops;
    how.n_stop_strings = 3;
    text_stream_init(&s);
    size_t before = 0;
    for (size_t i = 0; text[i] != 'x'; i++) {
        char *at = strchr(alphabet, text[i]);
        text_stream_push(&s, model_tokenizer(model), &how, (int)(at - alphabet) + 2);
        assert_true(s.certain >= before && s.certain <= s.text.len);
        before = s.certain;
        if (i == 0) assert_int_equal(s.certain, 1);
        if (i == 1) assert_int_equal(s.certain, 1); /* "a" may become "aab" */
        if (i >= 3) assert_true(s.stopped);
    }
    assert_string_equal(s.text.p, shown_at_most);
    assert_int_equal(s.certain, 1);
    text_stream_release(&s);

    text_stream_init(&s); /* the end makes all certain */
    text_stream_push(&s, model_tokenizer(model), &how, 2);
    assert_int_equal(s.certain, 0);
    text_stream_end(&s);
    assert_int_equal(s.certain, 1);
    text_stream_release(&s);
}

static void test_first_stop_string_in_the_text_wins(void **state)
{
    (void)state;
    static const char *const stops[] = {"d", "bcd"};
    struct sampling how;
    struct text_stream s;
    sampling_default(&how);
    how.stop_strings = stops;
    how.n_stop_strings = 2;
    text_stream_init(&s);
    for (int id = 2; id <= 5; id++) text_stream_push(&s, model_tokenizer(model), &how, id);
    assert_true(s.stopped);
    assert_string_equal(s.text.p, "a");
    text_stream_release(&s);
}

/* ---- refusals ------------------------------------------------------------------------------------------ */

static void check_refused(const struct request *q, const char *said)
{
    struct err e = {0};
    struct group g[2];
    struct request two[2] = {request_of(1, 5), *q};
    assert_int_equal(engine_run(engine, two, 2, g, NULL, &e), -1);
    assert_non_null(strstr(e.msg, "request 1"));
    if (!strstr(e.msg, said)) fail_msg("\"%s\" does not say \"%s\"", e.msg, said);
    assert_true(!g[0].c && !g[1].c && !g[0].n && !g[1].n);
}

static void test_requests_that_cannot_be_run_are_refused_before_anything_runs(void **state)
{
    (void)state;
    static const int strange[] = {0, 22}, negative[] = {-1};
    static const char *const empty[] = {""};
    struct request q = request_of(1, 5);
    q.n_prompt = 0;
    check_refused(&q, "prompt is empty");
    q = request_of(1, 197);
    check_refused(&q, "exceed the 200");
    q = request_of(1, 5), q.prompt = strange, q.n_prompt = 2;
    check_refused(&q, "ids 0 to 21");
    q = request_of(1, 5), q.prompt = negative, q.n_prompt = 1;
    check_refused(&q, "ids 0 to 21");
    q = request_of(1, 0);
    check_refused(&q, "max_new_tokens");
    q = request_of(1, 5), q.sampling.temperature = -1;
    check_refused(&q, "temperature");
    q = request_of(1, 5), q.sampling.temperature = NAN;
    check_refused(&q, "temperature");
    q = request_of(1, 5), q.sampling.top_p = 1.5F;
    check_refused(&q, "top_p");
    q = request_of(1, 5), q.sampling.top_k = -2;
    check_refused(&q, "top_k");
    q = request_of(1, 5), q.sampling.min_p = -0.1F;
    check_refused(&q, "min_p");
    q = request_of(1, 5), q.sampling.repetition_penalty = 0;
    check_refused(&q, "repetition_penalty");
    q = request_of(1, 5), q.sampling.stop_strings = empty, q.sampling.n_stop_strings = 1;
    check_refused(&q, "stop string");
}

static void test_longest_sequence_fits_exactly(void **state)
{
    (void)state;
    struct err e = {0};
    /* 7 blocks for 200 tokens, and one for the copy that a group of several needs. */
    struct engine_limits limits = {.max_running = 3, .max_rows = 9, .max_tokens = 200, .n_blocks = 8};
    struct engine *small = engine_new(model, &limits, &e);
    assert_non_null(small);
    struct request q = request_of(3, 196);
    struct group g, other;
    assert_int_equal(engine_run(small, &q, 1, &g, NULL, &e), 0);
    run_one(&q, &other);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(g.c[i].n, 196);
        assert_memory_equal(g.c[i].ids, other.c[i].ids, 196 * sizeof(int));
    }
    group_release(&g);
    group_release(&other);
    engine_free(small);
    limits.n_blocks = 7;
    assert_null(engine_new(model, &limits, &e));
    assert_non_null(strstr(e.msg, "at least 8 blocks"));
    limits = (struct engine_limits){.max_running = 3, .max_rows = 9, .max_tokens = 200, .kv_bytes = 1000};
    assert_null(engine_new(model, &limits, &e));
    limits.kv_bytes = 0, limits.max_rows = 0;
    assert_null(engine_new(model, &limits, &e));
    limits.max_rows = 1, limits.max_running = 0;
    assert_null(engine_new(model, &limits, &e));
}

/* ---- failures ------------------------------------------------------------------------------------------ */

/* Where the first completion that goes on after token id does so: by position, then by order. */
static bool first_after(const struct group *g, int n, int id, char *where, size_t size)
{
    for (int k = 0; k < 8; k++)
        for (int i = 0; i < n; i++)
            for (int j = 0; j < g[i].n; j++) {
                if (g[i].c[j].ids[k] != id) continue;
                snprintf(where, size, "request %d, completion %d, position %d:", i, j, 4 + k + 1);
                return true;
            }
    return false;
}

static void test_damaged_weights_are_an_error_that_names_the_place(void **state)
{
    (void)state;
    static const struct tiny untied = {22, 32, 2, 4, 2, 48, false, "llama", ""};
    struct err e = {0};
    struct engine_limits limits = {.max_running = 8, .max_rows = 20, .max_tokens = 200};
    struct model *m = tiny_model(&untied, 8);
    struct engine *own = engine_new(m, &limits, &e);
    struct weight *w = model_find(m, "model.embed_tokens.weight");
    assert_true(own && w);
    struct request q[2] = {request_of(1, 9), request_of(2, 9)};
    struct group before[2], g[2];
    char where[128];
    int places = 0;
    assert_int_equal(engine_run(own, q, 2, before, NULL, &e), 0);
    for (int id = 0; id < 22; id++) {
        bool in_prompt = memchr(prompt, id, sizeof prompt) != NULL; /* ids are below 256 */
        if (in_prompt || !first_after(before, 2, id, where, sizeof where)) continue;
        float kept = w->data[id * w->cols];
        w->data[id * w->cols] = NAN;
        assert_int_equal(engine_run(own, q, 2, g, NULL, &e), -1);
        if (!strstr(e.msg, where)) fail_msg("\"%s\" does not say \"%s\"", e.msg, where);
        assert_true(!g[0].c && !g[1].c);
        w->data[id * w->cols] = kept;
        places++;
    }
    assert_true(places >= 3);
    assert_int_equal(engine_run(own, q, 2, g, NULL, &e), 0);
    assert_memory_equal(g[1].c[1].ids, before[1].c[1].ids, 9 * sizeof(int));
    for (int i = 0; i < 2; i++) group_release(&g[i]), group_release(&before[i]);
    engine_free(own);
    model_free(m);
}

static void test_what_a_failed_run_left_in_the_cache_is_not_used_again(void **state)
{
    (void)state;
    static const struct tiny untied = {22, 32, 2, 4, 2, 48, false, "llama", ""};
    struct err e = {0};
    struct engine_limits limits = {.max_running = 8, .max_rows = 20, .max_tokens = 200, .keep_prompts = true};
    struct model *m = tiny_model(&untied, 8);
    struct engine *fresh = engine_new(m, &limits, &e), *damaged = engine_new(m, &limits, &e);
    struct weight *w = model_find(m, "model.embed_tokens.weight");
    assert_true(fresh && damaged && w);
    int ids[70];
    for (int i = 0; i < 70; i++) ids[i] = 2 + i * i % 19;
    struct request q = {.prompt = ids, .n_prompt = 70, .n = 1};
    struct group g, expected;
    sampling_default(&q.sampling);
    q.sampling.max_new_tokens = 9;
    float kept = w->data[ids[3] * w->cols];
    w->data[ids[3] * w->cols] = NAN;
    assert_int_equal(engine_run(damaged, &q, 1, &g, NULL, &e), -1);
    w->data[ids[3] * w->cols] = kept;
    assert_int_equal(engine_run(damaged, &q, 1, &g, NULL, &e), 0);
    assert_int_equal(engine_run(fresh, &q, 1, &expected, NULL, &e), 0);
    assert_memory_equal(g.c[0].ids, expected.c[0].ids, 9 * sizeof(int));
    assert_memory_equal(g.c[0].logps, expected.c[0].logps, 9 * sizeof(float));
    group_release(&g);
    group_release(&expected);
    engine_free(fresh);
    engine_free(damaged);
    model_free(m);
}

struct watcher {
    int passes, stop_after;
    struct engine_progress last;
    int tokens[8];
    int ids[8][80];
    size_t in_use[100];
};

static bool watch(void *ctx, const struct engine_progress *p)
{
    struct watcher *w = ctx;
    assert_true(p->tokens >= w->last.tokens && p->done_sequences >= w->last.done_sequences);
    w->last = *p;
    w->in_use[w->passes % 100] = mallinfo2().uordblks;
    return ++w->passes == w->stop_after;
}

static void take(void *ctx, int request, int index, int id)
{
    struct watcher *w = ctx;
    assert_int_equal(request, 0);
    w->ids[index][w->tokens[index]++] = id;
}

static void test_hooks_see_every_token_and_the_progress(void **state)
{
    (void)state;
    struct err e = {0};
    struct watcher w = {.passes = 0};
    struct engine_hooks hooks = {.watch = watch, .token = take, .ctx = &w};
    struct request q = request_of(8, 70);
    struct group g;
    assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(w.tokens[i], 70);
        assert_memory_equal(w.ids[i], g.c[i].ids, 70 * sizeof(int));
    }
    assert_int_equal(w.last.tokens, 8 * 70);
    assert_int_equal(w.last.done_sequences, 8);
    assert_int_equal(w.last.total_sequences, 8);
    assert_int_equal(w.last.running, 0);
    assert_int_equal(w.last.prompt_tokens, 4); /* once for all eight */
    assert_int_equal(w.passes, 70);
    group_release(&g);
}

static int passes_of(const struct engine_limits *limits, const struct request *q, int n)
{
    struct err e = {0};
    struct watcher w = {.passes = 0};
    struct engine_hooks hooks = {.watch = watch, .ctx = &w};
    struct group g[8];
    struct engine *own = engine_new(model, limits, &e);
    CHECK(own, "%s", e.msg);
    assert_int_equal(engine_run(own, q, n, g, &hooks, &e), 0);
    for (int i = 0; i < n; i++) {
        assert_int_equal(g[i].c[0].n, q[i].sampling.max_new_tokens);
        group_release(&g[i]);
    }
    engine_free(own);
    return w.passes;
}

static void test_a_place_that_becomes_free_is_taken_in_the_next_pass(void **state)
{
    (void)state;
    struct request q[5];
    for (int i = 0; i < 5; i++) q[i] = request_of(1, i == 0 ? 20 : 5);
    struct engine_limits limits = {.max_running = 2, .max_rows = 20, .max_tokens = 64};
    assert_int_equal(passes_of(&limits, q, 5),
                     20); /* four short ones, one after another, beside a long one */
    limits.max_running = 5;
    assert_int_equal(passes_of(&limits, q, 5), 20);
    limits.max_running = 1;
    assert_int_equal(passes_of(&limits, q, 5), 40);
    limits.max_running = 5;
    limits.n_blocks = 3; /* each needs one block, so three run */
    for (int i = 0; i < 5; i++) q[i] = request_of(1, 10);
    assert_int_equal(passes_of(&limits, q, 5), 20);
    q[0] = request_of(1, 60); /* two blocks: one more beside it */
    assert_int_equal(passes_of(&limits, q, 5), 60);
    limits.n_blocks = 4;
    assert_int_equal(passes_of(&limits, q, 5), 60);
}

static void test_a_long_prompt_is_cut_into_pieces_beside_those_who_decode(void **state)
{
    (void)state;
    int ids[100];
    for (int i = 0; i < 100; i++) ids[i] = i % 22;
    struct request q[2] = {request_of(1, 30), request_of(1, 3)};
    q[1].prompt = ids;
    q[1].n_prompt = 100;
    struct engine_limits limits = {.max_running = 2, .max_rows = 11, .max_tokens = 120};
    /* Pass 1: 4 rows of the first prompt, 7 of the second; then 1 and 10 a pass: complete after pass 11. */
    assert_int_equal(passes_of(&limits, &q[1], 1), 10 + 2);
    assert_int_equal(passes_of(&limits, q, 2), 30);
    q[0].sampling.max_new_tokens = 12;
    assert_int_equal(passes_of(&limits, q, 2), 11 + 2);
}

static void test_watcher_can_stop_a_run_and_the_engine_runs_again(void **state)
{
    (void)state;
    struct err e = {0};
    struct watcher w = {.stop_after = 5};
    struct engine_hooks hooks = {.watch = watch, .ctx = &w};
    struct request q = request_of(20, 70);
    struct group g;
    assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), -1);
    assert_int_equal(e.kind, ERR_STOPPED);
    assert_int_equal(w.passes, 5);
    assert_null(g.c);
    run_one(&q, &g);
    assert_int_equal(g.c[19].n, 70);
    group_release(&g);
}

static void test_decoding_allocates_nothing_but_results(void **state)
{
    (void)state;
    struct err e = {0};
    struct watcher w = {.passes = 0};
    struct engine_hooks hooks = {.watch = watch, .ctx = &w};
    struct request q = request_of(8, 64);
    struct group g;
    for (int turn = 0; turn < 2; turn++) {
        w = (struct watcher){.passes = 0};
        assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
        group_release(&g);
    }
    /* Results grow at 32 tokens; before and behind that nothing moves, until they end at 64. */
    for (int i = 1; i < 63; i++)
        if (i != 32) assert_int_equal(w.in_use[i], w.in_use[i - 1]);
    assert_true(w.in_use[32] > w.in_use[31] || w.in_use[32] == 0); /* 0: an allocator that does not count */
}

static void test_engine_bytes_covers_the_cache_and_grows_with_the_limits(void **state)
{
    (void)state;
    struct engine_limits limits = {.max_running = 8, .max_rows = 20, .max_tokens = 200};
    size_t small = engine_bytes(model, &limits);
    assert_true(small > kv_cache_bytes(2, 2, 16, 8 * 7));
    limits.max_running = 16;
    assert_true(engine_bytes(model, &limits) > small + kv_cache_bytes(2, 2, 16, 7 * 7));
    struct engine_use all = {20, 16 * 7 + 1}, few = {20, 1}, short_pass = {3, 1};
    assert_int_equal(engine_untouched(model, &limits, &all), 0);
    assert_int_equal(engine_untouched(model, &limits, &few), kv_cache_bytes(2, 2, 16, 16 * 7));
    assert_true(engine_untouched(model, &limits, &short_pass) > kv_cache_bytes(2, 2, 16, 16 * 7));
    limits.max_rows = 0;
    assert_int_equal(engine_bytes(model, &limits), 0); /* limits that no engine can have */
}

int main(void)
{
    pool_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length_ends_a_completion_without_stop),
        cmocka_unit_test(test_any_of_several_stop_ids_ends_a_completion_and_stays_in_it),
        cmocka_unit_test(test_stop_string_over_several_tokens_is_cut_from_text_and_kept_in_ids),
        cmocka_unit_test(test_special_token_as_stop_string_acts_as_stop_id),
        cmocka_unit_test(test_text_that_was_certain_is_never_taken_back),
        cmocka_unit_test(test_first_stop_string_in_the_text_wins),
        cmocka_unit_test(test_requests_that_cannot_be_run_are_refused_before_anything_runs),
        cmocka_unit_test(test_longest_sequence_fits_exactly),
        cmocka_unit_test(test_damaged_weights_are_an_error_that_names_the_place),
        cmocka_unit_test(test_what_a_failed_run_left_in_the_cache_is_not_used_again),
        cmocka_unit_test(test_hooks_see_every_token_and_the_progress),
        cmocka_unit_test(test_a_place_that_becomes_free_is_taken_in_the_next_pass),
        cmocka_unit_test(test_a_long_prompt_is_cut_into_pieces_beside_those_who_decode),
        cmocka_unit_test(test_watcher_can_stop_a_run_and_the_engine_runs_again),
        cmocka_unit_test(test_decoding_allocates_nothing_but_results),
        cmocka_unit_test(test_engine_bytes_covers_the_cache_and_grows_with_the_limits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
