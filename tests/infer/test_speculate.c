/* Speculative decoding changes how many passes there are and nothing else: not a bit of a completion. And
 * drafters guess what they should: a model drafting for itself is always right, modules that predict further
 * guess, from their caches, what they would over the whole sequence. */
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/pool.h"
#include "infer/infer_int.h"
#include "infer/requests.h"
#include "model/golden_model.h"

#define DEEPSEEK(more)                                                                                       \
    {                                                                                                        \
        52, 20, 2, 3, 3, 33, false, "deepseek_v3",                                                           \
            ", \"q_lora_rank\": 12, \"kv_lora_rank\": 18, \"qk_nope_head_dim\": 6, \"qk_rope_head_dim\": "   \
            "4, "                                                                                            \
            "\"v_head_dim\": 5, \"n_routed_experts\": 8, \"n_group\": 4, \"topk_group\": 2, "                \
            "\"num_experts_per_tok\": 3, \"moe_intermediate_size\": 9, \"first_k_dense_replace\": 1, " more  \
    }

enum { MODULES_MAX = 3 };
static const struct tiny further[MODULES_MAX] = {DEEPSEEK("\"num_nextn_predict_layers\": 1"),
                                                 DEEPSEEK("\"num_nextn_predict_layers\": 2"),
                                                 DEEPSEEK("\"num_nextn_predict_layers\": 3")};

static const struct drafter *drafter(const char *name)
{
    struct err e = {0};
    const struct drafter *d = drafter_find(name, &e);
    CHECK(d, "%s", e.msg);
    return d;
}

static bool note_progress(void *ctx, const struct engine_progress *p)
{
    *(struct engine_progress *)ctx = *p;
    return false;
}

static struct engine_progress run(struct model *m, const struct engine_limits *limits, const struct work *w,
                                  struct group *groups)
{
    struct err e = {0};
    struct engine_progress p = {0};
    struct engine_hooks hooks = {.watch = note_progress, .ctx = &p};
    struct engine *engine = engine_new(m, limits, &e);
    CHECK(engine, "%s", e.msg);
    int failed = engine_run(engine, w->requests, REQUESTS, groups, &hooks, &e);
    CHECK(!failed, "%s", e.msg);
    engine_free(engine);
    return p;
}

static const struct engine_limits wide = {
    .max_running = 64, .max_rows = 512, .max_tokens = PROMPT_MAX + NEW_MAX};

/* Narrow and wide limits in turn, with room for the drafts. */
static struct engine_limits limits_with(const char *name, int n_draft, struct model *draft_model,
                                        uint32_t trial)
{
    struct engine_limits l = random_limits(trial);
    l.draft.by = drafter(name);
    l.draft.n = n_draft;
    l.draft.model = draft_model;
    if (l.max_rows <= n_draft) l.max_rows = n_draft + 1;
    if (l.n_blocks) l.n_blocks++;
    return l;
}

/* ---- the same bits ------------------------------------------------------------------------------------- */

/* The groups are plain's, on one to three threads by the trial's number. Returns the drafts accepted. */
static long run_as_plain(struct model *m, const struct engine_limits *l, const struct work *w,
                         const struct group *plain, uint32_t trial)
{
    struct group g[REQUESTS];
    pool_stop();
    pool_start(1 + (int)(trial % 3));
    long accepted = run(m, l, w, g).accepted;
    assert_same_groups(plain, g, REQUESTS);
    release(g);
    return accepted;
}

static void test_drafts_change_no_bit_whatever_the_drafter_and_the_limits(void **state)
{
    (void)state;
    static struct work w;
    for (uint32_t s = 0; s < N_SHAPES; s++) {
        struct model *m = tiny_model(&shapes[s], 3 + s), *other = tiny_model(&shapes[s], 90);
        struct group plain[REQUESTS];
        long accepted = 0;
        work_make(&w, shapes[s].vocab, s);
        run(m, &wide, &w, plain);
        for (uint32_t trial = 0; trial < 6; trial++) {
            struct engine_limits l = limits_with(trial % 2 ? "draft" : "lookup", 1 + (int)(trial * 5 % 7),
                                                 trial == 3 ? m : other, 100 * s + trial);
            accepted += run_as_plain(m, &l, &w, plain, trial);
        }
        assert_true(accepted > 0);
        release(plain);
        model_free(m);
        model_free(other);
    }
}

static void test_modules_that_predict_further_change_no_bit(void **state)
{
    (void)state;
    static struct work w;
    for (uint32_t s = 0; s < MODULES_MAX; s++) {
        struct model *m = tiny_model(&further[s], 3 + s);
        struct group plain[REQUESTS];
        long accepted = 0;
        work_make(&w, further[s].vocab, s);
        run(m, &wide, &w, plain);
        for (uint32_t trial = 0; trial < 16; trial++) {
            struct engine_limits l = limits_with("mtp", (int)(trial % (s + 2)), NULL, 100 * s + trial);
            if (!l.draft.n && l.max_rows < MODULES_MAX + 1) l.max_rows = MODULES_MAX + 1;
            accepted += run_as_plain(m, &l, &w, plain, trial);
        }
        assert_true(accepted > 0);
        release(plain);
        model_free(m);
    }
}

/* A prompt from the golden lists, repeated, so that there is something to look up. */
static void golden_requests(const struct golden *g, int *prompt, int n, struct request q[3])
{
    for (int i = 0; i < n; i++) prompt[i] = g->ids[0][i % 9 % g->n_ids[0]];
    for (int i = 0; i < 3; i++) {
        q[i] = (struct request){.prompt = prompt, .n_prompt = n - 8 * i, .n = 1 + i, .seed = 5};
        sampling_default(&q[i].sampling);
        q[i].sampling.temperature = i == 1 ? 0 : 0.8F;
        q[i].sampling.max_new_tokens = 24;
    }
}

static void test_drafts_change_no_bit_of_any_architecture(void **state)
{
    (void)state;
    for (int k = 0; golden_names[k]; k++) {
        struct golden golden;
        struct err e = {0};
        int prompt[40];
        struct request q[3];
        struct group plain[3], g[3];
        golden_open(&golden, golden_names[k]);
        golden_requests(&golden, prompt, 40, q);
        struct engine_limits l = {.max_running = 8, .max_rows = 64, .max_tokens = 64};
        struct engine *engine = engine_new(golden.model, &l, &e);
        assert_int_equal(engine_run(engine, q, 3, plain, NULL, &e), 0);
        engine_free(engine);
        for (int d = 0; d < 2; d++) {
            l.draft.by = drafter(d ? "draft" : "lookup");
            l.draft.n = 3;
            l.draft.model = golden.model;
            engine = engine_new(golden.model, &l, &e);
            assert_int_equal(engine_run(engine, q, 3, g, NULL, &e), 0);
            assert_same_groups(plain, g, 3);
            for (int i = 0; i < 3; i++) group_release(&g[i]);
            engine_free(engine);
        }
        for (int i = 0; i < 3; i++) group_release(&plain[i]);
        golden_close(&golden);
    }
}

/* ---- what is accepted ---------------------------------------------------------------------------------- */

/* No stop ids: a completion that ends early leaves drafts unused. */
static void work_to_the_end(struct work *w, int vocab, uint32_t trial)
{
    work_make(w, vocab, trial);
    for (int i = 0; i < REQUESTS; i++) w->requests[i].sampling.n_stop_ids = 0;
}

static void test_a_model_that_drafts_for_itself_is_always_right(void **state)
{
    (void)state;
    static struct work w;
    for (uint32_t s = 0; s < N_SHAPES; s++) {
        struct model *m = tiny_model(&shapes[s], 3 + s), *copy = model_copy(m);
        struct group g[REQUESTS];
        work_to_the_end(&w, shapes[s].vocab, s);
        struct engine_limits l = wide;
        l.draft.by = drafter("draft");
        l.draft.n = 1 + (int)s;
        l.draft.model = s % 2 ? m : copy;
        struct engine_progress p = run(m, &l, &w, g);
        assert_int_equal(p.accepted, p.drafted);
        assert_int_equal(p.tokens, p.turns + p.accepted);
        long turns = 0;
        for (int i = 0; i < REQUESTS; i++)
            turns += g[i].n * (1 + (w.requests[i].sampling.max_new_tokens - 1 + l.draft.n) / (l.draft.n + 1));
        assert_int_equal(p.turns, turns);
        release(g);
        model_free(copy);
        model_free(m);
    }
}

static void test_text_that_repeats_itself_is_looked_up(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *m = tiny_model(&shapes[0], 3);
    struct engine_progress p;
    struct engine_hooks hooks = {.watch = note_progress, .ctx = &p};
    struct group g;
    int prompt[64];
    for (int i = 0; i < 64; i++) prompt[i] = 2 + i % 5;
    struct request q = {.prompt = prompt, .n_prompt = 64, .n = 1};
    sampling_default(&q.sampling);
    q.sampling.temperature = 0;
    q.sampling.max_new_tokens = 200; /* greedy decoding of a small model ends in a circle */
    struct engine_limits l = {.max_running = 1, .max_rows = 64, .max_tokens = 300};
    l.draft.by = drafter("lookup");
    struct engine *engine = engine_new(m, &l, &e);
    assert_non_null(engine);
    assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
    assert_true(p.accepted > 100);
    assert_true(p.turns < 100);
    group_release(&g);
    engine_free(engine);
    model_free(m);
}

/* Drafts are read where the engine keeps them, after each pass. */
struct drafts_seen {
    struct engine *engine;
    const struct request *requests;
    struct tape *tape;
    int looks;
    struct engine_progress last;
};

/* tokens [n] and room for the drafts behind: each module over the whole sequence, without a cache. */
static void expect_drafts(const struct drafts_seen *d, const struct sequence *s, int *tokens, int n)
{
    struct model *m = d->engine->model;
    const struct request *q = &d->requests[s->request];
    int rows = n - 1, vocab = model_config(m)->vocab;
    struct span span = {0, rows, 0, -1, NULL};
    struct batch b = {.n_rows = rows, .tokens = tokens, .n_spans = 1, .spans = &span};
    float *logits = alloc_floats((size_t)vocab);
    tape_start(d->tape, false);
    struct tensor *x = model_forward(m, d->tape, &b, true);
    for (int k = 0; k < s->n_drafts; k++) {
        struct further f = {&b, x, tokens + 1 + k, k};
        x = model_forward_further(m, d->tape, &f, true);
        op_logits_run(d->tape, x, model_head(m), (int[]){rows - 1}, 1, logits);
        struct draw draw = {.z = logits, .how = &q->sampling, .prompt = q->prompt, .n_prompt = q->n_prompt};
        draw.ids = tokens + q->n_prompt;
        draw.n_ids = n + k - q->n_prompt;
        draw.at = (struct rng_at){.seed = q->seed,
                                  .purpose = RNG_SAMPLE,
                                  .step = q->step,
                                  .sequence = q->first_sequence + (uint32_t)s->index,
                                  .position = (uint32_t)draw.n_ids};
        sampler_draw(&d->engine->sampler, &draw);
        assert_false(draw.bad);
        assert_int_equal(draw.id, s->out->ids[s->out->n + k]);
        for (int i = 0; i < d->engine->n_entries; i++) /* those of the last module are still there */
            if (d->engine->entries[i].s == s && d->engine->entries[i].drafts == k)
                assert_memory_equal(&draw.logp, &d->engine->draws[i].logp, sizeof draw.logp);
        tokens[n + k] = draw.id;
    }
    free(logits);
}

static bool look_at_drafts(void *ctx, const struct engine_progress *p)
{
    struct drafts_seen *d = ctx;
    d->last = *p;
    for (int i = 0; i < d->engine->n_running; i++) {
        const struct sequence *s = d->engine->sequences[i];
        const struct request *q = &d->requests[s->request];
        int tokens[PROMPT_MAX + NEW_MAX + AHEAD_MAX], left = q->sampling.max_new_tokens - 1 - s->out->n;
        if (!s->out->n) continue;
        memcpy(tokens, q->prompt, (size_t)q->n_prompt * sizeof(int));
        memcpy(tokens + q->n_prompt, s->out->ids, (size_t)s->out->n * sizeof(int));
        assert_int_equal(s->n_drafts, left < d->engine->limits.draft.n ? left : d->engine->limits.draft.n);
        if (d->looks++ % 3 == 0) expect_drafts(d, s, tokens, q->n_prompt + s->out->n);
    }
    return false;
}

static void drafts_seen_init(struct drafts_seen *d, struct engine *engine, struct arena *arena)
{
    arena_init(arena, (size_t)1 << 28);
    *d = (struct drafts_seen){.engine = engine, .tape = tape_new(arena)};
}

static void test_modules_draft_from_their_caches_what_they_would_over_the_whole_sequence(void **state)
{
    (void)state;
    static struct work w;
    for (uint32_t trial = 0; trial < 9; trial++) {
        uint32_t shape = trial % MODULES_MAX;
        struct model *m = tiny_model(&further[shape], 3 + shape);
        struct engine_limits l = limits_with("mtp", 1 + (int)shape, NULL, trial);
        struct err e = {0};
        struct engine *engine = engine_new(m, &l, &e);
        struct arena arena;
        struct drafts_seen d;
        struct engine_hooks hooks = {.watch = look_at_drafts, .ctx = &d};
        struct group g[REQUESTS];
        assert_non_null(engine);
        drafts_seen_init(&d, engine, &arena);
        work_make(&w, further[shape].vocab, trial);
        d.requests = w.requests;
        assert_int_equal(engine_run(engine, w.requests, REQUESTS, g, &hooks, &e), 0);
        assert_true(d.looks > 300);
        release(g);
        tape_free(d.tape);
        arena_release(&arena);
        engine_free(engine);
        model_free(m);
    }
}

/* A conversation: the blocks of the first turn are found again, with the modules' share in them. */
static void test_kept_prompts_hold_the_modules_share_too(void **state)
{
    (void)state;
    static struct work w;
    for (int modules = 1; modules <= MODULES_MAX; modules++) {
        struct model *m = tiny_model(&further[modules - 1], 7);
        struct engine_limits l = {.max_running = 4, .max_rows = 40, .max_tokens = PROMPT_MAX + NEW_MAX};
        struct err e = {0};
        l.keep_prompts = true;
        l.draft.by = drafter("mtp");
        struct engine *engine = engine_new(m, &l, &e);
        struct arena arena;
        struct drafts_seen d;
        struct engine_hooks hooks = {.watch = look_at_drafts, .ctx = &d};
        struct group g;
        drafts_seen_init(&d, engine, &arena);
        work_make(&w, further[0].vocab, 33);
        struct request q = w.requests[5];
        q.n_prompt = 20;
        q.n = 1;
        q.sampling.n_stop_ids = 0;
        d.requests = &q;
        for (int turn = 0; turn < 2; turn++) {
            q.sampling.max_new_tokens = turn ? 30 : 52;
            assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
            assert_int_equal(d.last.prompt_reused, turn ? 64 : 0);
            if (!turn) memcpy(w.prompts[5] + 20, g.c[0].ids, 48 * sizeof(int)); /* the rest is another's */
            q.n_prompt = 75;
            group_release(&g);
        }
        /* The same beginning, but another token behind the block: for one module too late to differ. */
        w.prompts[5][64] = (w.prompts[5][64] + 1) % further[0].vocab;
        assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
        assert_int_equal(d.last.prompt_reused, 32);
        group_release(&g);
        tape_free(d.tape);
        arena_release(&arena);
        engine_free(engine);
        model_free(m);
    }
}

/* Of a completion's last token but one the draft model has not seen: a block that ends there is not known. */
static void test_kept_prompts_hold_what_the_draft_model_has_seen(void **state)
{
    (void)state;
    static struct work w;
    struct model *m = tiny_model(&shapes[0], 3);
    struct engine_limits l = {.max_running = 4, .max_rows = 40, .max_tokens = PROMPT_MAX + NEW_MAX};
    struct err e = {0};
    struct engine_progress p;
    struct engine_hooks hooks = {.watch = note_progress, .ctx = &p};
    struct group g;
    l.keep_prompts = true;
    l.draft = (struct speculation){drafter("draft"), 3, m};
    struct engine *engine = engine_new(m, &l, &e);
    work_to_the_end(&w, shapes[0].vocab, 33);
    struct request q = w.requests[5];
    q.n = 1;
    q.n_prompt = 20;
    q.sampling.max_new_tokens = 45; /* 64 positions are written, of which the draft model has 63 */
    assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
    assert_int_equal(p.accepted, p.drafted);
    memcpy(w.prompts[5] + 20, g.c[0].ids, 45 * sizeof(int));
    group_release(&g);
    q.n_prompt = 75;
    assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
    assert_int_equal(p.prompt_reused, 32);
    assert_int_equal(p.accepted, p.drafted);
    group_release(&g);
    engine_free(engine);
    model_free(m);
}

/* ---- ends ---------------------------------------------------------------------------------------------- */

static const struct tiny spelling = {22, 32, 2, 4, 2, 48, true, "llama", ""};

struct shown {
    int ids[4][80], n[4];
};

static void show(void *ctx, int request, int index, int id)
{
    struct shown *s = ctx;
    assert_int_equal(request, 0);
    s->ids[index][s->n[index]++] = id;
}

static void test_a_stop_string_within_an_accepted_draft_ends_the_completion_there(void **state)
{
    (void)state;
    struct err e = {0};
    static const int prompt[] = {0, 5, 6, 7};
    tiny_tokenizer("abcdefghij0123456789");
    struct model *m = tiny_model(&spelling, 1);
    struct engine_limits l = {.max_running = 4, .max_rows = 40, .max_tokens = 100};
    struct engine *plain = engine_new(m, &l, &e);
    l.draft.by = drafter("draft");
    l.draft.model = m;
    l.draft.n = 5;
    struct engine *engine = engine_new(m, &l, &e);
    struct request q = {.prompt = prompt, .n_prompt = 4, .n = 4, .seed = 17};
    struct group whole, a, b;
    sampling_default(&q.sampling);
    q.sampling.max_new_tokens = 60;
    assert_int_equal(engine_run(plain, &q, 1, &whole, NULL, &e), 0);
    for (size_t at = 0; at < 40; at++) { /* at every place within a draft */
        char stop[4] = {0};
        memcpy(stop, whole.c[0].text + at, 3);
        const char *const stops[] = {stop};
        struct shown s = {.n = {0}};
        struct engine_hooks hooks = {.token = show, .ctx = &s};
        q.sampling.stop_strings = stops;
        q.sampling.n_stop_strings = 1;
        assert_int_equal(engine_run(plain, &q, 1, &a, NULL, &e), 0);
        assert_int_equal(engine_run(engine, &q, 1, &b, &hooks, &e), 0);
        assert_int_equal(a.c[0].finish, FINISH_STOP);
        assert_same_groups(&a, &b, 1);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(a.c[i].n_text, b.c[i].n_text);
            assert_memory_equal(a.c[i].text, b.c[i].text, a.c[i].n_text + 1);
            assert_int_equal(s.n[i], b.c[i].n);
            assert_memory_equal(s.ids[i], b.c[i].ids, (size_t)s.n[i] * sizeof(int));
        }
        group_release(&a);
        group_release(&b);
    }
    group_release(&whole);
    engine_free(plain);
    engine_free(engine);
    model_free(m);
}

/* ---- damage -------------------------------------------------------------------------------------------- */

static struct request damage_request(const int *prompt)
{
    struct request q = {.prompt = prompt, .n_prompt = 4, .n = 1, .seed = 17};
    sampling_default(&q.sampling);
    q.sampling.max_new_tokens = 40;
    return q;
}

static void test_bad_logits_are_an_error_only_where_plain_decoding_would_come(void **state)
{
    (void)state;
    static const struct tiny untied = {22, 32, 2, 4, 2, 48, false, "llama", ""};
    static const int prompt[] = {0, 5, 6, 7};
    struct err e = {0}, f = {0};
    struct model *m = tiny_model(&untied, 8), *good = tiny_model(&untied, 8);
    struct engine_limits l = {.max_running = 1, .max_rows = 20, .max_tokens = 100};
    struct engine *plain = engine_new(m, &l, &e);
    l.draft.by = drafter("draft");
    l.draft.model = good; /* drafts on as if nothing were damaged */
    struct engine *engine = engine_new(m, &l, &e);
    struct weight *w = model_find(m, "model.embed_tokens.weight");
    struct request q = damage_request(prompt);
    struct group a, b;
    int failed = 0;
    for (int id = 0; id < 22; id++) {
        float was = w->data[id * w->cols];
        w->data[id * w->cols] = NAN;
        int rc = engine_run(plain, &q, 1, &a, NULL, &e);
        assert_int_equal(engine_run(engine, &q, 1, &b, NULL, &f), rc);
        if (rc) assert_string_equal(e.msg, f.msg);
        if (!rc) assert_same_groups(&a, &b, 1);
        failed += rc != 0;
        group_release(&a);
        group_release(&b);
        w->data[id * w->cols] = was;
    }
    assert_true(failed > 3 && failed < 22);
    engine_free(plain);
    engine_free(engine);
    model_free(m);
    model_free(good);
}

static void test_a_damaged_drafter_only_makes_no_drafts(void **state)
{
    (void)state;
    static const int prompt[] = {0, 5, 6, 7};
    struct err e = {0};
    struct model *m = tiny_model(&shapes[0], 8), *bad = tiny_model(&shapes[0], 8);
    struct model *deep = tiny_model(&further[1], 8);
    struct weight *w = model_weight(bad, 0);
    w->data[w->cols * 3] = NAN;
    struct request q = damage_request(prompt);
    for (int modules = 0; modules < 2; modules++) {
        struct model *own = modules ? deep : m;
        struct engine_limits l = {.max_running = 1, .max_rows = 20, .max_tokens = 100};
        struct engine_progress p;
        struct engine_hooks hooks = {.watch = note_progress, .ctx = &p};
        struct group a, b;
        if (modules) model_find(deep, "model.layers.3.shared_head.norm.weight")->data[0] = NAN;
        struct engine *plain = engine_new(own, &l, &e);
        assert_int_equal(engine_run(plain, &q, 1, &a, NULL, &e), 0);
        l.draft.by = drafter(modules ? "mtp" : "draft");
        l.draft.model = bad;
        struct engine *engine = engine_new(own, &l, &e);
        assert_int_equal(engine_run(engine, &q, 1, &b, &hooks, &e), 0);
        assert_same_groups(&a, &b, 1);
        if (modules) assert_in_range(p.drafted, 20, 38); /* the first module's, none of the second */
        group_release(&a);
        group_release(&b);
        engine_free(plain);
        engine_free(engine);
    }
    model_free(m);
    model_free(bad);
    model_free(deep);
}

/* ---- limits -------------------------------------------------------------------------------------------- */

static void forget_tokenizer(void)
{
    static const char *const files[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"};
    for (int i = 0; i < 3; i++) remove(scratch(files[i]));
}

static void assert_refused(struct model *m, const struct engine_limits *l, const char *why)
{
    struct err e = {0};
    assert_null(engine_new(m, l, &e));
    if (!strstr(e.msg, why)) fail_msg("\"%s\" does not say \"%s\"", e.msg, why);
    assert_int_equal(engine_bytes(m, l), 0);
}

static void test_drafters_that_cannot_serve_a_model_are_refused(void **state)
{
    (void)state;
    struct err e = {0};
    forget_tokenizer();
    struct model *m = tiny_model(&shapes[0], 3), *other = tiny_model(&shapes[1], 3);
    struct model *deep = tiny_model(&further[1], 3);
    struct engine_limits l = wide;
    l.draft.by = drafter("mtp");
    assert_refused(m, &l, "no modules");
    l.draft.n = 3;
    assert_refused(deep, &l, "the model has 2");
    l.draft.n = 2;
    l.max_rows = 2;
    assert_refused(deep, &l, "needs 3");
    l = wide;
    l.draft.by = drafter("lookup");
    l.draft.n = INT_MAX;
    assert_refused(m, &l, "expected 1 to 256");
    l = wide;
    l.draft.by = drafter("draft");
    assert_refused(m, &l, "none is given");
    l.draft.model = other;
    assert_refused(m, &l, "300 tokens, not 25");
    assert_null(drafter_find("guess", &e));
    assert_non_null(strstr(e.msg, "lookup, mtp, draft"));
    model_free(other);
    tiny_tokenizer("abcdefghijklmnopqrstuvw");
    other = tiny_model(&shapes[0], 3);
    l.draft.model = other;
    assert_refused(m, &l, "no tokenizer");
    tiny_tokenizer("bacdefghijklmnopqrstuvw");
    struct model *third = tiny_model(&shapes[0], 3);
    l.draft.model = third;
    assert_refused(other, &l, "token 2 is \"b\", not \"a\"");
    model_free(third);
    model_free(other);
    model_free(deep);
    model_free(m);
}

static void test_engine_bytes_covers_the_caches_of_drafters(void **state)
{
    (void)state;
    struct model *m = tiny_model(&shapes[0], 3), *deep = tiny_model(&further[1], 3);
    struct engine_limits l = {.max_running = 4, .max_rows = 64, .max_tokens = 96, .n_blocks = 30};
    size_t plain = engine_bytes(m, &l), deep_plain = engine_bytes(deep, &l);
    l.draft.n = 2;
    l.draft.by = drafter("draft");
    l.draft.model = m;
    struct kv_cache c = model_cache_shape(m, 30);
    assert_true(engine_bytes(m, &l) >= plain + kv_cache_bytes(c.n_layers, c.n_kv, c.width, 30));
    l.draft.by = drafter("mtp");
    c = model_cache_shape(deep, 30);
    assert_true(engine_bytes(deep, &l) >= deep_plain + kv_cache_bytes(2, c.n_kv, c.width, 30));
    model_free(m);
    model_free(deep);
}

struct memory {
    size_t in_use[100];
    int n;
};

static bool look_at_memory(void *ctx, const struct engine_progress *p)
{
    struct memory *m = ctx;
    (void)p;
    m->in_use[m->n++ % 100] = mallinfo2().uordblks;
    return false;
}

static void test_drafting_allocates_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"lookup", "mtp", "draft"};
    static const int prompt[] = {0, 5, 6, 7};
    for (int i = 0; i < 3; i++) {
        struct err e = {0};
        struct model *m = tiny_model(&further[1], 3);
        struct engine_limits l = {.max_running = 8, .max_rows = 64, .max_tokens = 96};
        l.draft.by = drafter(names[i]);
        l.draft.n = 2;
        l.draft.model = m;
        struct engine *engine = engine_new(m, &l, &e);
        struct request q = {.prompt = prompt, .n_prompt = 4, .n = 8};
        struct memory use = {.n = 0};
        struct engine_hooks hooks = {.watch = look_at_memory, .ctx = &use};
        struct group g;
        sampling_default(&q.sampling);
        q.sampling.max_new_tokens = 29; /* with the drafts no more than the first piece of the results */
        for (int turn = 0; turn < 3; turn++) {
            use.n = 0;
            assert_int_equal(engine_run(engine, &q, 1, &g, &hooks, &e), 0);
            group_release(&g);
        }
        for (int k = 2; k < 8; k++) assert_int_equal(use.in_use[k], use.in_use[k - 1]);
        engine_free(engine);
        model_free(m);
    }
}

int main(void)
{
    pool_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drafts_change_no_bit_whatever_the_drafter_and_the_limits),
        cmocka_unit_test(test_modules_that_predict_further_change_no_bit),
        cmocka_unit_test(test_drafts_change_no_bit_of_any_architecture),
        cmocka_unit_test(test_a_model_that_drafts_for_itself_is_always_right),
        cmocka_unit_test(test_text_that_repeats_itself_is_looked_up),
        cmocka_unit_test(test_modules_draft_from_their_caches_what_they_would_over_the_whole_sequence),
        cmocka_unit_test(test_kept_prompts_hold_the_modules_share_too),
        cmocka_unit_test(test_kept_prompts_hold_what_the_draft_model_has_seen),
        cmocka_unit_test(test_a_stop_string_within_an_accepted_draft_ends_the_completion_there),
        cmocka_unit_test(test_bad_logits_are_an_error_only_where_plain_decoding_would_come),
        cmocka_unit_test(test_a_damaged_drafter_only_makes_no_drafts),
        cmocka_unit_test(test_drafters_that_cannot_serve_a_model_are_refused),
        cmocka_unit_test(test_engine_bytes_covers_the_caches_of_drafters),
        cmocka_unit_test(test_drafting_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
