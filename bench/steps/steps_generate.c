/* steps_generate.c: reading a prompt and decoding, through the engine, on the shape of SmolLM2-135M.
 *
 * Greedy, no stop ids: every completion has its full length whatever the weights are. The time of a prompt
 * ends with its first token; the time of decoding begins there. What decoding must read at least is all
 * weights once a pass: batch 1 is held to the memory's rate, a prompt to that of multiply-adds. A work of
 * another type than F32 reads its weights from smollm2-135m.TYPE.gguf in the folder of --models, which
 * bench/peers.py makes.
 */
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/rng.h"
#include "infer/infer.h"

enum { DECODE_PROMPT = 32, PROMPT = 512 };

static const struct work {
    const char *name;
    int sequences, prompt, new_tokens;
    const char *type;
} works[] = {
    {"smollm2-135m decode, 1", 1, DECODE_PROMPT, 64, "F32"},
    {"smollm2-135m BF16 decode, 1", 1, DECODE_PROMPT, 64, "BF16"},
    {"smollm2-135m Q8_0 decode, 1", 1, DECODE_PROMPT, 64, "Q8_0"},
    {"smollm2-135m Q4_0 decode, 1", 1, DECODE_PROMPT, 64, "Q4_0"},
    {"smollm2-135m decode, 8", 8, DECODE_PROMPT, 64, "F32"},
    {"smollm2-135m decode, 16", 16, DECODE_PROMPT, 64, "F32"},
    {"smollm2-135m decode, 32", 32, DECODE_PROMPT, 64, "F32"},
    {"smollm2-135m decode, 64", 64, DECODE_PROMPT, 64, "F32"},
    {"smollm2-135m F16 decode, 8", 8, DECODE_PROMPT, 64, "F16"},
    {"smollm2-135m F16 decode, 32", 32, DECODE_PROMPT, 64, "F16"},
    {"smollm2-135m prompt of 512", 1, PROMPT, 1, "F32"},
    {"smollm2-135m Q8_0 prompt of 512", 1, PROMPT, 1, "Q8_0"},
    {"smollm2-135m F16 prompt of 512", 1, PROMPT, 1, "F16"},
    {"growth, sequences 1", 1, DECODE_PROMPT, 64, "F32"},
    {"growth, sequences 2", 2, DECODE_PROMPT, 64, "F32"},
    {"growth, sequences 4", 4, DECODE_PROMPT, 64, "F32"},
    {"growth, sequences 8", 8, DECODE_PROMPT, 64, "F32"},
    {"growth, sequences 16", 16, DECODE_PROMPT, 64, "F32"},
    {"growth, sequences 32", 32, DECODE_PROMPT, 64, "F32"},
    {"growth, sequences 64", 64, DECODE_PROMPT, 64, "F32"},
    {"growth, sequences 128", 128, DECODE_PROMPT, 64, "F32"},
    {"growth, sequences 256", 256, DECODE_PROMPT, 64, "F32"},
};

struct clocks {
    double start, first; /* first: when all prompts were done */
    double gflop_first;  /* done until then, and tokens sampled */
    long tokens_first, wanted;
};

static bool watch(void *ctx, const struct engine_progress *p)
{
    struct clocks *c = ctx;
    if (c->first == 0 && p->prompt_tokens + p->prompt_reused >= c->wanted) {
        c->first = steps_clock();
        c->tokens_first = p->tokens;
        c->gflop_first = steps_gflop();
    }
    return false;
}

struct sums {
    double prompt_s, decode_s;
    double prompt_gflop, decode_gflop; /* the same in every repeat, and so is: */
    long decode_tokens;
};

static int measure(struct engine *engine, const struct work *w, int vocab, struct sums *best, struct err *e)
{
    struct request *list = alloc_zero((size_t)w->sequences, sizeof *list);
    struct group *groups = alloc_zero((size_t)w->sequences, sizeof *groups);
    int *ids = alloc_zero((size_t)w->sequences * (size_t)w->prompt, sizeof *ids);
    for (int i = 0; i < w->sequences * w->prompt; i++)
        ids[i] =
            (int)rng_below(&(struct rng_at){.purpose = RNG_TEST, .position = (uint32_t)i}, (uint32_t)vocab);
    for (int i = 0; i < w->sequences; i++) {
        list[i] =
            (struct request){.prompt = ids + (size_t)i * (size_t)w->prompt, .n_prompt = w->prompt, .n = 1};
        sampling_default(&list[i].sampling);
        list[i].sampling.temperature = 0;
        list[i].sampling.max_new_tokens = w->new_tokens;
    }
    double gflop = steps_gflop();
    struct clocks c = {.start = steps_clock(), .wanted = (long)w->sequences * w->prompt};
    int failed =
        engine_run(engine, list, w->sequences, groups, &(struct engine_hooks){.watch = watch, .ctx = &c}, e);
    double end = steps_clock();
    for (int i = 0; i < w->sequences && !failed; i++) group_release(&groups[i]);
    free(list);
    free(groups);
    free(ids);
    if (failed) return -1;
    best->prompt_gflop = c.gflop_first - gflop;
    best->decode_gflop = steps_gflop() - c.gflop_first;
    best->decode_tokens = (long)w->sequences * w->new_tokens - c.tokens_first;
    if (best->prompt_s == 0 || c.first - c.start < best->prompt_s) best->prompt_s = c.first - c.start;
    if (best->decode_s == 0 || end - c.first < best->decode_s) best->decode_s = end - c.first;
    return 0;
}

/* Bytes that every pass reads: the panels. */
static double pass_bytes(struct model *m)
{
    double n = 0;
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        if (w->panels) n += (double)weight_pack_bytes(w);
    }
    return n;
}

static void tell(const struct work *w, struct model *m, const struct sums *best)
{
    if (w->new_tokens > 1) {
        double rate = (double)best->decode_tokens / best->decode_s, passes = rate / w->sequences;
        steps_tell(&(struct steps_row){"decoding", rate, "tokens/s",
                                       w->sequences > 1 ? best->decode_gflop / best->decode_s : 0,
                                       pass_bytes(m) * passes / 1e9});
        steps_tell(&(struct steps_row){"step", 1 / passes, "s", 0, 0});
    } else {
        steps_tell(&(struct steps_row){"prompt", w->prompt / best->prompt_s, "tokens/s",
                                       best->prompt_gflop / best->prompt_s, 0});
    }
    steps_tell(&(struct steps_row){"peak memory", steps_peak_mb(), "MB", 0, 0});
}

static const char *generate_work(int i)
{
    return works[i].name;
}

static struct model *work_model(const struct work *w, struct err *e)
{
    if (!strcmp(w->type, "F32")) return steps_model(steps_smollm2, e);
    char name[64];
    snprintf(name, sizeof name, "smollm2-135m.%s.gguf", w->type);
    char *path = path_join(steps_models(), name);
    struct model *m = model_load(path, MODEL_PACKED, 0, e);
    free(path);
    return m;
}

static int generate_run(int i, int repeats, struct err *e)
{
    const struct work *w = &works[i];
    struct sums best = {.prompt_s = 0};
    pool_start(steps_threads());
    struct model *m = work_model(w, e);
    if (!m) return -1;
    struct engine_limits limits = {
        .max_running = w->sequences, .max_rows = PROMPT, .max_tokens = w->prompt + w->new_tokens};
    struct engine *engine = engine_new(m, &limits, e);
    int failed = engine ? 0 : -1;
    for (int r = 0; r <= repeats && !failed; r++) {
        if (r == 1) best = (struct sums){.prompt_s = 0}; /* the first one warms up */
        failed = measure(engine, w, model_config(m)->vocab, &best, e);
    }
    if (!failed) tell(w, m, &best);
    engine_free(engine);
    model_free(m);
    pool_stop();
    return failed;
}

const struct steps steps_generate = {
    .name = "generate",
    .help = "prompt and decoding of SmolLM2-135M's shape",
    .n_works = sizeof works / sizeof *works,
    .work = generate_work,
    .run = generate_run,
};
