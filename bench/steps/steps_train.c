/* steps_train.c: one step of supervised fine-tuning: forward, backward, AdamW on all weights.
 *
 * The step of train/sft.c without its data and its records: every token but the last of each sequence has
 * loss. Arithmetic is counted as is usual, by what a step needs: 6 operations a weight and token for the
 * matrices, 12 L T H hd / 2 a token for causal attention. What was done is told beside it: backward and
 * checkpointing work some of it out again.
 */
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/pool.h"
#include "base/rng.h"
#include "train/train_int.h"

#define DEMO                                                                                                 \
    "{\"model_type\":\"llama\",\"vocab_size\":18,\"hidden_size\":64,\"num_hidden_layers\":3,"                \
    "\"num_attention_heads\":4,\"num_key_value_heads\":4,\"intermediate_size\":192,"                         \
    "\"max_position_embeddings\":128,\"rms_norm_eps\":1e-5,\"rope_theta\":10000,"                            \
    "\"tie_word_embeddings\":true,\"initializer_range\":0.08}"

static const struct work {
    const char *name, *config;
    int sequences, length, steps; /* steps of one measurement */
    bool checkpoint;
} works[] = {
    {"smollm2-135m 8x512", steps_smollm2, 8, 512, 1, false},
    {"smollm2-135m 2x1024", steps_smollm2, 2, 1024, 1, false},
    {"smollm2-135m 2x1024 ckpt", steps_smollm2, 2, 1024, 1, true},
    {"demo 128x32", DEMO, 128, 32, 20, false},
    {"demo 512x48", DEMO, 512, 48, 4, false},
    {"growth, tokens 512", steps_smollm2, 1, 512, 1, true},
    {"growth, tokens 1024", steps_smollm2, 2, 512, 1, true},
    {"growth, tokens 2048", steps_smollm2, 4, 512, 1, true},
    {"growth, tokens 4096", steps_smollm2, 8, 512, 1, true},
    {"growth, context 512", steps_smollm2, 1, 512, 1, true},
    {"growth, context 1024", steps_smollm2, 1, 1024, 1, true},
    {"growth, context 2048", steps_smollm2, 1, 2048, 1, true},
    {"growth, context 4096", steps_smollm2, 1, 4096, 1, true},
    {"growth, context 8192", steps_smollm2, 1, 8192, 1, true},
};

struct phases {
    double forward, backward, update, total; /* seconds */
};

struct steps_train {
    const struct work *work;
    struct model *model;
    struct optimiser *opt;
    struct arena arena;
    struct tape *tape;
    struct micro micro;
};

static void fill(struct steps_train *b)
{
    int n = b->work->length, vocab = model_config(b->model)->vocab;
    int *ids = alloc_zero((size_t)n, sizeof *ids);
    micro_init(&b->micro, b->work->sequences * n, b->work->sequences, b->work->sequences * n);
    for (int s = 0; s < b->work->sequences; s++) {
        for (int i = 0; i < n; i++)
            ids[i] = (int)rng_below(
                &(struct rng_at){.purpose = RNG_TEST, .sequence = (uint32_t)s, .position = (uint32_t)i},
                (uint32_t)vocab);
        micro_span(&b->micro, ids, n, -1);
        for (int i = 0; i + 1 < n; i++) micro_head(&b->micro, s * n + i, ids[i + 1]);
    }
    micro_known(&b->micro, false);
    for (int i = 0; i < b->micro.n_heads; i++) b->micro.dlogp[i] = -1.0f / (float)b->micro.n_heads;
    free(ids);
}

static int step(struct steps_train *b, struct phases *p, struct err *e)
{
    struct forward f = {.rows = {.temperature = 1}};
    const char *bad;
    double t0 = steps_clock();
    model_clear_grad(b->model);
    tape_start(b->tape, true);
    micro_forward(&b->micro, b->model, b->tape, b->work->checkpoint, &f);
    double t1 = steps_clock();
    tape_backward(b->tape);
    double t2 = steps_clock();
    optimiser_step(b->opt, 1e-4, &bad);
    double t3 = steps_clock();
    if (bad) return err_set(e, "the gradient of %s is not finite", bad);
    p->forward += t1 - t0;
    p->backward += t2 - t1;
    p->update += t3 - t2;
    p->total += t3 - t0;
    return 0;
}

/* Operations that a step needs, in thousand millions. */
static double step_gflop(struct steps_train *b)
{
    const struct model_config *c = model_config(b->model);
    double tokens = (double)b->micro.n_rows, length = (double)b->work->length;
    double matrices = 0;
    for (int i = 0; i < model_n_weights(b->model); i++) {
        const struct weight *w = model_weight(b->model, i);
        if (w->rows > 1 && (w != model_find(b->model, "model.embed_tokens.weight") || c->tied))
            matrices += (double)w->rows * w->cols;
    }
    double attention = 12.0 * c->layers * length * c->heads * c->head_dim / 2;
    return tokens * (6 * matrices + attention) / 1e9;
}

static int measure(struct steps_train *b, int repeats, struct err *e)
{
    struct phases best = {.total = 0}, warm = {.total = 0};
    double gflop = steps_gflop(), needed = step_gflop(b);
    if (step(b, &warm, e)) return -1;
    gflop = steps_gflop() - gflop;
    for (int r = 0; r < repeats; r++) {
        struct phases p = {.total = 0};
        for (int s = 0; s < b->work->steps; s++)
            if (step(b, &p, e)) return -1;
        if (r == 0 || p.total < best.total) best = p;
    }
    double n = b->work->steps;
    steps_tell(&(struct steps_row){"training", (double)b->micro.n_rows * n / best.total, "tokens/s",
                                   needed * n / best.total, 0});
    steps_tell(&(struct steps_row){"arithmetic done", gflop / needed, "x needed", 0, 0});
    steps_tell(&(struct steps_row){"step", best.total / n, "s", 0, 0});
    steps_tell(&(struct steps_row){"forward", best.forward / n, "s", 0, 0});
    steps_tell(&(struct steps_row){"backward", best.backward / n, "s", 0, 0});
    steps_tell(&(struct steps_row){"update", best.update / n, "s", 0, 0});
    steps_tell(&(struct steps_row){"peak memory", steps_peak_mb(), "MB", 0, 0});
    return 0;
}

static const char *train_work(int i)
{
    return works[i].name;
}

static int train_run(int i, int repeats, struct err *e)
{
    struct steps_train b = {.work = &works[i]};
    pool_start(steps_threads());
    b.model = steps_model(b.work->config, e);
    if (!b.model) return -1;
    model_train(b.model, true);
    struct optim_opts adamw;
    optim_defaults(&adamw);
    b.opt = optimiser_new(b.model, &adamw, e);
    if (!b.opt) return -1;
    fill(&b);
    model_overlay(b.model, !b.work->checkpoint);
    size_t bytes = plan_micro(&b.micro, b.model, b.work->checkpoint, true);
    arena_init(&b.arena, bytes + bytes / 8 + ((size_t)1 << 20));
    arena_alloc(&b.arena, bytes + bytes / 8);
    arena_reset(&b.arena);
    model_overlay_place(b.model, &b.arena);
    b.tape = tape_new(&b.arena);
    int failed = measure(&b, repeats, e);
    tape_free(b.tape);
    arena_release(&b.arena);
    optimiser_free(b.opt);
    model_free(b.model);
    micro_release(&b.micro);
    pool_stop();
    return failed;
}

const struct steps steps_train = {
    .name = "train",
    .help = "a step of supervised fine-tuning with AdamW on all weights",
    .n_works = sizeof works / sizeof *works,
    .work = train_work,
    .run = train_run,
};
