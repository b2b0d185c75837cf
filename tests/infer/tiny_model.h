/* tiny_model.h: small models with random weights, from a config.json in the test's temporary folder. */
#ifndef TESTS_INFER_TINY_MODEL_H
#define TESTS_INFER_TINY_MODEL_H

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/scratch.h"
#include "model/model.h"
#include "text/text.h"

struct tiny {
    int vocab, hidden, layers, heads, kv_heads, intermediate;
    bool tied;
    const char *model_type; /* "llama", "qwen2" */
    const char *more;       /* further keys, each behind a comma, or "" */
};

/* initializer_range is large, so that distributions are neither flat nor all alike. */
static inline struct model *tiny_model(const struct tiny *t, uint64_t seed)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"model_type\": \"%s\", \"vocab_size\": %d, \"hidden_size\": %d, \"num_hidden_layers\": %d, "
             "\"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"intermediate_size\": %d, "
             "\"max_position_embeddings\": 2048, \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, "
             "\"tie_word_embeddings\": %s, \"initializer_range\": 0.25%s}",
             t->model_type, t->vocab, t->hidden, t->layers, t->heads, t->kv_heads, t->intermediate,
             t->tied ? "true" : "false", t->more);
    struct err e = {0};
    int failed = file_write(scratch("config.json"), text, strlen(text), &e);
    CHECK(!failed, "%s", e.msg);
    struct model *m = model_load(scratch_dir, MODEL_RANDOM, seed, &e);
    CHECK(m, "%s", e.msg);
    return m;
}

/* A tokenizer of single characters beside it: <bos> 0, <eos> 1, then those of the alphabet in order. */
static inline void tiny_tokenizer(const char *alphabet)
{
    static const char *const specials[] = {"<bos>", "<eos>"};
    struct err e = {0};
    struct tokenizer *t = tokenizer_chars(alphabet, specials, 2, &e);
    CHECK(t && !tokenizer_save(t, scratch_dir, &e), "%s", e.msg);
    tokenizer_free(t);
}

#endif
