/* golden_model.h: the models of tests/golden/models (tools/golden/models.py and deepseek.py), for tests that
 * run them. */
#ifndef TESTS_MODEL_GOLDEN_MODEL_H
#define TESTS_MODEL_GOLDEN_MODEL_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/json.h"
#include "model/model.h"

static const char *const golden_names[] = {"llama_plain",
                                           "llama_tied",
                                           "llama_bias",
                                           "llama_linear",
                                           "llama_yarn",
                                           "qwen2_plain",
                                           "qwen2_tied",
                                           "qwen2_heads",
                                           "qwen2_window",
                                           "qwen2_yarn",
                                           "qwen3_plain",
                                           "qwen3_tied",
                                           "qwen3_window",
                                           "mistral_window",
                                           "mistral_wide",
                                           "mistral_tied",
                                           "smollm3_plain",
                                           "smollm3_list",
                                           "smollm3_window",
                                           "gemma2_plain",
                                           "gemma2_uncapped",
                                           "gemma2_layers",
                                           "gemma3_plain",
                                           "gemma3_linear",
                                           "gemma3_layers",
                                           "mixtral_plain",
                                           "mixtral_window",
                                           "mixtral_all",
                                           "qwen3_moe_plain",
                                           "qwen3_moe_mixed",
                                           "qwen3_moe_window",
                                           "deepseek_v3_plain",
                                           "deepseek_v3_whole_q",
                                           "deepseek_v3_odd",
                                           "deepseek_v2_lite",
                                           "deepseek_v2_groups",
                                           NULL};

enum { GOLDEN_LISTS_MAX = 8 };
struct golden {
    struct model *model;
    struct tensor_file *expected;
    int *ids[GOLDEN_LISTS_MAX], n_ids[GOLDEN_LISTS_MAX], n_lists;
};

static inline const char *golden_path(const char *name, const char *file)
{
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "tests/golden/models/%s%s%s", name, *file ? "/" : "", file);
    return p;
}

static inline void golden_open(struct golden *g, const char *name)
{
    struct err e = {0};
    *g = (struct golden){.model = model_load(golden_path(name, ""), 0, 0, &e)};
    CHECK(g->model, "%s", e.msg);
    g->expected = tensor_file_open(golden_path(name, "expected.safetensors"), &e);
    CHECK(g->expected, "%s", e.msg);
    json_t *lists = json_read_file(golden_path(name, "ids.json"), &e);
    CHECK(lists, "%s", e.msg);
    g->n_lists = (int)json_array_size(lists);
    CHECK(g->n_lists > 0 && g->n_lists <= GOLDEN_LISTS_MAX, "%d lists", g->n_lists);
    for (int i = 0; i < g->n_lists; i++) {
        const json_t *list = json_array_get(lists, (size_t)i);
        g->n_ids[i] = (int)json_array_size(list);
        g->ids[i] = alloc_zero((size_t)g->n_ids[i], sizeof(int));
        for (int j = 0; j < g->n_ids[i]; j++)
            g->ids[i][j] = (int)json_integer_value(json_array_get(list, (size_t)j));
    }
    json_decref(lists);
}

static inline void golden_close(struct golden *g)
{
    for (int i = 0; i < g->n_lists; i++) free(g->ids[i]);
    tensor_file_close(g->expected);
    model_free(g->model);
}

/* The whole tensor of that name; caller frees. */
static inline float *golden_tensor(struct golden *g, const char *name, size_t *n)
{
    const struct tensor_info *t = tensor_file_find(g->expected, name);
    CHECK(t, "no %s", name);
    *n = t->bytes / sizeof(float);
    float *x = alloc_floats(*n);
    int64_t rows = t->n_dims > 1 ? t->shape[0] : 1;
    CHECK(!tensor_file_rows(g->expected, t, 0, rows, x, NULL), "%s", name);
    return x;
}

#endif
