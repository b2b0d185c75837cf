/* requests.h: a mixed lot of requests, limits to run them under, and models to run them on. */
#ifndef TESTS_INFER_REQUESTS_H
#define TESTS_INFER_REQUESTS_H

#include "base/rng.h"
#include "infer/infer.h"
#include "infer/tiny_model.h"
#include "kern/kern.h"

enum { REQUESTS = 9, PROMPT_MAX = 150, NEW_MAX = 60 };

static inline uint32_t below(uint32_t n, uint32_t trial, uint32_t what)
{
    return rng_below(&(struct rng_at){5, RNG_TEST, trial, what, 0}, n);
}

struct work {
    int prompts[REQUESTS][PROMPT_MAX];
    struct request requests[REQUESTS];
    int stop[2];
};

/* Lengths about block boundaries, prompts that begin as others do, every kind of sampling. */
static inline void work_make(struct work *w, int vocab, uint32_t trial)
{
    static const int lengths[REQUESTS] = {1, 31, 32, 33, 64, 65, 5, 97, 150};
    static const int counts[REQUESTS] = {0, 3, 6, 1, 4, 7, 2, 5, 3};
    memset(w, 0, sizeof *w);
    w->stop[0] = 1;
    w->stop[1] = 3;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        struct request *q = &w->requests[i];
        q->n_prompt = lengths[i];
        for (uint32_t j = 0; j < PROMPT_MAX; j++)
            w->prompts[i][j] =
                i == 4 || i == 8 ? w->prompts[3][j] : (int)below((uint32_t)vocab, trial, i * 1000 + j);
        q->prompt = w->prompts[i];
        q->n = counts[i];
        q->seed = 1000 + trial;
        q->step = 7;
        q->first_sequence = i * 100;
        sampling_default(&q->sampling);
        q->sampling.max_new_tokens = i == 3 ? 1 : 1 + (int)below(NEW_MAX, trial, 50000 + i);
        q->sampling.temperature = i % 4 == 3 ? 0 : 0.5F + 0.25F * (float)i;
        q->sampling.top_k = i % 3 == 2 ? 7 : 0;
        q->sampling.top_p = i % 3 == 1 ? 0.9F : 1;
        q->sampling.min_p = i == 6 ? 0.05F : 0;
        q->sampling.repetition_penalty = i == 5 ? 1.2F : 1;
        q->sampling.stop_ids = w->stop;
        q->sampling.n_stop_ids = i % 2 ? 2 : 0;
    }
}

static inline void assert_same_groups(const struct group *a, const struct group *b, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(a[i].n, b[i].n);
        for (int j = 0; j < a[i].n; j++) {
            const struct completion *x = &a[i].c[j], *y = &b[i].c[j];
            assert_int_equal(x->n, y->n);
            assert_int_equal(x->finish, y->finish);
            assert_memory_equal(x->ids, y->ids, (size_t)x->n * sizeof *x->ids);
            assert_memory_equal(x->logps, y->logps, (size_t)x->n * sizeof *x->logps);
        }
    }
}

static inline void release(struct group *groups)
{
    for (int i = 0; i < REQUESTS; i++) group_release(&groups[i]);
}

static inline struct engine_limits random_limits(uint32_t trial)
{
    struct engine_limits l = {.max_tokens = PROMPT_MAX + NEW_MAX + (int)below(100, trial, 1)};
    l.max_running = 1 + (int)below(trial % 3 ? 40 : 3, trial, 2);
    l.max_rows = 1 + (int)below(trial % 2 ? 12 : 300, trial, 3);
    int least = (l.max_tokens + KERN_KEYS - 1) / KERN_KEYS + 1;
    if (trial % 4) l.n_blocks = least + (int)below(trial % 4 == 1 ? 3 : 60, trial, 4);
    l.keep_prompts = trial % 5 == 0;
    return l;
}

static const struct tiny shapes[] = {
    {25, 32, 2, 4, 2, 48, true, "llama", ""},
    {300, 24, 1, 3, 1, 40, false, "llama", ""},
    {700, 64, 3, 4, 4, 80, true, "qwen2", ""},
    {60, 24, 3, 2, 1, 30, true, "gemma2",
     ", \"head_dim\": 12, \"query_pre_attn_scalar\": 9, \"sliding_window\": 37, "
     "\"attn_logit_softcapping\": 4, \"final_logit_softcapping\": 6"},
    {41, 20, 2, 2, 2, 33, false, "smollm3",
     ", \"no_rope_layers\": [1, 0], \"use_sliding_window\": true, \"sliding_window\": 20"},
    {52, 20, 2, 3, 3, 33, false, "deepseek_v3",
     ", \"q_lora_rank\": 12, \"kv_lora_rank\": 18, \"qk_nope_head_dim\": 6, \"qk_rope_head_dim\": 4, "
     "\"v_head_dim\": 5, \"n_routed_experts\": 8, \"n_group\": 4, \"topk_group\": 2, "
     "\"num_experts_per_tok\": 3, \"moe_intermediate_size\": 9, \"first_k_dense_replace\": 1"},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

#endif
