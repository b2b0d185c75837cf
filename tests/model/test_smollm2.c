/* test_smollm2.c: a real model, SmolLM2-135M-Instruct from its Q4_1 GGUF file, gives transformers' logits on
 * the same dequantised weights (tools/golden/smollm2.py).
 *
 * Without an argument the model is run here; with one, that is a file which `openr1 logits` has written.
 * Skipped when the model is absent (tools/smollm2 fetches it; OPENR1_SMOLLM2 names another place).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "model/model.h"

enum { SKIPPED = 77, KEPT = 64, POSITIONS_MAX = 64 };
static const char *const folder = "tests/golden/smollm2";
static const double tolerance = 2e-3;

struct golden_list {
    int ids[POSITIONS_MAX], n;
    float top[POSITIONS_MAX][KEPT], top_ids[POSITIONS_MAX][KEPT], some[POSITIONS_MAX][KEPT];
};

static void read_rows(struct tensor_file *f, const char *kind, int list, int n, float *out)
{
    char name[32];
    snprintf(name, sizeof name, "%s.%d", kind, list);
    const struct tensor_info *t = tensor_file_find(f, name);
    CHECK(t && t->n_dims == 2 && t->shape[0] == n && t->shape[1] == KEPT, "golden %s", name);
    CHECK(!tensor_file_rows(f, t, 0, n, out, NULL), "golden %s", name);
}

static void read_list(struct golden_list *g, struct tensor_file *f, const json_t *ids, int list)
{
    g->n = (int)json_array_size(ids);
    CHECK(g->n > 0 && g->n <= POSITIONS_MAX, "%d ids", g->n);
    for (int i = 0; i < g->n; i++) g->ids[i] = (int)json_integer_value(json_array_get(ids, (size_t)i));
    read_rows(f, "top", list, g->n, g->top[0]);
    read_rows(f, "top_ids", list, g->n, g->top_ids[0]);
    read_rows(f, "some", list, g->n, g->some[0]);
}

/* Logits [n, vocab] of one list, run here. */
static float *run_list(struct model *m, const struct golden_list *g)
{
    int vocab = model_config(m)->vocab, rows[POSITIONS_MAX];
    float *out = alloc_floats((size_t)g->n * (size_t)vocab);
    struct span span = {0, g->n, 0, -1, NULL};
    struct batch b = {.n_rows = g->n, .tokens = g->ids, .n_spans = 1, .spans = &span};
    struct arena arena;
    for (int i = 0; i < g->n; i++) rows[i] = i;
    arena_init(&arena, (size_t)1 << 31);
    struct tape *t = tape_new(&arena);
    tape_start(t, false);
    op_logits_run(t, model_forward(m, t, &b, false), model_head(m), rows, g->n, out);
    tape_free(t);
    arena_release(&arena);
    return out;
}

/* The same from a file. */
static float *read_logits(struct tensor_file *f, int list, int n)
{
    char name[32];
    snprintf(name, sizeof name, "logits.%d", list);
    const struct tensor_info *t = tensor_file_find(f, name);
    CHECK(t && t->n_dims == 2 && t->shape[0] == n, "%s of %d rows", name, n);
    float *out = alloc_floats(t->bytes / sizeof *out);
    CHECK(!tensor_file_rows(f, t, 0, n, out, NULL), "%s", name);
    return out;
}

/* Largest difference; -1 when a position has another argmax. */
static double compare(const struct golden_list *g, const float *logits, int vocab, const float *some_ids)
{
    double worst = 0;
    for (int i = 0; i < g->n; i++) {
        const float *z = logits + (size_t)i * (size_t)vocab;
        int best = 0;
        for (int v = 1; v < vocab; v++)
            if (z[v] > z[best]) best = v;
        if (best != (int)g->top_ids[i][0]) return -1;
        for (int k = 0; k < KEPT; k++) {
            worst = fmax(worst, fabs((double)z[(int)g->top_ids[i][k]] - (double)g->top[i][k]));
            worst = fmax(worst, fabs((double)z[(int)some_ids[k]] - (double)g->some[i][k]));
        }
    }
    return worst;
}

static struct tensor_file *open_or_die(const char *path)
{
    struct err e = {0};
    struct tensor_file *f = tensor_file_open(path, &e);
    CHECK(f, "%s", e.msg);
    return f;
}

static int compare_all(struct model *m, struct tensor_file *given)
{
    char path[128];
    float some_ids[KEPT];
    struct golden_list g;
    snprintf(path, sizeof path, "%s/logits.safetensors", folder);
    struct tensor_file *f = open_or_die(path);
    CHECK(!tensor_file_rows(f, tensor_file_find(f, "some_ids"), 0, 1, some_ids, NULL), "some_ids");
    snprintf(path, sizeof path, "%s/ids.json", folder);
    json_t *lists = json_read_file(path, NULL);
    CHECK(json_array_size(lists) == 5, "%s", path);
    double worst = 0;
    for (int i = 0; i < 5 && worst >= 0; i++) {
        read_list(&g, f, json_array_get(lists, (size_t)i), i);
        float *logits = m ? run_list(m, &g) : read_logits(given, i, g.n);
        double d = compare(&g, logits, 49152, some_ids);
        if (d < 0) fprintf(stderr, "list %d: another token has the largest logit\n", i);
        worst = d < 0 ? d : fmax(worst, d);
        free(logits);
    }
    json_decref(lists);
    tensor_file_close(f);
    printf("largest difference of a logit: %.3g (tolerance %g)\n", worst, tolerance);
    return worst >= 0 && worst <= tolerance ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        struct tensor_file *given = open_or_die(argv[1]);
        int failed = compare_all(NULL, given);
        tensor_file_close(given);
        return failed;
    }
    struct err e = {0};
    const char *path = getenv("OPENR1_SMOLLM2");
    if (!path) path = "build/models/SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!file_exists(path)) {
        printf("skipped: no %s (tools/smollm2 fetches it)\n", path);
        return SKIPPED;
    }
    pool_start(0);
    struct model *m = model_load(path, 0, 0, &e);
    CHECK(m, "%s", e.msg);
    int failed = compare_all(m, NULL);
    model_free(m);
    pool_stop();
    return failed;
}
