/* cmd_logits.c: `openr1 logits`: the raw output of a model at every position of given tokens. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "cmd/cmd.h"
#include "cmd/model_run.h"

static const struct opt *const logits_tables[] = {token_lists_options, model_run_options, NULL};

struct logits_pass {
    struct model *model;
    struct batch batch;
    struct span span;
    const int *rows; /* 0, 1, ... */
    float *out;      /* [tokens, vocab] */
};

static void logits_pass(struct tape *t, void *ctx)
{
    struct logits_pass *p = ctx;
    struct tensor *h = model_forward(p->model, t, &p->batch, true);
    op_logits_run(t, h, model_head(p->model), p->rows, p->batch.n_rows, p->out);
}

static int logits_of_list(struct model *m, const int *ids, int n, float *out, struct err *e)
{
    int *rows = alloc_zero((size_t)n, sizeof *rows);
    for (int i = 0; i < n; i++) rows[i] = i;
    struct logits_pass p = {.model = m, .span = {0, n, 0, -1, NULL}, .rows = rows};
    p.out = out;
    p.batch = (struct batch){.n_rows = n, .tokens = ids, .n_spans = 1, .spans = &p.span};
    int result = model_pass_run(logits_pass, &p, false, e);
    free(rows);
    return result;
}

static int logits_write(struct model *m, const struct token_lists *l, const char *path, struct err *e)
{
    int vocab = model_config(m)->vocab, result = 0;
    double total = 0;
    for (int i = 0; i < l->n; i++) total += (double)l->lengths[i] * vocab * sizeof(float);
    if (total > (double)machine_memory() / 2)
        return err_set(e, "the logits of all lists take %.1f GB; give fewer tokens at a time", total / 1e9);
    struct safetensors_entry *entries = alloc_zero((size_t)l->n, sizeof *entries);
    char(*names)[32] = alloc_zero((size_t)l->n, sizeof *names);
    float **outs = alloc_zero((size_t)l->n, sizeof *outs);
    for (int i = 0; i < l->n && !result; i++) {
        snprintf(names[i], sizeof names[i], l->nested ? "logits.%d" : "logits", i);
        outs[i] = alloc_floats_try((size_t)l->lengths[i] * (size_t)vocab);
        if (!outs[i]) {
            result = err_set(e, "no memory for the logits of list %d: %d tokens", i, l->lengths[i]);
            break;
        }
        entries[i] = (struct safetensors_entry){names[i], DT_F32, 2, {l->lengths[i], vocab}, outs[i], NULL};
        result = logits_of_list(m, l->ids[i], l->lengths[i], outs[i], e);
    }
    if (!result) result = safetensors_write(path, entries, l->n, e);
    for (int i = 0; i < l->n; i++) free(outs[i]);
    free(outs);
    free(names);
    free(entries);
    return result;
}

static int logits_command(struct conf *c, struct err *e)
{
    if (file_place_check(conf_str(c, "out"), e)) return -1;
    return token_lists_run(c, model_open(c, e), logits_write, e);
}

const struct cmd cmd_logits = {
    .name = "logits",
    .summary = "a model's logits at every position of given tokens",
    .details = "Writes the tensor `logits`, float32 [tokens, vocabulary]; for a list of lists `logits.0`,\n"
               "`logits.1`, and so on.\n\n"
               "  openr1 logits --model SmolLM2.gguf --ids ids.json --out logits.safetensors",
    .tables = logits_tables,
    .run = logits_command,
};
