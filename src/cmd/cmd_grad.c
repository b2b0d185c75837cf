/* cmd_grad.c: `openr1 grad`: the gradient of the mean next-token loss for every weight, as safetensors.
 *
 *   loss = - (1/n) sum over lists, i of log p(ids[i+1] | ids[..i]), n = number of such pairs in all lists
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "cmd/cmd.h"
#include "cmd/model_run.h"

static const struct opt *const grad_tables[] = {token_lists_options, NULL};

struct grad_pass {
    struct model *model;
    struct batch batch;
    struct head_rows rows;
    double loss;
};

static void grad_pass(struct tape *t, void *ctx)
{
    struct grad_pass *p = ctx;
    struct tensor *h = model_forward(p->model, t, &p->batch, true);
    struct head_out out = op_head_run(t, h, model_head(p->model), &p->rows);
    float *seed = tape_seed(t, out.logp);
    if (!tape_planning(t)) {
        p->loss = 0;
        for (int i = 0; i < p->rows.n; i++) {
            p->loss -= (double)out.logp->data[i];
            seed[i] = (float)(-1.0 / p->rows.n);
        }
        p->loss /= p->rows.n;
    }
    tape_backward(t);
}

/* All lists side by side as one batch. */
struct packed {
    int *tokens, *rows, *targets;
    struct span *spans;
    int n, n_pairs;
};

static void packed_make(struct packed *p, const struct token_lists *l)
{
    size_t total = 0;
    for (int i = 0; i < l->n; i++) total += (size_t)l->lengths[i];
    *p = (struct packed){alloc_zero(total, sizeof(int)),
                         alloc_zero(total, sizeof(int)),
                         alloc_zero(total, sizeof(int)),
                         alloc_zero((size_t)l->n, sizeof(struct span)),
                         0,
                         0};
    for (int i = 0; i < l->n; i++) {
        memcpy(p->tokens + p->n, l->ids[i], (size_t)l->lengths[i] * sizeof(int));
        p->spans[i] = (struct span){p->n, l->lengths[i], 0, -1, NULL};
        for (int j = 0; j + 1 < l->lengths[i]; j++) {
            p->rows[p->n_pairs] = p->n + j;
            p->targets[p->n_pairs++] = l->ids[i][j + 1];
        }
        p->n += l->lengths[i];
    }
}

static void packed_release(struct packed *p)
{
    free(p->tokens);
    free(p->rows);
    free(p->targets);
    free(p->spans);
}

static int grad_write(struct model *m, double loss, const char *path, struct err *e)
{
    int n = model_n_weights(m);
    float value = (float)loss;
    struct safetensors_entry *entries = alloc_zero((size_t)n + 1, sizeof *entries);
    entries[0] = (struct safetensors_entry){.name = "loss", .dtype = DT_F32, .data = &value};
    int count = 1;
    for (int i = 0; i < n; i++) {
        const struct weight *w = model_weight(m, i);
        if (!w->grad) continue; /* one that gradients do not move */
        entries[count] = (struct safetensors_entry){.name = w->name, .dtype = DT_F32, .data = w->grad};
        entries[count].n_dims = model_weight_shape(m, i, entries[count].shape);
        count++;
    }
    int result = safetensors_write(path, entries, count, e);
    free(entries);
    return result;
}

static int grad_of_lists(struct model *m, const struct token_lists *l, const char *path, struct err *e)
{
    struct packed p;
    int result;
    packed_make(&p, l);
    struct grad_pass pass = {
        .model = m,
        .batch = {.n_rows = p.n, .tokens = p.tokens, .n_spans = l->n, .spans = p.spans},
        .rows = {.n = p.n_pairs, .rows = p.rows, .targets = p.targets, .temperature = 1}};
    if (p.n_pairs == 0) {
        result = err_set(e, "no list has two tokens, so there is nothing to predict");
    } else {
        model_train(m, true);
        result = model_pass_run(grad_pass, &pass, true, e);
        if (!result) result = grad_write(m, pass.loss, path, e);
    }
    packed_release(&p);
    return result;
}

static int grad_command(struct conf *c, struct err *e)
{
    if (file_place_check(conf_str(c, "out"), e)) return -1;
    return token_lists_run(c, model_load(conf_str(c, "model"), 0, 0, e), grad_of_lists, e);
}

const struct cmd cmd_grad = {
    .name = "grad",
    .summary = "the gradient of the next-token loss for every weight",
    .details = "Writes the gradient of the mean next-token loss over all lists for every weight under its\n"
               "Hugging Face name, float32, and the scalar tensor `loss`.\n\n"
               "  openr1 grad --model runs/x/model --ids ids.json --out grad.safetensors",
    .tables = grad_tables,
    .run = grad_command,
};
