/* steps_rollout.c: groups of completions drawn at temperature 1 with their log-probabilities, as GRPO wants
 * them: a prompt is read once for its group.
 *
 * Decoding counts from the pass in which the first tokens were drawn to the last; prefill is the passes up to
 * that one. Arithmetic is what was done. A decoding pass reads all matrices once, whatever the number
 * of sequences; so one sequence meets the limit of memory, many that of arithmetic.
 */
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/rng.h"
#include "infer/infer.h"

#define DEMO                                                                                                 \
    "{\"model_type\":\"llama\",\"vocab_size\":25,\"hidden_size\":64,\"num_hidden_layers\":3,"                \
    "\"num_attention_heads\":4,\"num_key_value_heads\":4,\"intermediate_size\":192,"                         \
    "\"max_position_embeddings\":128,\"rms_norm_eps\":1e-5,\"rope_theta\":10000,"                            \
    "\"tie_word_embeddings\":true,\"initializer_range\":0.08}"

static const struct work {
    const char *name, *config;
    int prompts, group, n_prompt, n_new;
    float top_p;
} works[] = {
    {"demo 64 x 8", DEMO, 64, 8, 16, 20, 1},
    {"smollm2-135m 4 x 8", steps_smollm2, 4, 8, 128, 33, 1},
    {"smollm2-135m 4 x 8, top_p 0.95", steps_smollm2, 4, 8, 128, 33, 0.95F},
    {"smollm2-135m 8 x 8, 256 tokens", steps_smollm2, 8, 8, 128, 256, 1},
};

enum { ROLLOUT_TOKENS_MAX = 1 << 14 };

struct run_times {
    double t_start_s, t_first_s, t_end_s;
    double gflop_start, gflop_first, gflop_end; /* done until then */
    long passes, passes_first;
    struct engine_progress last;
};

struct rollout {
    const struct work *work;
    struct model *model;
    struct engine *engine;
    struct request requests[64];
    struct group groups[64];
    int prompts[ROLLOUT_TOKENS_MAX];
};

static bool rollout_watch(void *ctx, const struct engine_progress *p)
{
    struct run_times *t = ctx;
    t->passes++;
    /* All prompts are through when every sequence has a token. */
    if (t->t_first_s == 0 && p->tokens >= p->total_sequences) {
        t->t_first_s = clock_s();
        t->gflop_first = steps_gflop();
        t->passes_first = t->passes;
    }
    t->last = *p;
    return false;
}

static void rollout_prepare(struct rollout *b)
{
    const struct work *w = b->work;
    int vocab = model_config(b->model)->vocab;
    CHECK(w->prompts <= 64 && w->prompts * w->n_prompt <= ROLLOUT_TOKENS_MAX, "%s is too large", w->name);
    for (int i = 0; i < w->prompts * w->n_prompt; i++)
        b->prompts[i] =
            (int)rng_below(&(struct rng_at){.purpose = RNG_TEST, .position = (uint32_t)i}, (uint32_t)vocab);
    for (int i = 0; i < w->prompts; i++) {
        struct request *q = &b->requests[i];
        *q = (struct request){.prompt = b->prompts + i * w->n_prompt,
                              .n_prompt = w->n_prompt,
                              .n = w->group,
                              .seed = 1,
                              .first_sequence = (uint32_t)(i * w->group)};
        sampling_default(&q->sampling);
        q->sampling.max_new_tokens = w->n_new;
        q->sampling.top_p = w->top_p;
    }
}

/* Bytes of the matrices that every row goes through: all but an embedding that is only looked up. */
static double rollout_weight_bytes(const struct rollout *b)
{
    double n = 0;
    for (int i = 0; i < model_n_weights(b->model); i++) {
        const struct weight *w = model_weight(b->model, i);
        if (w->rows > 1 &&
            (w == model_head(b->model) || w != model_find(b->model, "model.embed_tokens.weight")))
            n += (double)w->rows * w->cols * sizeof(float);
    }
    return n;
}

static int rollout_once(struct rollout *b, struct run_times *t, struct err *e)
{
    *t = (struct run_times){.t_start_s = clock_s(), .gflop_start = steps_gflop()};
    struct engine_hooks hooks = {.watch = rollout_watch, .ctx = t};
    if (engine_run(b->engine, b->requests, b->work->prompts, b->groups, &hooks, e)) return -1;
    t->t_end_s = clock_s();
    t->gflop_end = steps_gflop();
    for (int i = 0; i < b->work->prompts; i++) group_release(&b->groups[i]);
    return 0;
}

static int rollout_measure(struct rollout *b, int repeats, struct err *e)
{
    const struct work *w = b->work;
    struct run_times t;
    double decode = 0, prefill = 0, whole = 0, passes = 0, decode_gflop = 0, prefill_gflop = 0;
    for (int r = 0; r <= repeats; r++) { /* the first warms the memory */
        if (rollout_once(b, &t, e)) return -1;
        double tokens = (double)(t.last.tokens - w->prompts * w->group);
        double rate = tokens / (t.t_end_s - t.t_first_s);
        double filled = (double)t.last.prompt_tokens / (t.t_first_s - t.t_start_s);
        double all = (double)t.last.tokens / (t.t_end_s - t.t_start_s);
        decode_gflop = (t.gflop_end - t.gflop_first) / tokens; /* the same in every repeat */
        prefill_gflop = (t.gflop_first - t.gflop_start) / (double)t.last.prompt_tokens;
        if (r && rate > decode) {
            decode = rate;
            passes = (double)(t.passes - t.passes_first) / (t.t_end_s - t.t_first_s);
        }
        if (r && filled > prefill) prefill = filled;
        if (r && all > whole) whole = all;
    }
    steps_tell(&(struct steps_row){"decode", decode, "tokens/s", decode * decode_gflop,
                                   passes * rollout_weight_bytes(b) / 1e9});
    steps_tell(&(struct steps_row){"prefill", prefill, "tokens/s", prefill * prefill_gflop, 0});
    steps_tell(&(struct steps_row){"whole run", whole, "tokens/s", 0, 0});
    steps_tell(&(struct steps_row){"peak memory", steps_peak_mb(), "MB", 0, 0});
    return 0;
}

static const char *rollout_work(int i)
{
    return works[i].name;
}

static int rollout_run(int i, int repeats, struct err *e)
{
    struct rollout *b = alloc_zero(1, sizeof *b);
    b->work = &works[i];
    pool_start(0);
    b->model = steps_model(works[i].config, e);
    if (!b->model) return -1;
    int running = works[i].prompts * works[i].group;
    struct engine_limits limits = {.max_running = running,
                                   .max_rows = running > 512 ? running : 512,
                                   .max_tokens = works[i].n_prompt + works[i].n_new};
    b->engine = engine_new(b->model, &limits, e);
    if (!b->engine) return -1;
    rollout_prepare(b);
    int failed = rollout_measure(b, repeats, e);
    engine_free(b->engine);
    model_free(b->model);
    free(b);
    pool_stop();
    return failed;
}

const struct steps steps_rollout = {
    .name = "rollout",
    .help = "groups of sampled completions, as GRPO draws them",
    .n_works = sizeof works / sizeof *works,
    .work = rollout_work,
    .run = rollout_run,
};
